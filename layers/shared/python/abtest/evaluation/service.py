"""What the evaluation domain does for others: judges a batch in code, and tells of judges what is known of them.

A batch: one judge, all variants, one verdict for every sample and variant, whatever happens.

Depends on: `abtest.contracts.records`, `abtest.evaluation.registry`, `abtest.evaluation.facts`. Used by: the workers,
the API, the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.records import ModelResponse, Sample, Verdict, VerdictStatus
from abtest.core.errors import InputIssue, InvalidInputError, UnjudgeableError
from abtest.evaluation.facts import (
    check_judges,
    compile_model_judge,
    dimensions_of,
    is_binary,
    judge_facts,
    kind_of,
    needs_reference,
)
from abtest.evaluation.model import JudgeConfiguration, JudgeType, ResponseScorer, Score
from abtest.evaluation.registry import load_judge
from abtest.evaluation.response_facts import answer_text, shortened, why_missing
from abtest.evaluation.validation import check_parameters, sentences

__all__ = [
    "check_judges",
    "compile_model_judge",
    "dimensions_of",
    "is_binary",
    "judge_batch",
    "judge_facts",
    "kind_of",
    "needs_reference",
]


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


@dataclass(frozen=True)
class _Compiled:
    name: str
    score: Callable[[Sample, str, ModelResponse], Score]
    scale: tuple[float, float]


def _compiled(judge: JudgeConfiguration) -> _Compiled:
    issues = check_parameters(judge.type, judge.parameters)
    if issues:
        raise InvalidInputError(f"The judge {judge.name!r} cannot work: {sentences(issues)}", issues)
    kind = load_judge(judge.type)
    if not isinstance(kind, JudgeType):
        issue = InputIssue("type", "this judge does not score by itself: it asks a model or joins others", judge.type)
        raise InvalidInputError(f"The judge {judge.name!r} is not one in code.", [issue])
    scorer = kind.compile(kind.Parameters.model_validate(judge.parameters))
    if isinstance(scorer, ResponseScorer):
        return _Compiled(judge.name, scorer.score, kind.scale)
    return _Compiled(judge.name, lambda sample, answer, _: scorer(sample, answer), kind.scale)


def _verdict(judge: _Compiled, variant: str, sample: Sample, response: ModelResponse | None) -> Verdict:
    def verdict(status: VerdictStatus, score: float | None, reason: str | None) -> Verdict:
        return Verdict(
            sample_id=sample.id,
            variant=variant,
            judge=judge.name,
            status=status,
            score=score,
            reason=None if reason is None else shortened(reason),
        )

    missing = why_missing(response)
    if response is None or missing is not None:
        return verdict("not_judged", None, missing)
    try:
        given = judge.score(sample, answer_text(response), response)
    except UnjudgeableError as error:
        return verdict("invalid", None, error.message)
    except Exception as error:  # One sample must never take the batch with it, whatever a judge raises.
        return verdict("invalid", None, f"the judge failed: {type(error).__name__}: {error}")
    low, high = judge.scale
    if not math.isfinite(given.score) or not low <= given.score <= high:
        return verdict("invalid", None, f"the judge gave {given.score}, outside its scale {low:g} to {high:g}")
    return verdict("scored", given.score, given.reason)
