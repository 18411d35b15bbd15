"""A plan in words: the answer, what it assumes, what to beware of.

Depends on: the modules of the plan beside it. Used by: `abtest.analytics.power.plan`, the command line.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.power.answer import PowerPlan
from abtest.analytics.power.kernels import mean_cluster_size, shape_of
from abtest.analytics.power.request import MOST_SAMPLES, MetricKind, PowerRequest
from abtest.analytics.power.spread import discordance_at, has_own_test, variance
from abtest.analytics.wording import MINUS, significant
from abtest.core.duration import duration_text
from abtest.core.money import dollars

FEW_CLUSTERS = 10
FEW_SAMPLES = 30
FEW_DIFFERING = 10
_CHANCES = {0.5: "every second time", 0.75: "three times in four", 0.8: "four times in five", 0.9: "nine times in ten"}


def effect_words(effect: float, metric: MetricKind) -> str:
    """Return an effect for a person: `a difference of 5 points`, `a win rate of 55 %`."""
    if metric == "win_rate":
        return f"a win rate of {_plain(100 * (0.5 + effect))} %"
    return f"a difference of {effect_value(effect, metric)}{' points' if metric == 'proportion' else ''}"


def effect_value(effect: float, metric: MetricKind) -> str:
    """Return an effect as it stands in a table: points, the win rate in percent, or the score."""
    if metric == "win_rate":
        return f"{_plain(100 * (0.5 + effect))} %"
    size = abs(effect) * (100 if metric == "proportion" else 1)
    return f"{MINUS if effect < 0 else ''}{_plain(size)}"


def chance_words(chance: float) -> str:
    """Return a chance for a person: `four times in five`, `with a chance of 85 %`."""
    return _CHANCES.get(round(chance, 9), f"with a chance of {chance_text(chance)}")


def chance_text(chance: float) -> str:
    """Return a chance in percent, never rounded to certainty: `85 %`, `above 99.9 %`."""
    if chance > 0.999:
        return "above 99.9 %"
    return f"{100 * chance:.1f} %" if chance > 0.99 or chance < 0.1 else f"{100 * chance:.0f} %"


def answer_text(request: PowerRequest, plan: PowerPlan) -> str:
    """Return the answer in one sentence or two."""
    if plan.samples is None:
        return (
            f"No number of samples up to {MOST_SAMPLES:,} finds {effect_words(plan.effect or 0.0, plan.metric)} "
            f"{chance_words(plan.power)}."
        )
    what = _samples_words(plan, plan.samples)
    if plan.effect is None or plan.achieved_power is None:
        verb = "is" if plan.samples == 1 else "are"
        return f"{what} {verb} too few: {_nothing_found(plan)}."
    effect = effect_words(plan.effect, plan.metric)
    if request.samples is None:
        return f"You need {what} to find {effect} {chance_words(plan.power)}{_cost(plan)}."
    if request.wanted is None:
        further = "less" if plan.effect < 0 else "more"
        return f"{what} find {effect} or {further} {chance_words(plan.power)}{_cost(plan)}."
    needed = "no number of samples is enough"
    if plan.samples_needed is not None:
        needed = f"it takes {plan.samples_needed:,}"
    found = f"{what} find {effect} with a chance of {chance_text(plan.achieved_power)}{_cost(plan)}."
    return f"{found} To find it {chance_words(plan.power)}, {needed}."


def assumption_texts(request: PowerRequest, plan: PowerPlan) -> tuple[str, ...]:
    """Return what must hold for the numbers to be right."""
    return (*_unit(request, plan), *_spread(request, plan), *_structure(request, plan), *_speed(request))


def warning_texts(request: PowerRequest, plan: PowerPlan) -> tuple[str, ...]:
    """Return what a person should know before they trust the plan."""
    return tuple(_warnings(request, plan))


def _unit(request: PowerRequest, plan: PowerPlan) -> Iterator[str]:
    if request.paired:
        yield "Both variants answer every sample, and the samples are compared in pairs."
    else:
        yield "Each sample is answered by one variant, as many by each."
    yield f"The test is two-sided with an error rate of {request.alpha:g}; one metric and one treatment decide."
    if plan.clusters is None:
        yield "Samples are independent of each other."


def _spread(request: PowerRequest, plan: PowerPlan) -> Iterator[str]:
    effect = plan.effect or 0.0
    if request.metric == "proportion" and request.paired:
        differ = f"{_plain(100 * discordance_at(request, effect))} %"
        if request.discordance is None:
            yield (
                f"The variants pass independently of each other and so differ in {differ} of the samples; variants "
                "that pass the same samples differ in fewer and need fewer samples."
            )
        else:
            yield f"The variants differ in {differ} of the samples, whatever the effect."
    if request.metric == "win_rate":
        yield f"{_plain(100 * (request.ties or 0.0))} % of the verdicts are ties; a tie counts half a win."
    if not has_own_test(request):
        whose = "a sample's difference" if request.paired else "a sample's score"
        spread = (variance(request, effect) / (1 if request.paired else 2)) ** 0.5
        yield f"The standard deviation of {whose} is {significant(spread)}, judges and answers averaged."


def _structure(request: PowerRequest, plan: PowerPlan) -> Iterator[str]:
    if plan.design_effect is not None and request.clusters is not None:
        yield (
            f"Clusters hold {_plain(mean_cluster_size(request))} samples on average and correlate by "
            f"{request.clusters.icc:g}: {_plain(plan.design_effect)} samples are worth one on its own."
        )
    if request.resamples is not None and request.resamples.answers > 1:
        yield f"Each variant answers each sample {request.resamples.answers} times, and the mean counts."
    if request.judges is not None and request.judges.count > 1:
        yield f"{request.judges.count} judges score every answer, and their mean counts; each errs anew every time."
    if request.design.kind != "fixed":
        kind = "group sequential" if request.design.kind == "group_sequential" else "always valid"
        yield (
            f"The run is looked at {request.design.number} times after equal parts of the samples ({kind}); that takes "
            f"{_plain(plan.inflation)} times the samples of a single look. Stopping for futility is not counted."
        )


def _speed(request: PowerRequest) -> Iterator[str]:
    if request.running.cost_usd_per_sample is not None:
        yield "Cost and duration are those of asking every sample; what is answered from the ledger costs nothing."


def _warnings(request: PowerRequest, plan: PowerPlan) -> Iterator[str]:
    if plan.status == "unreachable":
        yield (
            "The effect is out of reach of any number of samples."
            if plan.samples is None
            else ("No effect is large enough to be found with so few samples as often as wanted.")
        )
    if plan.clusters is not None and plan.clusters < FEW_CLUSTERS:
        yield (
            f"{plan.clusters} clusters are few: their standard error is uncertain. More clusters help more than larger "
            "ones."
        )
    of_means = not has_own_test(request)
    if plan.status == "ok" and of_means and plan.samples is not None and plan.samples < FEW_SAMPLES:
        yield (
            f"With {plan.samples} samples the plan rests on the shape of the scores; take {FEW_SAMPLES} or more unless "
            "you know it."
        )
    if request.metric == "proportion" and request.paired and plan.samples is not None and plan.effect is not None:
        differing = plan.samples * discordance_at(request, plan.effect)
        if differing < FEW_DIFFERING:
            yield f"The variants are expected to differ in {differing:.1f} samples only; the effect rests on those."
    if plan.achieved_power is not None and plan.achieved_power < 0.5:
        yield "The test would miss the effect more often than it finds it; what it then does find is exaggerated."
    if shape_of(request) is not None and request.clusters is not None and request.clusters.icc == 0:
        yield "A correlation of 0 within clusters is rare; take it from a pilot."


def _samples_words(plan: PowerPlan, samples: int) -> str:
    one = samples == 1
    if plan.paired:
        return f"{samples:,} sample{'' if one else 's'} (pair{'' if one else 's'})"
    return f"{samples:,} sample{'' if one else 's'} of each variant ({2 * samples:,} in all)"


def _nothing_found(plan: PowerPlan) -> str:
    if plan.status == "too_few":
        return "there is no test with so few"
    return f"not even the largest effect would be found {chance_words(plan.power)}"


def _cost(plan: PowerPlan) -> str:
    parts = []
    if plan.cost_usd is not None:
        parts.append(dollars(plan.cost_usd))
    if plan.duration_s is not None:
        parts.append(duration_text(plan.duration_s))
    return f"; about {' and '.join(parts)}" if parts else ""


def _plain(value: float) -> str:
    """Return a number with three significant digits and no trailing zeros: `5`, `5.25`, `1,240`."""
    text = significant(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
