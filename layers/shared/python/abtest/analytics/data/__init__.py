"""Scores aligned by sample, from the batches of a run or from tables of results."""
