"""The judges, one module each; the module's name is the judge's type in a test definition."""
