"""Wins, losses and ties as a Dirichlet posterior: does B win more often than it loses, and by how much?

Depends on: `abtest.analytics.statistics._beta_quadrature`, `abtest.analytics.statistics.beta_binomial`.
Used by: pairwise comparisons that have ties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._beta_quadrature import Beta, nodes_for
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics.beta_binomial import check_weights

STATISTIC = Method(
    name="Dirichlet posterior of wins, losses and ties",
    formula="(win, loss, tie) ~ Dirichlet(prior + counts); net = win - loss = S (2 R - 1) with "
    "S ~ Beta(a_win + a_loss, a_tie) and R ~ Beta(a_win, a_loss) independent; P(net > 0) = P(R > 1/2); "
    "E max(-net, 0) = E S E max(1 - 2 R, 0)",
    source="Gelman et al. (2013), Bayesian Data Analysis, section 3.4; S and R independent by the aggregation "
    "property of the Dirichlet distribution",
)


@dataclass(frozen=True)
class WinLossPosterior:
    """What the posterior says of B against A.

    Args:
        status: `ok`, or `no_data` without a comparison: what is given then is the prior's.
        probability_b_better: that B wins more often than it loses.
        expected_loss_b: what choosing B loses on average, in net wins a comparison: E max(-net, 0).
        expected_loss_a: what choosing A loses on average.
        probability_in_rope: that |net| is below `rope`; None when none was given.
        mean_net: posterior mean of wins minus losses, -1 to 1.
        mean_win: posterior mean of B's share of wins; `mean_loss` and `mean_tie` accordingly.
    """

    status: Status
    probability_b_better: float
    expected_loss_b: float
    expected_loss_a: float
    probability_in_rope: float | None
    mean_net: float
    mean_win: float
    mean_loss: float
    mean_tie: float


@dataclass(frozen=True)
class WinLoss:
    """Comparisons that B won, lost or tied; the sum of two is that of the pooled comparisons."""

    wins: int = 0
    losses: int = 0
    ties: int = 0

    def __post_init__(self) -> None:
        if min(self.wins, self.losses, self.ties) < 0:
            raise ValueError(f"counts are at least 0; got {self.wins}, {self.losses}, {self.ties}")

    def __add__(self, other: WinLoss) -> WinLoss:
        return WinLoss(self.wins + other.wins, self.losses + other.losses, self.ties + other.ties)

    def posterior(
        self, *, prior: tuple[float, float, float] = (1.0, 1.0, 1.0), rope: float | None = None
    ) -> WinLossPosterior:
        """Return what the posterior says, without drawing from it.

        Args:
            prior: weights of win, loss and tie in the Dirichlet prior, above 0.
            rope: half width of the region of practical equivalence, in net wins.

        Raises:
            ValueError: a weight or the region is not above 0 and finite.

        Assumes: independent comparisons.
        """
        check_weights(prior)
        if rope is not None and not 0 < rope < math.inf:
            raise ValueError(f"the region of practical equivalence has a half width above 0; got {rope}")
        win, loss, tie = prior[0] + self.wins, prior[1] + self.losses, prior[2] + self.ties
        total = win + loss + tie
        decisive, wins = Beta(win + loss, tie), Beta(win, loss)
        return WinLossPosterior(
            status="ok" if self.wins + self.losses + self.ties else "no_data",
            probability_b_better=_at_most_half(loss, win),
            expected_loss_b=decisive.mean * _shortfall(win, loss),
            expected_loss_a=decisive.mean * _shortfall(loss, win),
            probability_in_rope=None if rope is None else _within_rope(decisive, wins, rope),
            mean_net=(win - loss) / total,
            mean_win=win / total,
            mean_loss=loss / total,
            mean_tie=tie / total,
        )


def _at_most_half(a: float, b: float) -> float:
    """Return P(R <= 1/2), R ~ Beta(a, b)."""
    from scipy.special import betainc

    return max(SMALLEST_P, float(betainc(a, b, 0.5)))


def _shortfall(a: float, b: float) -> float:
    """Return E max(1 - 2 R, 0), R ~ Beta(a, b): ((b - a) P(R <= 1/2) + 2^(1 - a - b) / B(a, b)) / (a + b)."""
    from scipy.special import betainc, betaln

    peak = math.exp((1 - a - b) * math.log(2) - float(betaln(a, b)))
    return max(0.0, ((b - a) * float(betainc(a, b, 0.5)) + peak) / (a + b))


def _within_rope(decisive: Beta, wins: Beta, rope: float) -> float:
    quantiles = wins.log_odds_quantiles()
    # |2 R - 1| = |tanh(t / 2)|: where rope / s crosses a quantile of it, the function of s bends.
    spread = np.abs(np.tanh(quantiles / 2))
    bends = np.append(rope / spread[spread > 0], rope)
    nodes = nodes_for([decisive], bends)
    reach = rope / np.maximum(nodes.x, 1e-300) / 2
    share = float(decisive.mass(nodes) @ wins.within(0.5 - reach, 0.5 + reach))
    return min(1.0, max(0.0, share))
