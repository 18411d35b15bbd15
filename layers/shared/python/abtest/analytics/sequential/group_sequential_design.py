"""What a group sequential design costs and finds: power, expected sample size, inflation of the sample size.

Depends on: `abtest.analytics.sequential.group_sequential`, scipy.special. Used by: the planning of a test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.sequential._recursive_integration import above, advance, below, check_fractions, start
from abtest.analytics.sequential._root import root
from abtest.analytics.sequential.group_sequential import Boundaries

STATISTIC = Method(
    name="Sample size of a group sequential design",
    formula="inflation = (drift / (z(1 - a) + z(power)))^2, drift = mean of Z at full information with that power; "
    "E(n) / n_max = sum over looks of t_k P(stop at k)",
    source="Jennison and Turnbull (2000), Group sequential methods, chapters 2 and 19; Wang and Tsiatis (1987)",
)
_LARGEST_DRIFT = 60.0


@dataclass(frozen=True)
class OperatingCharacteristics:
    """What a design does at one true effect.

    Args:
        status: `ok`, or `no_data` without looks.
        drift: mean of the statistic Z at full information.
        power: probability to cross the upper boundary at any look.
        other_side: probability to cross the lower one first.
        stop_probability: of stopping at each look, on either side; the rest reaches the end undecided.
        expected_fraction: expected sample size divided by the largest one.
    """

    status: Status
    drift: float
    power: float | None = None
    other_side: float | None = None
    stop_probability: tuple[float, ...] = ()
    expected_fraction: float | None = None


@dataclass(frozen=True)
class SequentialSize:
    """How much larger a design's largest sample is than that of one test at the end.

    Args:
        status: `ok`; `no_data` without looks; `unreachable` where no look can stop.
        inflation: largest sample size divided by that of the fixed design of the same power.
        drift: mean of Z at full information that is found with the power.
        expected_fraction: expected sample size at that drift, divided by the largest one.
        expected_fraction_null: the same without an effect.
    """

    status: Status
    inflation: float | None = None
    drift: float | None = None
    expected_fraction: float | None = None
    expected_fraction_null: float | None = None


def operating_characteristics(
    fractions: Sequence[float], critical_z: Sequence[float | None], drift: float
) -> OperatingCharacteristics:
    """Return power and expected sample size of symmetric boundaries at one true effect.

    Args:
        fractions: of the planned information at each look, ascending, the last being the end.
        critical_z: of each look; None at a look that cannot stop.
        drift: effect / SE at full information, finite: for a mean, effect * sqrt(n) / standard deviation.

    Raises:
        ValueError: fractions that do not grow, another number of critical values, or a drift that is not finite.
    """
    times = check_fractions(fractions)
    if not math.isfinite(drift):
        raise ValueError(f"a drift is a finite number of standard errors; got {drift}")
    if not times:
        return OperatingCharacteristics("no_data", drift)
    going, upper, lower = start(), 0.0, 0.0
    stops: list[float] = []
    for look, (time, critical) in enumerate(zip(times, critical_z, strict=True)):
        bound = math.inf if critical is None else critical * math.sqrt(time)
        up = 0.0 if critical is None else above(going, time, bound, drift)
        down = 0.0 if critical is None else below(going, time, -bound, drift)
        upper, lower = upper + up, lower + down
        stops.append(up + down)
        if look + 1 < len(times):
            going = advance(going, time, -bound, bound, next_time=times[look + 1], drift=drift)
    expected = sum(t * p for t, p in zip(times, stops, strict=True)) + times[-1] * (1 - sum(stops))
    return OperatingCharacteristics("ok", drift, upper, lower, tuple(stops), expected / times[-1])


def sequential_size(boundaries: Boundaries, *, one_sided_alpha: float = 0.025, power: float = 0.8) -> SequentialSize:
    """Return how much larger the largest sample must be than that of a fixed test, and what is expected of it.

    Args:
        boundaries: of the design, up to its end.
        one_sided_alpha: error rate of the fixed test it is compared with; that of the boundaries.
        power: to find the effect the fixed test finds with this power; above `one_sided_alpha`.

    Raises:
        ValueError: a power that is not above the error rate, or not below 1.
    """
    if not 0 < one_sided_alpha < power < 1:
        raise ValueError(f"power lies between the one-sided error rate and 1; got {power} at {one_sided_alpha}")
    if boundaries.status != "ok":
        return SequentialSize(boundaries.status)
    if all(z is None for z in boundaries.critical_z):
        return SequentialSize("unreachable")
    from scipy.special import ndtri

    def found(drift: float) -> OperatingCharacteristics:
        return operating_characteristics(boundaries.fractions, boundaries.critical_z, drift)

    drift = root(lambda d: (found(d).power or 0.0) - power, 0.0, _LARGEST_DRIFT, tolerance=1e-10)
    fixed = float(ndtri(1 - one_sided_alpha) + ndtri(power))
    inflation = (drift / fixed) ** 2 * boundaries.fractions[-1]
    return SequentialSize("ok", inflation, drift, found(drift).expected_fraction, found(0.0).expected_fraction)
