"""The forms a file of results may have, one module each; the module's name is the format's name."""
