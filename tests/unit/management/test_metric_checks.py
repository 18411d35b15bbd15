"""Names of metrics: what judges make, and what a test may decide by."""

from __future__ import annotations

import pytest
from judge_facts import by_name, code, metrics, pairwise, panel, rubric

from abtest.contracts.definition import Design, Guardrail
from abtest.contracts.judging import JudgeFacts
from abtest.core.errors import InputIssue
from abtest.management.metric_checks import (
    JudgeMetrics,
    guardrail_metric_issues,
    name_issues,
    only_escalated,
    primary_issues,
)

FIXED, SEQUENTIAL = Design(), Design(kind="group_sequential")


def measured(*facts: JudgeFacts, wrong: tuple[str, ...] = ()) -> JudgeMetrics:
    return JudgeMetrics([*(one.name for one in facts), *wrong], by_name(*facts))


def primary(
    metric: object, *facts: JudgeFacts, design: Design = FIXED, wrong: tuple[str, ...] = ()
) -> list[InputIssue]:
    return list(primary_issues(metric, design, measured(*facts, wrong=wrong)))


def test_a_judge_and_each_of_its_dimensions_may_decide() -> None:
    quality = rubric("quality", ["accuracy", "style"])

    assert primary("quality", quality) == []
    assert primary("quality.style", quality) == []


def test_what_nobody_measures_is_told__with_everything_that_is_measured() -> None:
    (issue,) = primary("quality.acuracy", rubric("quality", ["accuracy", "style"]), code("right"))

    assert issue.path == "primary_metric"
    assert issue.message == "no judge measures it; did you mean 'quality.accuracy'?"
    assert issue.allowed == "a judge, or JUDGE.DIMENSION: quality, quality.accuracy, quality.style, right"


def test_of_a_judge_that_is_wrong_itself_any_dimension_may_be_one() -> None:
    assert primary("quality.accuracy", wrong=("quality",)) == []
    assert primary("quality", wrong=("quality",)) == []
    assert [issue.path for issue in primary("qualit.accuracy", wrong=("quality",))] == ["primary_metric"]


def test_nothing_is_said_of_a_metric__where_there_is_no_judge_or_no_text() -> None:
    assert primary("quality") == []
    assert primary(3, code("right")) == []


def test_a_judge_of_disagreements_alone_decides_nothing() -> None:
    council = panel("council", ["a", "b"], escalate_to="strong")
    facts = (rubric("a"), rubric("b"), rubric("strong", ["style"]), council)

    (issue,) = primary("strong.style", *facts)
    guardrails = {"safe": Guardrail(metric="strong", margin=0.1)}
    (guarded,) = guardrail_metric_issues(guardrails, measured(*facts))

    assert issue.message.startswith("'strong' is asked only where the members of 'council' disagree")
    assert (guarded.path, guarded.message) == ("guardrails.safe.metric", issue.message)
    assert (issue.allowed or "").startswith("council")


def test_a_judge_that_is_a_member_somewhere_judges_every_answer() -> None:
    first = panel("first", ["a", "b"], escalate_to="strong")
    second = panel("second", ["a", "strong"])
    facts = by_name(rubric("a"), rubric("b"), rubric("strong"), first, second)

    assert only_escalated(facts) == {}
    assert only_escalated(by_name(*(fact for fact in facts.values() if fact is not second))) == {"strong": "first"}


def test_a_judge_in_code_is_never_saved_by_escalation() -> None:
    council = panel("council", ["a", "b"], escalate_to="right")

    assert only_escalated(by_name(rubric("a"), rubric("b"), code("right"), council)) == {}


def test_a_panel_whose_scores_are_not_final_stops_no_run_early() -> None:
    facts = (code("a"), code("b"), panel("council", ["a", "b"], consensus="dawid_skene"))

    (issue,) = primary("council", *facts, design=SEQUENTIAL)

    assert "weighs its members anew with each look" in issue.message
    assert "group_sequential" in issue.message
    assert "design.kind: fixed" in (issue.allowed or "")
    assert primary("council", *facts, design=FIXED) == []
    assert primary("a", *facts, design=SEQUENTIAL) == []


@pytest.mark.parametrize("changes", [{}, {"escalate_to": "strong"}])
def test_a_panel_whose_scores_are_final_may_stop_a_run_early(changes: dict[str, str]) -> None:
    facts = (code("a"), code("b"), rubric("strong"), panel("council", ["a", "b"], **changes))
    assert primary("council", *facts, design=SEQUENTIAL) == []


def test_guardrails_may_name_dimensions_and_what_always_exists__and_nothing_else() -> None:
    guardrails = {
        "style": Guardrail(metric="quality.style", margin=0.1),
        "fast": Guardrail(metric="latency_ms", margin=100),
        "odd": Guardrail(metric="latency", margin=1),
    }

    (issue,) = guardrail_metric_issues(guardrails, measured(rubric("quality", ["style"])))

    assert issue.path == "guardrails.odd.metric"
    assert "did you mean 'latency_ms'?" in issue.message
    assert (issue.allowed or "").startswith("quality, quality.style, latency_ms")


def test_a_judge_must_not_take_the_name_of_another_ones_dimension() -> None:
    (issue,) = name_issues(measured(rubric("quality", ["style"]), code("quality.style")))

    assert issue.path == "judges.quality.style"
    assert "the judge 'quality' makes a metric 'quality.style' too" in issue.message


def test_a_judge_must_not_take_a_reserved_name() -> None:
    (issue,) = name_issues(measured(wrong=("cost_usd",)))

    assert (issue.path, issue.found) == ("judges.cost_usd", "cost_usd")


def test_a_metric_that_no_field_could_name_is_told() -> None:
    name = "q" * 40
    (issue,) = name_issues(measured(rubric(name, ["d" * 24])))

    assert issue.path == f"judges.{name}"
    assert "has 65 characters" in issue.message
    assert list(name_issues(measured(rubric(name, ["d" * 23])))) == []


def test_makers_are_found__by_every_metric() -> None:
    known = JudgeMetrics(["q"], {"q": code("q", metrics=metrics("q", ["x"]))})

    assert known.maker("q.x") is known.facts["q"]
    assert known.maker("q.y") is None


def test_a_margin_that_is_a_share_of_a_preference_is_refused__one_in_points_is_not() -> None:
    guardrails = {
        "share": Guardrail(metric="better", margin_relative=0.1),
        "points": Guardrail(metric="better", margin=0.1),
        "score": Guardrail(metric="quality", margin_relative=0.1),
    }

    (issue,) = guardrail_metric_issues(guardrails, measured(pairwise("better"), rubric("quality", ["style"])))

    assert issue.path == "guardrails.share.margin_relative"
    assert "'better' is a preference" in issue.message
