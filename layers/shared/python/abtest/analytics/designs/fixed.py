"""One look, at the end: Student's interval and test.

Depends on: `abtest.analytics.statistics._student`. Used by: the registry of designs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.plan import DesignKind, DesignPlan, LookPosition
from abtest.analytics.statistics._student import critical_value, two_sided_p

_NORMAL_DF = math.inf


@dataclass(frozen=True)
class FixedInference:
    """Student's t, or the normal distribution where the standard error has no degrees of freedom."""

    kind: DesignKind = "fixed"

    def half_width(self, se: float, *, units: int, df: float | None, alpha: float) -> float:  # noqa: ARG002
        """Return the critical value times the standard error."""
        return critical_value(alpha, _NORMAL_DF if df is None else df) * se

    def p_value(self, estimate: float, se: float, *, units: int, df: float | None) -> float:  # noqa: ARG002
        """Return the two-sided p-value of estimate / se."""
        return two_sided_p(estimate / se, _NORMAL_DF if df is None else df)


def inference_at(plan: DesignPlan, look: LookPosition, alpha: float) -> FixedInference:  # noqa: ARG001
    """Return the inference of a fixed design; it has one look, and that is the end."""
    return FixedInference()
