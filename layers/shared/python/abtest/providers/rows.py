"""Who asked what: groups equal requests of a batch into one call, and makes the rows in the order of the requests.

Depends on: `abtest.providers.ledger_key`. Used by: the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.records import Attempt, FailureReason, ModelResponse
from abtest.providers.ledger_key import payer, read_keys, request_key, write_key
from abtest.providers.model import BatchSettings, LedgerEntry, ModelRequest
from abtest.providers.registration import ModelProvider


@dataclass(frozen=True, slots=True)
class _Failed:
    reason: FailureReason
    attempts: tuple[Attempt, ...]


class BatchRows:
    """The requests of a batch and what became of each. A call's key is the ledger's name for its answer.

    Args:
        requests: in the order in which the rows are wanted.
        provider: the registration they go to.
        settings: scope and mode of the ledger.
    """

    def __init__(self, requests: Sequence[ModelRequest], provider: ModelProvider, settings: BatchSettings) -> None:
        self._requests = requests
        self._keys: list[str] = []
        self._first: dict[str, ModelRequest] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._hits: dict[str, LedgerEntry] = {}
        self._live: dict[str, LedgerEntry] = {}
        self._failed: dict[str, _Failed] = {}
        self._interrupted: dict[str, _Failed] = {}
        self._earlier: dict[str, tuple[Attempt, ...]] = {}
        self._scope = settings.ledger_scope
        scope, cache = settings.ledger_scope, settings.cache
        for request in requests:
            plain = request_key(request, provider)
            key = write_key(request, plain, scope, cache)
            self._keys.append(key)
            if key not in self._first:
                self._first[key] = request
                self._names[key] = read_keys(request, plain, scope, cache)

    @property
    def wanted(self) -> list[str]:
        """The ledger's names that are worth a look, no two alike."""
        return list(dict.fromkeys(name for names in self._names.values() for name in names))

    @property
    def any_hit(self) -> bool:
        """Whether the ledger had an answer."""
        return bool(self._hits)

    def take_attempts(self, attempts: Mapping[str, tuple[Attempt, ...]]) -> None:
        """Take attempts of earlier passes, by sample."""
        for request, key in zip(self._requests, self._keys, strict=True):
            if request.sample_id in attempts:
                self._earlier.setdefault(key, attempts[request.sample_id])

    def with_earlier(self, key: str, attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
        """Return the attempts of a call in all passes, in order."""
        return (*self._earlier.get(key, ()), *attempts)

    def take_failures(self, rows: Sequence[ModelResponse]) -> None:
        """Take failed rows of an earlier pass; unless the ledger has an answer by now, they stand."""
        before = {row.sample_id: row for row in rows}
        for request, key in zip(self._requests, self._keys, strict=True):
            row = before.get(request.sample_id)
            if row is not None and row.failure_reason is not None:
                self._failed[key] = _Failed(row.failure_reason, row.attempts)

    def take_hits(self, found: Mapping[str, LedgerEntry]) -> list[str]:
        """Note what the ledger had, and return the keys that must be called.

        Args:
            found: entries by ledger name.
        """
        for key, names in self._names.items():
            name = next((name for name in names if name in found), None)
            if name is not None:
                self._hits[key] = found[name]
                self._failed.pop(key, None)
        return [key for key in self._first if key not in self._hits and key not in self._failed]

    def request(self, key: str) -> ModelRequest:
        """Return the request that a call is made for."""
        return self._first[key]

    def note_answer(self, key: str, entry: LedgerEntry) -> None:
        """Note a call that was answered now."""
        self._live[key] = entry

    def note_failure(self, key: str, reason: FailureReason, attempts: tuple[Attempt, ...]) -> None:
        """Note a call that failed for good."""
        self._failed[key] = _Failed(reason, attempts)

    def note_interruption(self, key: str, reason: FailureReason, attempts: tuple[Attempt, ...]) -> None:
        """Note a call that was due for another attempt when the batch stopped, and why the last one failed."""
        self._interrupted[key] = _Failed(reason, attempts)

    def counts(self) -> tuple[int, int, int]:
        """Return how many requests have a row, how many of those failed, how many came from the ledger."""
        failed = sum(key in self._failed for key in self._keys)
        hits = sum(key in self._hits for key in self._keys)
        own = sum(self._paid_here(r, key) for r, key in zip(self._requests, self._keys, strict=True))
        live = sum(key in self._live for key in self._keys)
        return failed + hits + live, failed, hits - own + live - len(self._live)

    def _paid_here(self, request: ModelRequest, key: str) -> bool:
        """Return whether the ledger's answer is one that this very sample paid for in an earlier delivery."""
        return key in self._hits and self._hits[key].paid_by == payer(request, self._scope)

    def responses(self, *, out_of_budget: bool) -> tuple[ModelResponse, ...]:
        """Return the rows in the order of the requests; a request nothing became of has none.

        Args:
            out_of_budget: requests nothing became of get a row that says so.
        """
        if not out_of_budget:
            return self._rows({})
        return self._rows({key: _Failed("budget", self._attempts(key)) for key in self._first})

    def if_given_up(self, unasked: FailureReason) -> tuple[ModelResponse, ...]:
        """Return a row for every request: one nothing became of failed as its last attempt did.

        Args:
            unasked: why one failed that there was no attempt for.
        """
        return self._rows(
            {key: self._interrupted.get(key, _Failed(unasked, self._attempts(key))) for key in self._first}
        )

    def _attempts(self, key: str) -> tuple[Attempt, ...]:
        return self._interrupted[key].attempts if key in self._interrupted else self._earlier.get(key, ())

    def _rows(self, rest: Mapping[str, _Failed]) -> tuple[ModelResponse, ...]:
        rows: list[ModelResponse] = []
        paid: set[str] = set()
        for request, key in zip(self._requests, self._keys, strict=True):
            if key in self._live:
                rows.append(self._live[key].response(request, from_ledger=key in paid))
                paid.add(key)
            elif key in self._hits:
                rows.append(self._hits[key].response(request, from_ledger=not self._paid_here(request, key)))
            elif key in self._failed:
                rows.append(_failed_row(request, self._failed[key]))
            elif key in rest:
                rows.append(_failed_row(request, rest[key]))
        return tuple(rows)


def _failed_row(request: ModelRequest, failed: _Failed) -> ModelResponse:
    return ModelResponse(
        sample_id=request.sample_id,
        variant=request.variant,
        outcome="failed",
        failure_reason=failed.reason,
        attempts=failed.attempts,
    )
