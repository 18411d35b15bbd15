"""Tests, runs and datasets as the platform keeps them.

Depends on: `abtest.contracts`. Used by: the management services, adapters, the API.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.management.dataset_model import Dataset, DatasetKind, DatasetSummary, InputTokens, ScoresSummary
from abtest.management.entity import Entity

# Made elsewhere, and found under this module's name as well.
__all__ = ["Dataset", "DatasetKind", "DatasetSummary", "InputTokens", "ScoresSummary"]

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


class VariantEstimate(Entity):
    """What one variant will ask for; money None is unknown, an expectation None is not known before a first run.

    Args:
        input_tokens: an upper bound of the input, `input_error` included.
        input_tokens_expected: what the input will be, as far as it can be counted beforehand.
        input_counted_by: how, for a person: by which tokenizer, or from characters, and from how many earlier calls.
        input_error: how far the input may be from its expectation, as a share of it.
        input_base: how it was counted before any correction by earlier runs; None where nothing is asked.
        input_base_tokens: the count before any correction.
        output_tokens_max: the calls times `max_tokens`: an upper bound.
        output_tokens_expected: from the answers of earlier runs.
        output_known_from: which, for a person.
        output_error: how far the output may be from its expectation, as a share of it.
        cost_usd_max: with the upper bounds.
        cost_usd_expected: with the expectations.
        mode: `batch` answers come by the provider's batch interface.
    """

    variant: str
    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens_max: int
    cost_usd_max: Decimal | None
    price_source: str | None
    input_tokens_expected: int | None = None
    input_counted_by: str | None = None
    input_error: float | None = None
    input_base: str | None = None
    input_base_tokens: float | None = None
    output_tokens_expected: int | None = None
    output_known_from: str | None = None
    output_error: float | None = None
    cost_usd_expected: Decimal | None = None
    mode: Literal["direct", "batch"] = "direct"


class JudgeEstimate(Entity):
    """What one judge that asks a model will ask for; money None is unknown, an expectation None is not known.

    Args:
        provider, model: of the judge's own model; a fallback is asked in its place, not beside it.
        calls: for each answer or pair, order and repeat, and for each pinned example; not second attempts at outputs
            that cannot be read.
        only_disagreements: it is asked only where a panel's members disagree: everything here is the most there can
            be, and what is expected is not known.
        input_tokens: an upper bound: prompt, sample and the answers at their longest.
        input_tokens_expected: None where the length of the answers is not known before a first run.
        input_counted_by: how, for a person.
        output_tokens_max: the calls times the judge's `max_tokens`.
        output_tokens_expected: from earlier runs of the same judge.
        output_known_from: which, for a person.
        cost_usd_max: with the upper bounds.
        cost_usd_expected: with the expectations.
    """

    judge: str
    provider: str
    model: str
    calls: int
    only_disagreements: bool = False
    input_tokens: int
    input_tokens_expected: int | None = None
    input_counted_by: str
    output_tokens_max: int
    output_tokens_expected: int | None = None
    output_known_from: str | None = None
    cost_usd_max: Decimal | None
    cost_usd_expected: Decimal | None = None
    price_source: str | None


class Estimate(Entity):
    """What a run will ask for, before anything is spent: variants and judges together.

    Args:
        calls: of variants and judges.
        input_tokens: an upper bound.
        output_tokens_max: the calls times `max_tokens`: an upper bound.
        cost_usd_max: with those tokens; None when any price is unknown.
        input_tokens_expected, output_tokens_expected, cost_usd_expected: None when any variant's or judge's is not
            known.
        duration_s_at_least: until the last direct answer and verdict: what rate limits, or calls in flight at the
            latency that `duration_bound` names, leave no way around.
        duration_bound: what bounds it, for a person; None when nothing is asked directly.
        duration_s_at_most: what a provider's batch interface may take; None without one.
        detectable_effect: smallest difference of a binary primary metric that is found 80 % of the time; None for
            other metrics.
        by_judge: of the judges that ask a model.
    """

    samples: int
    calls: int
    input_tokens: int
    output_tokens_max: int
    cost_usd_max: Decimal | None
    duration_s_at_least: float
    detectable_effect: float | None
    by_variant: tuple[VariantEstimate, ...]
    by_judge: tuple[JudgeEstimate, ...] = ()
    notes: tuple[str, ...] = ()
    input_tokens_expected: int | None = None
    output_tokens_expected: int | None = None
    cost_usd_expected: Decimal | None = None
    duration_bound: str | None = None
    duration_s_at_most: float | None = None


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
        rejudges: the run whose answers it judges anew, without asking the variants' models; None asks them.
        definition: of a run that judges anew: the test's, with the judges and metrics that were asked for.
        estimate: of a run that judges anew: what its judges will ask for; other runs have the test's.
        warnings: of a run that judges anew: what a person should know; other runs have the test's.
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
    rejudges: str | None = None
    definition: TestDefinition | None = None
    estimate: Estimate | None = None
    warnings: tuple[str, ...] = ()


class Waiting(Entity):
    """What batches of a run wait for, elsewhere than with a worker.

    Args:
        why: `rate_limit` (ours), `provider_throttles`, `circuit_open` (the provider is down), `batch_interface`.
        until: when they are tried again.
        batches: how many wait for it.
        detail: the provider's last failure in a few words; empty when there was none.
    """

    provider: str
    model: str
    why: str
    until: datetime
    batches: int = 1
    detail: str = ""


class Progress(Entity):
    """How far a run is, summed over its batches.

    Args:
        verdicts_added: verdicts where panels disagreed, which nobody could count beforehand; they are not in the run's
            `verdicts_total`, and once given they are among those done.
        waiting: what unfinished batches wait for.
    """

    responses_done: int = 0
    responses_failed: int = 0
    responses_from_ledger: int = 0
    verdicts_done: int = 0
    verdicts_added: int = 0
    waiting: tuple[Waiting, ...] = ()


def merged_waiting(of_batches: Iterable[Waiting]) -> tuple[Waiting, ...]:
    """Return what batches wait for, those for the same thing as one with the earliest time.

    Args:
        of_batches: one for each batch that waits.
    """
    merged: dict[tuple[str, str, str], Waiting] = {}
    for one in of_batches:
        key = (one.provider, one.model, one.why)
        before = merged.get(key)
        if before is None:
            merged[key] = one
            continue
        earlier = before if before.until <= one.until else one
        merged[key] = earlier.model_copy(update={"batches": before.batches + one.batches})
    return tuple(merged[key] for key in sorted(merged))


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
        estimate: what the run was expected to ask for; None for runs of earlier versions.
        versions: of the product and the libraries that matter for the numbers.
        judges: facts of its judges, by name; empty for runs of earlier versions.
    """

    run_id: str
    test_id: str
    definition: TestDefinition
    dataset: DatasetSummary
    providers: dict[str, dict[str, Any]]
    started_at: datetime
    batches_by_wave: tuple[int, ...]
    judges: dict[str, JudgeFacts] = Field(default_factory=dict)
    estimate: Estimate | None = None
    versions: dict[str, str] = Field(default_factory=dict)
