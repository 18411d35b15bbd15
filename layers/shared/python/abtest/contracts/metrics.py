"""Names that the domains share without importing each other: metrics that every run has, and what a look needs.

Depends on: nothing. Used by: management, analytics.
"""

from __future__ import annotations

OPERATIONAL_METRICS = ("latency_ms", "input_tokens", "output_tokens", "cost_usd")
"""Measured of every answer; of each of them less is better."""
RATE_METRICS = ("error_rate", "refusal_rate")
"""0 or 1 for every call, for guardrails; of each of them less is better."""
RESERVED_METRICS = (*OPERATIONAL_METRICS, *RATE_METRICS)
"""Names that no judge may take."""
FEWEST_UNITS_A_LOOK = 20
"""A normal approximation over fewer independent samples stops nothing."""
