"""Two shares as Beta posteriors: which is higher, what choosing either would lose, and if they differ enough.

Depends on: `abtest.analytics.statistics._beta_quadrature`. Used by: comparisons of rates of two arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._beta_quadrature import Beta, nodes_for, shifted_bends
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics._wald import check_alpha
from abtest.analytics.statistics.share_difference import TwoShares

STATISTIC = Method(
    name="Beta-Binomial comparison of two shares",
    formula="p_k ~ Beta(a + x_k, b + n_k - x_k); P(p_B > p_A) = int f_B F_A dx; "
    "E max(p_A - p_B, 0) = int F_B (1 - F_A) dx; P(|p_B - p_A| < r) = int f_B(x) (F_A(x + r) - F_A(x - r)) dx",
    source="Gelman et al. (2013), Bayesian Data Analysis, section 2.4; region of practical equivalence after "
    "Kruschke (2013), Bayesian estimation supersedes the t test",
)


@dataclass(frozen=True)
class BetaBinomialResult:
    """What the posteriors of two shares say; all from 0 to 1.

    Args:
        status: `ok`, or `no_data` when an arm has no answer: what is given then is the prior's.
        probability_b_better: that B's share is higher.
        expected_loss_b: what choosing B loses on average, in share: E max(p_A - p_B, 0).
        expected_loss_a: what choosing A loses on average.
        probability_in_rope: that the shares differ by less than `rope`; None when none was given.
        mean_a: posterior mean of A's share.
        mean_b: posterior mean of B's share.
        interval_a: equal-tailed credible interval of A's share.
        interval_b: equal-tailed credible interval of B's share.
    """

    status: Status
    probability_b_better: float
    expected_loss_b: float
    expected_loss_a: float
    probability_in_rope: float | None
    mean_a: float
    mean_b: float
    interval_a: tuple[float, float]
    interval_b: tuple[float, float]


class BetaBinomial(TwoShares):
    """Counts of yes in two arms; the sum of two is that of the pooled answers."""

    @classmethod
    def of(cls, a: object, b: object) -> BetaBinomial:
        """Return the counts of two lists of answers.

        Args:
            a: answers of the control, shape (n_a,), each 0 or 1.
            b: answers of the treatment, shape (n_b,), each 0 or 1.

        Raises:
            ValueError: an answer is neither.
        """
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if not (np.isin(x, (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all()):
            raise ValueError("answers are 0 or 1; leave out what is missing")
        return cls(int(x.sum()), x.size, int(y.sum()), y.size)

    def result(
        self, *, prior: tuple[float, float] = (1.0, 1.0), rope: float | None = None, alpha: float = 0.05
    ) -> BetaBinomialResult:
        """Return what the posteriors say, without drawing from them.

        Args:
            prior: weights of yes and of no in the Beta prior of both arms, above 0.
            rope: half width of the region of practical equivalence, in share.
            alpha: the credible intervals hold 1 - alpha.

        Raises:
            ValueError: a prior weight or the region is not above 0 and finite, or alpha is not between 0 and 1.

        Assumes: independent answers, arms independent of each other. Stopping as soon as a probability crosses a
        line finds false winners: look once, or by a sequential design.
        """
        check_alpha(alpha)
        check_weights(prior)
        if rope is not None and not 0 < rope < np.inf:
            raise ValueError(f"the region of practical equivalence has a half width above 0; got {rope}")
        a, b = (
            Beta(prior[0] + successes, prior[1] + n - successes)
            for successes, n in ((self.successes_a, self.n_a), (self.successes_b, self.n_b))
        )
        better, loss_b, loss_a = _comparison(a, b)
        return BetaBinomialResult(
            status="ok" if self.n_a and self.n_b else "no_data",
            probability_b_better=better,
            expected_loss_b=loss_b,
            expected_loss_a=loss_a,
            probability_in_rope=None if rope is None else _within_rope(a, b, rope),
            mean_a=a.mean,
            mean_b=b.mean,
            interval_a=a.interval(alpha),
            interval_b=b.interval(alpha),
        )


def check_weights(prior: tuple[float, ...]) -> None:
    """Refuse prior weights that make no distribution.

    Raises:
        ValueError: one is not above 0 and finite.
    """
    if not all(0 < weight < np.inf for weight in prior):
        raise ValueError(f"weights of a prior are finite numbers above 0; got {prior}")


def _comparison(a: Beta, b: Beta) -> tuple[float, float, float]:
    """Return P(B > A) and what choosing B and choosing A lose."""
    nodes = nodes_for([a, b])
    below_a, above_a, below_b, above_b = a.below(nodes), a.above(nodes), b.below(nodes), b.above(nodes)
    mass = b.mass(nodes)
    higher, lower = float(mass @ below_a), float(mass @ above_a)
    better = min(1.0, max(SMALLEST_P, higher / (higher + lower)))
    return better, float(nodes.width @ (below_b * above_a)), float(nodes.width @ (below_a * above_b))


def _within_rope(a: Beta, b: Beta, rope: float) -> float:
    bends = np.concatenate((shifted_bends(a, -rope), shifted_bends(a, rope)))
    nodes = nodes_for([b], bends)
    share = float(b.mass(nodes) @ a.within(nodes.x - rope, nodes.x + rope))
    return min(1.0, max(0.0, share))
