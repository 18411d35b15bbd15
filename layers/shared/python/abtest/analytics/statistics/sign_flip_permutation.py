"""Paired permutation test of the mean: how often do random signs give as large a mean difference?

Depends on: numpy, `_sign_sums`, `_rademacher`. Used by: the sensitivity tests of a comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics import _sign_sums
from abtest.analytics.statistics._rademacher import saddlepoint_tail
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._values import finite_list

STATISTIC = Method(
    name="Sign-flip permutation test",
    formula="T = mean d; p = share of the 2^n sign assignments with |T*| >= |T|; drawn: p = (r + 1) / (B + 1); "
    "many pairs: Lugannani-Rice with K(t) = sum log cosh(t |d_i|)",
    source="Fisher (1935), The Design of Experiments, section 21; Phipson and Smyth (2010) for r + 1; Daniels (1987), "
    "eq. 4.9, and Davison and Hinkley (1988) for the saddlepoint",
)
Technique = Literal["exact", "monte_carlo", "saddlepoint"]
_MOST_FLIPPED = 2_000
"""Differences whose signs are drawn; with more of them the saddlepoint's error is below that of drawing."""
_EFFECTIVE = 500
"""Fewer effective terms than this (a few large ones among many) and the saddlepoint is not trusted."""
_MOST_DISTINCT_DRAWN = 100
_TIE = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SignFlipResult:
    """The test; p is 1 by convention when every difference is 0.

    Args:
        n: all differences; `n_nonzero`: those whose sign matters.
        mean: mean difference, the statistic.
        p_value: two-sided; `p_greater`: of a mean at least as high.
        p_normal: two-sided, from the normal distribution with the permutations' variance sum d^2; for comparison.
        method: `exact`, `monte_carlo` or `saddlepoint`.
        replicates: draws of `monte_carlo`; `seed`: where they came from.
    """

    status: Status
    n: int
    n_nonzero: int
    mean: float | None = None
    p_value: float | None = None
    p_greater: float | None = None
    p_normal: float | None = None
    method: Technique | None = None
    replicates: int | None = None
    seed: int | None = None

    @property
    def assignments(self) -> int | None:
        """The number of sign assignments, zeros included; None unless `exact` and it fits 63 bits."""
        return 2**self.n if self.method == "exact" and self.n < 63 else None


def sign_flip_permutation(
    d: Any, *, method: Technique | None = None, replicates: int = 9_999, seed: int = 0
) -> SignFlipResult:
    """Return the permutation test of differences whose signs would be random if the arms were alike.

    Exact for up to 34 differences other than 0, and for differences on a coarse grid (scores of few steps); drawn up to
    2,000 differences, or where a few differences outweigh all others; by saddlepoint beyond.

    Args:
        d: differences B - A, shape (n,), finite.
        method: the technique; None chooses as above.
        replicates: draws, at least 1; `seed`: where they come from.

    Raises:
        ValueError: a difference is not finite, there are no draws, or `exact` is asked for and would take too long.

    Assumes: pairs are independent, and each difference is as likely to be d as -d if the arms are alike.
    Source: Fisher (1935); Phipson and Smyth (2010); Davison and Hinkley (1988).
    """
    values = finite_list(d)
    if replicates < 1:
        raise ValueError(f"a test by drawing needs at least 1 draw; got {replicates}")
    n, sizes = int(values.size), np.abs(values[values != 0])
    if sizes.size == 0:
        return SignFlipResult("all_ties", n, 0, 0.0, 1.0, 1.0, 1.0, "exact") if n else SignFlipResult("no_data", 0, 0)
    # In units of the largest: squares of tiny amounts (dollars a token) do not underflow.
    largest = float(sizes.max())
    sizes, mean, total = sizes / largest, float(values.mean()), float((values / largest).sum())
    slack = _TIE * float(sizes.sum())
    found = SignFlipResult("ok", n, int(sizes.size), mean, p_normal=_normal_p(sizes, total))
    exact = _exact(sizes, total, slack) if method in (None, "exact") else None
    if exact is not None:
        return _with(found, exact, "exact")
    if method == "exact":
        raise ValueError(f"{sizes.size} differences on no coarse grid have too many sign assignments to visit all")
    if method == "saddlepoint" or (method is None and sizes.size > _MOST_FLIPPED and _effective(sizes) >= _EFFECTIVE):
        above = saddlepoint_tail(sizes, min(abs(total), float(sizes.sum())))
        return _with(found, _both_sides(above, 0.0, total, slack), "saddlepoint")
    shares = _drawn_shares(total, slack, _drawn(sizes, replicates, np.random.default_rng(seed)))
    return replace(_with(found, shares, "monte_carlo"), replicates=replicates, seed=seed)


def _drawn_shares(total: float, slack: float, drawn: Floats) -> tuple[float, float]:
    """Return both p-values from drawn sums, the observed one being one more of them."""
    both, upper = (int(np.count_nonzero(x >= y - slack)) for x, y in ((np.abs(drawn), abs(total)), (drawn, total)))
    return (both + 1) / (drawn.size + 1), (upper + 1) / (drawn.size + 1)


def _exact(sizes: Floats, total: float, slack: float) -> tuple[float, float] | None:
    """Return both p-values over all signs; None where that takes too long."""
    if sizes.size <= _sign_sums.MOST_ENUMERATED:
        two_sided = 1.0
        if abs(total) > slack:
            two_sided = 2 * _sign_sums.enumerated_tail(sizes, abs(total) - slack)
        return two_sided, _sign_sums.enumerated_tail(sizes, total - slack)
    found = _distinct(sizes, _sign_sums.MOST_DISTINCT)
    lattice = None if found is None else _sign_sums.lattice_of(*found)
    if lattice is None:
        return None
    weights, counts, unit = lattice
    steps, most = abs(round(total / unit)), int((weights * counts).sum())
    if steps >= most:
        tail: tuple[float, float] | None = (0.5**sizes.size, 0.5**sizes.size)
    else:
        tail = _sign_sums.lattice_tail(weights, counts, steps)
    return None if tail is None else _both_sides(*tail, total if steps else 0.0, slack)


def _both_sides(above: float, at: float, total: float, slack: float) -> tuple[float, float]:
    """Return two-sided and upper p from P(S >= |total|) and P(S = |total|), by the symmetry of S."""
    if abs(total) <= slack:
        return 1.0, above
    return min(1.0, 2 * above), above if total > 0 else 1 - above + at


def _with(found: SignFlipResult, p_values: tuple[float, float], method: Technique) -> SignFlipResult:
    two_sided, greater = (min(1.0, max(SMALLEST_P, p)) for p in p_values)
    return replace(found, p_value=two_sided, p_greater=greater, method=method)


def _normal_p(sizes: Floats, total: float) -> float:
    return max(SMALLEST_P, math.erfc(abs(total) / math.sqrt(2 * float(sizes @ sizes))))


def _drawn(sizes: Floats, replicates: int, random: np.random.Generator) -> Floats:
    """Return sums with random signs; beyond the largest 2,000 terms the rest is one normal draw of its variance."""
    found = _distinct(sizes, _MOST_DISTINCT_DRAWN)
    if found is not None and found[0].size * 4 <= sizes.size:
        return _sign_sums.drawn_sums_of_few(*found, replicates, random)
    if sizes.size <= _MOST_FLIPPED:
        return _sign_sums.drawn_sums(sizes, replicates, random)
    parted = np.partition(sizes, sizes.size - _MOST_FLIPPED)
    rest = parted[:-_MOST_FLIPPED]
    sums = _sign_sums.drawn_sums(parted[-_MOST_FLIPPED:], replicates, random)
    return np.asarray(sums + random.normal(0.0, math.sqrt(float(rest @ rest)), replicates), dtype=np.float64)


def _effective(sizes: Floats) -> float:
    """Return (sum a^2)^2 / sum a^4: how many equal terms would be as near to normal."""
    squares = (sizes / float(sizes.max())) ** 2
    return float(squares.sum()) ** 2 / float(squares @ squares)


def _distinct(sizes: Floats, most: int) -> tuple[Floats, Floats] | None:
    """Return distinct values and counts; None if there are more than `most`, judged from a part of them first."""
    step = max(1, sizes.size // 4096)
    if np.unique(sizes[::step]).size > most:
        return None
    # Differences that are one number written twice in binary count as one.
    unit = _TIE * float(sizes.max())
    found, counts = np.unique(np.rint(sizes / unit), return_counts=True)
    positive = found > 0
    if found.size > most or not positive.all():
        return None
    return found * unit, counts.astype(np.float64)
