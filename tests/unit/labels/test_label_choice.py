"""Which answers people label: drawn evenly by a seed, or where votes and judges are furthest apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from abtest.contracts.records import Verdict, Vote
from abtest.core.errors import InvalidInputError
from abtest.evaluation.labels.choice import (
    JudgedSample,
    choose_at_random,
    choose_by_disagreement,
    judged_samples,
)
from abtest.evaluation.labels.model import LabelQuestion
from abtest.evaluation.labels.questions import question_of
from abtest.evaluation.model import JudgeConfiguration

QUESTION = LabelQuestion(metric="j", kind="scale", text="?", scale=(1, 5), judges=("j",), peers=("j",))
PAIRS = LabelQuestion(metric="p", kind="preference", text="?", judges=("p",), peers=("p", "q"))


def verdict(sample: str, variant: str, score: float | None, judge: str = "j", **more: Any) -> Verdict:
    status = "invalid" if score is None else "scored"
    return Verdict(sample_id=sample, variant=variant, judge=judge, status=status, score=score, **more)


def judged(count: int) -> list[JudgedSample]:
    return [JudgedSample(f"s{n}", {"a": 0.0, "b": 0.0}) for n in range(count)]


def test_samples_with_a_comparison_count__others_do_not() -> None:
    rows = [
        verdict("whole", "a", 3),
        verdict("whole", "b", 4),
        verdict("control only", "a", 3),
        verdict("control only", "b", None),
        verdict("treatment only", "b", 2),
        verdict("three", "a", 1),
        verdict("three", "c", 1),
        verdict("elsewhere", "a", 1, judge="k"),
    ]
    found = judged_samples(rows, QUESTION, control="a")
    assert [(one.id, tuple(one.disagreement)) for one in found] == [("whole", ("a", "b")), ("three", ("a", "c"))]


def test_dimension_without_a_score__does_not_count() -> None:
    question = QUESTION.model_copy(update={"dimension": "tone"})
    rows = [verdict("s", "a", 3, dimensions={"tone": 2}), verdict("s", "b", 3, dimensions={"other": 2})]
    assert judged_samples(rows, question, control="a") == []


def test_disagreement__is_the_spread_of_votes_and_judges() -> None:
    def votes(*scores: float) -> tuple[Vote, ...]:
        return (*(Vote(status="scored", score=score) for score in scores), Vote(status="invalid"))

    rows = [
        verdict("flip", "t", 0.5, judge="p", votes=votes(1, 0)),
        verdict("tie", "t", 0.75, judge="p", votes=votes(1, 0.5)),
        verdict("peer", "t", 1, judge="p", votes=votes(1, 1)),
        verdict("peer", "t", 0, judge="q"),
        verdict("same", "t", 1, judge="p", votes=votes(1, 1)),
        verdict("peer alone", "t", 1, judge="q"),
    ]
    found = {one.id: one.disagreement["t"] for one in judged_samples(rows, PAIRS, control="c")}
    assert found == {"flip": 1, "tie": 0.5, "peer": 1, "same": 0}


def test_random_choice__is_the_seeds_alone() -> None:
    some = judged(50)
    once = choose_at_random(some, items=20, seed=3)
    assert choose_at_random(list(reversed(some)), items=20, seed=3) == once
    assert choose_at_random(some, items=20, seed=4) != once
    assert len(once) == 20
    assert all(sum(name == sample for name, _ in once) == 2 for sample, _ in once)


def test_random_choice__takes_whole_samples_and_goes_on_where_it_ended() -> None:
    some = judged(10)
    first = choose_at_random(some, items=5, seed=1)
    assert len(first) == 6
    taken = {sample for sample, _ in first}
    rest = choose_at_random(some, items=100, seed=1, taken=taken)
    assert len(rest) == 14
    assert taken.isdisjoint(sample for sample, _ in rest)
    # The second draw by the same seed is what one larger draw would have taken.
    assert [*first, *rest] == choose_at_random(some, items=100, seed=1)


def test_random_choice__gives_every_sample_the_same_chance() -> None:
    some = judged(20)
    drawn = Counter(name for seed in range(2_000) for name, _ in set(choose_at_random(some, items=10, seed=seed)[::2]))
    # 500 expected of each, standard deviation 19.4: five of them either way.
    assert all(403 < drawn[sample.id] < 597 for sample in some)


def test_disagreement_choice__takes_the_furthest_first_and_nobody_of_one_mind() -> None:
    some = [
        JudgedSample("a", {"x": 0.25, "y": 0.0}),
        JudgedSample("b", {"x": 1.0}),
        JudgedSample("c", {"x": 0.5, "y": 0.5}),
    ]
    found = choose_by_disagreement(some, items=10, seed=0)
    assert found[0] == ("b", "x")
    assert set(found[1:3]) == {("c", "x"), ("c", "y")}
    assert found[3:] == [("a", "x")]
    assert choose_by_disagreement(some, items=2, seed=0, taken={("b", "x")}) == found[1:3]


# The question

RUBRIC = {"provider": "local", "model": "m"}


def judge(name: str, kind: str, **parameters: Any) -> JudgeConfiguration:
    return JudgeConfiguration(name=name, type=kind, parameters=parameters)


def test_question_of_a_dimension__is_the_judges_own_with_its_anchors() -> None:
    judges = [judge("r", "rubric", **RUBRIC, dimensions=["helpfulness", "accuracy"])]
    found = question_of(judges, "r.accuracy")
    assert (found.kind, found.dimension, found.scale) == ("scale", "accuracy", (1, 5))
    assert [point for point, _ in found.anchors] == [1, 2, 3, 4, 5]
    assert found.text.endswith("?")
    whole = question_of(judges, "r")
    assert whole.anchors == () and "helpfulness, accuracy" in whole.text


def test_question_of_one_dimension__needs_no_second_name() -> None:
    found = question_of([judge("r", "rubric", **RUBRIC, dimensions=["helpfulness"])], "r")
    assert len(found.anchors) == 5


def test_question_of_a_pair__asks_for_the_better_one() -> None:
    found = question_of([judge("p", "pairwise", **RUBRIC, dimensions=["helpfulness"])], "p")
    assert (found.kind, found.scale, found.anchors) == ("preference", (0, 1), ())
    assert found.text.startswith("Which response is better?")


def test_question_of_a_judge_in_code__says_what_it_checks() -> None:
    binary = question_of([judge("e", "exact_match")], "e")
    assert binary.kind == "binary" and "pass" in binary.text
    scale = question_of([judge("r", "rouge_l")], "r")
    assert (scale.kind, scale.scale) == ("scale", (0, 1))


def test_question_of_a_panel__is_its_members_and_they_are_peers() -> None:
    judges = [
        judge("p", "pairwise", **RUBRIC, dimensions=["helpfulness"]),
        judge("q", "pairwise", **RUBRIC, dimensions=["helpfulness"], parameters={"seed": 2}),
        judge("council", "panel", members=["p", "q"], consensus="mean"),
        judge("e", "exact_match"),
    ]
    found = question_of(judges, "council")
    assert (found.kind, found.judges, found.peers) == ("preference", ("p", "q"), ("p", "q"))
    assert question_of(judges, "p").peers == ("p", "q")
    assert question_of(judges, "e").peers == ("e",)


def test_question_of_nothing__names_the_metrics() -> None:
    with pytest.raises(InvalidInputError) as caught:
        question_of([judge("e", "exact_match")], "latency_ms")
    (issue,) = caught.value.issues
    assert (issue.path, issue.found, issue.allowed) == ("metric", "latency_ms", "e")
