"""Labels in sentences: the corrected effect with what it rests on, and what a reader must know.

Depends on: `abtest.analytics.wording`, the model. Used by: `abtest.analytics.labels.service`.
"""

from __future__ import annotations

from abtest.analytics.labels.correction import FEWEST_LABELS
from abtest.analytics.labels.inputs import LabelKind
from abtest.analytics.labels.model import CorrectedEffect, CorrectedShare, Estimated, JudgeHumanAgreement, LabelCounts
from abtest.analytics.wording import effect_text, value_text

FEW_LABELS = 30
"""Labelled samples below which an interval is a rough one."""
_MOST_LEFT_OUT = 0.05
_WEAK_TRUST = 0.05


def effect_sentence(effect: CorrectedEffect, kind: LabelKind, control: str, alpha: float) -> str:
    """Return what people's labels say of one treatment.

    Args:
        effect: as it was found, its sentence aside.
        kind: of label.
        control: what it is compared with.
        alpha: two-sided error rate.
    """
    what = f"{effect.treatment!r} against {control!r}"
    found = effect.corrected
    if found.value is None or found.ci_low is None or found.ci_high is None:
        return f"{what}: {_nothing(effect)}"
    level = f"{100 * (1 - alpha):g} % interval"
    low, high = _end(found.ci_low, kind), _text(found.ci_high, kind)
    parts = [
        f"{what}: by people's labels {_text(found.value, kind)} ({level} {low} to {high}); "
        f"the judge alone says {_text(effect.judge_alone.value, kind)}."
    ]
    if effect.narrower is not None and effect.narrower > 0.005:
        parts.append(f"The interval is {100 * effect.narrower:.0f} % narrower than labels alone would give.")
    parts += [text for text in (_budget(effect),) if text]
    return " ".join(parts)


def label_warnings(
    counts: LabelCounts, effects: tuple[CorrectedEffect, ...], agreement: tuple[JudgeHumanAgreement, ...]
) -> list[str]:
    """Return what limits the labels, most serious first.

    Args:
        counts: what came in.
        effects: of the treatments.
        agreement: of judge and people.
    """
    warnings = []
    if counts.unlabelled_random:
        warnings.append(
            f"{counts.unlabelled_random} items of random sheets have no label yet. If people skipped the hard "
            "ones, the corrected effect is biased: label the sheets whole."
        )
    if counts.labelled and counts.left_out > _MOST_LEFT_OUT * counts.labelled:
        warnings.append(
            f"{counts.left_out} items are left out because no label has most votes. They are the hard ones: ask one "
            "more person about them."
        )
    if counts.unjudged:
        warnings.append(f"{counts.unjudged} labelled items have no score of the judge and count nowhere.")
    for effect in effects:
        warnings += _effect_warnings(effect)
    if any(one.chosen == "disagreement" and one.items for one in agreement):
        warnings.append(
            "Items chosen by disagreement are the judge's hardest: they count for agreement, apart, and in no effect."
        )
    return warnings


def _effect_warnings(effect: CorrectedEffect) -> list[str]:
    warnings = []
    if effect.status == "ok" and effect.corrected.units < FEW_LABELS:
        warnings.append(
            f"Only {effect.corrected.units} labelled samples stand behind {effect.treatment!r}: the interval is rough."
        )
    if effect.trust is not None and effect.trust < _WEAK_TRUST and effect.judged > effect.labelled:
        warnings.append(
            f"The judge does not follow people's labels on {effect.treatment!r}: it adds nothing, and the "
            "corrected effect is that of the labels alone."
        )
    if any(1.0 in (share.sensitivity, share.specificity) for share in _shares(effect)):
        warnings.append(
            f"No error of one kind of the judge was seen on {effect.treatment!r}: the interval by Rogan-Gladen "
            "takes it for impossible and is too narrow."
        )
    return warnings


def _shares(effect: CorrectedEffect) -> tuple[CorrectedShare, ...]:
    rates = effect.rates
    return () if rates is None or rates.effect.value is None else (rates.control, rates.treatment)


def _nothing(effect: CorrectedEffect) -> str:
    found = effect.corrected
    if found.status == "no_labels":
        return "no corrected effect: no sample drawn at random has labels of all its answers."
    if found.status == "too_few":
        return f"no corrected effect yet: {found.units} labelled samples, at least {FEWEST_LABELS} are needed."
    if found.status == "one_cluster":
        return "no corrected effect: all labelled samples belong together."
    if found.status == "constant":
        return f"all {found.n} labelled samples say the same, so there is no interval."
    return "no corrected effect: the judge scored no sample of both variants."


def _budget(effect: CorrectedEffect) -> str:
    for one in effect.budget:
        does = "halve the interval" if one.factor == 0.5 else f"narrow the interval to {100 * one.factor:.0f} %"
        if one.status == "ok" and one.more_samples:
            return f"{one.more_samples:,} more labelled samples ({one.more_items:,} items) would {does}."
    if effect.budget and effect.budget[-1].status == "unreachable":
        share = f"{100 * effect.budget[-1].factor:.0f} %"
        return f"Not even labels on all judged samples would narrow it to {share}: that needs more samples."
    return ""


def _text(value: float | None, kind: LabelKind) -> str:
    if kind == "preference":
        return value_text(value, "points")
    return "–" if value is None else effect_text(value, "points" if kind == "binary" else "score")


def _end(value: float, kind: LabelKind) -> str:
    return effect_text(value, "points", with_unit=False) if kind == "binary" else _text(value, kind)


def interval_text(found: Estimated, kind: LabelKind) -> str:
    """Return an estimate with its interval: `+0.31 (+0.05 to +0.57)`; a dash when there is none."""
    if found.ci_low is None or found.ci_high is None:
        return _text(found.value, kind)
    return f"{_text(found.value, kind)} ({_end(found.ci_low, kind)} to {_end(found.ci_high, kind)})"
