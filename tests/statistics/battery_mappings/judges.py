"""Agreement of judges, consensus and correction by human labels: battery cases to public functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from abtest.analytics.statistics.cohen_kappa import cohen_kappa
from abtest.analytics.statistics.conger_kappa import conger_kappa
from abtest.analytics.statistics.dawid_skene import dawid_skene
from abtest.analytics.statistics.fleiss_kappa import fleiss_kappa
from abtest.analytics.statistics.gwet_agreement import gwet_agreement
from abtest.analytics.statistics.krippendorff_alpha import Level, krippendorff_alpha
from abtest.analytics.statistics.majority_vote import majority_vote
from abtest.analytics.statistics.prediction_powered import PredictionPowered, PredictionPoweredMean
from abtest.analytics.statistics.raw_agreement import raw_agreement
from abtest.analytics.statistics.rogan_gladen import RoganGladen

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")


def agreement(case: dict[str, Any]) -> dict[str, Any]:
    inputs = case["inputs"]
    if "a" in inputs:
        return two_judges(inputs)
    ratings = inputs["ratings"]
    ac1, fleiss, conger = gwet_agreement(ratings), fleiss_kappa(ratings), conger_kappa(ratings)
    found: dict[str, Any] = {f"alpha_{level}": krippendorff_alpha(ratings, level).value for level in LEVELS}
    return found | {
        "status": fleiss.status,
        "alpha": found["alpha_nominal"],
        "raw_agreement": raw_agreement(ratings).value,
        "kappa": cohen_kappa(ratings).value if len(ratings) == 2 else fleiss.value,
        "fleiss_kappa": fleiss.value,
        "fleiss_kappa_irrcac": fleiss.value,
        "fleiss_se": fleiss.se,
        "conger_kappa": conger.value,
        "conger_se": conger.se,
        "conger_linear": conger_kappa(ratings, "linear").value,
        "conger_quadratic": conger_kappa(ratings, "quadratic").value,
        "gwet_ac1": ac1.value,
        "gwet_ac1_se": ac1.se,
        "gwet_ac2_linear": gwet_agreement(ratings, "linear").value,
        "gwet_ac2_quadratic": gwet_agreement(ratings, "quadratic").value,
    }


def two_judges(inputs: dict[str, Any]) -> dict[str, Any]:
    ratings = [inputs["a"], inputs["b"]]
    kappa = cohen_kappa(ratings)
    linear, quadratic = cohen_kappa(ratings, "linear"), cohen_kappa(ratings, "quadratic")
    found = {
        "status": kappa.status,
        "kappa": kappa.value,
        "se_kappa": kappa.se,
        "kappa_linear": linear.value,
        "se_kappa_linear": linear.se,
        "kappa_quadratic": quadratic.value,
        "se_kappa_quadratic": quadratic.se,
    }
    if "third_judge_for_fleiss" in inputs:
        found["fleiss_kappa_3_judges"] = fleiss_kappa([*ratings, inputs["third_judge_for_fleiss"]]).value
    return found


def consensus(case: dict[str, Any]) -> dict[str, Any]:
    ratings, weights = case["inputs"]["ratings"], case["inputs"].get("weights")
    plain, fit = majority_vote(ratings), dawid_skene(ratings)
    found: dict[str, Any] = {
        "status": fit.status,
        "majority": plain.labels(),
        "dawid_skene": fit.labels(),
        "posterior": fit.posterior.tolist(),
        "priors": None if fit.prior is None else fit.prior.tolist(),
        "confusion": None if fit.confusion is None else fit.confusion.tolist(),
    }
    if weights is not None:
        found["weighted"] = majority_vote(ratings, weights).labels()
    if fit.categories == (0.0, 1.0):
        found["majority_p1"] = plain.shares[:, 1].tolist()
        found["post_p1"] = fit.posterior[:, 1].tolist()
    if fit.categories == (0.0, 1.0) and fit.prior is not None and fit.confusion is not None:
        found["prior_p1"] = float(fit.prior[1])
        found["worker_p_say1_given_true1"] = fit.confusion[:, 1, 1].tolist()
        found["worker_p_say0_given_true0"] = fit.confusion[:, 0, 0].tolist()
    return found


def correction(case: dict[str, Any]) -> dict[str, Any]:
    inputs = case["inputs"]
    return prediction_powered(inputs) if "Y" in inputs else rogan_gladen(inputs)


def prediction_powered(inputs: dict[str, Any]) -> dict[str, Any]:
    data = PredictionPowered.of(inputs["Y"], inputs["Yhat"], inputs["Yhat_unlabeled"])
    best = data.result()
    return {
        "status": best.status,
        "ppi_plusplus": interval(best),
        "ppi_lam1": interval(data.result(1.0)),
        "lam0": interval(data.result(0.0)),
        "lambda_formula": data.optimal_trust,
        "naive_judge_mean_all": data.judge_mean,
    }


def interval(found: PredictionPoweredMean) -> dict[str, Any]:
    return {"estimate": found.value, "ci95": [found.ci_low, found.ci_high], "se": found.se, "status": found.status}


def rogan_gladen(inputs: dict[str, Any]) -> dict[str, Any]:
    found = RoganGladen.of(inputs["labels"], inputs["preds"], inputs["unl"]).result()
    return {
        "status": found.status,
        "sensitivity": found.sensitivity,
        "specificity": found.specificity,
        "raw_rate": found.raw_rate,
        "theta": found.rate,
        "theta_unclipped": found.rate_unclipped,
        "se_delta": found.se,
        "ci95_delta_wald": [found.ci_low, found.ci_high],
    }


COMPUTE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"ag": agreement, "cs": consensus, "jc": correction}
