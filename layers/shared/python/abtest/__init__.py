"""Serverless A/B testing for large language models.

Imports run one way, proved by import-linter: `functions` and `abtest_cli` use `abtest.runtime`, which
uses `abtest.adapters`, which use the four domains (`management`, `providers`, `evaluation`, `analytics`) and
`abtest.reporting`, which use `abtest.core`.
"""

__version__ = "0.1.0"
