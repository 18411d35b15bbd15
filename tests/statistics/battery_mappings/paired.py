"""Paired and unpaired means, McNemar, sign, signed-rank, permutation, bootstrap, effect sizes: case to function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from abtest.analytics.statistics.bootstrap import BootstrapResult, bootstrap_mean
from abtest.analytics.statistics.cluster_bootstrap import cluster_bootstrap
from abtest.analytics.statistics.cluster_robust import cluster_robust
from abtest.analytics.statistics.effect_sizes import (
    hedges_correction_approximate,
    paired_effect_sizes,
    unpaired_effect_sizes,
)
from abtest.analytics.statistics.mcnemar import McNemar, McNemarResult, mcnemar_test
from abtest.analytics.statistics.paired_mean import (
    CompletePairs,
    MeanDifference,
    PairedMean,
    complete_pairs,
    mean_over_judges,
)
from abtest.analytics.statistics.quantile_bootstrap import bootstrap_quantile
from abtest.analytics.statistics.quantile_interval import quantile_interval
from abtest.analytics.statistics.sign_flip_permutation import sign_flip_permutation
from abtest.analytics.statistics.sign_test import SignTest
from abtest.analytics.statistics.welch_mean import WelchMean
from abtest.analytics.statistics.wilcoxon_signed_rank import wilcoxon_signed_rank

Case = dict[str, Any]
REPLICATES = 99_999
QUANTILES = {"median": 0.5, "p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def paired_mean(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "d_by_judge" in given:
        return _several_judges(given)
    if "cluster" in given:
        return _clustered(given)
    if _is_unpaired(case):
        return _mean_fields(WelchMean.of(_present(given["a"]), _present(given["b"])).result())
    pairs = _pairs(given)
    found = _mean_fields(PairedMean.of(pairs.a, pairs.b).result())
    return {**found, "n_used": int(pairs.a.size), "n_dropped": pairs.dropped}


def mcnemar(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "a" not in given:
        return _mcnemar_fields(mcnemar_test(given["b"], given["c"]), given["b"], given["c"])
    pairs = complete_pairs(given["a"], given["b"])
    counts = McNemar.of(pairs.a, pairs.b)
    shares = counts.difference()
    return {
        **_mcnemar_fields(counts.result(), counts.only_a, counts.only_b),
        "n": counts.n,
        "n_used": counts.n,
        "n_dropped": pairs.dropped,
        "diff": shares.effect,
        "diff_b_minus_a": shares.effect,
        "se_clt": shares.se,
        "z_ci95": _ends(shares.ci_low, shares.ci_high),
    }


def sign_test(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    counts = SignTest.of(given["d"]) if "d" in given else SignTest(given["wins"], given["losses"], given["ties"])
    found = counts.result()
    return {
        "status": found.status,
        "n_nonties": found.n_decisive,
        "n_pos": counts.wins,
        "n_neg": counts.losses,
        "n_zero": counts.ties,
        "p_exact": found.p_value,
        "estimate": found.win_share,
        "ci95_cp_win_given_decisive": _ends(found.ci_low, found.ci_high),
        "effect": found.effect,
    }


def wilcoxon(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    d = given["d"] if "d" in given else np.asarray(given["b"]) - np.asarray(given["a"])
    without, pratt = wilcoxon_signed_rank(d), wilcoxon_signed_rank(d, "pratt")
    return {
        "status": without.status,
        "W_plus": without.w_plus,
        "W_minus": without.w_minus,
        "W_plus_pratt": pratt.w_plus,
        "W_minus_pratt": pratt.w_minus,
        "n_nonzero": without.n_nonzero,
        "p": without.p_value,
        "p_exact_wilcoxzeros": without.p_exact,
        "p_normal_nocc": without.p_asymptotic,
        "p_normal_cc": without.p_asymptotic_corrected,
        "pratt_z": pratt.z,
        "p_pratt_normal": pratt.p_asymptotic,
        "p_pratt_exact": pratt.p_exact,
    }


def permutation(case: Case) -> dict[str, Any]:
    found = sign_flip_permutation(case["inputs"]["d"], replicates=REPLICATES)
    return {
        "status": found.status,
        "mean": found.mean,
        "p": found.p_value,
        "p_two_sided": found.p_value,
        "p_greater": found.p_greater,
        "p_normal_approx": found.p_normal,
        "n_assignments": found.assignments,
    }


def bootstrap(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "cluster" in given:
        return _bootstrap_fields(cluster_bootstrap(given["d"], given["cluster"], replicates=REPLICATES))
    statistic = given["statistic"]
    if statistic == "mean":
        return _bootstrap_fields(bootstrap_mean(given["data"], replicates=REPLICATES))
    order = quantile_interval(given["data"], QUANTILES[statistic])
    return {
        **_bootstrap_fields(bootstrap_quantile(given["data"], QUANTILES[statistic], replicates=REPLICATES)),
        "order_stat_ci95": {
            "lower_rank": order.ranks.lower_rank,
            "upper_rank": order.ranks.upper_rank,
            "ci": _ends(order.ci_low, order.ci_high),
            "coverage": order.ranks.coverage,
            "status": order.status,
        },
    }


def effect_sizes(case: Case) -> dict[str, Any]:
    a, b = case["inputs"]["a"], case["inputs"]["b"]
    groups = unpaired_effect_sizes(a, b)
    fields: dict[str, Any] = {
        "status": groups.status,
        "d": groups.d,
        "g": groups.g,
        "J": groups.correction,
        "cliffs_delta": groups.cliffs_delta,
        "cliffs_delta_unpaired": groups.cliffs_delta,
        "cliffs_effectsize": groups.cliffs_delta,
        "prob_superiority": groups.superiority,
        "prob_superiority_unpaired": groups.superiority,
        "bm_prob_superiority_ci95": _ends(groups.ci_low, groups.ci_high),
        "bm_p_value": groups.p_value,
    }
    if _is_unpaired(case):
        return fields
    pairs = paired_effect_sizes(a, b)
    return {
        **fields,
        "status": pairs.status,
        "dz": pairs.dz,
        "dz_effectsize": pairs.dz,
        "gz_exactJ": pairs.gz,
        "gz_effectsize": pairs.gz,
        "J_exact": pairs.correction,
        "J_approx": hedges_correction_approximate(pairs.n - 1) if pairs.n > 1 else None,
        "d_pooled_sd": pairs.d_average,
        "prob_superiority_paired": pairs.superiority,
    }


def _is_unpaired(case: Case) -> bool:
    said = f"{case['item']} {case['function_semantics']}".lower()
    a, b = case["inputs"]["a"], case["inputs"]["b"]
    return len(a) != len(b) or "welch" in said or "unpaired" in case["item"].lower()


def _several_judges(given: Case) -> dict[str, Any]:
    judged = mean_over_judges(given["d_by_judge"])
    table = np.asarray(given["d_by_judge"], dtype=np.float64)
    seen = ~np.isnan(table)
    sample = np.broadcast_to(np.arange(len(table))[:, None], table.shape)
    rows = cluster_robust(table[seen], sample[seen])
    found = PairedMean.of(np.zeros(judged.values.size), judged.values).result()
    return {
        **_mean_fields(found),
        "se_sample_level": found.se,
        "se_CR1_by_sample": rows.cr1.se if rows.cr1 else None,
        "rows_missing": judged.missing_scores,
        "samples_missing": judged.missing_samples,
    }


def _clustered(given: Case) -> dict[str, Any]:
    d = given["d"] if "d" in given else np.asarray(given["b"]) - np.asarray(given["a"])
    found = cluster_robust(d, given["cluster"])
    one, two = found.cr1 or MeanDifference(found.status, found.n), found.cr2 or MeanDifference(found.status, found.n)
    return {
        "status": found.status,
        "n": found.n,
        "clusters": found.clusters,
        "mean": found.mean,
        "mean_diff": found.mean,
        "se": one.se,
        "se_iid": found.se_iid,
        "se_CR0": found.se_cr0,
        "se_CR1": one.se,
        "se_CR2": two.se,
        "satt_df_CR2": two.df,
        "p_satt_CR2": two.p_value,
        "p_t_CR1_Gm1": one.p_value,
        "ci95_CR1_t_Gm1": _ends(one.ci_low, one.ci_high),
        "ci95_CR2_satt": _ends(two.ci_low, two.ci_high),
        "se_miller": found.se_miller,
    }


def _pairs(given: Case) -> CompletePairs:
    if "d" in given:
        return complete_pairs(np.zeros(len(given["d"])), given["d"])
    return complete_pairs(given["a"], given["b"])


def _present(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _ends(low: float | None, high: float | None) -> list[float | None]:
    return [low, high]


def _mean_fields(found: MeanDifference) -> dict[str, Any]:
    return {
        "status": found.status,
        "n": found.n,
        "mean": found.effect,
        "mean_diff": found.effect,
        "diff": found.effect,
        "se": found.se,
        "t": found.t,
        "df": found.df,
        "p": found.p_value,
        "ci95": _ends(found.ci_low, found.ci_high),
    }


def _mcnemar_fields(found: McNemarResult, only_a: int, only_b: int) -> dict[str, Any]:
    return {
        "status": found.status,
        "b": only_a,
        "c": only_b,
        "exact_p": found.p_value,
        "midp_p": found.mid_p_value,
        "chi2": found.chi2,
        "p_chi2": found.p_chi2,
        "chi2_cc": found.chi2_corrected,
        "p_chi2_cc": found.p_chi2_corrected,
    }


def _bootstrap_fields(found: BootstrapResult) -> dict[str, Any]:
    percentile, bca = _pair(found.percentile), _pair(found.bca)
    return {
        "status": found.status,
        "stat": found.estimate,
        "mean": found.estimate,
        "boot_se": found.se,
        "ci": bca,
        "bca95": bca,
        "perc95": percentile,
        "basic95": _pair(found.basic),
        "z0": found.bias_correction,
        "accel": found.acceleration,
    }


def _pair(ends: tuple[float, float] | None) -> list[float] | None:
    return None if ends is None else [*ends]


COMPUTE: dict[str, Callable[[Case], dict[str, Any]]] = {
    "pm": paired_mean,
    "mc": mcnemar,
    "sg": sign_test,
    "wx": wilcoxon,
    "pt": permutation,
    "bc": bootstrap,
    "es": effect_sizes,
}
