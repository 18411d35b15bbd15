"""Reports: one self-contained page a run, a table of its samples, and the portfolio of all runs."""
