"""Thompson sampling: how likely each arm is the best one, and the shares of traffic that follow.

Depends on: numpy, `abtest.analytics.statistics._beta_quadrature`. Used by: adaptive allocation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from abtest.analytics.model import Method
from abtest.analytics.statistics._beta_quadrature import Beta, nodes_for
from abtest.analytics.statistics.beta_binomial import check_weights

STATISTIC = Method(
    name="Thompson sampling",
    formula="p_k ~ Beta(a + x_k, b + n_k - x_k); share of arm k = P(p_k is the largest) = int f_k times the product "
    "of the other F_j dx",
    source="Thompson (1933), On the likelihood that one unknown probability exceeds another; Scott (2010), A modern "
    "Bayesian look at the multi-armed bandit, section 3",
)


@dataclass(frozen=True)
class ThompsonSampling:
    """What the posteriors of several arms say.

    Args:
        probability_best: of each arm, that its share is the highest; they add up to 1.
        mean: posterior mean of each arm.
    """

    probability_best: tuple[float, ...]
    mean: tuple[float, ...]

    def allocation(self, smallest_share: float = 0.0) -> tuple[float, ...]:
        """Return the share of traffic of each arm, none below a floor.

        Args:
            smallest_share: what every arm gets whatever happens, from 0 to 1 / arms. Comparisons need one: the plain
                mean of an arm that was starved for its bad luck is biased.

        Raises:
            ValueError: the floors add up to more than 1.
        """
        free = 1 - smallest_share * len(self.mean)
        if smallest_share < 0 or free < -1e-12:
            raise ValueError(
                f"the smallest share is from 0 to 1 / arms; got {smallest_share} for {len(self.mean)} arms"
            )
        return tuple(smallest_share + max(0.0, free) * p for p in self.probability_best)


def thompson_sampling(
    successes: Sequence[int], n: Sequence[int], *, prior: tuple[float, float] = (1.0, 1.0)
) -> ThompsonSampling:
    """Return how likely each arm is the best, by quadrature instead of draws.

    Args:
        successes: yes of each arm.
        n: answers of each arm; 0 leaves the prior.
        prior: weights of yes and of no in the Beta prior of every arm, above 0.

    Raises:
        ValueError: there is no arm, counts are not 0 <= successes <= n, or a weight is not above 0.

    Assumes: independent answers, shares that stay what they are.
    """
    betas = _posteriors(successes, n, prior)
    nodes = nodes_for(betas)
    below = np.stack([beta.below(nodes) for beta in betas])
    best = np.array([beta.mass(nodes) @ _product_without(below, k) for k, beta in enumerate(betas)])
    best /= best.sum()
    return ThompsonSampling(tuple(best.tolist()), tuple(beta.mean for beta in betas))


def draw_arms(
    successes: Sequence[int], n: Sequence[int], *, draws: int, seed: int, prior: tuple[float, float] = (1.0, 1.0)
) -> npt.NDArray[np.intp]:
    """Return the arms that the next samples go to: for each, the arm whose posterior draw is the largest.

    Args:
        successes: yes of each arm.
        n: answers of each arm.
        draws: how many samples to assign.
        seed: of the draws.
        prior: weights of yes and of no in the Beta prior of every arm, above 0.

    Raises:
        ValueError: as for `thompson_sampling`, or draws is negative.

    Source: Thompson (1933).
    """
    betas = _posteriors(successes, n, prior)
    if draws < 0:
        raise ValueError(f"a number of draws is at least 0; got {draws}")
    rng = np.random.default_rng(seed)
    best, arms = rng.beta(betas[0].a, betas[0].b, draws), np.zeros(draws, dtype=np.intp)
    for k, beta in enumerate(betas[1:], start=1):
        drawn = rng.beta(beta.a, beta.b, draws)
        arms[drawn > best] = k
        best = np.maximum(best, drawn)
    return arms


def _posteriors(successes: Sequence[int], n: Sequence[int], prior: tuple[float, float]) -> list[Beta]:
    check_weights(prior)
    if len(successes) == 0 or len(successes) != len(n):
        raise ValueError(f"every arm needs both counts; got {len(successes)} and {len(n)}")
    if any(not 0 <= x <= total for x, total in zip(successes, n, strict=True)):
        raise ValueError(f"counts must hold 0 <= successes <= n; got {list(successes)} of {list(n)}")
    return [Beta(prior[0] + x, prior[1] + total - x) for x, total in zip(successes, n, strict=True)]


def _product_without(below: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.float64]:
    rest = np.delete(below, k, axis=0)
    return np.asarray(rest.prod(axis=0), dtype=np.float64)
