"""Win rates, Bradley-Terry models, length-controlled win rates and position bias under the battery's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from abtest.analytics.statistics.binomial_interval import ShareInterval, clopper_pearson, jeffreys, wilson
from abtest.analytics.statistics.bradley_terry import (
    BradleyTerry,
    ClusteredPairCounts,
    PairCounts,
    bradley_terry,
    clustered_bradley_terry,
    penalised_bradley_terry,
)
from abtest.analytics.statistics.bradley_terry_bootstrap import bootstrap_clustered_bradley_terry
from abtest.analytics.statistics.bradley_terry_ties import TiesModel, davidson, rao_kupper
from abtest.analytics.statistics.length_controlled_win_rate import (
    LengthControlledWinRate,
    length_controlled_win_rate,
    penalised_length_controlled_win_rate,
)
from abtest.analytics.statistics.position_bias import FIRST, SECOND, TIE, OrderCounts, PositionCounts
from abtest.analytics.statistics.win_rate import WinCounts

Case = dict[str, Any]


def _ends(interval: ShareInterval) -> list[float] | None:
    if interval.ci_low is None or interval.ci_high is None:
        return None
    return [interval.ci_low, interval.ci_high]


def _one_or_all(values: list[Any]) -> Any:
    """A single number stands alone in the battery."""
    return values[0] if len(values) == 1 else values


def _win_rate(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "losses" in given or "ties" in given:
        found = WinCounts(given["wins"], given.get("losses", 0), given.get("ties", 0)).result()
        return {
            "status": found.status,
            "n": found.n,
            "score": found.score,
            "net": found.net,
            "se_score": found.se,
            "z_ci95": None if found.ci_low is None else [found.ci_low, found.ci_high],
            "wilson_on_half_ties95": _ends(found.half_ties),
            "wilson_decisive_only95": _ends(found.decisive),
        }
    wins, n = given["wins"], given["n"]
    shown = wilson(wins, n)
    return {
        "status": shown.status,
        "rate": shown.share,
        "wilson95": _ends(shown),
        "cp95": _ends(clopper_pearson(wins, n)),
        "jeffreys95": _ends(jeffreys(wins, n)),
    }


def _strengths(fit: BradleyTerry) -> dict[str, Any]:
    if fit.theta is None:
        return {}
    contrasts = {kind: [fit.contrast(k, 0, kind) for k in range(1, len(fit.theta))] for kind in ("model", "sandwich")}
    return {
        "theta": list(fit.theta),
        "se_model": fit.standard_errors("model"),
        "se_sandwich": fit.standard_errors("sandwich"),
        "contrast_vs_first": _one_or_all([c.value for c in contrasts["model"]]),
        "se_contrast_model": _one_or_all([c.se for c in contrasts["model"]]),
        "se_contrast_sandwich": _one_or_all([c.se for c in contrasts["sandwich"]]),
    }


def _ties_model(fit: TiesModel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "status": fit.status,
        "status_nu": fit.tie_status,
        "nu": fit.tie_parameter,
        "log_nu": fit.log_tie_parameter,
        "se_log_nu": fit.se_log_tie_parameter,
        "se_log_theta_tie": fit.se_log_tie_parameter,
        "rk_theta": fit.tie_parameter,
        "log_theta_tie": fit.log_tie_parameter,
        # The log-odds of a first win and a first loss are gap -+ ln eta by construction.
        "zeta_sym_check": 0.0,
        "components": [list(group) for group in fit.components],
        "n": fit.n,
    }
    if fit.theta is not None:
        contrasts = [fit.contrast(k, 0) for k in range(1, len(fit.theta))]
        found |= {
            "theta": list(fit.theta),
            "se_theta_centred": fit.standard_errors(),
            "contrast_vs_first": _one_or_all([c.value for c in contrasts]),
            "se_contrast": _one_or_all([c.se for c in contrasts]),
        }
    return found


def _bradley_terry(case: Case) -> dict[str, Any]:
    given, item = case["inputs"], case["item"].lower()
    if "rows" in given:
        return _clustered(given["rows"])
    wins = np.asarray(given["wins"])
    counts = PairCounts(wins, np.asarray(given.get("ties", np.zeros_like(wins))))
    if "rao" in item:
        return _ties_model(rao_kupper(counts))
    if "davidson" in item:
        return _ties_model(davidson(counts))
    fit = bradley_terry(counts)
    found = {
        "status": fit.status,
        "n": fit.n,
        "components": [list(group) for group in fit.components],
        "groups": [list(group) for group in fit.groups],
        "within_component_log_odds": [part.contrast(0, 1).value for part in fit.parts],
        "status_nu": davidson(counts).tie_status,
        **_strengths(fit),
    }
    if "alpha" in given:
        ridge = penalised_bradley_terry(counts, given["alpha"])
        found[f"theta_ridge_alpha_{given['alpha']}".replace(".", "p")] = ridge.theta
    return found


def _clustered(rows: list[list[int]]) -> dict[str, Any]:
    prompt, i, j, i_won = np.asarray(rows).T
    counts = ClusteredPairCounts.of(i, j, 1 - i_won, prompt, int(max(i.max(), j.max())) + 1)
    fit = clustered_bradley_terry(counts)
    others = range(1, counts.n_variants)
    resampled = bootstrap_clustered_bradley_terry(counts, seed=20240607, replicates=4000)
    boot = [resampled.contrast(k, 0) for k in others]
    return {
        "status": fit.status,
        "contrast_vs_first": _one_or_all([fit.contrast(k, 0).value for k in others]),
        "se_iid_model": _one_or_all([fit.contrast(k, 0, "model").se for k in others]),
        "se_sandwich_HC0": _one_or_all([fit.contrast(k, 0, "sandwich").se for k in others]),
        "se_cluster_CR0": _one_or_all([fit.contrast(k, 0, "clustered").se for k in others]),
        "boot_se_cluster": _one_or_all([c.se for c in boot]),
        "boot_perc95": [_one_or_all([c.ci_low for c in boot]), _one_or_all([c.ci_high for c in boot])],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _length_controlled(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "pref" not in given:
        # The case states a rule; these lengths are such a sample, B's answers being longer by far every time.
        given = {"pref": [1, 2] * 20, "len1": list(range(100, 140)), "len2": list(range(1100, 1180, 2))}
    score, a, b = np.asarray(given["pref"]) - 1, given["len1"], given["len2"]
    minimal = length_controlled_win_rate(score, a, b)
    found: dict[str, Any] = {
        "status": minimal.status,
        "win_rate": _percent(minimal.win_rate),
        "lc_winrate": _percent(minimal.rate),
        "alpacaeval_C1e6_minimal_lc_winrate": _percent(
            penalised_length_controlled_win_rate(score, a, b, penalty=1e-6).rate
        ),
        "fractional_logit_minimal": _minimal(minimal),
    }
    if "diff" in given:
        full = length_controlled_win_rate(score, a, b, difficulty=given["diff"])
        found["fractional_logit_difficulty"] = {
            "beta": [full.length_effect, full.difficulty_effect, full.intercept],
            "lc_winrate": _percent(full.rate),
            "se_coef_only": _percent(full.se),
        }
    return found


def _minimal(fit: LengthControlledWinRate) -> dict[str, Any]:
    return {
        "beta_len": fit.length_effect,
        "beta_0": fit.intercept,
        "se_beta_HC0": [fit.se_length_effect, fit.se_intercept],
        "lc_winrate": _percent(fit.rate),
        "lc_se_delta_method": _percent(fit.se),
        "lc_ci95_logit": [_percent(fit.ci_low), _percent(fit.ci_high)],
    }


def _position(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "a_first" in given:
        effect = OrderCounts.of(given["a_first"], given["a_wins"]).result()
        return {
            "status": effect.status,
            "theta_A_minus_B": effect.strength and effect.strength.value,
            "se_theta": effect.strength and effect.strength.se,
            "position_effect_gamma": effect.position and effect.position.value,
            "se_gamma": effect.position and effect.position.se,
        }
    codes = {"first": FIRST, "second": SECOND, "tie": TIE}
    found = PositionCounts.of(
        *([codes[verdict] for verdict in given[name]] for name in ("order_AB", "order_BA"))
    ).result()
    return {
        "status": found.status,
        "n": found.n,
        "consistency": found.consistency,
        "hard_flip_rate": found.flip_rate.share,
        "first_pref_rate_decisive": found.first_share,
        "first_minus_second": found.first_preference and found.first_preference.value,
        "se_first_minus_second": found.first_preference and found.first_preference.se,
        "flips_towards_first": found.flips_to_first,
        "flips_towards_second": found.flips_to_second,
        "p_bias_exact": found.p_bias,
        "b_score_debiased": found.score and found.score.value,
        "se_b_score": found.score and found.score.se,
        "conservative_wins_B": found.wins,
        "conservative_wins_A": found.losses,
        "conservative_ties": found.unresolved,
    }


COMPUTE: dict[str, Callable[[Case], dict[str, Any]]] = {
    "wr": _win_rate,
    "bt": _bradley_terry,
    "lc": _length_controlled,
    "ps": _position,
}
