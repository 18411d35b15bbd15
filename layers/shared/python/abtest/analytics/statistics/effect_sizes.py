"""Effect sizes: standardised mean differences, Cliff's delta and the probability of superiority; B against A.

Depends on: numpy, scipy.special, `_ranks`, `abtest.analytics.statistics.paired_mean`, `welch_mean`.
Used by: reports that compare effects across metrics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._ranks import midranks
from abtest.analytics.statistics._student import critical_value, two_sided_p
from abtest.analytics.statistics._wald import check_alpha
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.analytics.statistics.welch_mean import Moments

STATISTIC = Method(
    name="Standardised mean difference",
    formula="pairs: d_z = mean(d) / sd(d); groups: d = (mean B - mean A) / pooled sd; g = J d, "
    "J(v) = Gamma(v / 2) / (sqrt(v / 2) Gamma((v - 1) / 2))",
    source="Cohen (1988), Statistical Power Analysis, section 2.2 and 2.3.5; Hedges (1981), eq. 6e",
)
CLIFFS_DELTA = Method(
    name="Cliff's delta",
    formula="P(B > A) - P(B < A) over all pairs of a B and an A; from mid-ranks "
    "2 (mean rank of B - (n_B + 1) / 2) / n_A - 1",
    source="Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions",
)
SUPERIORITY = Method(
    name="Probability of superiority (Brunner-Munzel)",
    formula="theta = P(B > A) + P(B = A) / 2; SE^2 = var(placements of A) / n_A + var(placements of B) / n_B; "
    "interval and p of theta = 1/2 from t(v), v after Satterthwaite",
    source="Brunner and Munzel (2000), The nonparametric Behrens-Fisher problem, sections 2 to 4",
)
_SERIES_FROM = 10_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairedEffectSizes:
    """Effect sizes of pairs; those divided by a spread of 0 are None and the status is `constant`.

    Args:
        dz: mean difference in standard deviations of the difference.
        gz: dz without its bias in small samples; `correction`: the factor J(n - 1).
        d_average: mean difference in root-mean-square standard deviations of the two arms.
        superiority: share of pairs B wins, ties counting half.
        cliffs_delta: over all n^2 combinations, as if unpaired; `superiority_unpaired`: (delta + 1) / 2.
    """

    status: Status
    n: int
    dz: float | None = None
    gz: float | None = None
    correction: float | None = None
    d_average: float | None = None
    superiority: float | None = None
    cliffs_delta: float | None = None
    superiority_unpaired: float | None = None


@dataclass(frozen=True)
class UnpairedEffectSizes:
    """Effect sizes of two groups.

    Args:
        status: `ok`; `constant` or `separated` where the superiority has no standard error: no group varies, or
            every observation of one lies above all of the other.
        d: mean difference in pooled standard deviations; `g`: without its bias; `correction`: J(n_a + n_b - 2).
        cliffs_delta: from -1 to 1.
        superiority: P(B > A) + P(B = A) / 2, with interval, standard error, and p-value against 1/2.
    """

    status: Status
    n_a: int
    n_b: int
    d: float | None = None
    g: float | None = None
    correction: float | None = None
    cliffs_delta: float | None = None
    superiority: float | None = None
    se: float | None = None
    df: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None


def hedges_correction(df: float) -> float | None:
    """Return Hedges' J, which takes the bias out of a standardised mean difference; None at one degree of freedom.

    Args:
        df: degrees of freedom of the standard deviation, at least 1.

    Raises:
        ValueError: df is below 1.

    Source: Hedges (1981), eq. 6e; from 10,000 on its asymptotic series, as the difference of log gammas loses digits.
    """
    if not df >= 1:
        raise ValueError(f"degrees of freedom are at least 1; got {df}")
    if df == 1:
        return None
    if df >= _SERIES_FROM:
        return 1 - 3 / (4 * df) - 7 / (32 * df**2) - 9 / (128 * df**3)
    return math.exp(math.lgamma(df / 2) - math.lgamma((df - 1) / 2)) / math.sqrt(df / 2)


def hedges_correction_approximate(df: float) -> float:
    """Return 1 - 3 / (4 df - 1), the approximation found in many tables.

    Source: Hedges (1981), eq. 6f.
    """
    return 1 - 3 / (4 * df - 1)


def paired_effect_sizes(a: Any, b: Any) -> PairedEffectSizes:
    """Return the effect sizes of complete pairs, B - A.

    Args:
        a: scores of the control, shape (n,), finite.
        b: scores of the treatment, shape (n,), finite, in the same order.

    Raises:
        ValueError: the lists differ in length or hold a number that is not finite.

    Assumes: pairs are independent for `gz`; the others describe the data as they are.
    Source: Cohen (1988), section 2.3.5; Hedges (1981); Cliff (1993).
    """
    pairs = PairedMean.of(a, b)
    n = pairs.n
    if n == 0:
        return PairedEffectSizes("no_data", 0)
    above = _superiority(_placements(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)))
    share = (pairs.above + pairs.ties / 2) / n
    if n == 1:
        return PairedEffectSizes(
            "too_few", 1, superiority=share, cliffs_delta=2 * above - 1, superiority_unpaired=above
        )
    correction = hedges_correction(n - 1)
    dz = None if pairs.is_constant else pairs.mean_d / math.sqrt(pairs.m2_d / (n - 1))
    variance = (Moments.of(a).variance or 0.0) + (Moments.of(b).variance or 0.0)
    return PairedEffectSizes(
        "ok" if dz is not None else "constant",
        n,
        dz,
        None if dz is None or correction is None else dz * correction,
        correction,
        pairs.mean_d / math.sqrt(variance / 2) if variance > 0 else None,
        share,
        2 * above - 1,
        above,
    )


def unpaired_effect_sizes(a: Any, b: Any, alpha: float = 0.05) -> UnpairedEffectSizes:
    """Return the effect sizes of two groups, B - A, with the Brunner-Munzel interval of the probability of superiority.

    Args:
        a: observations of the control, shape (n_a,), finite.
        b: observations of the treatment, shape (n_b,), finite.
        alpha: two-sided error rate.

    Raises:
        ValueError: a group holds a number that is not finite, or alpha is no error rate.

    Assumes: all observations are independent; the interval needs about 10 in each group.
    Source: Cohen (1988), section 2.2; Cliff (1993); Brunner and Munzel (2000).
    """
    check_alpha(alpha)
    first, second = Moments.of(a), Moments.of(b)
    if first.n == 0 or second.n == 0:
        return UnpairedEffectSizes("no_data", first.n, second.n)
    placements = _placements(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    above = _superiority(placements)
    d, correction = _pooled(first, second)
    g = None if d is None or correction is None else d * correction
    status, se, df = _brunner_munzel(*placements, above)
    low = high = p_value = None
    if se is not None and df is not None:
        reach = critical_value(alpha, df) * se
        low, high = max(0.0, above - reach), min(1.0, above + reach)
        p_value = two_sided_p((above - 0.5) / se, df)
    return UnpairedEffectSizes(
        status, first.n, second.n, d, g, correction, 2 * above - 1, above, se, df, low, high, p_value
    )


def _pooled(a: Moments, b: Moments) -> tuple[float | None, float | None]:
    """Return d with the pooled standard deviation, and J; None where they do not exist."""
    df = a.n + b.n - 2
    if df < 1:
        return None, None
    squares = (0.0 if a.is_constant else a.m2) + (0.0 if b.is_constant else b.m2)
    d = (b.mean - a.mean) / math.sqrt(squares / df) if squares > 0 else None
    return d, hedges_correction(df)


def _placements(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return for each a the share of B below it, and for each b the share of A below it; equal ones count half."""
    ranks = midranks(np.concatenate((a, b)))
    return (ranks[: a.size] - midranks(a)) / b.size, (ranks[a.size :] - midranks(b)) / a.size


def _superiority(placements: tuple[Floats, Floats]) -> float:
    return float(placements[1].mean())


def _brunner_munzel(of_a: Floats, of_b: Floats, above: float) -> tuple[Status, float | None, float | None]:
    """Return status, standard error and degrees of freedom of the probability of superiority."""
    if of_a.size < 2 or of_b.size < 2:
        return "too_few", None, None
    part_a, part_b = float(of_a.var(ddof=1)) / of_a.size, float(of_b.var(ddof=1)) / of_b.size
    total = part_a + part_b
    if total <= 1e-30:
        return ("separated" if above in (0.0, 1.0) else "constant"), None, None
    share = part_a / total
    df = 1 / (share**2 / (of_a.size - 1) + (1 - share) ** 2 / (of_b.size - 1))
    return "ok", math.sqrt(total), df
