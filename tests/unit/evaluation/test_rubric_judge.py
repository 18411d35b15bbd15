from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from asking_cases import SAMPLE, answer, answered, compiled, pair, reply, said, score

from abtest.contracts.records import Sample
from abtest.core.errors import InvalidInputError
from abtest.evaluation.model import JudgeConfiguration, Reply
from abtest.evaluation.service import compile_model_judge
from abtest.evaluation.validation import check_parameters
from abtest.providers.vendors._openai import is_strict

ASKED = {"provider": "house", "model": "judge-1"}
TONE = {"question": "Is it friendly?", "anchors": {1: "Rude.", 5: "Kind."}}


def test_each_answer_is_asked_about_once__and_scored() -> None:
    rubric = compiled("rubric")
    questions = rubric.questions([SAMPLE], pair(), control="a")
    assert [(one.id, one.variant, one.against, one.order) for one in questions] == [
        ("s1/a/alone/0", "a", None, None),
        ("s1/b/alone/0", "b", None, None),
    ]
    replies = answered(questions, lambda one: score(helpfulness=5 if one.variant == "a" else 2))
    verdicts = rubric.verdicts([SAMPLE], pair(), questions, replies, control="a")
    assert [(one.variant, one.status, one.score, one.dimensions) for one in verdicts] == [
        ("a", "scored", 5.0, {}),
        ("b", "scored", 2.0, {}),
    ]
    assert {one.judge_version for one in verdicts} == {rubric.version}
    assert verdicts[0].reason == "Because. (helpfulness)"
    assert verdicts[0].votes[0].score == 5.0


def test_overall_score_is_the_weighted_mean__of_the_dimensions() -> None:
    rubric = compiled("rubric", dimensions={"accuracy": {"weight": 3}, "style": None, "tone": TONE})
    questions = rubric.questions([SAMPLE], {"a": [answer("a", "4")]}, control="a")
    (verdict,) = rubric.verdicts(
        [SAMPLE],
        {"a": [answer("a", "4")]},
        questions,
        answered(questions, lambda _: score(accuracy=5, style=1, tone=4)),
        control="a",
    )
    assert verdict.score == 4.0
    assert verdict.dimensions == {"accuracy": 5.0, "style": 1.0, "tone": 4.0}
    assert verdict.reason == "accuracy: Because. (accuracy) style: Because. (style) tone: Because. (tone)"


def test_equal_means_are_equal__whatever_the_noise_of_the_sums() -> None:
    weights = {"accuracy": {"weight": 0.1}, "style": {"weight": 0.2}, "relevance": {"weight": 0.7}}
    rubric = compiled("rubric", dimensions=weights)
    assert rubric.overall([3.0, 3.0, 3.0]) == 3.0
    assert rubric.overall([1.0, 2.0, 3.0]) == 2.6


def test_repeats_are_averaged__and_each_is_a_vote() -> None:
    rubric = compiled("rubric", repeats=3)
    responses = {"a": [answer("a", "4")]}
    questions = rubric.questions([SAMPLE], responses, control="a")
    assert [one.repeat for one in questions] == [0, 1, 2]
    assert len({one.messages for one in questions}) == 1
    replies = {questions[0].id: score(helpfulness=5), questions[1].id: score(helpfulness=4)}
    replies[questions[2].id] = reply("I would rather not say.")
    (verdict,) = rubric.verdicts([SAMPLE], responses, questions, replies, control="a")
    assert (verdict.status, verdict.score) == ("scored", 4.5)
    assert [(vote.repeat, vote.status, vote.score) for vote in verdict.votes] == [
        (0, "scored", 5.0),
        (1, "scored", 4.0),
        (2, "invalid", None),
    ]


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        (reply("no idea"), "invalid", "holds no JSON object"),
        (reply(said("score", {"helpfulness": 11})), "invalid", "the scale goes from 1 to 5"),
        (reply(None, "refused"), "invalid", "refused"),
        (reply(said("score", {"helpfulness": 4}), "filtered"), "invalid", "filtered"),
        (reply(said("score", {"helpfulness": 4}), "truncated"), "invalid", "cut off"),
        (reply(None, "failed"), "not_judged", "overloaded"),
        (None, "not_judged", "was not asked"),
    ],
)
def test_reply_that_says_nothing__is_no_score(given: Reply | None, status: str, says: str) -> None:
    rubric = compiled("rubric")
    responses = {"a": [answer("a", "4")]}
    (question,) = rubric.questions([SAMPLE], responses, control="a")
    replies = {} if given is None else {question.id: given}
    (verdict,) = rubric.verdicts([SAMPLE], responses, [question], replies, control="a")
    assert (verdict.status, verdict.score) == (status, None)
    assert says in (verdict.reason or "")


@pytest.mark.parametrize(
    ("response", "status", "says"),
    [(answer("a", None, "failed"), "not_judged", "timeout"), (None, "not_judged", "no response")],
)
def test_answer_that_is_missing__is_not_asked_about(response: Any, status: str, says: str) -> None:
    rubric = compiled("rubric")
    responses = {"a": [response] if response else []}
    questions = rubric.questions([SAMPLE], responses, control="a")
    assert questions == []
    (verdict,) = rubric.verdicts([SAMPLE], responses, questions, {}, control="a")
    assert (verdict.status, verdict.use) == (status, None)
    assert says in (verdict.reason or "")


@pytest.mark.parametrize(
    "response", [answer("a", ""), answer("a", "I cannot.", "refused"), answer("a", "x", "filtered")]
)
def test_empty_answer_is_asked_about__and_the_prompt_says_that_it_is_empty(response: Any) -> None:
    rubric = compiled("rubric")
    (question,) = rubric.questions([SAMPLE], {"a": [response]}, control="a")
    assert "The response is empty" in question.messages[1][1]
    assert "I cannot" not in question.messages[1][1]


def test_unreadable_reply_is_asked_again__once_with_what_was_wrong() -> None:
    rubric = compiled("rubric")
    responses = {"a": [answer("a", "4")], "b": [answer("b", "5")]}
    questions = rubric.questions([SAMPLE], responses, control="a")
    bad = "Score: 4. " * 1_000
    replies = {questions[0].id: reply(bad), questions[1].id: score(helpfulness=3)}
    (repair,) = rubric.repairs(questions, replies)
    assert repair.id == "s1/a/alone/0/repair"
    assert repair.messages[0] == questions[0].messages[0]
    assert repair.messages[1][1].startswith(questions[0].messages[1][1])
    added = repair.messages[1][1][len(questions[0].messages[1][1]) :]
    assert "it holds no JSON object with 'helpfulness'" in added
    assert 2_000 < len(added) < 2_500
    replies[repair.id] = score(helpfulness=2)
    first, _ = rubric.verdicts([SAMPLE], responses, questions, replies, control="a")
    assert (first.score, first.votes[0].repaired) == (2.0, True)
    assert first.use is not None
    assert (first.use.calls, first.use.repairs) == (2, 1)


@pytest.mark.parametrize("second", [reply("again no"), reply(None, "failed"), None])
def test_reply_that_cannot_be_repaired__is_invalid(second: Reply | None) -> None:
    rubric = compiled("rubric")
    responses = {"a": [answer("a", "4")]}
    questions = rubric.questions([SAMPLE], responses, control="a")
    replies = {questions[0].id: reply("no")}
    (repair,) = rubric.repairs(questions, replies)
    if second is not None:
        replies[repair.id] = second
    (verdict,) = rubric.verdicts([SAMPLE], responses, questions, replies, control="a")
    assert (verdict.status, verdict.votes[0].status) == ("invalid", "invalid")


@pytest.mark.parametrize("outcome", ["refused", "filtered", "failed"])
def test_judge_that_declined__is_not_asked_again(outcome: Any) -> None:
    rubric = compiled("rubric")
    questions = rubric.questions([SAMPLE], {"a": [answer("a", "4")]}, control="a")
    assert rubric.repairs(questions, answered(questions, lambda _: reply(None, outcome))) == []


def test_use_is_added_up__and_an_unknown_price_stays_unknown() -> None:
    rubric = compiled("rubric", repeats=2)
    responses = {"a": [answer("a", "4")], "b": [answer("b", "5")]}
    questions = rubric.questions([SAMPLE], responses, control="a")
    good = said("score", {"helpfulness": 4})
    replies = {
        questions[0].id: reply(good, cost_usd="0.02"),
        questions[1].id: reply(good, cost_usd="0.03", from_ledger=True),
        questions[2].id: reply(good, cost_usd=None),
        questions[3].id: reply(None, "failed"),
    }
    known, unknown = (one.use for one in rubric.verdicts([SAMPLE], responses, questions, replies, control="a"))
    assert known is not None and unknown is not None
    assert (known.calls, known.from_ledger, known.input_tokens, known.output_tokens) == (2, 1, 200, 40)
    assert (known.cost_usd, known.spent_usd) == (Decimal("0.05"), Decimal("0.02"))
    assert (unknown.calls, unknown.cost_usd, unknown.spent_usd) == (1, None, Decimal(0))


def test_fallback_is_told__by_the_vote_it_gave() -> None:
    rubric = compiled("rubric", fallbacks=[{"provider": "other", "model": "judge-2"}])
    assert [(one.provider, one.model) for one in rubric.models] == [("house", "judge-1"), ("other", "judge-2")]
    responses = {"a": [answer("a", "4")]}
    questions = rubric.questions([SAMPLE], responses, control="a")
    replies = answered(questions, lambda _: reply(said("score", {"helpfulness": 4}), fallback=1))
    (verdict,) = rubric.verdicts([SAMPLE], responses, questions, replies, control="a")
    assert verdict.votes[0].fallback == 1


def test_only_what_is_wanted__is_asked_and_judged() -> None:
    rubric = compiled("rubric")
    questions = rubric.questions([SAMPLE], pair(), control="a", only={("s1", "b")})
    assert [one.variant for one in questions] == ["b"]
    verdicts = rubric.verdicts([SAMPLE], pair(), questions, {}, control="a", only={("s1", "b")})
    assert [one.variant for one in verdicts] == ["b"]


def test_sample_without_a_reference__is_invalid_where_one_is_required() -> None:
    rubric = compiled("rubric", reference="required")
    bare = Sample(id="s1", inputs={"question": "?"})
    responses = {"a": [answer("a", "4")]}
    assert rubric.questions([bare], responses, control="a") == []
    (verdict,) = rubric.verdicts([bare], responses, [], {}, control="a")
    assert verdict.status == "invalid"
    assert "has no reference" in (verdict.reason or "")


@pytest.mark.parametrize(("use", "shown"), [("if_present", True), ("required", True), ("never", False)])
def test_reference_is_shown__as_the_option_says(use: str, shown: bool) -> None:
    (question,) = compiled("rubric", reference=use).questions([SAMPLE], {"a": [answer("a", "x")]}, control="a")
    assert ("REFERENCE" in question.messages[1][1]) is shown


def test_sample_that_the_template_cannot_be_made_of__spoils_its_own_verdicts_only() -> None:
    rubric = compiled("rubric", template={"user": "{{ inputs.topic }}: {{ answer }}"})
    samples = [Sample(id="s1", inputs={"topic": "birds"}), Sample(id="s2", inputs={"other": "x"})]
    responses = {"a": [answer("a", "4"), answer("a", "4", sample_id="s2")]}
    questions = rubric.questions(samples, responses, control="a")
    assert [one.sample_id for one in questions] == ["s1"]
    replies = answered(questions, lambda _: score(helpfulness=4))
    good, bad = rubric.verdicts(samples, responses, questions, replies, control="a")
    assert (good.status, bad.status) == ("scored", "invalid")
    assert "topic" in (bad.reason or "")


def test_questions_are_the_same__whenever_the_batch_is_judged_again() -> None:
    samples = [SAMPLE, Sample(id="s/2", inputs={"question": "?"})]
    responses = {name: [answer(name, "x", sample_id=one.id) for one in samples] for name in ("a", "b")}
    first = compiled("rubric", repeats=2).questions(samples, responses, control="a")
    again = compiled("rubric", repeats=2, name="other").questions(samples, responses, control="b")
    assert first == again
    assert len({one.id for one in first}) == len(first) == 8


def test_pinned_examples_are_asked__beside_what_is_expected() -> None:
    examples = [
        {"name": "right", "inputs": {"question": "2 + 2?"}, "answer": "4", "score": 5},
        {"inputs": {"question": "2 + 2?"}, "answer": "5", "score": 1},
    ]
    rubric = compiled("rubric", pinned_examples=examples)
    questions = rubric.pinned_questions()
    assert [one.sample_id for one in questions] == ["right", "2"]
    replies = {questions[0].id: score(helpfulness=4), questions[1].id: reply("no")}
    assert [one.sample_id for one in rubric.repairs(questions, replies)] == ["2"]
    first, second = rubric.pinned_verdicts(questions, replies)
    assert (first.example, first.expected, first.score, first.judge_version) == ("right", 5.0, 4.0, rubric.version)
    assert (second.status, second.score) == ("invalid", None)


def test_pinned_question_is_not_taken_for_a_samples__of_the_same_name() -> None:
    rubric = compiled("rubric", pinned_examples=[{"name": "s1", "answer": "4", "score": 5}])
    asked = rubric.questions([SAMPLE], {"pinned": [answer("pinned", "4")]}, control="pinned")
    pinned = rubric.pinned_questions()
    assert not {one.id for one in asked} & {one.id for one in pinned}


def test_schema_is_strict__and_asks_for_the_reason_first() -> None:
    schema = compiled("rubric", dimensions=["accuracy", "style"]).output_schema
    assert is_strict(schema)
    assert schema["required"] == ["accuracy", "style"]
    part = schema["properties"]["accuracy"]
    assert list(part["properties"]) == ["reason", "score"]
    assert part["properties"]["score"] == {"type": "integer", "enum": [1, 2, 3, 4, 5]}


def test_parameters_are_the_judges_wish__unless_somebody_wrote_them() -> None:
    own = compiled("rubric").models[0]
    assert (own.parameters.temperature, own.parameters.seed, own.parameters.max_tokens) == (0.0, 0, 1024)
    assert own.wished == ("temperature", "seed")
    written = compiled("rubric", parameters={"temperature": 0.7, "seed": None, "reasoning_effort": "low"}).models[0]
    assert (written.parameters.temperature, written.parameters.seed) == (0.7, None)
    assert written.wished == ()


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"dimensions": []}, "dimensions", "at least 1 item"),
        ({"dimensions": ["acuracy"]}, "dimensions", "did you mean 'accuracy'"),
        ({"dimensions": "style"}, "dimensions", "a list, even one alone: [style]"),
        ({"dimensions": [{"style": 1}]}, "dimensions", "holds names"),
        ({"dimensions": 3}, "dimensions", "a mapping of names"),
        ({"dimensions": {"tone": "Is it kind?"}}, "dimensions.tone", "a mapping of names"),
        ({"dimensions": {"style": 2}}, "dimensions.style", "a mapping of names"),
        ({"dimensions": ["style", "style"]}, "dimensions", "named twice"),
        ({"dimensions": {"tone": {"question": "Friendly?"}}}, "dimensions.tone", "has no anchors"),
        ({"dimensions": {"tone": {"anchors": {1: "No.", 5: "Yes."}}}}, "dimensions.tone.question", "needs this option"),
        ({"dimensions": {"tone": {**TONE, "scale": [3, 3]}}}, "dimensions.tone.scale", "a scale of one point"),
        ({"dimensions": {"tone": {**TONE, "scale": [5, 1]}}}, "dimensions.tone.scale", "[1, 5]"),
        ({"dimensions": {"tone": {**TONE, "scale": [0, 1000]}}}, "dimensions.tone.scale", "at most 101 points"),
        ({"dimensions": {"tone": {**TONE, "scale": [1, 3]}}}, "dimensions.tone", "outside the scale 1 to 3: 5"),
        ({"dimensions": {"tone": {**TONE, "anchors": {1: "No."}}}}, "dimensions.tone", "an answer of 5 points"),
        ({"dimensions": {"tone": {**TONE, "weight": 0}}}, "dimensions.tone.weight", "greater than 0"),
        ({"dimensions": {"tone": {**TONE, "wieght": 2}}}, "dimensions.tone.wieght", "did you mean 'weight'"),
        ({"dimensions": {"overall": TONE}}, "dimensions", "'overall' is taken"),
        ({"dimensions": {"a.b": TONE}}, "dimensions.a.b", "pattern"),
        ({"dimensions": {"style": {"scale": [1, 3]}}}, "dimensions.style", "has no anchors"),
        (
            {"dimensions": {"style": None, "x": {**TONE, "scale": [0, 5], "anchors": {0: "a", 5: "b"}}}},
            "dimensions",
            "x 0 to 5",
        ),
        ({"template": {"user": "{{ answr }} {{ answer }}"}}, "template.user", "known: question"),
        ({"template": {"user": "{{ answer"}}, "template.user", "syntax is wrong"),
        ({"template": {"user": "Grade it."}}, "template.user", "does not show 'answer' whole"),
        ({"template": {"user": "{{ answer | truncate(9) }}"}}, "template.user", "cannot be rendered"),
        ({"template": {"user": "{% for c in answer %}{{ c }}{% endfor %}"}}, "template.user", "cannot be rendered"),
        ({"template": {"user": "{{ answer._text }}{{ answer }}"}}, "template.user", "cannot be rendered"),
        ({"template": {"user": "{{ first }} {{ answer }}"}}, "template.user", "'first'"),
        ({"template": {}}, "template", "system, user or both"),
        ({"template": {"sytem": "x"}}, "template.sytem", "did you mean 'system'"),
        ({"parameters": {"temprature": 0}}, "parameters.temprature", "did you mean 'temperature'"),
        ({"parameters": {"temperature": 3}}, "parameters.temperature", "less than or equal to 2"),
        ({"repeats": 0}, "repeats", "greater than or equal to 1"),
        ({"reference": "always"}, "reference", "choices"),
        ({"fallbacks": [{"provider": "x"}]}, "fallbacks.0.model", "needs this option"),
        ({"pinned_examples": [{"answer": "x", "score": 6}]}, "parameters", "goes from 1 to 5"),
        (
            {"pinned_examples": [{"name": "2", "answer": "x", "score": 5}, {"answer": "y", "score": 1}]},
            "parameters",
            "are called '2'",
        ),
        ({"orders": "both"}, "orders", "no such option"),
    ],
)
def test_wrong_option__is_told_with_its_place(options: dict[str, Any], path: str, says: str) -> None:
    found = check_parameters("rubric", {**ASKED, "dimensions": ["helpfulness"], **options})
    assert [issue.path for issue in found] == [path]
    assert says in found[0].sentence()


def test_every_mistake_is_told__at_once() -> None:
    dimensions = {"tone": {"question": "?"}, "b": {"question": "?", "scale": [1, 1]}}
    options = {"provider": "house", "modle": "x", "repeats": 99, "dimensions": dimensions}
    found = {issue.path for issue in check_parameters("rubric", options)}
    assert found == {"dimensions.tone", "dimensions.b.scale", "repeats", "modle", "model"}


def test_wrong_options__compile_nothing() -> None:
    with pytest.raises(InvalidInputError, match="no anchors"):
        compiled("rubric", dimensions={"tone": {"question": "?"}})
    with pytest.raises(InvalidInputError, match="asks no model"):
        compile_model_judge(JudgeConfiguration(name="correct", type="exact_match"))
