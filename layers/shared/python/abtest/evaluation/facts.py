"""What is known of a test's judges before any of them judges, and what is wrong between them.

Depends on: `abtest.contracts.judging`, `abtest.evaluation.registry`. Used by: `abtest.evaluation.service`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from abtest.contracts.judging import JudgeFacts, JudgeKind, MetricFacts
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.model import Dimension, JudgeConfiguration, JudgeType, ModelJudge, ModelJudgeType, PanelType
from abtest.evaluation.registry import load_judge
from abtest.evaluation.validation import check_parameters, sentences
from abtest.evaluation.versions import version_of

_FORMAT = 1
"""Changes when what a judge in code says of an answer changes, so that its version does too."""


def kind_of(judge_type: str) -> JudgeKind:
    """Return whether a type of judge scores in code, asks a model or joins other judges.

    Raises:
        KeyError: no judge has that name.
    """
    return load_judge(judge_type).kind


def judge_facts(judges: Sequence[JudgeConfiguration]) -> dict[str, JudgeFacts]:
    """Return what is known of each judge of a test, by its name and in the order given.

    Args:
        judges: all judges of the test, those that panels name among them.

    Raises:
        InvalidInputError: options of a judge or between judges are wrong; with every issue, `NAME.option`.
    """
    issues = [
        InputIssue(f"{judge.name}.{issue.path}", issue.message, issue.found, issue.allowed)
        for judge in judges
        for issue in check_parameters(judge.type, judge.parameters)
    ] + check_judges(judges)
    if issues:
        raise InvalidInputError(f"The judges cannot work: {sentences(issues)}", issues)
    found = _own_facts(judges)
    for judge in judges:
        kind, parameters = _options(judge)
        if isinstance(kind, PanelType):
            found[judge.name] = kind.facts(judge.name, parameters, found)
    return {judge.name: found[judge.name] for judge in judges}


def check_judges(judges: Sequence[JudgeConfiguration]) -> list[InputIssue]:
    """Return what is wrong between the judges of a test: a panel and the judges it names.

    Args:
        judges: all judges of the test; one whose own options are wrong is left out, and so is what rests on it.

    Returns:
        One issue a mistake; paths are `NAME.option`, such as `council.members.1`.
    """
    names = [judge.name for judge in judges]
    issues = [
        InputIssue(name, "two judges have this name", name) for name in sorted(set(names)) if names.count(name) > 1
    ]
    right = [judge for judge in judges if not check_parameters(judge.type, judge.parameters)]
    known = _own_facts(right)
    broken = {judge.name for judge in judges} - {judge.name for judge in right}
    panels = [judge for judge in right if load_judge(judge.type).kind == "panel"]
    known |= {judge.name: _placeholder(judge) for judge in panels}
    for judge in panels:
        kind, parameters = _options(judge)
        if isinstance(kind, PanelType):
            issues += _named(judge.name, kind.issues(parameters, known), broken)
    return issues


def compile_model_judge(judge: JudgeConfiguration) -> ModelJudge:
    """Return a judge that asks a model, ready to make questions.

    Raises:
        InvalidInputError: the judge does not exist, asks no model, or its options are wrong.
    """
    return _compiled(judge.model_dump_json())


@lru_cache(maxsize=32)
def _compiled(configuration: str) -> ModelJudge:
    # Told apart by the text, which keeps the order of dimensions; a worker compiles the same judge for every batch.
    judge = JudgeConfiguration.model_validate_json(configuration)
    _check(judge)
    kind, parameters = _options(judge)
    if not isinstance(kind, ModelJudgeType):
        issue = InputIssue("type", "this judge asks no model", judge.type)
        raise InvalidInputError(f"The judge {judge.name!r} asks no model.", [issue])
    return kind.compile(judge.name, parameters)


def dimensions_of(judge: JudgeConfiguration) -> tuple[Dimension, ...]:
    """Return what a judge looks at; empty for judges that ask no model.

    Raises:
        InvalidInputError: the judge does not exist or its options are wrong.
    """
    _check(judge)
    kind, parameters = _options(judge)
    return kind.dimensions(parameters) if isinstance(kind, ModelJudgeType) else ()


def needs_reference(judge_type: str, parameters: Mapping[str, Any]) -> bool:
    """Return whether a judge with these options cannot judge without the samples' references.

    Of a panel nothing can be said without its members; `judge_facts` does.

    Raises:
        InvalidInputError: the judge does not exist or its options are wrong.
    """
    judge = JudgeConfiguration(name=judge_type, type=judge_type, parameters=dict(parameters))
    _check(judge)
    kind, options = _options(judge)
    if isinstance(kind, PanelType):
        return False
    return _facts_of(judge.name, kind, options).reference == "needed"


def is_binary(judge_type: str) -> bool:
    """Return whether every score of a judge is 0 or 1, whatever its options are.

    Raises:
        KeyError: no judge has that name.
    """
    kind = load_judge(judge_type)
    return isinstance(kind, JudgeType) and kind.binary


def _check(judge: JudgeConfiguration) -> None:
    issues = check_parameters(judge.type, judge.parameters)
    if issues:
        raise InvalidInputError(f"The judge {judge.name!r} cannot work: {sentences(issues)}", issues)


def _options(judge: JudgeConfiguration) -> tuple[Any, Any]:
    kind = load_judge(judge.type)
    return kind, kind.Parameters.model_validate(judge.parameters)


def _own_facts(judges: Iterable[JudgeConfiguration]) -> dict[str, JudgeFacts]:
    """Return the facts of all judges but panels, by name."""
    found = {}
    for judge in judges:
        kind, parameters = _options(judge)
        if not isinstance(kind, PanelType):
            found[judge.name] = _facts_of(judge.name, kind, parameters)
    return found


def _facts_of(name: str, kind: JudgeType[Any] | ModelJudgeType[Any], parameters: Any) -> JudgeFacts:
    if kind.facts is not None:
        return kind.facts(name, parameters)
    options = parameters.model_dump(mode="json", by_alias=True)
    return JudgeFacts(
        name=name,
        type=kind.name,
        kind="code",
        reference="needed" if kind.needs_reference(parameters) else "none",
        metrics=(MetricFacts(name=name, binary=kind.binary, scale=kind.scale),),
        version=version_of([_FORMAT, kind.name, options]),
    )


def _placeholder(panel: JudgeConfiguration) -> JudgeFacts:
    """Return facts that say no more than that a judge is a panel."""
    return JudgeFacts(
        name=panel.name, type=panel.type, kind="panel", metrics=(MetricFacts(name=panel.name),), version="0"
    )


def _named(name: str, issues: Iterable[InputIssue], broken: set[str]) -> list[InputIssue]:
    # What a judge with wrong options would be is not known: that it is wrong is said elsewhere.
    return [
        InputIssue(f"{name}.{issue.path}", issue.message, issue.found, issue.allowed)
        for issue in issues
        if issue.found is None or issue.found not in broken
    ]
