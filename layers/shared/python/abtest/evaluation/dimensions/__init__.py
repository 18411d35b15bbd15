"""The built-in dimensions, one module each; the module's name is the dimension's name in a test definition."""
