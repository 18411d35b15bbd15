"""Judges that ask models, and the replies they get, as the tests of them need both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from abtest.contracts.records import ModelResponse, Outcome, Sample, Usage
from abtest.evaluation.asking.judge import AskingJudge
from abtest.evaluation.model import JudgeConfiguration, Question, Reply
from abtest.evaluation.service import compile_model_judge

SAMPLE = Sample(id="s1", inputs={"question": "What is 2 + 2?"}, reference="4")


def judge(judge_type: str, name: str = "quality", **options: Any) -> JudgeConfiguration:
    parameters = {"provider": "house", "model": "judge-1", "dimensions": ["helpfulness"], **options}
    return JudgeConfiguration(name=name, type=judge_type, parameters=parameters)


def compiled(judge_type: str, **options: Any) -> AskingJudge:
    made = compile_model_judge(judge(judge_type, **options))
    assert isinstance(made, AskingJudge)
    return made


def answer(variant: str, text: str | None, outcome: Outcome = "answered", sample_id: str = "s1") -> ModelResponse:
    reason = "timeout" if outcome == "failed" else None
    return ModelResponse(sample_id=sample_id, variant=variant, outcome=outcome, text=text, failure_reason=reason)


def pair(control: str = "It is 4.", treatment: str = "Four.") -> dict[str, list[ModelResponse]]:
    return {"a": [answer("a", control)], "b": [answer("b", treatment)]}


def reply(
    text: str | None,
    outcome: Outcome = "answered",
    *,
    fallback: int = 0,
    cost_usd: str | None = "0.01",
    from_ledger: bool = False,
) -> Reply:
    response = ModelResponse(
        sample_id="q",
        variant="judge/quality",
        outcome=outcome,
        text=text,
        failure_reason="overloaded" if outcome == "failed" else None,
        usage=Usage(input_tokens=100, output_tokens=20),
        cost_usd=None if cost_usd is None else Decimal(cost_usd),
        from_ledger=from_ledger,
    )
    return fallback, response


def said(value: str, values: Mapping[str, Any], reason: str = "Because.") -> str:
    """What a judge's model writes: one object of a reason and a value for each thing it was asked."""
    return json.dumps({name: {"reason": f"{reason} ({name})", value: given} for name, given in values.items()})


def score(**values: Any) -> Reply:
    return reply(said("score", values))


def preference(**values: Any) -> Reply:
    return reply(said("preference", values))


def answered(questions: Sequence[Question], say: Callable[[Question], Reply]) -> dict[str, Reply]:
    return {question.id: say(question) for question in questions}
