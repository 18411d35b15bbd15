"""Bayes, multiplicity, equivalence, non-inferiority, sample ratio, CUPED and bandits under the battery's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from abtest.analytics.statistics.benjamini_hochberg import benjamini_hochberg
from abtest.analytics.statistics.benjamini_yekutieli import benjamini_yekutieli
from abtest.analytics.statistics.best_arm_identification import (
    bernoulli_divergence,
    chernoff_stopping,
    gaussian_divergence,
    optimal_allocation,
)
from abtest.analytics.statistics.beta_binomial import BetaBinomial
from abtest.analytics.statistics.bonferroni import bonferroni
from abtest.analytics.statistics.cuped import Cuped
from abtest.analytics.statistics.dirichlet_win_loss import WinLoss
from abtest.analytics.statistics.equivalence import equivalence
from abtest.analytics.statistics.hochberg import hochberg
from abtest.analytics.statistics.holm import holm
from abtest.analytics.statistics.non_inferiority_mean import non_inferiority_mean
from abtest.analytics.statistics.paired_mean import MeanDifference, PairedMean, complete_pairs
from abtest.analytics.statistics.quantile_difference import QuantileDifference, quantile_difference
from abtest.analytics.statistics.quantile_interval import quantile_interval, quantile_ranks, quantile_test
from abtest.analytics.statistics.sample_ratio import sample_ratio
from abtest.analytics.statistics.score_share_difference import score_interval, score_p_below
from abtest.analytics.statistics.share_difference import ShareDifference, TwoShares, agresti_caffo, newcombe, wald
from abtest.analytics.statistics.thompson_sampling import thompson_sampling
from abtest.analytics.statistics.welch_mean import WelchMean

Case = dict[str, Any]


def _bayesian(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "wins" in given:
        return _win_loss(given)
    counts = BetaBinomial(given["success_a"], given["n_a"], given["success_b"], given["n_b"])
    found = counts.result(prior=tuple(given.get("prior", (1, 1))), rope=given.get("rope"))
    return {
        "status": found.status,
        "prob_B_better": found.probability_b_better,
        "expected_loss_choose_B": found.expected_loss_b,
        "expected_loss_choose_A": found.expected_loss_a,
        "prob_in_rope": found.probability_in_rope,
        "mean_A": found.mean_a,
        "mean_B": found.mean_b,
        "cri95_A": list(found.interval_a),
        "cri95_B": list(found.interval_b),
    }


def _win_loss(given: dict[str, Any]) -> dict[str, Any]:
    counts = WinLoss(given["wins"], given["losses"], given["ties"])
    found = counts.posterior(prior=tuple(given.get("prior", (1, 1, 1))), rope=given.get("rope"))
    return {
        "status": found.status,
        "prob_B_better": found.probability_b_better,
        "expected_loss_choose_B": found.expected_loss_b,
        "expected_loss_choose_A": found.expected_loss_a,
        "prob_in_rope": found.probability_in_rope,
        "mean_net": found.mean_net,
        "post_mean": {"win": found.mean_win, "loss": found.mean_loss, "tie": found.mean_tie},
    }


def _multiplicity(case: Case) -> dict[str, Any]:
    p_values = case["inputs"]["p"]
    return {
        "holm": holm(p_values),
        "bh": benjamini_hochberg(p_values),
        "by": benjamini_yekutieli(p_values),
        "hochberg": hochberg(p_values),
        "bonferroni": bonferroni(p_values),
    }


def _equivalence(case: Case) -> dict[str, Any]:
    item, given = case["item"], case["inputs"]
    if "low" in given:
        return _tost(item, given)
    if "x1" in given:
        return _error_rate(given)
    if "bootstrap" in item:
        return _quantile_difference(item, given)
    if "p" in given:
        return _quantile(given)
    return _non_inferior_mean(item, given)


def _mean_difference(item: str, given: dict[str, Any]) -> MeanDifference:
    if "unpaired" in item or "Welch" in item:
        return WelchMean.of(given["a"], given["b"]).result()
    pairs = complete_pairs(given["a"], given["b"])
    return PairedMean.of(pairs.a, pairs.b).result()


def _tost(item: str, given: dict[str, Any]) -> dict[str, Any]:
    found = equivalence(_mean_difference(item, given), given["low"], given["high"])
    return {
        "status": found.status,
        "mean_diff": found.effect,
        "diff": found.effect,
        "p_lower": found.p_lower,
        "p_upper": found.p_upper,
        "p_tost": found.p_value,
        "ci90": None if found.ci_low is None else [found.ci_low, found.ci_high],
        "equivalent": found.equivalent,
    }


def _non_inferior_mean(item: str, given: dict[str, Any]) -> dict[str, Any]:
    difference = _mean_difference(item, given)
    lower = "higher is better" not in item
    found = non_inferiority_mean(difference, given["margin"], lower_is_better=lower)
    return {
        "status": found.status,
        "diff": difference.effect,
        "p_noninferior": found.p_value,
        "upper95_one_sided": found.loss_high,
        "lower95_one_sided": None if found.loss_high is None else -found.loss_high,
        "noninferior": found.non_inferior,
    }


def _ends(found: ShareDifference) -> list[float] | None:
    return None if found.ci_low is None or found.ci_high is None else [found.ci_low, found.ci_high]


def _error_rate(given: dict[str, Any]) -> dict[str, Any]:
    shares = TwoShares(given["x2"], given["n2"], given["x1"], given["n1"])
    return {
        "ci90_newcomb": _ends(newcombe(shares, 0.1)),
        "ci90_score": _ends(score_interval(shares, 0.1, as_statsmodels=True)),
        "ci90_wald": _ends(wald(shares, 0.1)),
        "ci90_agresti-caffo": _ends(agresti_caffo(shares, 0.1)),
        "p_noninferior_score": score_p_below(shares, given["margin"], as_statsmodels=True),
    }


def _quantile(given: dict[str, Any]) -> dict[str, Any]:
    q, values = given["p"], given.get("data_sorted")
    ranks = quantile_ranks(given["n"] if values is None else len(values), q)
    shown: dict[str, Any] = {
        "lower_rank": ranks.lower_rank,
        "upper_rank": ranks.upper_rank,
        "coverage": ranks.coverage,
        "lower_defined": ranks.has_lower,
        "upper_defined": ranks.has_upper,
        "min_n_for_upper": ranks.min_n_for_upper,
    }
    if values is None:
        return shown
    found = quantile_interval(values, q)
    shown |= {
        "status": found.status,
        "ci": [found.ci_low, found.ci_high],
        f"p{round(100 * q)}_type7": found.estimate,
        "quantile_test_p_q1500": quantile_test(values, q, 1500),
    }
    return shown


def _quantile_difference(item: str, given: dict[str, Any]) -> dict[str, Any]:
    q = float(item.split("p", 1)[1].split()[0]) / 100
    found: QuantileDifference = quantile_difference(given["a"], given["b"], q, alpha=0.1, seed=20, resamples=40_000)
    return {"status": found.status, "diff": found.difference, "se": found.se, "perc90": [found.ci_low, found.ci_high]}


def _sample_ratio(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    found = sample_ratio(given["observed"], given.get("weights"))
    return {"status": found.status, "chi2": found.chi2, "df": found.df, "p": found.p_value, "alarm": found.alarm}


def _cuped(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    pre = [math.nan if x is None else x for x in given["pre"]]
    found = Cuped.of(given["y"], pre, given["t"]).result()
    raw, total, within, ancova = found.raw, found.total, found.pooled_within, found.ancova
    if raw is None or total is None:
        return {"status": found.status, "n_imputed": found.n_imputed}
    return {
        "status": found.status,
        "n_imputed": found.n_imputed,
        "theta": total.theta,
        "diff": total.effect,
        "theta_total": total.theta,
        "diff_total": total.effect,
        "se_total": total.se,
        "theta_pooled_within": within and within.theta,
        "diff_pooled_within": within and within.effect,
        "diff_raw": raw.effect,
        "se_raw": raw.se,
        "ancova_diff": ancova and ancova.effect,
        "ancova_se": ancova and ancova.se,
        "lin2013_diff": found.lin_effect,
        "variance_reduction": found.variance_reduction,
        "rho2": found.correlation_squared,
        "gbstats": {"diff": total.effect, "ci95": [total.ci_low, total.ci_high], "p": total.p_value},
    }


def _bandit(case: Case) -> dict[str, Any]:
    item, given = case["item"], case["inputs"]
    gaussian = "Gaussian" in item
    divergence = gaussian_divergence(given.get("sigma", 1.0)) if gaussian else bernoulli_divergence
    if "w*" in item:
        found = optimal_allocation(given["mu"], divergence)
        return {"status": found.status, "w_star": found.shares, "T_star": found.characteristic_time}
    if "GLR" in item:
        means = [x / n if n else 0.0 for x, n in zip(given["successes"], given["n"], strict=True)]
        rule = chernoff_stopping(means, given["n"], delta=given["delta"], divergence=divergence)
        return {"status": rule.status, "Z": rule.statistic, "threshold": rule.threshold, "stop": rule.stop}
    sampled = thompson_sampling(given["successes"], given["n"])
    return {"prob_best": list(sampled.probability_best), "post_mean": list(sampled.mean)}


COMPUTE: dict[str, Callable[[Case], dict[str, Any]]] = {
    "by": _bayesian,
    "mp": _multiplicity,
    "eq": _equivalence,
    "sr": _sample_ratio,
    "cu": _cuped,
    "bb": _bandit,
}
