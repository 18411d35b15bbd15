"""What every design offers: how far an estimate reaches, and how surprising it is, at the look it is made.

Depends on: `abtest.analytics.plan`. Used by: the designs beside it, comparisons and guardrails.
"""

from __future__ import annotations

from typing import Protocol

from abtest.analytics.plan import DesignKind


class Inference(Protocol):
    """Intervals and p-values that are right under one design, at one look."""

    @property
    def kind(self) -> DesignKind:
        """The design."""

    def half_width(self, se: float, *, units: int, df: float | None, alpha: float) -> float:
        """Return how far the two-sided interval reaches to either side of an estimate, in its unit.

        Args:
            se: standard error, above 0.
            units: independent units the estimate rests on.
            df: degrees of freedom of the standard error; None where the estimate is taken as normal.
            alpha: two-sided error rate.
        """

    def p_value(self, estimate: float, se: float, *, units: int, df: float | None) -> float:
        """Return the two-sided p-value of an estimate against 0; the smallest alpha whose interval leaves 0 out."""


def one_sided_p(inference: Inference, estimate: float, se: float, *, units: int, df: float | None) -> float:
    """Return the p-value of "not above 0" against "above 0": small when the estimate is far above 0."""
    p = inference.p_value(estimate, se, units=units, df=df)
    return p / 2 if estimate > 0 else 1 - p / 2
