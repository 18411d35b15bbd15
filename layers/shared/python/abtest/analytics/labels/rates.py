"""The effect on a binary metric by Rogan-Gladen: each variant's rate corrected by the judge's errors on that variant.

Both rates come from the same samples, so the error of their difference sums both influences of each sample; an error
that took them for independent would be too large.

Depends on: numpy, `abtest.analytics.statistics.rogan_gladen`. Used by: `abtest.analytics.labels.service`.
"""

from __future__ import annotations

import numpy as np

from abtest.analytics.labels.correction import FEWEST_LABELS, status_of_both, with_error
from abtest.analytics.labels.inputs import ScoredComparison, Values
from abtest.analytics.labels.model import CorrectedShare, Estimated, RatesEffect
from abtest.analytics.model import Method
from abtest.analytics.statistics.cluster_robust import Codes, cluster_codes
from abtest.analytics.statistics.rogan_gladen import CorrectedRate, RoganGladen

METHOD = Method(
    name="Difference of two Rogan-Gladen rates",
    formula="theta = (q + sp - 1) / J for each variant, J = se + sp - 1; effect = theta_B - theta_A; "
    "SE^2 = G / (G - 1) * sum over clusters of (sum of psi_B - psi_A)^2, J psi = (f - q) / N unlabelled, "
    "-theta (f - se) / n1 where people pass, (1 - theta) (1 - f - sp) / n0 where they fail; t(G - 1), "
    "G = labelled clusters",
    source="Rogan and Gladen (1978), Estimating prevalence from the results of a screening test; influence of each "
    "sample by the delta method, as the three terms of Lang and Reiczigel (2014)",
)


def rates_effect(data: ScoredComparison, control: str, alpha: float) -> RatesEffect:
    """Return both corrected rates and their difference.

    Args:
        data: one treatment against the control, scores and labels 0 or 1; settled labels alone are.
        control: its name.
        alpha: two-sided error rate.

    Assumes: the judge errs equally often on labelled and unlabelled answers of a variant. Source: see `METHOD`.
    """
    judged = ~(np.isnan(data.judge_control) | np.isnan(data.judge_treatment))
    codes, _ = cluster_codes(np.asarray(data.clusters, dtype=object)[judged], int(np.count_nonzero(judged)))
    labelled = ~(np.isnan(data.human_control) | np.isnan(data.human_treatment))[judged]
    arms = []
    for variant, judge, human in (
        (control, data.judge_control, data.human_control),
        (data.treatment, data.judge_treatment, data.human_treatment),
    ):
        arms.append(_arm(variant, judge[judged], np.where(labelled, human[judged], np.nan), codes, alpha))
    (share_a, psi_a), (share_b, psi_b) = arms
    n, units = int(np.count_nonzero(labelled)), int(np.unique(codes[labelled]).size)
    status = status_of_both(share_a.status, share_b.status)
    if psi_a is None or psi_b is None or share_a.rate is None or share_b.rate is None:
        return RatesEffect(
            status=status, control=share_a, treatment=share_b, effect=Estimated(status=status, n=n, units=units)
        )
    effect = with_error(share_b.rate - share_a.rate, psi_b - psi_a, codes, n=n, units=units, null=0.0, alpha=alpha)
    return RatesEffect(status=effect.status, control=share_a, treatment=share_b, effect=effect)


def _arm(
    variant: str, judge: Values, human: Values, codes: Codes, alpha: float
) -> tuple[CorrectedShare, Values | None]:
    """Return one variant's corrected rate, and what each sample adds to it; None where there is no rate."""
    labelled = ~np.isnan(human)
    found = RoganGladen.of(human[labelled], judge[labelled], judge[~labelled]).result(alpha)
    units = int(np.unique(codes[labelled]).size)
    status = "too_few" if found.status in ("ok", "constant") and units < FEWEST_LABELS else found.status
    share = CorrectedShare(
        variant=variant,
        status=status,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        raw_rate=found.raw_rate,
    )
    if status not in ("ok", "constant"):
        return share, None
    psi = _influence(found, judge, human)
    own = with_error(found.rate_unclipped or 0.0, psi, codes, n=int(labelled.sum()), units=units, null=0.0, alpha=alpha)
    changes = {"status": own.status, "rate": found.rate_unclipped, "ci_low": own.ci_low, "ci_high": own.ci_high}
    return share.model_copy(update=changes), psi


def _influence(found: CorrectedRate, judge: Values, human: Values) -> Values:
    rate, raw = found.rate_unclipped, found.raw_rate
    sensitivity, specificity = found.sensitivity, found.specificity
    if rate is None or raw is None or sensitivity is None or specificity is None:
        raise ValueError("a rate without its parts has no influence")
    passes, failures, others = human == 1, human == 0, np.isnan(human)
    psi = np.zeros(judge.size)
    psi[others] = (judge[others] - raw) / np.count_nonzero(others)
    psi[passes] = -rate * (judge[passes] - sensitivity) / np.count_nonzero(passes)
    psi[failures] = (1 - rate) * (1 - judge[failures] - specificity) / np.count_nonzero(failures)
    return np.asarray(psi / (sensitivity + specificity - 1), dtype=np.float64)
