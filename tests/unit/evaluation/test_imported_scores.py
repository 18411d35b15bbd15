"""The judge `imported`: what rows given elsewhere make of a batch, and what they never do."""

from __future__ import annotations

from typing import Any

import pytest

from abtest.contracts.records import FailureReason, ImportedScore, ModelResponse, Sample, Verdict, Vote
from abtest.evaluation.imported import imported_verdicts, scores_version
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.service import judge_batch, judge_facts, kind_of
from abtest.evaluation.validation import check_parameters

VERSION = "a" * 64
SAMPLES = [Sample(id="s1"), Sample(id="s2")]


def judge(**options: Any) -> JudgeConfiguration:
    return JudgeConfiguration(name="j", type="imported", parameters={"scores": {"version": VERSION}, **options})


def answer(sample_id: str, variant: str, failed: FailureReason | None = None) -> ModelResponse:
    outcome: Any = "failed" if failed else "answered"
    text = None if failed else "text"
    return ModelResponse(sample_id=sample_id, variant=variant, outcome=outcome, failure_reason=failed, text=text)


def responses(*variants: str) -> dict[str, list[ModelResponse]]:
    return {variant: [answer(sample.id, variant) for sample in SAMPLES] for variant in variants}


def score(sample_id: str, variant: str, value: float | None, **more: Any) -> ImportedScore:
    return ImportedScore(id=sample_id, variant=variant, score=value, **more)


def pair(first: str, second: str, winner: str | None, **more: Any) -> ImportedScore:
    return ImportedScore(id="s1", first=first, second=second, winner=winner, **more)


def verdicts(rows: list[ImportedScore], *variants: str, **options: Any) -> dict[tuple[str, str], Verdict]:
    found = imported_verdicts(judge(**options), SAMPLES, responses(*variants), rows, control=variants[0])
    assert [(v.sample_id, v.variant) for v in found] == sorted((v.sample_id, v.variant) for v in found)
    return {(v.sample_id, v.variant): v for v in found}


def test_scores_become_verdicts__one_for_every_sample_and_variant() -> None:
    rows = [score("s1", "a", 4, reason="clear"), score("s2", "b", 0)]

    found = verdicts(rows, "a", "b", scale=[0, 10])

    assert found["s1", "a"] == Verdict(
        sample_id="s1",
        variant="a",
        judge="j",
        status="scored",
        score=4.0,
        reason="clear",
        votes=(Vote(status="scored", score=4.0, reason="clear"),),
    )
    assert found["s2", "b"].score == 0.0
    for lacking in (found["s1", "b"], found["s2", "a"]):
        assert (lacking.status, lacking.score) == ("not_judged", None)
        assert lacking.reason == "the imported scores have none of it"


def test_rows_of_strangers_are_passed_over__and_not_guessed() -> None:
    rows = [score("s9", "a", 1), score("s1", "z", 1), score("S1", "a", 1)]

    assert {verdict.status for verdict in verdicts(rows, "a", "b").values()} == {"not_judged"}


def test_repeats_are_votes__and_the_score_is_their_mean() -> None:
    rows = [score("s1", "a", 1, repeat=1), score("s1", "a", 4, repeat=0), score("s1", "a", None, repeat=2)]

    found = verdicts(rows, "a", "b", scale=[1, 5])["s1", "a"]

    assert (found.status, found.score) == ("scored", 2.5)
    assert [(vote.repeat, vote.status, vote.score) for vote in found.votes] == [
        (0, "scored", 4.0),
        (1, "scored", 1.0),
        (2, "invalid", None),
    ]


def test_dimensions_are_kept__those_that_are_declared() -> None:
    rows = [
        score("s1", "a", 3, dimensions={"tone": 1, "truth": 5, "length": 2}),
        score("s1", "a", 4, dimensions={"tone": 2}, repeat=1),
    ]

    found = verdicts(rows, "a", "b", scale=[1, 5], dimensions=["tone", "truth"])["s1", "a"]

    assert found.dimensions == {"tone": 1.5, "truth": 5.0}


@pytest.mark.parametrize(
    ("row", "options", "reason"),
    [
        (score("s1", "a", 11), {"scale": [0, 10]}, "the score 11 is not on the scale from 0 to 10"),
        (score("s1", "a", -0.1), {}, "the score -0.1 is not on the scale from 0 to 1"),
        (score("s1", "a", 0.5), {"binary": True}, "the score 0.5 is not 0 or 1"),
        (
            score("s1", "a", 1, dimensions={"tone": 9}),
            {"scale": [1, 5], "dimensions": ["tone"]},
            "the score 9 is not on the scale from 1 to 5",
        ),
        (score("s1", "a", None), {}, "the judge could not say"),
        (score("s1", "a", None, reason="no JSON"), {}, "no JSON"),
    ],
)
def test_a_score_off_the_scale_or_unreadable_is_invalid__never_a_number(
    row: ImportedScore, options: dict[str, Any], reason: str
) -> None:
    found = verdicts([row], "a", "b", **options)["s1", "a"]

    assert (found.status, found.score, found.reason) == ("invalid", None, reason)


@pytest.mark.parametrize(
    ("rows", "share", "votes"),
    [
        ([pair("a", "b", "b")], 1.0, [("control_first", 1.0)]),
        ([pair("b", "a", "b")], 1.0, [("treatment_first", 1.0)]),
        ([pair("a", "b", "a")], 0.0, [("control_first", 0.0)]),
        ([pair("a", "b", "tie")], 0.5, [("control_first", 0.5)]),
        ([pair("b", "a", "b"), pair("a", "b", "a")], 0.5, [("control_first", 0.0), ("treatment_first", 1.0)]),
        # The mean of each order first: three rows of one order weigh no more than one of the other.
        (
            [pair("a", "b", "b"), pair("a", "b", "b", repeat=1), pair("a", "b", "b", repeat=2), pair("b", "a", "a")],
            0.5,
            [("control_first", 1.0)] * 3 + [("treatment_first", 0.0)],
        ),
    ],
)
def test_preferences_are_the_treatments_share__whatever_the_order(
    rows: list[ImportedScore], share: float, votes: list[tuple[str, float]]
) -> None:
    found = verdicts(rows, "a", "b", preferences=True)

    assert set(found) == {("s1", "b"), ("s2", "b")}
    verdict = found["s1", "b"]
    assert (verdict.status, verdict.score, verdict.against) == ("scored", share, "a")
    assert [(vote.order, vote.score) for vote in verdict.votes] == votes
    assert (found["s2", "b"].status, found["s2", "b"].against) == ("not_judged", "a")


def test_a_pair_is_invalid__when_one_of_its_orders_has_no_vote_that_can_be_read() -> None:
    rows = [pair("a", "b", "b"), pair("b", "a", None)]

    found = verdicts(rows, "a", "b", preferences=True)["s1", "b"]

    assert (found.status, found.score) == ("invalid", None)
    assert [vote.status for vote in found.votes] == ["scored", "invalid"]


def test_pairs_of_two_treatments_are_passed_over() -> None:
    found = verdicts([pair("b", "c", "c"), pair("a", "c", "c")], "a", "b", "c", preferences=True)

    assert (found["s1", "b"].status, found["s1", "c"].score) == ("not_judged", 1.0)


def test_an_answer_that_failed_is_not_judged__whatever_was_said_of_another() -> None:
    answers = {"a": [answer("s1", "a"), answer("s2", "a", "timeout")], "b": [answer("s1", "b")]}
    rows = [score("s1", "a", 1), score("s2", "a", 1), score("s2", "b", 1)]
    pairs = [pair("a", "b", "a"), pair("a", "b", "b").model_copy(update={"id": "s2"})]

    scored = imported_verdicts(judge(), SAMPLES, answers, rows, control="a")
    compared = imported_verdicts(judge(preferences=True), SAMPLES, answers, pairs, control="a")

    assert [(v.status, v.reason) for v in scored[2:]] == [
        ("not_judged", "the call failed: timeout"),
        ("not_judged", "there is no response"),
    ]
    assert [(v.status, v.score, v.reason) for v in compared] == [
        ("scored", 0.0, None),
        ("not_judged", None, "a: the call failed: timeout"),
    ]


def test_long_reasons_are_shortened() -> None:
    found = verdicts([score("s1", "a", 1, reason="x" * 1_000)], "a", "b")["s1", "a"]

    assert found.reason is not None
    assert len(found.reason) == 301


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"scores": {"version": "v1"}}, "scores.version"),
        ({"scores": "rows.jsonl"}, "scores"),
        ({"scale": [5, 1]}, "scale"),
        ({"scale": [1, 1]}, "scale"),
        ({"scale": [1]}, "scale.1"),
        ({"dimensions": ["tone", "tone"]}, "dimensions"),
        ({"dimensions": ["a tone"]}, "dimensions.0"),
        ({"binary": True, "scale": [1, 5]}, "parameters"),
        ({"preferences": True, "scale": [1, 5]}, "parameters"),
        ({"preferences": True, "dimensions": ["tone"]}, "parameters"),
        ({"weights": {}}, "weights"),
    ],
)
def test_wrong_options_are_told__by_their_place(options: dict[str, Any], path: str) -> None:
    (issue,) = check_parameters("imported", {"scores": {"version": VERSION}, **options})

    assert issue.path == path


def test_facts_name_the_dataset_and_the_metrics() -> None:
    facts = judge_facts([judge(scale=[1, 5], dimensions=["tone"]), pairwise := judge_named("p", preferences=True)])

    assert kind_of("imported") == "code"
    assert (facts["j"].imported, facts["j"].pairwise, facts["j"].reference) == (VERSION, False, "none")
    assert [(m.name, m.dimension, m.scale, m.binary) for m in facts["j"].metrics] == [
        ("j", None, (1.0, 5.0), False),
        ("j.tone", "tone", (1.0, 5.0), False),
    ]
    assert facts["p"].pairwise
    assert scores_version(pairwise.parameters) == VERSION


def judge_named(name: str, **options: Any) -> JudgeConfiguration:
    return judge(**options).model_copy(update={"name": name})


def test_two_files_or_two_scales_are_two_versions__and_the_name_is_none() -> None:
    other = {"scores": {"version": "b" * 64}}
    judges = [judge(), judge_named("k"), judge_named("l", scale=[0, 2]), judge_named("m", **other)]

    versions = [fact.version for fact in judge_facts(judges).values()]

    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


def test_without_its_rows_the_judge_says_nothing__as_a_verdict_that_tells_so() -> None:
    (verdict, _) = judge_batch(judge(), SAMPLES, {"a": [answer("s1", "a")]})

    assert verdict.status == "invalid"
    assert "given elsewhere" in (verdict.reason or "")
