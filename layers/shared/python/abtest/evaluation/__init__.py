"""Judging: one judge scores the answers of a batch; a judge that cannot say so says why."""
