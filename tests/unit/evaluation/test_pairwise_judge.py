from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from asking_cases import SAMPLE, answer, answered, compiled, judge, pair, preference, reply, said

from abtest.contracts.records import ModelResponse, Sample
from abtest.evaluation.model import Question, Reply
from abtest.evaluation.service import judge_facts
from abtest.evaluation.validation import check_parameters
from abtest.providers.vendors._openai import is_strict


def prefers(variant: str) -> Any:
    """A judge that always finds the better answer, wherever it stands."""

    def say(question: Question) -> Reply:
        shown_first = "a" if question.order == "control_first" else "b"
        return preference(helpfulness="1" if shown_first == variant else "2")

    return say


def test_pair_is_asked_in_both_orders__with_the_answers_swapped() -> None:
    pairwise = compiled("pairwise")
    first, second = pairwise.questions([SAMPLE], pair("It is 4.", "Four."), control="a")
    assert [(one.id, one.variant, one.against, one.order) for one in (first, second)] == [
        ("s1/b/control_first/0", "b", "a", "control_first"),
        ("s1/b/treatment_first/0", "b", "a", "treatment_first"),
    ]
    assert first.messages[1][1].index("It is 4.") < first.messages[1][1].index("Four.")
    assert second.messages[1][1].index("Four.") < second.messages[1][1].index("It is 4.")
    assert first.messages[0] == second.messages[0]


@pytest.mark.parametrize(("better", "share"), [("a", 0.0), ("b", 1.0)])
def test_score_is_the_treatments_share__whatever_the_order(better: str, share: float) -> None:
    pairwise = compiled("pairwise")
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, answered(questions, prefers(better)), control="a")
    assert (verdict.variant, verdict.against, verdict.status, verdict.score) == ("b", "a", "scored", share)
    assert [vote.score for vote in verdict.votes] == [share, share]
    assert verdict.reason == "with the control as Response 1: Because. (helpfulness)"


@pytest.mark.parametrize(("says", "votes"), [("1", [0.0, 1.0]), ("2", [1.0, 0.0])])
def test_preference_for_a_position__is_no_preference(says: str, votes: list[float]) -> None:
    pairwise = compiled("pairwise")
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    replies = answered(questions, lambda _: preference(helpfulness=says))
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, replies, control="a")
    assert verdict.score == 0.5
    assert [vote.score for vote in verdict.votes] == votes
    assert (verdict.reason or "").startswith("the preference changed with the order")


def test_orders_weigh_the_same__when_one_lost_a_repeat() -> None:
    pairwise = compiled("pairwise", repeats=2)
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    assert [(one.repeat, one.order) for one in questions] == [
        (0, "control_first"),
        (0, "treatment_first"),
        (1, "control_first"),
        (1, "treatment_first"),
    ]
    given = [preference(helpfulness="2"), preference(helpfulness="2"), preference(helpfulness="tie"), reply("no")]
    replies = {question.id: one for question, one in zip(questions, given, strict=True)}
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, replies, control="a")
    # Control first: 1 and 0.5; treatment first: 0 alone.
    assert verdict.score == 0.375


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (preference(helpfulness="2"), reply("no"), "invalid"),
        (preference(helpfulness="2"), reply(None, "failed"), "not_judged"),
        (reply("no"), reply(None, "failed"), "invalid"),
        (reply(None, "failed"), reply(None, "failed"), "not_judged"),
        (preference(helpfulness="2"), None, "not_judged"),
    ],
)
def test_pair_without_a_valid_vote_in_each_order__has_no_score(first: Reply, second: Reply | None, status: str) -> None:
    pairwise = compiled("pairwise")
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    replies = {questions[0].id: first, **({} if second is None else {questions[1].id: second})}
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, replies, control="a")
    assert (verdict.status, verdict.score, verdict.dimensions) == (status, None, {})
    assert verdict.reason
    assert len(verdict.votes) == 2


def test_overall_preference_is_asked__beside_several_dimensions() -> None:
    pairwise = compiled("pairwise", dimensions=["accuracy", "style"])
    assert pairwise.output_schema["required"] == ["accuracy", "style", "overall"]
    questions = pairwise.questions([SAMPLE], pair(), control="a")

    def say(question: Question) -> Reply:
        treatment = "2" if question.order == "control_first" else "1"
        return preference(accuracy=treatment, style="tie", overall=treatment)

    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, answered(questions, say), control="a")
    assert (verdict.score, verdict.dimensions) == (1.0, {"accuracy": 1.0, "style": 0.5})
    assert verdict.votes[0].dimensions == {"accuracy": 1.0, "style": 0.5}
    assert (verdict.reason or "").endswith("Because. (overall)")


def test_reply_without_the_overall_preference__is_invalid() -> None:
    pairwise = compiled("pairwise", dimensions=["accuracy", "style"])
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    replies = answered(questions, lambda _: preference(accuracy="1", style="1"))
    assert len(pairwise.repairs(questions, replies)) == 2
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, replies, control="a")
    assert (verdict.status, "'overall' is missing" in (verdict.reason or "")) == ("invalid", True)


@pytest.mark.parametrize(
    ("control", "treatment", "asked"),
    [("", " \n", False), ("", "4", True), ("4", "", True), ("4", "4", True)],
)
def test_two_empty_answers_are_a_tie__without_a_call(control: str, treatment: str, asked: bool) -> None:
    pairwise = compiled("pairwise")
    questions = pairwise.questions([SAMPLE], pair(control, treatment), control="a")
    assert bool(questions) is asked
    (verdict,) = pairwise.verdicts([SAMPLE], pair(control, treatment), questions, {}, control="a")
    if asked:
        assert (verdict.status, verdict.score) == ("not_judged", None)
    else:
        assert (verdict.status, verdict.score, verdict.use, verdict.votes) == ("scored", 0.5, None, ())


@pytest.mark.parametrize(
    ("responses", "says"),
    [
        ({"a": [answer("a", None, "failed")], "b": [answer("b", "4")]}, "a: the call failed: timeout"),
        ({"a": [answer("a", "4")], "b": [answer("b", None, "failed")]}, "b: the call failed: timeout"),
        ({"a": [answer("a", "4")], "b": []}, "b: there is no response"),
        ({"b": [answer("b", "4")]}, "a: there is no response"),
    ],
)
def test_pair_with_a_missing_answer__is_not_asked_about(responses: dict[str, list[ModelResponse]], says: str) -> None:
    pairwise = compiled("pairwise")
    assert pairwise.questions([SAMPLE], responses, control="a") == []
    (verdict,) = pairwise.verdicts([SAMPLE], responses, [], {}, control="a")
    assert (verdict.variant, verdict.against, verdict.status, verdict.reason) == ("b", "a", "not_judged", says)


def test_refused_answer_is_the_empty_one__and_is_compared() -> None:
    responses = {"a": [answer("a", "No, never.", "refused")], "b": [answer("b", "4")]}
    first, _ = compiled("pairwise").questions([SAMPLE], responses, control="a")
    assert "Response 1 is empty" in first.messages[1][1]
    assert "No, never." not in first.messages[1][1]


def test_each_treatment_is_compared__with_the_control() -> None:
    responses = {name: [answer(name, name)] for name in ("x", "base", "y")}
    questions = compiled("pairwise").questions([SAMPLE], responses, control="base")
    assert [(one.variant, one.against) for one in questions] == [("x", "base")] * 2 + [("y", "base")] * 2
    only = compiled("pairwise").questions([SAMPLE], responses, control="base", only={("s1", "y")})
    assert {one.variant for one in only} == {"y"}


def test_random_order_is_drawn_for_each_pair__always_the_same_one() -> None:
    pairwise = compiled("pairwise", orders="random")
    samples = [Sample(id=f"s{number}", inputs={"question": "?"}) for number in range(400)]
    responses = {name: [answer(name, "x", sample_id=one.id) for one in samples] for name in ("a", "b")}
    questions = pairwise.questions(samples, responses, control="a")
    assert questions == pairwise.questions(samples[::-1], responses, control="a")[::-1]
    drawn = Counter(one.order for one in questions)
    assert sum(drawn.values()) == 400
    assert abs(drawn["control_first"] - 200) < 40


def test_repeats_take_turns__where_the_order_is_drawn() -> None:
    questions = compiled("pairwise", orders="random", repeats=4).questions([SAMPLE], pair(), control="a")
    assert len(questions) == 4
    assert Counter(one.order for one in questions) == {"control_first": 2, "treatment_first": 2}


def test_tie_can_be_forbidden__and_is_then_no_reply() -> None:
    pairwise = compiled("pairwise", ties=False)
    assert pairwise.output_schema["properties"]["helpfulness"]["properties"]["preference"]["enum"] == ["1", "2"]
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    assert '"tie"' not in questions[0].messages[0][1] + questions[0].messages[1][1]
    replies = answered(questions, lambda _: preference(helpfulness="tie"))
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, replies, control="a")
    assert (verdict.status, verdict.score) == ("invalid", None)


def test_schema_is_strict__and_asks_for_the_reason_first() -> None:
    schema = compiled("pairwise").output_schema
    assert is_strict(schema)
    assert list(schema["properties"]["helpfulness"]["properties"]) == ["reason", "preference"]


@pytest.mark.parametrize(("known", "expected"), [("first", 0.0), ("second", 1.0), ("tie", 0.5)])
def test_pinned_pair_is_expected__as_the_second_ones_share(known: str, expected: float) -> None:
    example = {"inputs": {"question": "2 + 2?"}, "first": "4", "second": "5", "preference": known}
    pairwise = compiled("pairwise", pinned_examples=[example])
    questions = pairwise.pinned_questions()
    assert [one.order for one in questions] == ["control_first", "treatment_first"]
    replies = {questions[0].id: preference(helpfulness="1"), questions[1].id: preference(helpfulness="2")}
    (verdict,) = pairwise.pinned_verdicts(questions, replies)
    assert (verdict.example, verdict.expected, verdict.score, verdict.status) == ("1", expected, 0.0, "scored")


def test_reason_is_shortened__and_can_always_be_written() -> None:
    pairwise = compiled("pairwise")
    questions = pairwise.questions([SAMPLE], pair(), control="a")
    text = said("preference", {"helpfulness": "1"}, reason="\\ud800 long " * 200).replace("\\\\ud800", "\\ud800")
    assert "\\ud800" in text
    (verdict,) = pairwise.verdicts([SAMPLE], pair(), questions, answered(questions, lambda _: reply(text)), control="a")
    assert len(verdict.reason or "") <= 301
    assert verdict.model_dump_json()


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"dimensions": {"style": {"weight": 2}}}, "dimensions", "a weight (style) does nothing"),
        ({"dimensions": {"tone": {"question": "Kind?", "anchors": {1: "Rude."}}}}, "dimensions.tone", "both ends"),
        ({"orders": "one"}, "orders", "choices"),
        ({"template": {"user": "{{ first }}"}}, "template.user", "does not show 'second' whole"),
        ({"template": {"user": "{{ answer }}"}}, "template.user", "'answer'"),
        (
            {"template": {"system": "{{ dimensions[0].anchors[0].text }}"}, "dimensions": {"tone": {"question": "?"}}},
            "parameters",
            "cannot be rendered",
        ),
        (
            {"pinned_examples": [{"first": "a", "second": "b", "preference": "1"}]},
            "pinned_examples.0.preference",
            "first",
        ),
    ],
)
def test_wrong_option__is_told_with_its_place(options: dict[str, Any], path: str, says: str) -> None:
    asked = {"provider": "house", "model": "judge-1", "dimensions": ["helpfulness"], **options}
    (issue,) = check_parameters("pairwise", asked)
    assert issue.path == path
    assert says in issue.sentence()


def test_dimension_needs_no_anchors__where_answers_are_compared() -> None:
    own = judge("pairwise", dimensions={"tone": {"question": "Which is friendlier?"}})
    facts = judge_facts([own])["quality"]
    assert facts.pairwise
    assert "Which is friendlier?" in facts.fixed_text


def test_two_empty_answers_are_a_tie__in_every_dimension_too() -> None:
    pairwise, responses = compiled("pairwise", dimensions=["helpfulness", "accuracy"]), pair("", " ")
    assert pairwise.questions([SAMPLE], responses, control="a") == []
    (verdict,) = pairwise.verdicts([SAMPLE], responses, [], {}, control="a")
    assert (verdict.score, verdict.dimensions) == (0.5, {"helpfulness": 0.5, "accuracy": 0.5})
