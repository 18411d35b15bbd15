"""How far the judge agrees with people, and people with each other.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.labels.service`.
"""

from __future__ import annotations

import math

import numpy as np

from abtest.analytics.labels.correction import plain_mean
from abtest.analytics.labels.inputs import Choice, LabelData, LabelKind, LabelledItems, Values
from abtest.analytics.labels.model import Confusion, JudgeHumanAgreement
from abtest.analytics.model import Agreement
from abtest.analytics.statistics._ranks import midranks
from abtest.analytics.statistics.cohen_kappa import cohen_kappa
from abtest.analytics.statistics.gwet_agreement import gwet_agreement
from abtest.analytics.statistics.krippendorff_alpha import krippendorff_alpha
from abtest.analytics.statistics.raw_agreement import raw_agreement

_FEWEST_ITEMS = 2
_SAME = 1e-12


def judge_human(items: LabelledItems, *, chosen: Choice, kind: LabelKind, alpha: float) -> JudgeHumanAgreement:
    """Return how far the judge says what people say.

    Args:
        items: with both.
        chosen: how they were chosen.
        kind: of label.
        alpha: two-sided error rate of the intervals.
    """
    n, units = int(items.human.size), len(set(items.units))
    if n < _FEWEST_ITEMS:
        status = "too_few" if n else "no_labels"
        return JudgeHumanAgreement(chosen=chosen, status=status, items=n, units=units)
    judge, human = items.judge, items.human
    said = _winner(judge) if kind == "preference" else judge
    ratings = np.stack((said, human))
    kappa = cohen_kappa(ratings, "quadratic" if kind == "scale" else "identity")
    right = plain_mean(1 - np.abs(judge - human), items.units, null=0.0, alpha=alpha)
    scale, whole = kind == "scale", kind != "scale"
    return JudgeHumanAgreement(
        chosen=chosen,
        status=kappa.status,
        items=n,
        units=units,
        raw=raw_agreement(ratings).value,
        accuracy=right.value if whole else None,
        accuracy_low=right.ci_low if whole else None,
        accuracy_high=right.ci_high if whole else None,
        cohen_kappa=kappa.value,
        gwet_ac1=gwet_agreement(ratings).value if whole else None,
        mean_absolute_difference=float(np.abs(judge - human).mean()),
        mean_difference=plain_mean(judge - human, items.units, null=0.0, alpha=alpha),
        pearson=_correlation(judge, human) if scale else None,
        spearman=_correlation(midranks(judge), midranks(human)) if scale else None,
        confusion=_confusion(judge, human) if kind == "binary" else None,
    )


def human_human(data: LabelData) -> Agreement | None:
    """Return how far people agree with each other; None where no item has labels of two.

    Args:
        data: its ratings.
    """
    ratings = data.ratings
    if ratings.size == 0 or not (np.count_nonzero(~np.isnan(ratings), axis=0) >= 2).any():
        return None
    several = ratings[:, np.count_nonzero(~np.isnan(ratings), axis=0) >= 2]
    met = ~np.isnan(several).all(axis=1)
    several = several[met]
    names = tuple(data.labellers[row] for row in np.flatnonzero(met))
    alpha = krippendorff_alpha(several, "interval" if data.kind == "scale" else "nominal")
    pair = cohen_kappa(several, "quadratic" if data.kind == "scale" else "identity") if len(names) == 2 else None
    return Agreement(
        judges=names,
        units=int(several.shape[1]),
        status=alpha.status,
        raw=raw_agreement(several).value,
        cohen_kappa=None if pair is None else pair.value,
        krippendorff_alpha=alpha.value,
        gwet_ac1=None if data.kind == "scale" else gwet_agreement(several).value,
    )


def _winner(share: Values) -> Values:
    """Return who won by a share of the preference: 1 the treatment, 0 the control, 1/2 neither."""
    return np.asarray((np.sign(share - 0.5) + 1) / 2, dtype=np.float64)


def _confusion(judge: Values, human: Values) -> Confusion:
    def count(says: int, truth: int) -> int:
        return int(np.count_nonzero((judge == says) & (human == truth)))

    return Confusion(
        both_pass=count(1, 1), only_judge_passes=count(1, 0), only_people_pass=count(0, 1), both_fail=count(0, 0)
    )


def _correlation(x: Values, y: Values) -> float | None:
    a, b = x - x.mean(), y - y.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return max(-1.0, min(1.0, float(a @ b) / size)) if size > _SAME else None
