"""Facts about the variants: where they differ, where they do not, and what it costs.

Depends on: numpy, `abtest.analytics.model`, `abtest.analytics.wording`. Used by: `abtest.analytics.insights.generator`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.model import AnalysisPlan, AnalysisResult, Comparison, Insight
from abtest.analytics.summaries import ALARM
from abtest.analytics.wording import effect_text, p_text, significant, value_text

SAME_SHARE = 0.99
"""Two variants with equal scores on this share of samples are probably one variant twice."""
FEWEST_FOR_SUSPICION = 30
MOST_SLICES_TOLD = 3
MOST_NAMES = 5
MANY_CUT_SHORT = 0.1
CUT_SHORT = {
    "truncated": "were cut off at max_tokens",
    "refused": "were refused by the model",
    "filtered": "were stopped by a content filter",
}
LONGEST_NAME = 40
"""Some tools name a sample by all of its text."""


def same_answers(result: AnalysisResult, scores: SampleScores) -> Iterator[Insight]:
    """Yield a suspicion where two variants score the same nearly everywhere on every judge's metric."""
    plan = result.plan
    judged = [judge.name for judge in plan.judges if not judge.escalated_only]
    for treatment in plan.treatments:
        pairs = [scores.pairs(plan.control, treatment, metric) for metric in judged]
        n = min((p.n for p in pairs), default=0)
        if n < FEWEST_FOR_SUSPICION:
            continue
        share = min(float(np.mean(p.difference == 0)) for p in pairs)
        if share >= SAME_SHARE:
            yield Insight(
                kind="same_answers",
                sentence=(
                    f"{treatment} and {plan.control} score the same on {100 * share:.1f} % of {n:,} paired samples, on "
                    f"every judge: check that they are two different variants and not one twice (an A/A comparison)."
                ),
                weight=1.0,
            )


def uneven_coverage(result: AnalysisResult, scores: SampleScores) -> Iterator[Insight]:
    """Yield what is missing where it is much, or more on one side."""
    asked = result.coverage.asked
    for row in result.coverage.variants:
        lost = row.asked - row.judged
        if asked and lost / max(1, row.asked) >= 0.05:
            reason, count = max(row.missing.items(), key=lambda item: item[1], default=("no score", lost))
            yield Insight(
                kind="coverage",
                sentence=(
                    f"{lost:,} of {row.asked:,} samples ({100 * lost / row.asked:.1f} %) have no score of "
                    f"{row.variant}; the most frequent reason is {reason.replace('_', ' ')} ({count:,})."
                ),
                weight=min(0.95, 0.5 + lost / row.asked),
            )
    yield from _one_sided(result, scores)


def _one_sided(result: AnalysisResult, scores: SampleScores) -> Iterator[Insight]:
    from abtest.analytics.comparison.missing import missing_of

    plan, metric = result.plan, result.plan.primary_metric
    for treatment in plan.treatments:
        missing = missing_of(plan, scores, treatment)
        fixed = plan.design.kind == "fixed"
        level = plan.alpha if fixed else ALARM
        if missing.p_value is None or missing.p_value >= level or missing.worst_case_effect is None:
            continue
        test = f" (exact McNemar {p_text(missing.p_value)})" if fixed else ""
        effect = effect_text(missing.worst_case_effect, plan.unit(metric))
        what = "Answers" if plan.is_preference(metric) else "Scores"
        yield Insight(
            kind="coverage",
            sentence=(
                f"{what} are missing more on one side: {missing.only_treatment:,} samples have one of {treatment} "
                f"only, {missing.only_control:,} of {plan.control} only{test}; with the worst value for each "
                f"missing one the difference would be {effect}."
            ),
            weight=0.9 if missing.reversible else 0.6,
        )


def answers_cut_short(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield the variants that lost many answers to `max_tokens`, to refusals or to filters."""
    for variant in result.variants:
        given = sum(count for outcome, count in variant.outcomes.items() if outcome != "failed")
        for outcome, what in CUT_SHORT.items():
            count = variant.outcomes.get(outcome, 0)
            if given and count / given >= MANY_CUT_SHORT:
                yield Insight(
                    kind="cut_short",
                    sentence=(
                        f"{count:,} of {given:,} answers of {variant.variant} {what}; they are judged as they are."
                    ),
                    weight=min(0.7, 0.3 + count / given / 2),
                )


def slices_that_differ(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield slices whose effect stays significant after adjustment and tells more than the whole does."""
    plan = result.plan
    overall = {c.treatment: c.effect or 0.0 for c in result.comparisons if c.primary}
    settled = {c.treatment for c in result.comparisons if c.primary and _direction(c, plan.alpha) != 0}
    kept = [s for s in result.slices if s.p_value_adjusted is not None and s.p_value_adjusted < plan.alpha]
    kept.sort(key=lambda s: -abs((s.effect or 0.0) - overall.get(s.treatment, 0.0)))
    for effect in kept[:MOST_SLICES_TOLD]:
        whole = overall.get(effect.treatment, 0.0)
        turned = whole * (effect.effect or 0.0) < 0
        low, high = effect.ci_low, effect.ci_high
        if effect.treatment in settled and not turned and low is not None and high is not None and low <= whole <= high:
            continue
        unit = plan.unit(plan.primary_metric)
        yield Insight(
            kind="slice",
            sentence=(
                f"Where {effect.slice} is {effect.value}, {effect.treatment} differs from {plan.control} by "
                f"{effect_text(effect.effect or 0.0, unit)} on {plan.primary_metric} "
                f"({effect.n:,} pairs; {p_text(effect.p_value_adjusted or 1.0)}, adjusted over {len(result.slices)} "
                f"slices), against {effect_text(whole, unit)} over all samples."
            ),
            weight=0.85 if turned else 0.55,
        )


def metrics_that_disagree(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield judges' metrics that point the other way than the primary one, both beyond chance."""
    plan = result.plan
    for treatment in plan.treatments:
        mine = [c for c in result.comparisons if c.treatment == treatment and plan.judged(c.metric)]
        primary = next((c for c in mine if c.primary), None)
        for other in mine:
            if primary is None or other.primary or _direction(primary, plan.alpha) * _direction(other, plan.alpha) >= 0:
                continue
            yield Insight(
                kind="metrics_disagree",
                sentence=(
                    f"Metrics disagree about {treatment}: {_reading(plan, primary)}, but {_reading(plan, other)}."
                ),
                weight=0.8,
            )


def tests_that_disagree(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield where the sensitivity tests of the primary metric fall on both sides of alpha."""
    alpha = result.plan.alpha
    for comparison in result.comparisons:
        tests = comparison.sensitivity
        if not comparison.primary or tests is None:
            continue
        named = {"t": tests.t, "permutation": tests.permutation, "sign": tests.sign, "Wilcoxon": tests.wilcoxon}
        known = {name: test.p_value for name, test in named.items() if test.p_value is not None}
        if len({p < alpha for p in known.values()}) < 2:
            continue
        shown = ", ".join(f"{name} {p_text(p, alpha)}" for name, p in known.items())
        yield Insight(
            kind="tests_disagree",
            sentence=(
                f"On {comparison.metric} the tests of {comparison.treatment} disagree at {alpha:g}: {shown}. The mean "
                "and the number of wins tell different stories; look at the largest differences."
            ),
            weight=0.7,
        )


def cost_against_quality(result: AnalysisResult, _scores: SampleScores) -> Iterator[Insight]:
    """Yield whether a treatment is better and cheaper, or what its quality costs."""
    plan = result.plan
    for treatment in plan.treatments:
        mine = {c.metric: c for c in result.comparisons if c.treatment == treatment}
        quality, cost = mine.get(plan.primary_metric), mine.get("cost_usd")
        if quality is None or cost is None or cost.effect is None or not cost.mean_control:
            continue
        quality_side, cost_side = _direction(quality, plan.alpha), _direction(cost, plan.alpha)
        share = 100 * cost.effect / cost.mean_control
        money = f"{'+' if share >= 0 else '−'}{significant(abs(share))} % cost per answer ({_p(cost, plan.alpha)})"
        reading = _reading(plan, quality)
        if quality_side > 0 and cost_side > 0:
            yield Insight(kind="dominance", sentence=f"Better and cheaper: {reading}, at {money}.", weight=0.75)
        elif quality_side < 0 and cost_side < 0:
            yield Insight(kind="dominance", sentence=f"Worse and dearer: {reading}, at {money}.", weight=0.75)
        elif quality_side and cost_side:
            yield Insight(kind="trade_off", sentence=f"A trade-off: {reading}, at {money}.", weight=0.5)


def samples_that_flipped(result: AnalysisResult, scores: SampleScores) -> Iterator[Insight]:
    """Yield how many samples of a binary metric changed sides, with a few of their names."""
    plan = result.plan
    for comparison in result.comparisons:
        table = comparison.mcnemar
        if not comparison.primary or table is None or table.only_control + table.only_treatment == 0:
            continue
        pairs = scores.pairs(plan.control, comparison.treatment, comparison.metric)
        lost = pairs.rows[pairs.difference < 0]
        names = [_short(scores.names[row]) for row in lost[:MOST_NAMES].tolist()] if scores.names else []
        listed = f", such as {', '.join(names)}" if names else ""
        yield Insight(
            kind="flips",
            sentence=(
                f"{table.only_treatment:,} samples score 0 with {plan.control} and 1 with {comparison.treatment}; "
                f"{table.only_control:,} the other way round{listed}."
            ),
            weight=0.3,
        )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def _direction(comparison: Comparison, alpha: float) -> int:
    """Return 1 where the treatment is better beyond chance, -1 where it is worse, else 0."""
    p, effect = comparison.decisive_p, comparison.effect
    if comparison.status != "ok" or p is None or p >= alpha or not effect:
        return 0
    return 1 if (effect < 0) == comparison.lower_is_better else -1


def _reading(plan: AnalysisPlan, comparison: Comparison) -> str:
    effect = effect_text(comparison.effect or 0.0, comparison.unit)
    # A net preference starts from nothing by definition.
    net = plan.is_preference(comparison.metric) and len(plan.treatments) > 1
    start = "" if net else f"from {value_text(comparison.mean_control, comparison.unit)}; "
    return f"{effect} on {comparison.metric} ({start}{_p(comparison, plan.alpha)})"


def _p(comparison: Comparison, alpha: float) -> str:
    return p_text(comparison.decisive_p or 1.0, alpha)
