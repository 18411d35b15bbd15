"""Finds the design that was declared.

Depends on: `abtest.core.registry`. Used by: the engine, the looks.
"""

from __future__ import annotations

from typing import cast

from abtest.analytics import designs
from abtest.analytics.designs._inference import Inference
from abtest.analytics.plan import DesignPlan, LookPosition
from abtest.core import registry


def inference_of(plan: DesignPlan, look: LookPosition, alpha: float) -> Inference:
    """Return the intervals and p-values that are right under a design, at one look.

    Args:
        plan: the declared design.
        look: where in the run it is.
        alpha: two-sided error rate for which a confidence sequence is tuned.
    """
    make = registry.load(designs, plan.kind, "inference_at")
    return cast("Inference", make(plan, look, alpha))  # type: ignore[operator]
