"""A confidence sequence: the interval and p-value of a mean that are right whenever anybody looks.

It is asymptotic: some dozens of independent units must be in at the first look that counts. It is narrowest when all
planned samples are in.

Depends on: `abtest.analytics.sequential.asymptotic_confidence_sequence`. Used by: the registry of designs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.plan import DesignKind, DesignPlan, LookPosition
from abtest.analytics.sequential.asymptotic_confidence_sequence import half_width, log_e_value, tuned_rho
from abtest.analytics.statistics._student import SMALLEST_P


@dataclass(frozen=True)
class AlwaysValidInference:
    """The asymptotic confidence sequence with one fixed tuning.

    Args:
        rho: the tuning, the same at all looks.
    """

    rho: float
    kind: DesignKind = "always_valid"

    def half_width(self, se: float, *, units: int, df: float | None, alpha: float) -> float:  # noqa: ARG002
        """Return how far the sequence reaches at this number of units."""
        return half_width(se, units, self.rho, alpha)

    def p_value(self, estimate: float, se: float, *, units: int, df: float | None) -> float:  # noqa: ARG002
        """Return the smallest alpha whose sequence leaves 0 out."""
        evidence = log_e_value(estimate, se, units, self.rho)
        return min(1.0, max(SMALLEST_P, math.exp(-evidence)))


def inference_at(plan: DesignPlan, look: LookPosition, alpha: float) -> AlwaysValidInference:
    """Return the inference at any look: tuned for the planned samples, which do not change from look to look.

    Args:
        plan: the declared design.
        look: knows how many samples were planned.
        alpha: for which the sequence is tuned.
    """
    tuned_at = plan.tuned_at or look.planned or (look.asked[-1] if look.asked else 1)
    return AlwaysValidInference(tuned_rho(tuned_at, alpha))
