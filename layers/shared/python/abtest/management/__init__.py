"""Test management: definitions, datasets, the lifecycle of tests and runs, planning, estimates, budgets."""
