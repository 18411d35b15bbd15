"""Ways to join the scores of several judges into one: one small file each, found by name."""
