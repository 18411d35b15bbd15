"""Track-and-Stop: which allocation finds the best arm soonest, when to stop, and which arm to ask next.

Depends on: numpy, scipy.special. Used by: adaptive allocation with a wanted certainty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method, Status

STATISTIC = Method(
    name="Track-and-Stop best-arm identification",
    formula="w* = argmax over w of min over a of w_b d(mu_b, m_a) + w_a d(mu_a, m_a), m_a their weighted mean; "
    "T* = 1 / that value; stop when Z = min over a of n_b d(mu_b, m_a) + n_a d(mu_a, m_a) > ln((1 + ln t) / delta)",
    source="Garivier and Kaufmann (2016), Optimal best arm identification with fixed confidence, theorem 5, lemma 8, "
    "eq. 9 and section 6; thresholds with a proof: Kaufmann and Koolen (2021)",
)
_STEPS = 200
_LEAST_RATIO = 1e-12
"""Weights relative to the best arm's stay above this and below its inverse: beyond, rounding decides."""
_FLAT = 1e-250

Floats = npt.NDArray[np.float64]
Divergence = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class OptimalAllocation:
    """The shares of traffic that find the best arm soonest.

    Args:
        status: `ok`; `too_few` with one arm; `unreachable` when two arms share the highest mean, so that no number of
            samples finds a single best one.
        shares: of each arm, adding up to 1.
        characteristic_time: T*: about T* ln(1 / delta) samples are needed.
    """

    status: Status
    shares: tuple[float, ...] | None = None
    characteristic_time: float | None = None


@dataclass(frozen=True)
class StoppingRule:
    """Whether the arm that leads is known to be the best.

    Args:
        status: `ok`; `too_few` with one arm, or an arm without an answer.
        best: index of the arm that leads.
        statistic: Chernoff's generalised likelihood ratio of the leader against its closest rival.
        threshold: what it must exceed.
        stop: whether it does.
    """

    status: Status
    best: int | None = None
    statistic: float | None = None
    threshold: float | None = None
    stop: bool = False


def bernoulli_divergence(p: Floats, q: Floats) -> Floats:
    """Return the Kullback-Leibler divergence of shares, elementwise; infinite where q is a border that p is not."""
    from scipy.special import rel_entr

    return np.asarray(np.maximum(0.0, rel_entr(p, q) + rel_entr(1 - p, 1 - q)), dtype=np.float64)


def gaussian_divergence(sd: float = 1.0) -> Divergence:
    """Return the Kullback-Leibler divergence of normal means with a known standard deviation.

    Raises:
        ValueError: the standard deviation is not above 0 and finite.
    """
    if not 0 < sd < math.inf:
        raise ValueError(f"a standard deviation is above 0 and finite; got {sd}")
    return lambda p, q: np.asarray((p - q) ** 2 / (2 * sd * sd), dtype=np.float64)


def optimal_allocation(means: Sequence[float], divergence: Divergence = bernoulli_divergence) -> OptimalAllocation:
    """Return the allocation that finds the best of arms with these means soonest.

    Args:
        means: of each arm; shares from 0 to 1 for the Bernoulli divergence.
        divergence: of the answers' distribution.

    Raises:
        ValueError: a mean is not finite, or is no share though the divergence is Bernoulli's.

    Assumes: higher is better. Source: Garivier and Kaufmann (2016), theorem 5.
    """
    mu = _means(means, divergence)
    if mu.size < 2:
        return OptimalAllocation("too_few")
    best = int(mu.argmax())
    rivals = np.delete(mu, best)
    if rivals.max() >= mu[best]:
        return OptimalAllocation("unreachable")
    value, ratios = _balance(mu[best], rivals, divergence)
    shares = np.insert(ratios, best, 1.0) / (1 + ratios.sum())
    return OptimalAllocation("ok", tuple(shares.tolist()), float((1 + ratios.sum()) / value))


def chernoff_stopping(
    means: Sequence[float], n: Sequence[int], *, delta: float = 0.05, divergence: Divergence = bernoulli_divergence
) -> StoppingRule:
    """Return whether the leading arm is known to be the best with certainty 1 - delta.

    Args:
        means: empirical mean of each arm.
        n: answers of each arm.
        delta: chance to name a wrong arm, between 0 and 1.
        divergence: of the answers' distribution.

    Raises:
        ValueError: the lists differ in length, a count is negative, or delta is not between 0 and 1.

    Assumes: higher is better. The threshold is the one of the paper's experiments, which is not proven to hold delta.
    Source: Garivier and Kaufmann (2016), eq. 9 and section 6.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta is a chance between 0 and 1, both excluded; got {delta}")
    counts = np.asarray(n, dtype=np.float64)
    if len(means) != counts.size or (counts < 0).any():
        raise ValueError("every arm needs a mean and a count of at least 0")
    if counts.size < 2 or (counts == 0).any():
        return StoppingRule("too_few")
    mu = _means(means, divergence)
    best = int(mu.argmax())
    rivals, weights = np.delete(mu, best), np.delete(counts, best)
    middle = (counts[best] * mu[best] + weights * rivals) / (counts[best] + weights)
    # A rounded mean of two equal shares may leave [0, 1] or either of the two.
    middle = np.clip(middle, rivals, mu[best])
    ratios = counts[best] * divergence(np.full_like(rivals, mu[best]), middle) + weights * divergence(rivals, middle)
    statistic, threshold = float(ratios.min()), math.log((1 + math.log(float(counts.sum()))) / delta)
    return StoppingRule("ok", best, statistic, threshold, statistic > threshold)


def next_arm(n: Sequence[int], shares: Sequence[float]) -> int:
    """Return the arm to ask next so that the counts follow the optimal shares, none being forgotten.

    Args:
        n: answers of each arm.
        shares: the optimal shares at the means seen so far.

    Raises:
        ValueError: the lists differ in length or are empty.

    Source: Garivier and Kaufmann (2016), lemma 8 (D-tracking).
    """
    counts, wanted = np.asarray(n, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    if counts.size == 0 or counts.shape != wanted.shape:
        raise ValueError(f"every arm needs a count and a share; got {counts.size} and {wanted.size}")
    total = float(counts.sum())
    if counts.min() <= max(math.sqrt(total) - counts.size / 2, 0.0):
        return int(counts.argmin())
    return int((total * wanted - counts).argmax())


def _means(means: Sequence[float], divergence: Divergence) -> Floats:
    mu = np.asarray(means, dtype=np.float64)
    if mu.ndim != 1 or not np.isfinite(mu).all():
        raise ValueError("means are finite numbers, one for each arm")
    if divergence is bernoulli_divergence and ((mu < 0) | (mu > 1)).any():
        raise ValueError("means of yes and no are shares from 0 to 1")
    return mu


def _balance(top: float, rivals: Floats, divergence: Divergence) -> tuple[float, Floats]:
    """Return y* and the weights x_a(y*) of the rivals relative to the best arm, at which F(y*) = 1."""
    tops = np.full_like(rivals, top)
    reachable = float(divergence(tops, rivals).min())
    low, high = 0.0, reachable if math.isfinite(reachable) else 1.0
    while not math.isfinite(reachable) and _imbalance(high, tops, rivals, divergence)[0] < 1:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _imbalance(middle, tops, rivals, divergence)[0] < 1:
            low = middle
        else:
            high = middle
    return low, _imbalance(low, tops, rivals, divergence)[1]


def _imbalance(y: float, tops: Floats, rivals: Floats, divergence: Divergence) -> tuple[float, Floats]:
    """Return F(y), the sum of d(mu_1, m_a) / d(mu_a, m_a) at the weights x_a(y), and these weights.

    x_a(y) solves g(x) = d(mu_1, m) + x d(mu_a, m) = y. g is concave with the slope d(mu_a, m), so Newton's method
    climbs to it from the left without overshooting.
    """
    x = np.full_like(rivals, _LEAST_RATIO)
    for _ in range(_STEPS):
        middle = (tops + x * rivals) / (1 + x)
        slope = np.maximum(divergence(rivals, middle), _FLAT)
        step = np.maximum(0.0, (y - divergence(tops, middle) - x * slope) / slope)
        moved = np.minimum(x + step, 1 / _LEAST_RATIO)
        settled = not (moved - x > 1e-14 * (1 + x)).any()
        x = moved
        if settled:
            break
    middle = (tops + x * rivals) / (1 + x)
    slope = np.maximum(divergence(rivals, middle), _FLAT)
    return float((divergence(tops, middle) / slope).sum()), x
