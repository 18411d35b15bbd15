"""What people's labels say of a run: its scores and its labels, brought together and analysed.

Depends on: `abtest.analytics.labels`, `abtest.runtime.label_store`, the rows of a run.
Used by: `functions/analyse_labels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from abtest.analytics.data.accumulate import scored_batch
from abtest.analytics.data.scores import ALONE, SampleScores, ScoredBatch
from abtest.analytics.labels.inputs import Choice, LabelData, LabelledItems, ScoredComparison, Values
from abtest.analytics.labels.model import LabelAnalysis, LabelCounts
from abtest.analytics.labels.service import analyse_labels
from abtest.analytics.panels import ConsensusBuilder
from abtest.analytics.plan import AnalysisPlan
from abtest.core.errors import ConflictError, InputIssue, InvalidInputError
from abtest.evaluation.labels.merging import (
    SETTLING,
    SettledLabels,
    SheetLabels,
    item_values,
    settled,
    sheet_labels,
)
from abtest.evaluation.labels.model import LabellingSheet, LabelQuestion
from abtest.evaluation.labels.questions import question_of
from abtest.management.model import RunFrozen
from abtest.runtime.label_store import PARALLEL_READS, LabellingPorts, LabelStore, completed, configured
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_rows import analysis_plan


@dataclass(frozen=True)
class _Labelled:
    sheet: LabellingSheet
    labels: SheetLabels
    settled: SettledLabels


def label_analysis(metric: str | None, run_id: str, *, workspace: str, ports: LabellingPorts) -> LabelAnalysis:
    """Return what people's labels say of one metric.

    Args:
        metric: of the run; None where only one has sheets.
        run_id: of a completed run.
        workspace: the caller's; other runs do not exist for them.
        ports: runs and bodies.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is not completed, or nothing was labelled.
        InvalidInputError: it has no such metric, or several have sheets and none is named.
    """
    run = completed(ports.runs, workspace, run_id)
    store = LabelStore(ports.objects, workspace, run_id)
    sheets = store.sheets()
    wanted = _wanted(metric, sheets, run_id)
    bodies = RunBodies(ports.objects, workspace, run_id)
    frozen = bodies.frozen()
    question = question_of(configured(frozen), wanted)
    imports = store.imports()
    labelled = []
    for sheet in sheets:
        if sheet.question.metric == wanted:
            labels = sheet_labels(imports.get(sheet.sheet_id, []))
            labelled.append(_Labelled(sheet, labels, settled(sheet, labels)))
    if not any(one.labels.by_item for one in labelled):
        raise ConflictError(f"Nobody has labelled {wanted!r} of run {run_id} yet; docs/labels.md says how.")
    plan = _of_one_metric(analysis_plan(run, frozen, None), wanted)
    scores = _Scores(plan, question, _read(bodies, frozen, plan))
    found = analyse_labels(_data(plan, question, scores, labelled), _counts(question, scores, labelled), plan.alpha)
    judge = plan.judge(wanted)
    if judge is None or not judge.escalated_only:
        return found
    part = f"The judge {judge.judge!r} was asked only where a panel disagrees: its effect is of those samples alone."
    return found.model_copy(update={"warnings": (part, *found.warnings)})


def _wanted(metric: str | None, sheets: Sequence[LabellingSheet], run_id: str) -> str:
    with_sheets = list(dict.fromkeys(sheet.question.metric for sheet in sheets))
    if metric:
        return metric
    if len(with_sheets) == 1:
        return with_sheets[0]
    if not with_sheets:
        raise ConflictError(f"Run {run_id} has no labelling sheet; make one first.")
    issue = InputIssue("metric", "which metric? Several have sheets", None, ", ".join(with_sheets))
    raise InvalidInputError("The query does not fit.", [issue])


def _of_one_metric(plan: AnalysisPlan, metric: str) -> AnalysisPlan:
    """Return the plan with what one metric needs: labels of one judge must not wait for the verdicts of all."""
    wanted = plan.judge(metric)
    panel = None if wanted is None else wanted.panel
    names = {*(panel.members if panel else ()), *([panel.escalate_to] if panel and panel.escalate_to else [])}
    kept = tuple(one for one in plan.judges if one.judge in names or (wanted and one.judge == wanted.judge))
    return plan.model_copy(update={"judges": kept, "primary_metric": metric, "guardrails": ()})


def _read(bodies: RunBodies, frozen: RunFrozen, plan: AnalysisPlan) -> SampleScores:
    judges = [one.judge for one in plan.instruments if one.kind != "panel"]
    places = [(wave, batch) for wave, count in enumerate(frozen.batches_by_wave) for batch in range(count)]

    def read(place: tuple[int, int]) -> ScoredBatch:
        verdicts = [verdict for judge in judges for verdict in bodies.verdicts_so_far(place[0], judge, place[1])]
        return scored_batch(plan, bodies.samples(*place), verdicts)

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        scores, _ = ConsensusBuilder(plan).build(SampleScores.joined(pool.map(read, places)))
    return scores


class _Scores:
    """The judge's scores of one metric, on the scale that labels have; a preference is the treatment's share of it."""

    def __init__(self, plan: AnalysisPlan, question: LabelQuestion, scores: SampleScores) -> None:
        self.rows: Mapping[str, int] = {name: row for row, name in enumerate(scores.names)}
        self.pairwise = question.kind == "preference"
        control = scores.column(plan.control, question.metric)
        columns = {variant: scores.column(variant, question.metric) for variant in plan.variants}
        if self.pairwise:
            # The columns hold s and 1 - s, or 2 s - 1 and 0: either way their difference is 2 s - 1.
            columns = {t: (columns[t] - control + 1) / 2 for t in plan.treatments}
        self.columns: Mapping[str, Values] = columns
        names, codes = (scores.cluster.names, scores.cluster.codes) if scores.cluster is not None else ((), None)
        self.clusters: tuple[str | None, ...] = tuple(
            None if codes is None or codes[row] == ALONE else names[codes[row]] for row in range(scores.samples)
        )

    def of(self, sample_id: str, variant: str) -> float:
        """Return one score, NaN where there is none."""
        row = self.rows.get(sample_id)
        return float("nan") if row is None or variant not in self.columns else float(self.columns[variant][row])

    def unit(self, sample_id: str) -> str:
        """Return what a sample belongs to."""
        row = self.rows.get(sample_id)
        cluster = None if row is None else self.clusters[row]
        return f"sample {sample_id}" if cluster is None else f"cluster {cluster}"


def _data(plan: AnalysisPlan, question: LabelQuestion, scores: _Scores, labelled: Sequence[_Labelled]) -> LabelData:
    people = {variant: np.full(len(scores.rows), np.nan) for variant in plan.variants}
    for one in labelled:
        if one.sheet.choose != "random":
            continue
        for key in one.sheet.keys:
            row = scores.rows.get(key.sample_id)
            # Two sheets made at the same moment can ask about one sample: the older one's label stands.
            if row is not None and key.item in one.settled.values and np.isnan(people[key.variant][row]):
                people[key.variant][row] = one.settled.values[key.item]
    labellers = tuple(sorted({who for one in labelled for who in one.labels.labellers}))
    return LabelData(
        run_id=plan.run_id,
        metric=question.metric,
        kind=question.kind,
        scale=question.scale,
        control=plan.control,
        comparisons=tuple(_comparison(plan, scores, people, treatment) for treatment in plan.treatments),
        items={
            chosen: _items(scores, [one for one in labelled if one.sheet.choose == chosen])
            for chosen in _CHOICES
            if any(one.sheet.choose == chosen and one.labels.by_item for one in labelled)
        },
        labellers=labellers,
        ratings=_ratings(labelled, labellers),
    )


_CHOICES: tuple[Choice, ...] = ("random", "disagreement")


def _comparison(plan: AnalysisPlan, scores: _Scores, people: Mapping[str, Values], treatment: str) -> ScoredComparison:
    judge, human = scores.columns[treatment], people[treatment]
    nothing = np.zeros(judge.size)
    return ScoredComparison(
        treatment=treatment,
        clusters=scores.clusters,
        judge_control=nothing if scores.pairwise else scores.columns[plan.control],
        judge_treatment=judge,
        human_control=nothing if scores.pairwise else people[plan.control],
        human_treatment=human,
    )


def _items(scores: _Scores, labelled: Sequence[_Labelled]) -> LabelledItems:
    found = [
        (scores.of(key.sample_id, key.variant), one.settled.values[key.item], scores.unit(key.sample_id))
        for one in labelled
        for key in one.sheet.keys
        if key.item in one.settled.values
    ]
    both = [(judge, human, unit) for judge, human, unit in found if not np.isnan(judge)]
    return LabelledItems(
        judge=np.asarray([judge for judge, _, _ in both], dtype=np.float64),
        human=np.asarray([human for _, human, _ in both], dtype=np.float64),
        units=tuple(unit for _, _, unit in both),
    )


def _ratings(labelled: Sequence[_Labelled], labellers: Sequence[str]) -> Values:
    given = [values for one in labelled for values in item_values(one.sheet, one.labels).values()]
    return np.asarray([[values.get(who, np.nan) for values in given] for who in labellers], dtype=np.float64).reshape(
        len(labellers), len(given)
    )


def _counts(question: LabelQuestion, scores: _Scores, labelled: Sequence[_Labelled]) -> LabelCounts:
    random = [one for one in labelled if one.sheet.choose == "random"]
    return LabelCounts(
        sheets=len(labelled),
        items=sum(len(one.sheet.keys) for one in labelled),
        labelled=sum(len(one.labels.by_item) for one in labelled),
        labellers=tuple(sorted({who for one in labelled for who in one.labels.labellers})),
        several=sum(one.settled.several for one in labelled),
        conflicts=sum(one.settled.conflicts for one in labelled),
        left_out=sum(one.settled.left_out for one in labelled),
        replaced=sum(one.labels.replaced for one in labelled),
        unlabelled_random=sum(len(one.sheet.keys) - len(one.labels.by_item) for one in random),
        unjudged=sum(
            np.isnan(scores.of(key.sample_id, key.variant))
            for one in labelled
            for key in one.sheet.keys
            if key.item in one.settled.values
        ),
        settled_by=SETTLING[question.kind],
    )
