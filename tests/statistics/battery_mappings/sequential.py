"""Power, confidence sequences and group sequential designs: case to function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from abtest.analytics.plan import Spending
from abtest.analytics.planning.power_mcnemar import power_mcnemar, sample_size_mcnemar
from abtest.analytics.planning.power_resamples import VarianceComponents, sample_size_resamples, squared_error
from abtest.analytics.planning.sample_size_proportions import sample_size_proportions
from abtest.analytics.planning.sample_size_t import Design, detectable_effect_t, sample_size_t
from abtest.analytics.sequential.alpha_spending import spent
from abtest.analytics.sequential.asymptotic_confidence_sequence import (
    Arm,
    difference_of_arms,
    half_width,
    tuned_rho,
)
from abtest.analytics.sequential.conjugate_mixture import (
    hoeffding_sequence,
    log_e_value,
    one_sided_boundary,
    tuned_mixture,
    two_sided_boundary,
)
from abtest.analytics.sequential.empirical_bernstein import EmpiricalBernstein
from abtest.analytics.sequential.group_sequential import Boundaries, lan_demets_boundaries, wang_tsiatis_boundaries
from abtest.analytics.sequential.hedged_betting import HedgedBetting
from abtest.analytics.statistics.welch_mean import Moments, WelchMean

Case = dict[str, Any]
DESIGNS: dict[str, Design] = {"paired": "paired", "one.sample": "one_sample", "two.sample": "two_sample"}
SPENDING: dict[str, Spending] = {
    "OF": "obrien_fleming",
    "P": "pocock",
    "asOF": "obrien_fleming",
    "asP": "pocock",
}


def power(case: Case) -> dict[str, Any]:
    given, item = case["inputs"], case["item"]
    if "Miller" in item:
        parts = VarianceComponents(given["omega2"], given["sigma2_sum"])
        size = sample_size_resamples(parts, given["delta"], k=given["K"])
        return {"se2": squared_error(parts, 200, given["K"]), "n_for_mde_0p05": size.n}
    if "McNemar" in item:
        return {
            "power_exact_unconditional": power_mcnemar(given["n_pairs"], given["p_b"], given["p_c"]).power,
            "n_connor_1987_for_power_0p8": sample_size_mcnemar(given["p_b"], given["p_c"]).n,
        }
    if "proportions" in item:
        found = sample_size_proportions(given["p1"], given["p2"])
        return {"n_per_group": found.n, "n_ceil": found.samples, "status": found.status}
    if "MDE" in item:
        effect = detectable_effect_t(given["n"], design=DESIGNS[given["type"]])
        return {"mde_d": effect.effect, "status": effect.status}
    size = sample_size_t(
        given["d"],
        power=given["power"],
        alpha=given["alpha"],
        design=DESIGNS[given["type"]],
        alternative=given["alternative"].replace(".", "_"),
    )
    return {"n": size.n, "n_ceil": size.samples, "status": size.status}


def confidence_sequences(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "v_opt" in given:
        return _mixture(given)
    if "tuning" in given:
        return _asymptotic(given)
    low = -1.0 if "d" in given else 0.0
    x = given["d"] if "d" in given else given["x"]
    if "t" not in given:
        now = EmpiricalBernstein.of(x).result()
        return {
            "lower": now.ci_low,
            "upper": now.ci_high,
            "e_value": math.exp(cast("float", now.log_e_value)),
            "p": now.p_value,
            "status": now.status,
        }
    bernstein = [EmpiricalBernstein.of(x[:t], low=low) for t in given["t"]]
    return {
        "predmix_empbern": _ends([state.result() for state in bernstein]),
        "predmix_empbern_ri": _ends([state.result(running_intersection=True) for state in bernstein]),
        "hedged_betting_breaks1000": _ends([HedgedBetting.of(x[:t], low=low).result() for t in given["t"]]),
        "conjmix_hoeffding_topt100": _ends(
            [hoeffding_sequence(t, sum(x[:t]) / max(t, 1), low=low) for t in given["t"]]
        ),
    }


def group_sequential(case: Case) -> dict[str, Any]:
    given = case["inputs"]
    if "t" in given:
        times = given["t"]
        return {
            "asOF_spent": [spent(t) for t in times],
            "asP_spent": [spent(t, spending="pocock") for t in times],
            "asOF_critical_z": list(lan_demets_boundaries(times).critical_z),
            "asP_critical_z": list(lan_demets_boundaries(times, spending="pocock").critical_z),
        }
    kind, alpha = given.get("type", "OF"), given["one_sided_alpha"]
    found: Boundaries
    if kind.startswith("as"):
        found = lan_demets_boundaries(given["information"], one_sided_alpha=alpha, spending=SPENDING[kind])
    else:
        found = wang_tsiatis_boundaries(given["looks"], one_sided_alpha=alpha, shape=SPENDING[kind])
    return {
        "critical_z": list(found.critical_z),
        "nominal_p_one_sided": list(found.nominal_p),
        "alpha_spent_one_sided": list(found.spent),
    }


def _ends(found: list[Any]) -> dict[str, list[float | None]]:
    return {"lower": [f.ci_low for f in found], "upper": [f.ci_high for f in found]}


def _mixture(given: Case) -> dict[str, Any]:
    alpha, rho = given["alpha"], tuned_mixture(given["v_opt"], given["alpha"])
    one_sided = tuned_mixture(given["v_opt"], min(2 * alpha, 0.999))
    rows = [
        {
            "v": v,
            "bound_two_sided": two_sided_boundary(v, rho, alpha),
            "bound_one_sided": one_sided_boundary(v, one_sided, alpha),
            "log_e_at_s_3sqrtv": log_e_value(3 * v**0.5, v, rho),
        }
        for v in given["v"]
    ]
    return {"rho": rho, "rows": rows}


def _asymptotic(given: Case) -> dict[str, Any]:
    alpha, tuning = given["alpha"], given["tuning"]
    rho = tuned_rho(tuning, alpha)
    widths = [{"n": n, "s2": 1.0, "hw": half_width(n**-0.5, n, rho, alpha)} for n in (100, 1000, 5000, 100_000)]
    cases = []
    for case in given["cases"]:
        control, treatment = Arm.of_share(case["x_a"], case["n_a"]), Arm.of_share(case["x_b"], case["n_b"])
        found = difference_of_arms(control, treatment, alpha=alpha, tuned_at=tuning)
        arms = [Moments(arm.n, arm.mean, arm.variance * (arm.n - 1), 0.0, 1.0) for arm in (control, treatment)]
        fixed = WelchMean(*arms).result(alpha)
        cases.append(
            {
                **case,
                "diff": found.mean,
                "ci95_seq": [found.ci_low, found.ci_high],
                "p_seq": found.p_value,
                "ci95_fixed": [fixed.ci_low, fixed.ci_high],
                "p_fixed": fixed.p_value,
            }
        )
    return {f"rho_{tuning}": rho, "halfwidths": widths, "cases": cases}


COMPUTE: dict[str, Callable[[Case], dict[str, Any]]] = {
    "pw": power,
    "sq": confidence_sequences,
    "gs": group_sequential,
}
