"""A trial without a model: what is asked, what replies come to, and what a panel makes of its members."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from abtest.contracts.records import ModelResponse, Usage
from abtest.evaluation.model import Reply
from abtest.evaluation.trial import Trial, TrialBody, compiled, questions_of, trial_of
from abtest.evaluation.trial_consensus import disagrees, opinions_of
from abtest.evaluation.trial_result import Asked, JudgeTrial, judge_trial, result_of

RUBRIC = {"type": "rubric", "provider": "p", "model": "m", "dimensions": ["accuracy"]}
PAIRWISE = {**RUBRIC, "type": "pairwise"}
PAIR = {"control": "Lyon", "treatment": "Paris"}


def a_trial(judge: dict[str, Any], **body: Any) -> Trial:
    given = {"answer": "Paris"} if "answers" not in body else {}
    return trial_of(TrialBody.model_validate({"judge": judge, **given, **body}))


def row(question: str, text: str | None, **facts: Any) -> Reply:
    outcome = "failed" if text is None else "answered"
    usage = None if text is None else Usage(input_tokens=50, output_tokens=5)
    return 0, ModelResponse(sample_id=question, variant="judge/j", outcome=outcome, text=text, usage=usage, **facts)


def answered(trial: Trial, name: str, says: str | None, **facts: Any) -> JudgeTrial:
    """Return a judge whose questions all got one reply."""
    judge = compiled(trial, name)
    questions = questions_of(trial, judge)
    replies = {question.id: row(question.id, says, **facts) for question in questions}
    return judge_trial(trial, name, Asked(judge, questions, replies=replies))


def graded(score: int) -> str:
    return json.dumps({"accuracy": {"reason": "So it is.", "score": score}})


def preferred(preference: str) -> str:
    return json.dumps({"accuracy": {"reason": "So it is.", "preference": preference}})


def test_costs__are_added_and_one_unknown_makes_all_unknown() -> None:
    trial = a_trial(RUBRIC)
    known = answered(trial, "judge", graded(4), cost_usd=Decimal("0.001"))
    unknown = answered(trial, "judge", graded(4))

    assert result_of(trial, [known, known]).cost_usd == Decimal("0.002")
    assert result_of(trial, [known, unknown]).cost_usd is None
    assert (result_of(trial, [known, known]).calls, result_of(trial, [known]).input_tokens) == (2, 50)


def test_failed_calls__cost_nothing_and_are_shown() -> None:
    trial = a_trial(RUBRIC)
    judge = answered(trial, "judge", None, failure_reason="timeout")
    result = result_of(trial, [judge])

    assert [verdict.status for verdict in judge.verdicts] == ["not_judged"]
    assert judge.replies[0].failure_reason == "timeout"
    assert (result.calls, result.cost_usd) == (0, 0)


def test_pair_of_two_empty_answers__is_a_tie_without_a_question() -> None:
    trial = a_trial(PAIRWISE, answers={"control": "", "treatment": ""})
    judge = compiled(trial, "judge")
    asked = Asked(judge, questions_of(trial, judge))

    shown = judge_trial(trial, "judge", asked, render_only=True)

    assert shown.prompts == ()
    assert [verdict.score for verdict in shown.verdicts] == [0.5], "nothing is asked, so the verdict is there already"


def test_position_bias__of_one_pair_is_seen_in_the_votes() -> None:
    trial = a_trial(PAIRWISE, answers=PAIR)
    (verdict,) = answered(trial, "judge", preferred("1")).verdicts
    assert verdict.score == 0.5
    assert {vote.order: vote.score for vote in verdict.votes} == {"control_first": 0.0, "treatment_first": 1.0}


def a_panel(member: dict[str, Any] = RUBRIC, **options: Any) -> Trial:
    judges = dict.fromkeys(("one", "two", "three", "strong"), member)
    panel = {"type": "panel", "members": ["one", "two", "three"], "consensus": "mean", **options}
    answers = {"answers": PAIR} if member is PAIRWISE else {}
    return a_trial(panel, name="all", judges=judges, **answers)


ESCALATES = {"on_disagreement": "escalate", "escalate_to": "strong"}


def verdicts(trial: Trial, **scores: str | None) -> dict[str, Any]:
    return {name: answered(trial, name, says).verdicts for name, says in scores.items()}


def test_panel__counts_only_members_that_scored() -> None:
    trial = a_panel()
    (opinion,) = opinions_of(trial, verdicts(trial, one=graded(4), two=graded(2), three=None))
    assert (opinion.score, opinion.scores, opinion.spread) == (3, {"one": 4, "two": 2}, 2)


def test_panel__of_which_nobody_scored_has_no_score() -> None:
    trial = a_panel()
    (opinion,) = opinions_of(trial, verdicts(trial, one=None, two="Four.", three=None))
    assert (opinion.score, opinion.scores, opinion.spread, opinion.agreed) == (None, {}, None, False)
    assert opinion.reason == "no member scored it"


def test_panel__of_preferences_votes_for_a_side() -> None:
    trial = a_panel(PAIRWISE, consensus="majority")
    # "1" in both orders is a share of one half: a vote for neither.
    said = verdicts(trial, one=preferred("tie"), two=preferred("1"), three=preferred("tie"))
    (opinion,) = opinions_of(trial, said)
    assert opinion.score == 0.5


@pytest.mark.parametrize(
    ("scores", "expected"),
    [((1.0, 0.75, 0.0), 1.0), ((0.25, 0.0, 1.0), 0.0), ((1.0, 0.0, 0.5), 0.5), ((1.0, 0.0, None), 0.5)],
)
def test_majority_of_shares__is_a_side_or_neither(scores: tuple[float | None, ...], expected: float) -> None:
    trial = a_panel(PAIRWISE, consensus="majority")
    said = verdicts(trial, one=preferred("tie"), two=preferred("tie"), three=preferred("tie"))
    changed = {
        name: [verdict.model_copy(update={"score": score}) for verdict in said[name]]
        for name, score in zip(said, scores, strict=True)
    }
    (opinion,) = opinions_of(trial, changed)
    assert opinion.score == expected


def test_escalation__is_asked_for_where_members_are_split_or_too_few() -> None:
    trial = a_panel(**ESCALATES, agree_within=1)
    agreed = verdicts(trial, one=graded(4), two=graded(3), three=graded(4))
    split = verdicts(trial, one=graded(4), two=graded(2), three=graded(4))
    alone = verdicts(trial, one=graded(4), two=None, three=None)

    assert not disagrees(trial, agreed)
    assert disagrees(trial, split)
    assert disagrees(trial, alone)
    assert not disagrees(a_panel(agree_within=1), split), "no judge decides for this panel"


def test_escalation__without_a_score_of_the_strong_judge_has_none() -> None:
    trial = a_panel(**ESCALATES)
    (opinion,) = opinions_of(trial, verdicts(trial, one=graded(4), two=graded(2), three=graded(4), strong=None))
    assert (opinion.score, opinion.escalated) == (None, False)
    assert opinion.reason == "the members disagree, and strong gave no score"


def test_judge_that_says_nothing_of_a_panel__is_no_member() -> None:
    trial = a_panel(**ESCALATES)
    said = verdicts(trial, one=graded(4), two=graded(4), three=graded(4), strong=graded(1))
    (opinion,) = opinions_of(trial, said)
    assert (opinion.score, opinion.escalated, "strong" in opinion.scores) == (4, False, False)
