"""Answers one batch of one variant: ledger, run still wanted, budget, call, price, ledger again.

A call is paid for at most once, unless the worker dies while it is in flight or within the writer's window. Ledger
hits are free, so they are served whatever the budget says. Failures of single calls are rows; what makes every further
call pointless is the result's `fatal`; only a store that cannot be read or written raises.

Depends on: `abtest.providers` (call, ledger_writer, outage, pricing, rows). Used by: `functions/call_provider`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from abtest.contracts.records import Attempt, ModelResponse, Recording, Usage
from abtest.core.errors import ProviderError, StoreError
from abtest.providers.call import Called, Caller
from abtest.providers.gate import BatchGate, expected_cost
from abtest.providers.ledger_key import payer
from abtest.providers.ledger_writer import LedgerWriter
from abtest.providers.model import (
    Answer,
    BatchResult,
    BatchSettings,
    CallFailure,
    ControlState,
    Deferral,
    LedgerEntry,
    ModelRequest,
    StopReason,
)
from abtest.providers.outage import NOT_ASKED, OutageWatch
from abtest.providers.ports import BatchPorts, Codec, HttpCodec, RecordedCodec
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider
from abtest.providers.rows import BatchRows
from abtest.providers.stop import DEADLINE, DEFERRED, StopSignal

_KEYS_OF_ONE_READ = 100
_STOP_REASONS: dict[str, StopReason] = {
    "cancelled": "cancelled",
    "budget": "budget",
    DEADLINE: "deadline",
    DEFERRED: "deferred",
}
_PROMPT_STOPS = frozenset({"cancelled", "fatal", "store"})


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be answered.

    Args:
        provider: the registration all requests go to.
        requests: in the order in which the rows are wanted; all of one model.
        codec: of the provider's vendor.
        api_key: None when the provider needs none.
        recordings: rows by sample id, for a vendor of recorded answers.
        failed: rows of an earlier pass that stand: their samples are not asked again.
        attempts: of earlier passes, by sample.
        answered: requests of the same piece of work that the provider has answered, asked before these: what fails now
            says something about these requests then, and nothing about the provider as a whole.
    """

    provider: ModelProvider
    requests: Sequence[ModelRequest]
    codec: Codec
    api_key: str | None = field(default=None, repr=False)
    recordings: Mapping[str, Recording] = field(default_factory=dict, repr=False)
    failed: Sequence[ModelResponse] = ()
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    answered: int = 0


async def answer_batch(batch: Batch, ports: BatchPorts, settings: BatchSettings) -> BatchResult:
    """Return the rows of a batch, as far as they could be had.

    Args:
        batch: the requests and where they go.
        ports: what is outside.
        settings: limits, cache mode and the run's scope in the ledger.

    Returns:
        What became of it. When it `stopped` for `cancelled`, `deadline` or `deferred`, or is `fatal`, requests that
        were not finished have no row; when it stopped for `budget`, they have one that says so.

    Raises:
        StoreError: the ledger or the run's record cannot be used; what was written before is found again by a retry.
    """
    if isinstance(batch.codec, RecordedCodec):
        return BatchResult(tuple(batch.codec.answer(request, batch.recordings) for request in batch.requests))
    if not batch.requests:
        return BatchResult(())
    return await _BatchRun(batch, batch.codec, ports, settings).run()


class _BatchRun:
    """One pass over one batch; lives in one event loop."""

    def __init__(self, batch: Batch, codec: HttpCodec, ports: BatchPorts, settings: BatchSettings) -> None:
        self._batch, self._codec, self._ports, self._settings = batch, codec, ports, settings
        self._model = batch.requests[0].model
        self._stop = StopSignal()
        self._gate = BatchGate(batch.provider, batch.requests[0], ports, settings, self._stop)
        self._caller = Caller(codec, ports, settings.retry, batch.provider.timeout_s, self._stop, self._gate)
        self._outage = OutageWatch(
            batch.provider,
            self._model,
            settings.max_in_flight,
            lambda: self._gate.has_answered_before,
            batch.answered,
        )
        self._rows = BatchRows(batch.requests, batch.provider, settings)
        self._writer = LedgerWriter(
            ports.ledger, ports.control, settings, self._on_state, lambda: self._stop.set("store")
        )
        self._state = ControlState()
        self._cost_usd = Decimal(0)
        self._answered_now = 0
        self._fatal: ProviderError | None = None
        self._limits_error: StoreError | None = None

    async def run(self) -> BatchResult:
        """Return what became of the batch."""
        self._rows.take_failures(self._batch.failed)
        self._rows.take_attempts(self._batch.attempts)
        missing = self._rows.take_hits(await self._lookup())
        if missing:
            self._on_state(await asyncio.to_thread(self._ports.control.state))
            self._check_deadline()
            if self._stop.reason is None:
                await self._call_all(missing)
        return self._result()

    async def _lookup(self) -> dict[str, LedgerEntry]:
        wanted = self._rows.wanted
        found: dict[str, LedgerEntry] = {}
        for start in range(0, len(wanted), _KEYS_OF_ONE_READ):
            chunk = wanted[start : start + _KEYS_OF_ONE_READ]
            found.update(await asyncio.to_thread(self._ports.ledger.get_many, chunk))
        return found

    async def _call_all(self, missing: list[str]) -> None:
        # The price list takes a moment to load: now, and not while calls are being timed.
        price_of(self._batch.provider, self._model, Usage(), self._ports.clock.now())
        queue = iter(missing)
        count = min(self._settings.max_in_flight, len(missing))
        workers: list[asyncio.Task[None]] = []
        try:
            await self._gate.start()
            self._writer.start()
            workers += [asyncio.create_task(self._work(queue)) for _ in range(count)]
            await self._watch(workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await asyncio.shield(self._close())
        for worker in workers:
            if not worker.cancelled():
                worker.result()
        if self._limits_error is not None:
            raise self._limits_error

    async def _close(self) -> None:
        """Write what is paid for, and share what was seen at the same time: the last seconds must do for both."""
        written, shared = await asyncio.gather(self._writer.close(), self._gate.close(), return_exceptions=True)
        # What could not be written goes first: it says whether the batch can be told at all.
        for error in (written, shared):
            if error is not None:
                raise error

    async def _work(self, queue: Iterator[str]) -> None:
        for key in queue:
            if self._stop.reason is not None:
                return
            request = self._rows.request(key)
            http = self._codec.build(request, self._batch.provider, self._batch.api_key)
            try:
                called = await self._caller.call(http, expected_cost(request))
            except StoreError as error:
                # No call without a permit; those in flight may be paid for, so they get what a stop gives them.
                self._limits_error = error
                self._stop.set("store")
                return
            self._record(key, called)

    def _record(self, key: str, called: Called) -> None:
        called = replace(called, attempts=self._rows.with_earlier(key, called.attempts))
        if isinstance(called.result, Answer):
            self._record_answer(key, called.result, called)
        elif called.result is not None and called.interrupted:
            self._rows.note_interruption(key, called.result.failure_reason, called.attempts)
            if self._outage.note_interruption(called.result):
                self._stop.set(DEFERRED)
        elif called.result is not None:
            self._record_failure(key, called.result, called)

    def _record_answer(self, key: str, answer: Answer, called: Called) -> None:
        cost_usd, source = price_of(self._batch.provider, self._model, answer.usage, self._ports.clock.now())
        entry = LedgerEntry(
            paid_by=payer(self._rows.request(key), self._settings.ledger_scope),
            outcome=answer.outcome,
            text=answer.text,
            usage=answer.usage,
            latency_ms=called.latency_ms,
            cost_usd=cost_usd,
            price_source=source,
            attempts=called.attempts,
            finish_reason=answer.finish_reason,
            provider_request_id=answer.provider_request_id,
            served_model=answer.served_model,
        )
        self._answered_now += 1
        self._cost_usd += cost_usd or Decimal(0)
        self._rows.note_answer(key, entry)
        self._outage.note_answer()
        self._writer.add(key, entry)
        self._check_budget()

    def _record_failure(self, key: str, failure: CallFailure, called: Called) -> None:
        self._rows.note_failure(key, failure.failure_reason, called.attempts)
        fatal = self._outage.note_failure(failure)
        if fatal is not None and self._fatal is None:
            self._fatal = fatal
            self._stop.set("fatal")

    def _on_state(self, state: ControlState) -> None:
        self._state = state
        if state.cancel_requested:
            self._stop.set("cancelled")
        self._check_budget()

    def _check_budget(self) -> None:
        cap_usd = self._state.cap_usd
        if cap_usd is not None and self._state.spent_usd + self._writer.unspent_usd >= cap_usd:
            self._stop.set("budget")

    def _check_deadline(self) -> None:
        if self._ports.remaining_s() < self._settings.start_margin_s:
            self._stop.set(DEADLINE)

    async def _watch(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Return when all workers are done, or one broke, or those in flight have had their time."""
        clock, settings = self._ports.clock, self._settings
        reported_s = clock.monotonic_s()
        stopped_s: float | None = None
        pending = set(workers)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=settings.tick_s, return_when=asyncio.FIRST_EXCEPTION)
            if any(worker.exception() for worker in done):
                return
            now_s = clock.monotonic_s()
            self._check_deadline()
            if self._stop.reason is not None:
                stopped_s = now_s if stopped_s is None else stopped_s
                if self._given_up(now_s - stopped_s):
                    return
            if now_s - reported_s >= settings.progress_s:
                reported_s = now_s
                await self._report_progress()

    def _given_up(self, stopping_s: float) -> bool:
        """Return whether calls in flight get no more time; they may have been paid for, so they get what there is."""
        if self._ports.remaining_s() < self._settings.finish_margin_s:
            self._stop.cut_off()
            return True
        return self._stop.reason in _PROMPT_STOPS and stopping_s >= self._settings.stop_grace_s

    async def _report_progress(self) -> None:
        listener = self._ports.on_progress
        if listener is not None:
            done, failed, from_ledger = self._rows.counts()
            # A report that is lost is no reason to lose calls in flight; the next one says it all again.
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(listener, done, failed, from_ledger, self._cost_usd)

    def _result(self) -> BatchResult:
        complete = self._rows.counts()[0] == len(self._batch.requests)
        # A reason that came when everything was done stopped nothing.
        reason = None if complete else self._stop.reason or DEFERRED
        deferral = self._stop.deferral if reason == DEFERRED else None
        if complete and not self._rows.any_hit and self._fatal is None:
            ended = self._outage.at_end()
            if isinstance(ended, Deferral):
                reason, deferral = DEFERRED, ended
            else:
                self._fatal = ended
        elif deferral is not None:
            deferral = self._outage.explained(deferral)
            if not self._rows.any_hit:
                self._fatal = self._fatal or self._outage.on_deferral(deferral)
        again = reason in (DEFERRED, DEADLINE)
        responses = self._rows.responses(out_of_budget=self._stop.reason == "budget")
        return BatchResult(
            responses=responses,
            unfinished=len(responses) < len(self._batch.requests),
            stopped=_STOP_REASONS.get(reason or ""),
            fatal=self._fatal,
            deferral=deferral,
            answered_now=self._answered_now,
            attempts_now=self._gate.attempts,
            if_given_up=self._rows.if_given_up(NOT_ASKED[deferral.why if deferral else None]) if again else (),
        )
