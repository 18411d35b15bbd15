"""Planned looks with alpha spending: repeated intervals and p-values, right at each look whatever stops the run.

The information fraction of a look is the share of the planned samples that had been asked. The normal boundary is
carried over to Student's t by its nominal level, so that few units at an early look are not taken for many.

Depends on: `abtest.analytics.sequential.group_sequential`. Used by: the registry of designs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.plan import DesignKind, DesignPlan, LookPosition, Spending
from abtest.analytics.sequential.group_sequential import lan_demets_boundaries, repeated_p_value
from abtest.analytics.statistics._student import critical_value, two_sided_p


@dataclass(frozen=True)
class GroupSequentialInference:
    """Repeated intervals and p-values at the last of the looks made.

    Args:
        fractions: share of the planned samples asked at each look made, ascending.
        spending: how the error rate is spent.
        final: this look is the last of all.
    """

    fractions: tuple[float, ...]
    spending: Spending
    final: bool
    kind: DesignKind = "group_sequential"

    def half_width(self, se: float, *, units: int, df: float | None, alpha: float) -> float:  # noqa: ARG002
        """Return the critical value of this look times the standard error; infinite where nothing may be spent yet."""
        found = lan_demets_boundaries(
            self.fractions, one_sided_alpha=alpha / 2, spending=self.spending, final=self.final
        )
        critical, nominal = found.critical_z[-1], found.nominal_p[-1]
        if critical is None or nominal is None:
            return math.inf
        return (critical if df is None else critical_value(2 * nominal, df)) * se

    def p_value(self, estimate: float, se: float, *, units: int, df: float | None) -> float:  # noqa: ARG002
        """Return the repeated p-value of this look."""
        z = estimate / se
        if df is not None:
            z = math.copysign(critical_value(two_sided_p(z, df), math.inf), z)
        return repeated_p_value(z, self.fractions, spending=self.spending, final=self.final)


def inference_at(plan: DesignPlan, look: LookPosition, alpha: float) -> GroupSequentialInference:  # noqa: ARG001
    """Return the inference at a look.

    Args:
        plan: the declared design.
        look: the samples asked at this look and those before it.
        alpha: not needed: the boundary is made for the level that is asked.
    """
    planned = look.planned or (look.asked[-1] if look.asked else 1)
    fractions = tuple(min(1.0, asked / planned) for asked in look.asked) or (1.0,)
    return GroupSequentialInference(_growing(fractions), plan.spending, look.number >= plan.looks)


def _growing(fractions: tuple[float, ...]) -> tuple[float, ...]:
    """Leave out looks that brought no sample: they spend nothing."""
    kept: list[float] = []
    for fraction in fractions:
        if fraction > (kept[-1] if kept else 0.0):
            kept.append(fraction)
    return tuple(kept) or (1.0,)
