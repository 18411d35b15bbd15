"""What looking early does to power: a design with looks as a fixed one of another power.

A fixed test finds an effect of a drift with one power, the design with another. Planning the fixed test for the first
so that the design reaches the second works for every metric alike.

Depends on: `abtest.analytics.sequential`. Used by: `abtest.analytics.power.plan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

from abtest.analytics.model import Method
from abtest.analytics.power.request import LookPlan
from abtest.analytics.sequential import asymptotic_confidence_sequence, group_sequential_design
from abtest.analytics.sequential._root import root
from abtest.analytics.sequential.alpha_spending import POCOCK
from abtest.analytics.sequential.alpha_spending import STATISTIC as OBRIEN_FLEMING
from abtest.analytics.sequential.group_sequential import STATISTIC as BOUNDARIES
from abtest.analytics.sequential.group_sequential import Boundaries, lan_demets_boundaries
from abtest.analytics.sequential.group_sequential_design import SequentialSize, operating_characteristics

_LARGEST_DRIFT = 60.0
_CERTAIN = 1 - 1e-12


@dataclass(frozen=True)
class Looks:
    """The power of a design at the drift at which a fixed test has another.

    Args:
        plan: the design.
        alpha: two-sided error rate.
        target: power the design is planned for.
    """

    plan: LookPlan
    alpha: float
    target: float

    @property
    def methods(self) -> tuple[Method, ...]:
        """What it computes with; nothing for a fixed design."""
        if self.plan.kind == "fixed":
            return ()
        if self.plan.kind == "always_valid":
            return (asymptotic_confidence_sequence.STATISTIC, group_sequential_design.STATISTIC)
        spending = POCOCK if self.plan.spending == "pocock" else OBRIEN_FLEMING
        return (BOUNDARIES, spending, group_sequential_design.STATISTIC)

    @property
    def inflation(self) -> float:
        """Largest sample size divided by that of a fixed design; 1 for that itself."""
        return self._size.inflation or 1.0

    @property
    def expected_fraction(self) -> float:
        """Share of the samples that is asked on average when the planned effect is there."""
        return 1.0 if self._size.expected_fraction is None else self._size.expected_fraction

    @property
    def expected_fraction_null(self) -> float:
        """The same when there is no effect."""
        return 1.0 if self._size.expected_fraction_null is None else self._size.expected_fraction_null

    @cached_property
    def fixed_power(self) -> float:
        """The power a fixed test must have for the design to reach its target."""
        if self._boundaries is None or self._size.drift is None:
            return self.target
        return min(_CERTAIN, _power_of_z(self._size.drift, self.alpha))

    def power(self, fixed: float | None) -> float | None:
        """Return the design's power where a fixed test has `fixed`; None stays None."""
        if fixed is None or self._boundaries is None or fixed >= _CERTAIN:
            return fixed
        if fixed <= self.alpha:
            drift = 0.0
        else:
            drift = root(lambda d: _power_of_z(d, self.alpha) - fixed, 0.0, _LARGEST_DRIFT, tolerance=1e-9)
        found = operating_characteristics(self._boundaries.fractions, self._boundaries.critical_z, drift)
        return min(1.0, (found.power or 0.0) + (found.other_side or 0.0))

    @cached_property
    def _boundaries(self) -> Boundaries | None:
        if self.plan.kind == "fixed":
            return None
        number = self.plan.number
        fractions = tuple((k + 1) / number for k in range(number))
        if self.plan.kind == "group_sequential":
            return lan_demets_boundaries(fractions, one_sided_alpha=self.alpha / 2, spending=self.plan.spending)
        # Tuned for the planned end, the boundary depends on the part of the samples that is in, not on their number.
        rho = asymptotic_confidence_sequence.tuned_rho(1.0, self.alpha)
        critical = tuple(asymptotic_confidence_sequence.half_width(1.0, t, rho, self.alpha) for t in fractions)
        return Boundaries("ok", fractions, critical)

    @cached_property
    def _size(self) -> SequentialSize:
        if self._boundaries is None:
            return SequentialSize("ok")
        return _size(self._boundaries, self.alpha / 2, self.target)


@lru_cache(maxsize=64)
def _size(boundaries: Boundaries, one_sided_alpha: float, target: float) -> SequentialSize:
    return group_sequential_design.sequential_size(boundaries, one_sided_alpha=one_sided_alpha, power=target)


def _power_of_z(drift: float, alpha: float) -> float:
    """Return the power of a two-sided z test at the end."""
    from scipy.special import ndtr, ndtri

    critical = -float(ndtri(alpha / 2))
    return float(ndtr(drift - critical)) + float(ndtr(-drift - critical)) if math.isfinite(drift) else 1.0
