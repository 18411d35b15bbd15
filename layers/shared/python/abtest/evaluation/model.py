"""What judging speaks of: a judge's configuration, its type, the score it gives.

Depends on: pydantic, `abtest.contracts`, `abtest.core`. Used by: `abtest.evaluation.*`, the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.records import Identifier, ModelResponse, Sample


class JudgeParameters(BaseModel):
    """The options of one judge type: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class JudgeConfiguration(BaseModel):
    """One judge of a test.

    Args:
        name: its name in the test, which is also the metric's name.
        type: which judge it is: a module name in `abtest.evaluation.judges`.
        parameters: its options as they were written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Identifier
    type: str
    parameters: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """What a judge gives one answer.

    Args:
        score: on the judge's scale; 0.0 or 1.0 for a binary judge.
        reason: one short sentence for a person; None when the score says it all.
    """

    score: float
    reason: str | None = None


Scorer = Callable[[Sample, str], Score]
"""A compiled judge: sample and answer in, score out. Raises `UnjudgeableError` when it cannot say."""


@dataclass(frozen=True)
class ResponseScorer:
    """A compiled judge that reads what the call took, besides the answer: tokens, latency, cost.

    Args:
        score: as `Scorer`, with the response the answer comes from as the third argument. The answer of a refused or
            filtered response is empty here too; its usage, latency and cost are what they were.
    """

    score: Callable[[Sample, str, ModelResponse], Score]


P = TypeVar("P", bound=JudgeParameters)


@dataclass(frozen=True)
class JudgeType(Generic[P]):
    """One kind of judge, as its module exports it under the name `JUDGE`.

    Args:
        name: the wire name (`type` in a test definition), equal to the module's name.
        summary: one sentence for a person who chooses a judge.
        Parameters: the pydantic model of its options.
        compile: makes a scorer from checked options, once a batch.
        needs_reference: whether these options make it read the sample's reference.
        binary: whether every score is 0 or 1.
        scale: lowest and highest score.
    """

    name: str
    summary: str
    Parameters: type[P]
    compile: Callable[[P], Scorer | ResponseScorer]
    needs_reference: Callable[[P], bool]
    binary: bool = True
    scale: tuple[float, float] = (0.0, 1.0)


def verdict_of(passed: bool, reason: str) -> Score:
    """Return the score of a binary judge: 1 without a reason, or 0 with one."""
    return Score(1.0) if passed else Score(0.0, reason)
