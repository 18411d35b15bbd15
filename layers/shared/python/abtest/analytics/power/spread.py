"""How much one sample's difference varies: from shares, from standard deviations, with judges and answers averaged.

Depends on: `abtest.analytics.planning`. Used by: the modules of the plan beside it.
"""

from __future__ import annotations

from abtest.analytics.planning.design_effect import judges_variance
from abtest.analytics.planning.power_resamples import VarianceComponents
from abtest.analytics.power.request import PowerRequest


def has_own_test(request: PowerRequest) -> bool:
    """Return whether a test of shares or verdicts is planned for, not one of their means.

    It is where each sample has one value of 0, 1/2 or 1 and stands alone; a sequential design reads pairs of shares
    as means.
    """
    clustered = request.clusters is not None and max(request.clusters.sizes) > 1
    judged_often = request.judges is not None and request.judges.count > 1
    asked_often = request.resamples is not None and request.resamples.answers > 1
    sequential_pairs = request.metric == "proportion" and request.paired and request.design.kind != "fixed"
    return not (clustered or judged_often or asked_often or sequential_pairs or request.metric == "mean")


def discordance_at(request: PowerRequest, effect: float) -> float:
    """Return the share of samples that only one variant passes.

    Where nobody said it, both variants pass independently of each other: what they share makes it smaller.

    Args:
        request: of a paired proportion.
        effect: share of the treatment less that of the control.
    """
    if request.discordance is not None:
        return request.discordance
    control = request.baseline or 0.0
    treatment = control + effect
    return control * (1 - treatment) + treatment * (1 - control)


def base_variance(request: PowerRequest, effect: float) -> float:
    """Return the variance of one sample's difference B - A; of both variants together where samples are not paired.

    Args:
        request: checked.
        effect: on which the variance of shares depends.
    """
    if request.metric == "win_rate":
        # Of the score 1, 1/2 or 0 of one verdict.
        return max(0.0, (1 - (request.ties or 0.0)) / 4 - effect**2)
    if request.metric == "proportion":
        if request.paired:
            return max(0.0, discordance_at(request, effect) - effect**2)
        control = request.baseline or 0.0
        treatment = control + effect
        return max(0.0, control * (1 - control) + treatment * (1 - treatment))
    if request.sd_difference is not None:
        return request.sd_difference**2
    control = request.sd or 0.0
    treatment = control if request.sd_treatment is None else request.sd_treatment
    shared = 2 * (request.correlation or 0.0) * control * treatment if request.paired else 0.0
    return max(0.0, control**2 + treatment**2 - shared)


def noise_variance(request: PowerRequest, whole: float) -> float:
    """Return the variance of one judge's error in a sample's difference; 0 where there is one judge."""
    judges = request.judges
    if judges is None or judges.count == 1:
        return 0.0
    if judges.noise_variance is not None:
        return judges.noise_variance
    return (1 - (judges.correlation or 0.0)) * whole


def variance(request: PowerRequest, effect: float) -> float:
    """Return the variance of one sample's difference, the mean taken over judges and answers.

    Args:
        request: checked.
        effect: on which the variance of shares depends.
    """
    whole = base_variance(request, effect)
    noise = min(whole, noise_variance(request, whole))
    count = 1 if request.judges is None else request.judges.count
    averaged = judges_variance(count, 0.0, noise)
    if request.resamples is None:
        return whole - noise + averaged
    within = min(whole, max(noise, request.resamples.within_variance))
    parts = VarianceComponents(between=whole - within, within=within - noise + averaged)
    return parts.of_mean(request.resamples.answers)
