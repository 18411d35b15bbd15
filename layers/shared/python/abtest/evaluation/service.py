"""Judges a batch: one judge, all variants, one verdict for every sample and variant, whatever happens.

Depends on: `abtest.contracts.records`, `abtest.evaluation.registry`. Used by: `functions/judge_batch`, the API.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abtest.contracts.records import ModelResponse, Sample, Verdict, VerdictStatus
from abtest.core.errors import InvalidInputError, UnjudgeableError
from abtest.evaluation.model import JudgeConfiguration, ResponseScorer, Score
from abtest.evaluation.registry import load_judge
from abtest.evaluation.validation import check_parameters, sentences

_REASON_CHARACTERS = 300


def judge_batch(
    judge: JudgeConfiguration,
    samples: Sequence[Sample],
    responses: Mapping[str, Sequence[ModelResponse]],
) -> list[Verdict]:
    """Judge the answers of every variant to a batch of samples.

    A failed response is `not_judged`. A refused or filtered one is judged as the empty answer, because not
    answering is the model's doing; a truncated one is judged on the text there is. A judge that raises makes that
    one verdict `invalid`, with the reason, and the batch goes on.

    Args:
        judge: which judge, with its options.
        samples: the batch.
        responses: variant to its responses, in any order; a sample without one is `not_judged`.

    Returns:
        One verdict for every sample and variant: samples in their order, within a sample the variants in theirs.

    Raises:
        InvalidInputError: the judge does not exist or its options are wrong; nothing was judged.
    """
    compiled = _compiled(judge)
    by_variant = {variant: {row.sample_id: row for row in rows} for variant, rows in responses.items()}
    return [
        _verdict(compiled, variant, sample, rows.get(sample.id))
        for sample in samples
        for variant, rows in by_variant.items()
    ]


def needs_reference(judge_type: str, parameters: Mapping[str, Any]) -> bool:
    """Return whether a judge with these options reads the samples' references.

    Raises:
        InvalidInputError: the judge does not exist or its options are wrong.
    """
    _check(judge_type, judge_type, parameters)
    judge = load_judge(judge_type)
    return judge.needs_reference(judge.Parameters.model_validate(dict(parameters)))


def is_binary(judge_type: str) -> bool:
    """Return whether every score of a judge is 0 or 1.

    Raises:
        KeyError: no judge has that name.
    """
    return load_judge(judge_type).binary


def _check(name: str, judge_type: str, parameters: Mapping[str, Any]) -> None:
    issues = check_parameters(judge_type, parameters)
    if issues:
        raise InvalidInputError(f"The judge {name!r} cannot work: {sentences(issues)}", issues)


@dataclass(frozen=True)
class _Compiled:
    name: str
    score: Callable[[Sample, str, ModelResponse], Score]
    scale: tuple[float, float]


def _compiled(judge: JudgeConfiguration) -> _Compiled:
    _check(judge.name, judge.type, judge.parameters)
    kind = load_judge(judge.type)
    scorer = kind.compile(kind.Parameters.model_validate(judge.parameters))
    if isinstance(scorer, ResponseScorer):
        return _Compiled(judge.name, scorer.score, kind.scale)
    return _Compiled(judge.name, lambda sample, answer, _: scorer(sample, answer), kind.scale)


def _answer(response: ModelResponse) -> str:
    if response.outcome in ("refused", "filtered"):
        return ""
    return response.text or ""


def _verdict(judge: _Compiled, variant: str, sample: Sample, response: ModelResponse | None) -> Verdict:
    def verdict(status: VerdictStatus, score: float | None, reason: str | None) -> Verdict:
        short = reason if reason is None or len(reason) <= _REASON_CHARACTERS else f"{reason[:_REASON_CHARACTERS]}…"
        return Verdict(sample_id=sample.id, variant=variant, judge=judge.name, status=status, score=score, reason=short)

    if response is None:
        return verdict("not_judged", None, "there is no response")
    if response.outcome == "failed":
        return verdict("not_judged", None, f"the call failed: {response.failure_reason or 'unknown reason'}")
    try:
        given = judge.score(sample, _answer(response), response)
    except UnjudgeableError as error:
        return verdict("invalid", None, error.message)
    except Exception as error:  # One sample must never take the batch with it, whatever a judge raises.
        return verdict("invalid", None, f"the judge failed: {type(error).__name__}: {error}")
    low, high = judge.scale
    if not math.isfinite(given.score) or not low <= given.score <= high:
        return verdict("invalid", None, f"the judge gave {given.score}, outside its scale {low:g} to {high:g}")
    return verdict("scored", given.score, given.reason)
