"""One decision and its sentences."""
