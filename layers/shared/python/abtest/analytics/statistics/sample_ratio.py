"""Sample ratio mismatch: do the arms hold the shares of samples that they were meant to hold?

Depends on: scipy.special. Used by: checks before a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._student import SMALLEST_P

STATISTIC = Method(
    name="Sample ratio mismatch (chi-square test)",
    formula="X^2 = sum of (observed - expected)^2 / expected, expected = n weight / sum of weights; "
    "p from chi-square(arms - 1); alarm when p < .001",
    source="Pearson (1900); Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments, "
    "section 3",
)
ALARM_BELOW = 0.001
"""Daily checks for a month raise a false alarm in 1 of 100 experiments at this level, in 29 at .05."""


@dataclass(frozen=True)
class SampleRatio:
    """Whether the arms hold the shares they should.

    Args:
        status: `ok`; `no_data` without traffic; `too_few` with one arm; `out_of_range` when an arm that should get
            nothing got something: then chi-square is infinite, given as None, and the alarm is raised.
        observed: samples of each arm.
        expected: what each arm should hold.
        chi2: the statistic.
        df: its degrees of freedom: arms that should get something, less one.
        p_value: of "the shares are as they should be".
        alarm: whether the p-value is below the level of the alarm; never without traffic.
    """

    status: Status
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    chi2: float | None
    df: int
    p_value: float | None
    alarm: bool


def sample_ratio(
    observed: Sequence[int], weights: Sequence[float] | None = None, *, alarm_below: float = ALARM_BELOW
) -> SampleRatio:
    """Return the test of how samples were divided between the arms.

    Args:
        observed: samples of each arm.
        weights: the share each arm should get, in any unit; None for equal shares.
        alarm_below: p-value under which the alarm is raised.

    Raises:
        ValueError: there is no arm, a count or weight is negative or not finite, or all weights are 0.

    Assumes: samples were assigned independently, and the test is not repeated after every sample.
    """
    given = [1.0] * len(observed) if weights is None else [float(weight) for weight in weights]
    if not observed or len(given) != len(observed):
        raise ValueError(f"every arm needs a count and a weight; got {len(observed)} and {len(given)}")
    if min(observed) < 0 or not all(0 <= weight < math.inf for weight in given) or sum(given) == 0:
        raise ValueError(f"counts are at least 0, weights too and not all 0; got {list(observed)} and {given}")
    n, total = sum(observed), math.fsum(given)
    expected = tuple(n * weight / total for weight in given)
    df = sum(weight > 0 for weight in given) - 1
    counts = tuple(observed)
    if n == 0:
        return SampleRatio("no_data", counts, expected, None, df, None, alarm=False)
    if any(count > 0 and weight == 0 for count, weight in zip(observed, given, strict=True)):
        return SampleRatio("out_of_range", counts, expected, None, df, SMALLEST_P, alarm=True)
    chi2 = math.fsum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True) if e > 0)
    if df == 0:
        return SampleRatio("too_few", counts, expected, chi2, df, None, alarm=False)
    p_value = _upper_tail(chi2, df)
    return SampleRatio("ok", counts, expected, chi2, df, p_value, alarm=p_value < alarm_below)


def _upper_tail(chi2: float, df: int) -> float:
    from scipy.special import gammaincc

    return max(SMALLEST_P, float(gammaincc(df / 2, chi2 / 2)))
