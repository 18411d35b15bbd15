"""Files of results as tables: found, recognised, read and refused with every mistake."""
