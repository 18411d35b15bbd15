"""Verdicts made of scores and preferences that were given elsewhere: by another tool, a person's program, a study.

Depends on: `abtest.contracts`, `abtest.evaluation.model`. Used by: `judges/imported.py`, `functions/judge_batch`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator, model_validator

from abtest.contracts.definition import DatasetReference, Name
from abtest.contracts.records import ImportedScore, ModelResponse, Sample, Verdict, Vote
from abtest.evaluation.model import JudgeConfiguration, JudgeParameters
from abtest.evaluation.response_facts import shortened, why_missing

TYPE = "imported"
_TIE = "tie"


class ImportedParameters(JudgeParameters):
    """Options of the judge `imported`."""

    scores: DatasetReference = Field(description="The dataset of kind `scores`; in a file the path of its rows.")
    preferences: bool = Field(False, description="Whether the rows compare two answers; else each scores one.")
    scale: tuple[float, float] = Field((0.0, 1.0), description="Lowest and highest score.")
    binary: bool = Field(False, description="Whether every score is 0 or 1.")
    dimensions: tuple[Name, ...] = Field(
        (), max_length=20, description="What the rows score beside the whole; each is a metric of its own."
    )

    @field_validator("scale")
    @classmethod
    def _rising(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] >= scale[1]:
            raise ValueError("a scale goes from its lowest score to a higher one")
        return scale

    @field_validator("dimensions")
    @classmethod
    def _each_once(cls, dimensions: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(dimensions)) < len(dimensions):
            raise ValueError("a dimension is named twice")
        return dimensions

    @model_validator(mode="after")
    def _fit(self) -> ImportedParameters:
        if self.preferences and (self.dimensions or self.binary or self.scale != (0.0, 1.0)):
            raise ValueError("preferences have no scale and no dimensions: leave out scale, binary and dimensions")
        if self.binary and self.scale != (0.0, 1.0):
            raise ValueError("binary scores are 0 or 1: leave out scale")
        return self


def scores_version(parameters: Mapping[str, Any]) -> str:
    """Return the version of the dataset that a judge `imported` reads.

    Args:
        parameters: its options, which were checked when the test was created.
    """
    return ImportedParameters.model_validate(dict(parameters)).scores.version


def imported_verdicts(
    judge: JudgeConfiguration,
    samples: Sequence[Sample],
    responses: Mapping[str, Sequence[ModelResponse]],
    scores: Iterable[ImportedScore],
    *,
    control: str,
) -> list[Verdict]:
    """Return what imported rows say of a batch.

    Several rows of one answer are votes: repeats are averaged, of a pair first within each order. Rows of samples or
    variants that are not in the batch are passed over. A response that failed has no answer a score could be of, so its
    verdict is `not_judged` whatever the rows say.

    Args:
        judge: with its options.
        samples: the batch.
        responses: variant to its responses, in any order.
        scores: imported rows, at least those of the batch's samples.
        control: of a pair one side.

    Returns:
        One verdict for every sample and variant, of preferences for every sample and treatment: samples in their order,
        within a sample the variants in theirs.
    """
    parameters = ImportedParameters.model_validate(judge.parameters)
    batch = _Batch(judge.name, parameters, control, responses, _by_sample(samples, scores))
    judged = [variant for variant in responses if not (parameters.preferences and variant == control)]
    return [batch.verdict(sample.id, variant) for sample in samples for variant in judged]


def _by_sample(samples: Sequence[Sample], scores: Iterable[ImportedScore]) -> dict[str, list[ImportedScore]]:
    wanted = {sample.id for sample in samples}
    found: dict[str, list[ImportedScore]] = defaultdict(list)
    for row in scores:
        if row.id in wanted:
            found[row.id].append(row)
    return found


class _Batch:
    def __init__(
        self,
        judge: str,
        parameters: ImportedParameters,
        control: str,
        responses: Mapping[str, Sequence[ModelResponse]],
        rows: Mapping[str, Sequence[ImportedScore]],
    ) -> None:
        self.judge, self.parameters, self.control, self.rows = judge, parameters, control, rows
        self.responses = {variant: {row.sample_id: row for row in of} for variant, of in responses.items()}

    def verdict(self, sample_id: str, variant: str) -> Verdict:
        against = self.control if self.parameters.preferences else None
        said = self._said(sample_id, variant)
        return Verdict(sample_id=sample_id, variant=variant, judge=self.judge, against=against, **said)

    def _said(self, sample_id: str, variant: str) -> dict[str, Any]:
        pairwise = self.parameters.preferences
        for judged in (self.control, variant) if pairwise else (variant,):
            missing = why_missing(self.responses[judged].get(sample_id))
            if missing is not None:
                return {"status": "not_judged", "reason": f"{judged}: {missing}" if pairwise else missing}
        vote_of = self._preference if pairwise else self._score
        votes = [vote_of(row, variant) for row in self.rows.get(sample_id, ()) if self._is_of(row, variant)]
        if not votes:
            return {"status": "not_judged", "reason": "the imported scores have none of it"}
        return _joined(sorted(votes, key=lambda vote: (vote.order or "", vote.repeat)))

    def _is_of(self, row: ImportedScore, variant: str) -> bool:
        if self.parameters.preferences:
            return {row.first, row.second} == {self.control, variant}
        return row.variant == variant

    def _preference(self, row: ImportedScore, variant: str) -> Vote:
        share = None if row.winner is None else {variant: 1.0, _TIE: 0.5}.get(row.winner, 0.0)
        return Vote(
            order="control_first" if row.first == self.control else "treatment_first",
            repeat=row.repeat,
            status="invalid" if share is None else "scored",
            score=share,
            reason=_short(row.reason),
        )

    def _score(self, row: ImportedScore, _variant: str) -> Vote:
        dimensions = {name: row.dimensions[name] for name in self.parameters.dimensions if name in row.dimensions}
        off = [score for score in (row.score, *dimensions.values()) if score is not None and not self._fits(score)]
        if row.score is None or off:
            why = row.reason if not off else f"the score {off[0]:g} is not {self._scale()}"
            return Vote(repeat=row.repeat, status="invalid", reason=_short(why))
        reason = _short(row.reason)
        return Vote(repeat=row.repeat, status="scored", score=row.score, dimensions=dimensions, reason=reason)

    def _fits(self, score: float) -> bool:
        low, high = self.parameters.scale
        return score in (0.0, 1.0) if self.parameters.binary else low <= score <= high

    def _scale(self) -> str:
        low, high = self.parameters.scale
        return "0 or 1" if self.parameters.binary else f"on the scale from {low:g} to {high:g}"


def _joined(votes: Sequence[Vote]) -> dict[str, Any]:
    """Return what a verdict has of its votes: the mean within each order, then over the orders."""
    valid = [vote for vote in votes if vote.status == "scored"]
    orders = {vote.order for vote in votes}
    if {vote.order for vote in valid} != orders:
        said = next((vote.reason for vote in votes if vote.status == "invalid" and vote.reason), None)
        return {"status": "invalid", "reason": said or "the judge could not say", "votes": tuple(votes)}
    means = [_mean([v.score for v in valid if v.order == order and v.score is not None]) for order in orders]
    names = dict.fromkeys(name for vote in valid for name in vote.dimensions)
    return {
        "status": "scored",
        "score": _mean(means),
        "dimensions": {name: _mean([v.dimensions[name] for v in valid if name in v.dimensions]) for name in names},
        "reason": next((vote.reason for vote in valid if vote.reason), None),
        "votes": tuple(votes),
    }


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _short(reason: str | None) -> str | None:
    return None if reason is None else shortened(reason)
