from __future__ import annotations

from typing import Any

import pytest

from abtest.contracts.records import ModelResponse, Outcome, Sample
from abtest.core.errors import InvalidInputError
from abtest.evaluation import service
from abtest.evaluation.model import JudgeConfiguration, JudgeParameters, JudgeType, Score
from abtest.evaluation.service import judge_batch

EXACT = JudgeConfiguration(name="correct", type="exact_match")


def response(sample_id: str, text: str | None, outcome: Outcome = "answered", variant: str = "a") -> ModelResponse:
    reason = "timeout" if outcome == "failed" else None
    return ModelResponse(sample_id=sample_id, variant=variant, outcome=outcome, text=text, failure_reason=reason)


def test_verdicts_come_in_stable_order__whatever_the_order_of_the_responses() -> None:
    samples = [Sample(id=name, reference="x") for name in ("s2", "s1", "s3")]
    responses = {
        variant: [response(name, "x", variant=variant) for name in ("s3", "s1", "s2")] for variant in ("b", "a")
    }
    verdicts = judge_batch(EXACT, samples, responses)
    expected = [("s2", "b"), ("s2", "a"), ("s1", "b"), ("s1", "a"), ("s3", "b"), ("s3", "a")]
    assert [(v.sample_id, v.variant) for v in verdicts] == expected
    assert {(v.judge, v.status, v.score) for v in verdicts} == {("correct", "scored", 1.0)}


@pytest.mark.parametrize(
    ("given", "reference", "status", "score"),
    [
        (response("s", "x", "failed"), "x", "not_judged", None),
        (response("s", "x", "refused"), "x", "scored", 0.0),
        (response("s", "x", "filtered"), "", "scored", 1.0),
        (response("s", "x", "truncated"), "x", "scored", 1.0),
        (response("s", None, "truncated"), "x", "scored", 0.0),
        (response("other", "x"), "x", "not_judged", None),
        (response("s", "x"), None, "invalid", None),
    ],
)
def test_outcome_decides_what_is_judged__for_each_kind(
    given: ModelResponse, reference: Any, status: str, score: float | None
) -> None:
    (verdict,) = judge_batch(EXACT, [Sample(id="s", reference=reference)], {"a": [given]})
    assert (verdict.status, verdict.score) == (status, score)
    assert (verdict.reason is None) == (score == 1.0)


class _Options(JudgeParameters):
    gives: float | None = None


def _scorer(options: _Options) -> Any:
    def score(sample: Sample, answer: str) -> Score:
        if answer == "boom":
            raise ZeroDivisionError("by nothing")
        return Score(1.0 if options.gives is None else options.gives)

    return score


@pytest.fixture
def odd_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = JudgeType("odd", "Raises.", _Options, _scorer, lambda _: False)
    monkeypatch.setattr(service, "load_judge", lambda _: odd)
    monkeypatch.setattr(service, "check_parameters", lambda *_: [])


@pytest.mark.usefixtures("odd_judge")
def test_judge_that_raises__spoils_one_verdict_only() -> None:
    samples = [Sample(id="s1"), Sample(id="s2")]
    responses = {"a": [response("s1", "boom"), response("s2", "fine")]}
    first, second = judge_batch(JudgeConfiguration(name="odd", type="odd"), samples, responses)
    assert first.status == "invalid"
    assert first.reason == "the judge failed: ZeroDivisionError: by nothing"
    assert second.status == "scored"


@pytest.mark.usefixtures("odd_judge")
@pytest.mark.parametrize("gives", [1.5, -0.1])
def test_score_outside_the_scale__is_invalid(gives: float) -> None:
    judge = JudgeConfiguration(name="odd", type="odd", parameters={"gives": gives})
    (verdict,) = judge_batch(judge, [Sample(id="s")], {"a": [response("s", "x")]})
    assert verdict.status == "invalid"
    assert "outside its scale" in (verdict.reason or "")


def test_wrong_options__refuse_the_batch_with_every_issue() -> None:
    judge = JudgeConfiguration(name="format", type="regex", parameters={"pattern": "(", "mode": "x"})
    with pytest.raises(InvalidInputError, match="'format' cannot work") as caught:
        judge_batch(judge, [], {})
    assert {issue.path for issue in caught.value.issues} == {"pattern", "mode"}


def test_long_reason__is_cut() -> None:
    judge = JudgeConfiguration(name="shape", type="json_schema", parameters={"schema": {"type": "object"}})
    (verdict,) = judge_batch(judge, [Sample(id="s")], {"a": [response("s", '"' + "x" * 5000 + '"')]})
    assert len(verdict.reason or "") <= 301
