"""Treatments against the control: effects, other tests, guardrails, slices, ranking, what is missing."""
