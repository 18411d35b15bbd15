"""What a person asks of results that other tools produced, checked against what is there: every mistake at once.

Depends on: `abtest.analytics.plan`, `abtest.analytics.data.tables`. Used by: `abtest.analytics.offline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from abtest.analytics.data.table_scores import PREFERENCE
from abtest.analytics.data.tables import PreferenceTable, ResultTable, ScoreTable
from abtest.analytics.plan import QUANTILES, AnalysisPlan, DesignPlan, GuardrailPlan
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import nearest

DEFAULT_SEED = 0
MOST_VARIANTS = 100
"""Every pair of the variants that are compared is looked at for the ranking."""
_NAMED = 20


@dataclass(frozen=True)
class Request:
    """What to analyse, and how; what is None is chosen from the table, and told.

    Args:
        title: names the results.
        control: the variant the others are compared with; None takes the first one of the table.
        treatments: the others; none takes all.
        metric: the primary one; None takes the first one of the table.
        alpha: two-sided error rate.
        tie_margin: scores that differ by no more than this tie.
        margins: metric, or metric:statistic such as `latency_ms:p95`, to the largest loss that is accepted.
        lower_is_better: metrics of which less is more.
        design: under which the samples were collected.
        look: which look of it this is, from 1; those before it are taken for evenly spaced.
        planned: samples planned in all; None takes those that are there for all, or `TUNED_AT` for an always-valid
            design.
        seed: of the resampling.
    """

    title: str
    control: str | None = None
    treatments: tuple[str, ...] = ()
    metric: str | None = None
    alpha: float = 0.05
    tie_margin: float = 0.0
    margins: Mapping[str, Margin] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    design: DesignPlan = field(default_factory=DesignPlan)
    look: int = 1
    planned: int | None = None
    seed: int = DEFAULT_SEED


@dataclass(frozen=True)
class Margin:
    """The largest loss that is accepted, in the metric's unit or as a share of the control's value."""

    value: float
    relative: bool = False


@dataclass(frozen=True)
class Chosen:
    """What of a table is compared.

    Args:
        variants: the control first.
        metrics: of the table.
        primary: the metric that decides.
        own_margin: of the primary metric's mean; None where none is given.
        guardrails: all other margins.
    """

    variants: tuple[str, ...]
    metrics: tuple[str, ...]
    primary: str
    own_margin: Margin | None
    guardrails: tuple[GuardrailPlan, ...]


def chosen(table: ResultTable, request: Request) -> Chosen:
    """Return what is compared.

    Args:
        table: checked rows.
        request: what was asked for.

    Raises:
        InvalidInputError: with every name that the table does not have, and whatever else cannot be compared.
    """
    metrics = table.metrics if isinstance(table, ScoreTable) else (PREFERENCE,)
    primary = request.metric if request.metric is not None else metrics[0]
    control = request.control if request.control is not None else _default_control(table)
    treatments = request.treatments or tuple(name for name in table.variants if name != control)
    margins = {_margin_of(name, metrics): margin for name, margin in request.margins.items()}
    _refuse(
        [
            *_variant_issues(table.variants, control, treatments),
            *_unknown("--metric", (primary,), metrics),
            *_margin_issues(request.margins, metrics),
            *_unknown("--lower-is-better", request.lower_is_better, metrics),
            *_direction_issues(table, request.lower_is_better),
        ]
    )
    return Chosen(
        variants=(control, *dict.fromkeys(treatments)),
        metrics=metrics,
        primary=primary,
        own_margin=margins.pop((primary, "mean"), None),
        guardrails=tuple(_guardrail(*of, margin) for of, margin in margins.items()),
    )


def check_units(plan: AnalysisPlan) -> None:
    """Refuse margins that say nothing of a share.

    Args:
        plan: knows which metrics have scores of 0 and 1 only.

    Raises:
        InvalidInputError: with every such margin.
    """
    guards = list(plan.guardrails)
    if plan.primary_margin is not None:
        guards.append(GuardrailPlan(name=plan.primary_metric, metric=plan.primary_metric, margin=plan.primary_margin))
    issues = []
    for guard in guards:
        if plan.is_binary(guard.metric) and guard.statistic != "mean":
            message = "a metric of 0 and 1 has no quantile worth comparing"
            issues.append(InputIssue("--margin", message, guard.name, f"{guard.metric}=0.02"))
        elif plan.unit(guard.metric) == "points" and guard.margin is not None and guard.margin >= 1:
            message = f"{guard.metric} is a share, which cannot lose 1 or more"
            issues.append(InputIssue("--margin", message, f"{guard.margin:g}", "0.02 for two points"))
    _refuse(issues)


def _variant_issues(known: Sequence[str], control: str, treatments: Sequence[str]) -> Iterator[InputIssue]:
    if len(known) < 2:
        only = known[0] if known else "none"
        yield InputIssue("variant", "there is one variant only, so nothing to compare", only, "rows of two or more")
        return
    yield from _unknown("--control", (control,), known)
    yield from _unknown("--treatment", treatments, known)
    if control in treatments:
        yield InputIssue("--treatment", "the control cannot be compared with itself", control, "another variant")
    if len(treatments) >= MOST_VARIANTS:
        message = "too many variants to compare at once; name those that matter"
        yield InputIssue("--treatment", message, f"{len(treatments):,}", f"up to {MOST_VARIANTS - 1}")


def _unknown(option: str, names: Sequence[str], known: Sequence[str]) -> Iterator[InputIssue]:
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    for name in names:
        if name not in known:
            guess = nearest(name, known)
            message = f"nothing in the results has that name{f'; did you mean {guess!r}?' if guess else ''}"
            yield InputIssue(option, message, name, f"{', '.join(known[:_NAMED])}{more}")


def _direction_issues(table: ResultTable, lower_is_better: Sequence[str]) -> Iterator[InputIssue]:
    if PREFERENCE in lower_is_better and not isinstance(table, ScoreTable):
        yield InputIssue("--lower-is-better", "a preference is for the better answer", PREFERENCE, "a file of scores")


def _margin_issues(margins: Mapping[str, Margin], metrics: Sequence[str]) -> Iterator[InputIssue]:
    seen: set[tuple[str, str]] = set()
    for name in margins:
        metric, statistic = of = _margin_of(name, metrics)
        yield from _unknown("--margin", (metric,), metrics)
        if statistic not in ("mean", *QUANTILES):
            yield InputIssue("--margin", "no such statistic", statistic, f"mean, {', '.join(QUANTILES)}")
        if of in seen:
            yield InputIssue("--margin", "two margins for one statistic of a metric", name, "one of them")
        seen.add(of)


def _margin_of(name: str, metrics: Sequence[str]) -> tuple[str, str]:
    """Return metric and statistic; a metric whose own name has a colon is meant before a statistic is."""
    if name in metrics:
        return name, "mean"
    metric, colon, statistic = name.rpartition(":")
    return (metric, statistic) if colon else (name, "mean")


def _guardrail(metric: str, statistic: str, margin: Margin) -> GuardrailPlan:
    name = metric if statistic == "mean" else f"{metric}:{statistic}"
    given = {"margin_relative" if margin.relative else "margin": margin.value}
    return GuardrailPlan.model_validate({"name": name, "metric": metric, "statistic": statistic, **given})


def _default_control(table: ResultTable) -> str:
    # The variant that others are preferred to is what they are compared with.
    if isinstance(table, PreferenceTable) and table.baseline.size:
        return table.variants[int(table.baseline[0])]
    return table.variants[0] if table.variants else ""


def _refuse(issues: list[InputIssue]) -> None:
    if issues:
        raise InvalidInputError("The results cannot be compared.", issues)
