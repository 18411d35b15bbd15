"""Tests, runs and datasets as the platform keeps them.

Depends on: `abtest.contracts`. Used by: the management services, adapters, the API.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.definition import TestDefinition

DatasetKind = Literal["samples", "recording"]
StopReason = Literal["efficacy", "futility", "budget"]
"""Why a run may end before its last look: the question is answered, it will hardly be, or the money is spent."""


class TestStatus(StrEnum):
    """Where a test stands."""

    __test__ = False

    DRAFT = "DRAFT"
    READY = "READY"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class RunPhase(StrEnum):
    """What a run is doing."""

    PLANNING = "planning"
    GENERATING = "generating"
    JUDGING = "judging"
    ANALYSING = "analysing"
    DONE = "done"


class Entity(BaseModel):
    """A thing with an identity; changes are new values."""

    model_config = ConfigDict(frozen=True)


class DatasetSummary(Entity):
    """What later checks need to know about a dataset without reading it again.

    Args:
        rows: number of rows.
        input_counts: for each input name, how many rows carry it.
        blank_counts: for each input name, in how many rows it is empty or blank.
        input_characters: for each input name, its characters over all rows.
        references: rows with a reference.
        clusters: distinct clusters, a row that names none being its own; None when no row names one.
        total_bytes: size of the canonical rows.
    """

    rows: int
    input_counts: dict[str, int] = Field(default_factory=dict)
    blank_counts: dict[str, int] = Field(default_factory=dict)
    input_characters: dict[str, int] = Field(default_factory=dict)
    references: int = 0
    clusters: int | None = None
    total_bytes: int = 0


class Dataset(Entity):
    """An upload: `awaiting_upload` until its rows are checked and frozen under a version."""

    dataset_id: str
    workspace: str
    name: str
    kind: DatasetKind
    created_at: datetime
    version: str | None = None
    summary: DatasetSummary | None = None

    @property
    def status(self) -> Literal["awaiting_upload", "ready"]:
        """Whether the rows are frozen."""
        return "ready" if self.version else "awaiting_upload"


class VariantEstimate(Entity):
    """What one variant will ask for; money None is unknown."""

    variant: str
    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens_max: int
    cost_usd_max: Decimal | None
    price_source: str | None


class Estimate(Entity):
    """What a run will ask for, before anything is spent.

    Args:
        input_tokens: from characters, half of them and some for each call: an upper bound for Latin scripts.
        output_tokens_max: the calls times `max_tokens`: an upper bound.
        cost_usd_max: with those tokens; None when any price is unknown.
        duration_s_at_least: under the providers' calls in flight, at an assumed latency that the notes name.
        detectable_effect: smallest difference of a binary primary metric that is found 80 % of the time.
    """

    samples: int
    calls: int
    input_tokens: int
    output_tokens_max: int
    cost_usd_max: Decimal | None
    duration_s_at_least: float
    detectable_effect: float | None
    by_variant: tuple[VariantEstimate, ...]
    notes: tuple[str, ...] = ()


class Test(Entity):
    """One experiment and where it stands."""

    __test__ = False

    test_id: str
    workspace: str
    status: TestStatus
    definition: TestDefinition
    dataset: DatasetSummary
    estimate: Estimate
    warnings: tuple[str, ...] = ()
    created_at: datetime
    created_by: str


class RunError(Entity):
    """Why a run failed, for the person who reads it."""

    code: str
    message: str
    what_to_do: str


class RunVerdict(Entity):
    """The decision in one word and one sentence."""

    decision: str
    sentence: str


class Run(Entity):
    """One execution of a test.

    Args:
        reserved_usd: what the budget holds for it; None when it has no cap.
        responses_total: answers it will ask for, verdicts_total: judgements; 0 until it is planned.
        looks_planned: looks of its design; 0 until it is planned.
        looks_taken: looks that were taken.
        stopped_early: why it ended before its last look; None when it did not.
    """

    run_id: str
    test_id: str
    test_name: str
    workspace: str
    status: TestStatus
    phase: RunPhase
    started_at: datetime
    started_by: str
    finished_at: datetime | None = None
    execution_arn: str | None = None
    cap_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    responses_total: int = 0
    verdicts_total: int = 0
    looks_planned: int = 0
    looks_taken: int = 0
    stopped_early: StopReason | None = None
    error: RunError | None = None
    verdict: RunVerdict | None = None
    artifacts: tuple[str, ...] = ()


class Progress(Entity):
    """How far a run is, summed over its batches."""

    responses_done: int = 0
    responses_failed: int = 0
    responses_from_ledger: int = 0
    verdicts_done: int = 0


class Spending(Entity):
    """The money of a run so far, and whether it should stop.

    Args:
        stop: why workers must start no more calls; None while they may.
    """

    spent_usd: Decimal = Decimal(0)
    calls: int = 0
    cap_usd: Decimal | None = None
    stop: Literal["cancelled", "failed"] | None = None


class RunFrozen(Entity):
    """What a run was started with, kept on S3 beside its results.

    Args:
        providers: the registrations of its providers at the start, without secrets.
        batches_by_wave: number of batches of each wave.
        versions: of the product and the libraries that matter for the numbers.
    """

    run_id: str
    test_id: str
    definition: TestDefinition
    dataset: DatasetSummary
    providers: dict[str, dict[str, Any]]
    started_at: datetime
    batches_by_wave: tuple[int, ...]
    versions: dict[str, str] = Field(default_factory=dict)
