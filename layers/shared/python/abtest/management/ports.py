"""What test management needs from the world: stores, the bucket, the workflow, the judges' catalogue.

Depends on: `abtest.contracts`, the model. Used by: the services; implemented in `abtest.adapters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar

from abtest.contracts.definition import JudgeConfiguration, Parameters
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.core.errors import InputIssue
from abtest.management.lifecycle import Event
from abtest.management.model import Dataset, Progress, Run, Spending, Test, Waiting

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items and where the next ones begin; cursor None is the end."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


@dataclass(frozen=True)
class Upload:
    """How a client sends a body straight to the bucket."""

    url: str
    headers: Mapping[str, str]
    method: Literal["PUT"] = "PUT"


@dataclass(frozen=True)
class IdempotentRequest:
    """A client's key and the hash of the request it came with."""

    key: str
    request_hash: str


class JudgeCatalogue(Protocol):
    """Knows the judge types."""

    def check(self, judge_type: str, parameters: Mapping[str, Any]) -> Sequence[InputIssue]:
        """Return what is wrong; paths are relative to the judge: `type`, `schema`."""
        ...

    def check_all(self, judges: Mapping[str, JudgeConfiguration]) -> Sequence[InputIssue]:
        """Return what is wrong between judges, such as a panel's members; paths begin with a judge's name."""
        ...

    def facts(self, judges: Mapping[str, JudgeConfiguration]) -> Mapping[str, JudgeFacts]:
        """Return what is known of those judges that are right, by name; a wrong one is left out."""
        ...

    def family(self, model: str) -> str | None:
        """Return which family of models a model belongs to, such as `gpt`, or None where nobody knows."""
        ...

    def read_documents(self, judge: JudgeConfiguration) -> Sequence[str]:
        """Return the dimensions of a right judge that rest on a sample's documents."""
        ...

    def schema_text(self, judge: JudgeConfiguration) -> str:
        """Return what a right judge sends beside its messages: the schema of a reply, or nothing."""
        ...


@dataclass(frozen=True)
class ModelLimits:
    """What a provider's account may ask of a model in any minute; None is no limit that is kept.

    Args:
        tokens: input and output together.
    """

    requests: int | None = None
    tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class ProviderFacts:
    """What management needs to know of a registered provider.

    Args:
        limits: returns the registered limits of a model, None where it has none.
        unsupported: returns, for a model and parameters, which of them cannot be sent and why.
        batches: whether the vendor has a batch interface.
    """

    vendor: str
    max_in_flight: int
    registration: Mapping[str, Any]
    unsupported: Callable[[str, Parameters], Mapping[str, str]] = field(default=lambda _model, _parameters: {})
    batches: bool = False
    limits: Callable[[str], ModelLimits | None] = field(default=lambda _model: None)


class TokenCounter(Protocol):
    """Counts tokens of text, without a network."""

    @property
    def encodings(self) -> Sequence[str]:
        """The encodings it can count in."""
        ...

    def encoding_of(self, model: str) -> str | None:
        """Return the encoding a model is known to read text in, or None."""
        ...

    def count(self, encoding: str, text: str) -> int:
        """Return the number of tokens of a text."""
        ...


class UsageHistory(Protocol):
    """Knows what the models of a workspace used in earlier runs."""

    def past(self, facts: ProviderFacts, model: str, *, base: str, prompt: str) -> PastUse | None:
        """Return what earlier runs say of a next one, or None when there were none like it.

        Args:
            facts: of the provider.
            model: the provider's name of the model.
            base: how the next run is counted beforehand.
            prompt: names its prompt and parameters.
        """
        ...


PriceOf = Callable[[str, str, Usage, bool], tuple[Decimal | None, str | None]]
"""Price of one call's usage by provider and model, and where it comes from; True asks for the batch interface's."""


class ProviderDirectory(Protocol):
    """Knows the registered providers."""

    def facts(self, workspace: str) -> Mapping[str, ProviderFacts]:
        """Return every provider of a workspace by identifier, `replay` included."""
        ...


class TestStore(Protocol):
    """Tests by workspace."""

    def create(self, test: Test) -> None:
        """Keep a new test."""
        ...

    def get(self, workspace: str, test_id: str) -> Test:
        """Return a test.

        Raises:
            NotFoundError: none has that identifier.
        """
        ...

    def list(self, workspace: str, *, limit: int, cursor: str | None) -> Page[Test]:
        """Return tests, newest first."""
        ...

    def workspaces(self) -> Sequence[str]:
        """Return every workspace that has tests."""
        ...


class RunStore(Protocol):
    """Runs, their spending and their progress. Every change of state is conditional on the state before."""

    def start(self, run: Run, request: IdempotentRequest | None) -> Run:
        """Keep a new run and move its test to RUNNING, in one transaction.

        Returns:
            The run; the earlier one when the same request came before with the same key.

        Raises:
            IllegalTransitionError: the test cannot start now.
            IdempotencyKeyReusedError: the key came before with another request.
        """
        ...

    def get(self, workspace: str, run_id: str) -> Run:
        """Return a run.

        Raises:
            NotFoundError: none has that identifier.
        """
        ...

    def list(self, workspace: str, *, test_id: str | None, limit: int, cursor: str | None) -> Page[Run]:
        """Return runs, newest first; of one test when it is named."""
        ...

    def update(self, run: Run) -> None:
        """Keep what changed while the run goes on; nothing happens when it has ended."""
        ...

    def finish(self, run: Run, event: Event) -> bool:
        """Keep the final state of a run and move its test on, in one transaction.

        Returns:
            False when the run had ended before; nothing changes then.
        """
        ...

    def spending(self, workspace: str, run_id: str) -> Spending:
        """Return the money and the stop sign."""
        ...

    def spend(self, workspace: str, run_id: str, *, calls: int, cost_usd: Decimal) -> Spending:
        """Add to what the run has spent and return the state after it."""
        ...

    def stop(
        self, workspace: str, run_id: str, reason: Literal["cancelled", "failed"], error: dict[str, Any] | None
    ) -> bool:
        """Put up the stop sign; the first reason stays.

        Args:
            error: `code`, `message`, `what_to_do` when something failed.

        Returns:
            Whether this call put it up.
        """
        ...

    def stop_error(self, workspace: str, run_id: str) -> dict[str, Any] | None:
        """Return the error that came with the stop sign, or None."""
        ...

    def record_batch(
        self,
        workspace: str,
        run_id: str,
        batch_key: str,
        counts: Mapping[str, int],
        waiting: Waiting | None = None,
    ) -> None:
        """Set how far one batch is and what it waits for; a repeated batch counts once.

        Args:
            batch_key: `G#wave#variant#batch` or `J#wave#judge#batch`.
            counts: `done`, and for responses `failed` and `from_ledger`, for verdicts `added` where nobody could count
                them beforehand; absolute, not increments.
            waiting: what the batch waits for; None while a worker has it and when it is done.
        """
        ...

    def progress(self, workspace: str, run_id: str) -> Progress:
        """Return the sum over all batches."""
        ...


class DatasetStore(Protocol):
    """Datasets and their frozen versions."""

    def create(self, dataset: Dataset) -> None:
        """Keep a new dataset that awaits its upload."""
        ...

    def get(self, workspace: str, dataset_id: str) -> Dataset:
        """Return a dataset.

        Raises:
            NotFoundError: none has that identifier.
        """
        ...

    def freeze(self, dataset: Dataset) -> None:
        """Keep a dataset with its version and summary."""
        ...

    def by_version(self, workspace: str, version: str) -> Dataset | None:
        """Return a frozen dataset by its content version, or None."""
        ...


class BudgetStore(Protocol):
    """What all runs of a workspace hold and have spent."""

    def reserve(self, workspace: str, run_id: str, amount_usd: Decimal, limit_usd: Decimal | None) -> None:
        """Reserve money for a run; a second call for the same run changes nothing.

        Raises:
            BudgetExceededError: spent + reserved + amount would exceed the limit.
        """
        ...

    def release(self, workspace: str, run_id: str, spent_usd: Decimal) -> None:
        """Turn a run's reservation into what it spent; a second call changes nothing."""
        ...


class ObjectStore(Protocol):
    """Bodies by key."""

    def get(self, key: str) -> bytes:
        """Return a body.

        Raises:
            NotFoundError: nothing is there.
        """
        ...

    def put(self, key: str, body: bytes, *, content_type: str = "application/json") -> None:
        """Write a body whole; readers see the old or the new one."""
        ...

    def lines(self, key: str) -> Iterator[bytes]:
        """Return the lines of a body one by one.

        Raises:
            NotFoundError: nothing is there.
        """
        ...

    def keys(self, prefix: str) -> Sequence[str]:
        """Return the keys under a prefix, sorted."""
        ...

    def upload(self, key: str, *, expires_in_s: int) -> Upload:
        """Return how a client writes a body by itself."""
        ...

    def download_url(self, key: str, *, expires_in_s: int, filename: str) -> str:
        """Return an address from which a client reads a body by itself."""
        ...


class Workflow(Protocol):
    """The engine that runs the lifecycle."""

    def execution_arn(self, run_id: str) -> str:
        """Return the ARN that the execution of a run has or will have."""
        ...

    def start(self, *, run_id: str, workspace: str) -> str:
        """Start the execution named by the run; a second start of the same run changes nothing.

        Returns:
            The execution's ARN.
        """
        ...
