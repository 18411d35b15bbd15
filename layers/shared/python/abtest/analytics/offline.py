"""The analysis of results that other tools produced: the same engine, with no run and no cloud.

Depends on: `abtest.analytics.engine`, `abtest.analytics.data`, `abtest.analytics.comparison`. Used by:
`abtest analyze`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from abtest import __version__
from abtest.analytics.comparison import methods
from abtest.analytics.comparison.judge_quality import agreement_of, length_controlled_of, position_of
from abtest.analytics.comparison.ranking import ranking_of, ranking_of_verdicts
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.data.table_scores import PREFERENCE, Answered, preferences_of, scores_of
from abtest.analytics.data.tables import PairwiseTable, PreferenceTable, ResultTable, ScoreTable, Values
from abtest.analytics.engine import analyse_scores
from abtest.analytics.insights.generator import InsightGenerator
from abtest.analytics.model import (
    AnalysisPlan,
    AnalysisResult,
    Coverage,
    JudgeMetric,
    LookPosition,
    PositionBias,
    VariantCoverage,
)
from abtest.analytics.offline_request import DEFAULT_SEED, Chosen, Margin, Request, check_units, chosen
from abtest.analytics.plan import OPERATIONAL_UNITS, DesignPlan

__all__ = ["DEFAULT_SEED", "Margin", "Request", "analyse_table"]

TUNED_AT = 5_000
"""Samples at which an always-valid interval is narrowest, where nobody planned any number of them."""


def analyse_table(table: ResultTable, request: Request) -> AnalysisResult:
    """Return the analysis of a table of results.

    Args:
        table: checked rows.
        request: what to compare, and how.

    Raises:
        InvalidInputError: a variant or metric is not in the table, or there is nothing to compare.
    """
    wanted = chosen(table, request)
    if isinstance(table, ScoreTable):
        return _of_scores(table, request, wanted)
    return _of_preferences(table, request, wanted)


def _of_scores(table: ScoreTable, request: Request, wanted: Chosen) -> AnalysisResult:
    scores, answered = scores_of(table)
    plan = _plan(request, wanted, scores, kind="file")
    result = _analysed(plan, scores, answered, request)
    agreement = agreement_of(table, wanted.primary, wanted.variants)
    result = result.model_copy(update={"ranking": ranking_of(plan, scores), "agreement": agreement})
    return _with_insights(result, scores)


def _of_preferences(table: PairwiseTable | PreferenceTable, request: Request, wanted: Chosen) -> AnalysisResult:
    control, *treatments = variants = wanted.variants
    parts = {t: preferences_of(table, control, t) for t in treatments}
    scores, answered = parts[treatments[0]]
    if len(treatments) == 1:
        found = _analysed(_plan(request, wanted, scores, kind=PREFERENCE), scores, answered, request)
    else:
        found = _united(request, wanted, parts)
    fixed = request.design.kind == "fixed"
    found = found.model_copy(
        update={
            "ranking": ranking_of_verdicts(table.variants, table, scores, request.alpha) if fixed else None,
            "agreement": agreement_of(table, PREFERENCE, variants),
            "position": _position_bias(table, request.alpha, fixed) if isinstance(table, PairwiseTable) else None,
            "length_controlled": length_controlled_of(table, variants, request.alpha),
        }
    )
    return _with_insights(found, scores)


def _position_bias(table: PairwiseTable, alpha: float, fixed: bool) -> PositionBias:
    found = position_of(table, alpha)
    if fixed:
        return found
    # A test and an interval at a fixed time: looking spoils them like all others.
    return found.model_copy(update={"p_value": None, "flip_rate_low": None, "flip_rate_high": None})


def _united(request: Request, wanted: Chosen, parts: Mapping[str, tuple[SampleScores, Answered]]) -> AnalysisResult:
    """Return one analysis of several treatments, each with its own share of the control's preference.

    The control's share differs from treatment to treatment, so each pair keeps its own column of it: what is compared
    is the treatment's share against one half, as the net preference over the control.
    """
    control, *treatments = wanted.variants
    one = parts[treatments[0]][0]
    own = np.full(one.samples, np.nan)
    values: dict[tuple[str, str], Values] = {(control, PREFERENCE): own}
    rows = {control: np.zeros(one.samples, dtype=np.bool_)}
    for treatment in treatments:
        scores, answered = parts[treatment]
        net = 2 * scores.column(treatment, PREFERENCE) - 1
        own[~np.isnan(net)] = 0.0
        values[treatment, PREFERENCE] = net
        rows[treatment] = answered.rows[treatment]
        rows[control] = rows[control] | answered.rows[control]
    united = SampleScores(one.samples, values, one.cluster, one.slices, one.names)
    result = _analysed(_plan(request, wanted, united, kind=PREFERENCE), united, Answered(rows), request)
    note = (
        f"Effects are net preferences over {control}: the share of wins minus the share of losses; {control}'s own "
        "value is 0 by definition."
    )
    return result.model_copy(update={"warnings": (*result.warnings, note)})


def _analysed(plan: AnalysisPlan, scores: SampleScores, answered: Answered, request: Request) -> AnalysisResult:
    look = _position(plan, request, scores.samples)
    return analyse_scores(plan, scores, _coverage(plan, scores, answered), look)


def _position(plan: AnalysisPlan, request: Request, samples: int) -> LookPosition:
    asked = tuple(round(samples * k / request.look) for k in range(1, request.look + 1))
    final = plan.design.kind == "fixed" or request.look == plan.design.looks
    planned = request.planned if plan.design.kind == "always_valid" else request.planned or samples
    return LookPosition(number=request.look, asked=asked, planned=planned, final=final)


def _with_insights(result: AnalysisResult, scores: SampleScores) -> AnalysisResult:
    return result.model_copy(
        update={
            "insights": InsightGenerator(result, scores).insights(),
            "methods": (*result.methods, *methods.of_judges(result)),
        }
    )


def _coverage(plan: AnalysisPlan, scores: SampleScores, answered: Answered) -> Coverage:
    rows = []
    for variant in plan.variants:
        seen = answered.rows[variant]
        judged = int(np.count_nonzero(~np.isnan(scores.column(variant, plan.primary_metric))))
        present = int(np.count_nonzero(seen))
        gone = {"no_row": scores.samples - present, "no_score": present - judged}
        missing = {reason: count for reason, count in gone.items() if count}
        rows.append(
            VariantCoverage(variant=variant, asked=scores.samples, answered=present, judged=judged, missing=missing)
        )
    paired = {t: scores.pairs(plan.control, t, plan.primary_metric).n for t in plan.treatments}
    return Coverage(asked=scores.samples, paired=paired, variants=tuple(rows))


def _plan(request: Request, wanted: Chosen, scores: SampleScores, *, kind: str) -> AnalysisPlan:
    own = wanted.own_margin
    plan = AnalysisPlan(
        test_name=request.title,
        control=wanted.variants[0],
        variants=wanted.variants,
        judges=tuple(
            JudgeMetric(
                name=metric,
                type=kind,
                binary=_is_binary(scores, wanted.variants, metric),
                lower_is_better=metric in request.lower_is_better,
            )
            for metric in wanted.metrics
            if metric not in OPERATIONAL_UNITS
        ),
        primary_metric=wanted.primary,
        alpha=request.alpha,
        design=_design(request),
        guardrails=wanted.guardrails,
        primary_margin=own.value if own is not None and not own.relative else None,
        primary_margin_relative=own.value if own is not None and own.relative else None,
        tie_margin=request.tie_margin,
        seed=request.seed,
        versions={"abtest": __version__},
    )
    check_units(plan)
    return plan


def _design(request: Request) -> DesignPlan:
    if request.design.kind != "always_valid" or request.design.tuned_at is not None:
        return request.design
    # Whoever looks again with more samples must not move the tuning with them.
    return request.design.model_copy(update={"tuned_at": request.planned or TUNED_AT})


def _is_binary(scores: SampleScores, variants: Sequence[str], metric: str) -> bool:
    known = False
    for variant in variants:
        values = scores.column(variant, metric)
        missing = np.isnan(values)
        if not (missing | (values == 0) | (values == 1)).all():
            return False
        known = known or not missing.all()
    return known
