"""Other tests of the same pairs, side by side: they show how much of a result depends on the test.

All of them rest on the independent units: the sum of a cluster's differences where samples belong together, else each
pair's difference. Tests at a fixed time are right under the fixed design only.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.comparison.comparing`.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.data.scores import Pairs
from abtest.analytics.data.tables import Values
from abtest.analytics.model import BayesianView, Sensitivity, SensitivityTest
from abtest.analytics.statistics.cluster_robust import cluster_codes
from abtest.analytics.statistics.normal_posterior import normal_posterior
from abtest.analytics.statistics.paired_mean import MeanDifference, differences
from abtest.analytics.statistics.sign_flip_permutation import sign_flip_permutation
from abtest.analytics.statistics.sign_test import SignTest
from abtest.analytics.statistics.wilcoxon_signed_rank import SignedRankResult, wilcoxon_signed_rank

FEW_RANKS = 20
"""Below so many differences other than 0 the normal approximation of the ranks is a rough one."""
ROUNDING = 1e-12
"""Differences closer to 0 than this, relative to the size of the scores, are what binary makes of equal scores."""


def unit_differences(pairs: Pairs) -> Values:
    """Return one difference for each independent unit: a cluster's sum, or the pair's own."""
    units, rounding = differences(pairs.a, pairs.b), rounding_of(pairs)
    if pairs.cluster is not None:
        codes, count = cluster_codes(pairs.cluster, pairs.n)
        units = np.bincount(codes, weights=units, minlength=count).astype(np.float64)
        # Equal sums must be equal in every bit to tie, in whatever order they were added.
        units = np.rint(units / rounding) * rounding
    units[np.abs(units) <= rounding] = 0.0
    return units


def rounding_of(pairs: Pairs) -> float:
    """Return the difference that rounding alone can make between two equal scores."""
    # Both ends instead of the absolute values: no copy of a million scores.
    ends = (float(end) for side in (pairs.a, pairs.b) for end in (side.max(initial=0.0), -side.min(initial=0.0)))
    return ROUNDING * max(1.0, *ends)


def sensitivity_of(
    pairs: Pairs, found: MeanDifference, *, lower_is_better: bool, tie_margin: float, seed: int
) -> Sensitivity:
    """Return what other tests say of the same pairs.

    Args:
        pairs: complete pairs.
        found: their mean difference, whose p-value is that of the t test.
        lower_is_better: the metric's direction.
        tie_margin: units whose mean difference is no larger are ties of the sign test.
        seed: of the permutation, where it has to draw.
    """
    units = unit_differences(pairs)
    margin = tie_margin if pairs.cluster is None else tie_margin * pairs.n / max(1, units.size)
    flips = sign_flip_permutation(units, seed=seed)
    signs = SignTest.of(units, margin).result()
    return Sensitivity(
        t=SensitivityTest(status=found.status, p_value=found.p_value),
        permutation=SensitivityTest(status=flips.status, p_value=flips.p_value, method=flips.method),
        sign=SensitivityTest(status=signs.status, p_value=signs.p_value, method="exact"),
        wilcoxon=_wilcoxon(wilcoxon_signed_rank(units)),
        bayesian=_bayesian(found, lower_is_better),
    )


def _wilcoxon(ranks: SignedRankResult) -> SensitivityTest:
    """Return the normal approximation that other programs print; the exact one where it is too rough."""
    if ranks.n_nonzero < FEW_RANKS or ranks.p_asymptotic is None:
        return SensitivityTest(status=ranks.status, p_value=ranks.p_value, method=ranks.method)
    return SensitivityTest(status=ranks.status, p_value=ranks.p_asymptotic, method="asymptotic")


def _bayesian(found: MeanDifference, lower_is_better: bool) -> BayesianView:
    if found.status != "ok" or found.effect is None or found.se is None or found.df is None:
        return BayesianView(status=found.status)
    gain = -found.effect if lower_is_better else found.effect
    posterior = normal_posterior(gain, found.se, found.df)
    return BayesianView(
        status=posterior.status,
        probability_better=posterior.probability_better,
        expected_loss_treatment=posterior.expected_loss_treatment,
        expected_loss_control=posterior.expected_loss_control,
    )
