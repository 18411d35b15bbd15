"""What people are asked: the very question, scale and anchors that the judge of a metric has.

Depends on: `abtest.evaluation.service`, `abtest.evaluation.registry`, the model. Used by: `abtest.runtime.labelling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.labels.model import LabelKind, LabelQuestion
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.registry import load_judge
from abtest.evaluation.service import dimensions_of, judge_facts


def question_of(judges: Sequence[JudgeConfiguration], metric: str) -> LabelQuestion:
    """Return what people are asked about a metric.

    Args:
        judges: all of the test.
        metric: a judge's name, or `JUDGE.DIMENSION`.

    Raises:
        InvalidInputError: no judge makes that metric.
    """
    facts = judge_facts(judges)
    by_metric = {one.name: (of, one) for of in facts.values() for one in of.metrics}
    if metric not in by_metric:
        issue = InputIssue("metric", "no metric of a judge of this run", metric, ", ".join(by_metric))
        raise InvalidInputError("Nobody can be asked about this metric.", [issue])
    of, measured = by_metric[metric]
    configured = {judge.name: judge for judge in judges}
    kind = _kind(of, measured)
    text, anchors = _asked(of, measured, kind, configured)
    made_by = of.members or (of.name,)
    together = (one.members for one in facts.values() if set(one.members) & set(made_by))
    return LabelQuestion(
        metric=metric,
        dimension=measured.dimension,
        kind=kind,
        text=text,
        scale=(0.0, 1.0) if kind != "scale" else measured.scale,
        anchors=anchors if kind == "scale" else (),
        judges=made_by,
        peers=tuple(dict.fromkeys([*made_by, *(name for members in together for name in members)])),
    )


def _kind(of: JudgeFacts, measured: MetricFacts) -> LabelKind:
    if of.pairwise:
        return "preference"
    return "binary" if measured.binary else "scale"


def _asked(
    of: JudgeFacts, measured: MetricFacts, kind: LabelKind, configured: Mapping[str, JudgeConfiguration]
) -> tuple[str, tuple[tuple[float, str], ...]]:
    """Return the question, and the anchors where one dimension has them."""
    dimensions = _dimensions(of, configured)
    wanted = [one for one in dimensions if one.name == measured.dimension] if measured.dimension else dimensions
    better = "Which response is better?"
    if len(wanted) == 1:
        anchors = tuple(sorted((float(point), str(text)) for point, text in wanted[0].anchors.items()))
        asked = str(wanted[0].question)
        return f"{better} Ask of each: {asked}" if kind == "preference" else asked, anchors
    if wanted:
        names = ", ".join(one.name for one in wanted)
        whole = better if kind == "preference" else "How good is the response as a whole?"
        return f"{whole} What counts: {names}.", ()
    if kind == "preference":
        return better, ()
    whole = "Does the response pass?" if kind == "binary" else "How good is the response?"
    return f"{whole} The automatic check: {load_judge(of.type).summary}", ()


def _dimensions(of: JudgeFacts, configured: Mapping[str, JudgeConfiguration]) -> Sequence[Any]:
    """Return a judge's dimensions; of a panel those of its first member that has any."""
    for name in of.members or (of.name,):
        found = dimensions_of(configured[name])
        if found:
            return found
    return ()
