"""CallProvider: one queue message, which is one batch of one variant.

Depends on: management, providers. Used by: `functions/call_provider`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from abtest.contracts.records import ModelResponse
from abtest.contracts.steps import GenerateMessage, GenerateResult
from abtest.core.errors import NotFoundError
from abtest.management.model import RunFrozen
from abtest.providers import registry
from abtest.providers.model import BatchResult
from abtest.providers.registration import ModelProvider
from abtest.providers.service import Batch, answer_batch
from abtest.runtime.steps.batch_mode import answer_in_batch_mode, waits_at_vendor
from abtest.runtime.steps.batch_requests import recordings_of, requests_of
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.put_off import AskedBatch
from abtest.runtime.steps.queue_worker import WorkerPorts, batch_settings, work_off

_NOTHING = Decimal(0)


def call_provider(
    message: GenerateMessage, receipt_handle: str, remaining_s: Callable[[], float], ports: WorkerPorts
) -> GenerateResult | None:
    """Answer one batch of a variant and hand the result to the waiting execution; as `work_off`."""
    bodies = RunBodies(ports.objects, message.batch.workspace, message.batch.run_id)
    return work_off(_Answering(message, bodies, ports), receipt_handle, remaining_s, ports)


@dataclass(frozen=True)
class _Answering:
    """Implements `Work` for the answers of a variant."""

    message: GenerateMessage
    bodies: RunBodies
    ports: WorkerPorts

    def may_have_answers(self) -> bool:
        """Return whether an earlier delivery may have left answers in the ledger only."""
        item = self.message.batch
        mode = self.bodies.frozen().definition.variants[item.variant].mode if self.message.deferrals else None
        # A batch interface's answers are the poller's business, and it may wait for them long after the stop.
        return mode == "direct"

    def written(self) -> GenerateResult | None:
        """Return the counts of the rows that an earlier delivery has written."""
        item = self.message.batch
        try:
            rows = self.bodies.responses(item.wave, item.variant, item.batch)
        except NotFoundError:
            return None
        # A second worker on the same batch may have shown since that it waits.
        return self._recorded(rows)

    def answer(self, remaining_s: Callable[[], float]) -> AskedBatch | None:
        """Return what became of the batch; None when it waits with its vendor."""
        item, ports = self.message.batch, self.ports
        frozen = self.bodies.frozen()
        variant = frozen.definition.variants[item.variant]
        provider = ModelProvider.model_validate(frozen.providers[variant.provider])
        batch = self._batch(frozen, provider)
        batch_ports = ports.batch_ports(self.message, remaining_s, self._record)
        settings = batch_settings(self.message, provider, frozen.definition.cache)
        if variant.mode == "batch":
            result = answer_in_batch_mode(batch, self.message, batch_ports, settings, ports)
            if waits_at_vendor(result):
                return None
        else:
            result = ports.run_async(answer_batch(batch, batch_ports, settings))
        # Those that failed are asked again if the batch is put off, so they are not done then.
        done = [row for row in result.responses if row.outcome != "failed"]
        return AskedBatch(provider, variant.model, result, _numbers(len(done), 0, _from_ledger(done)))

    def handed_on(self, result: BatchResult) -> None:  # noqa: ARG002 - a port
        """Return nothing: a variant is its model, and another one would be another variant."""
        return

    def write(self, result: BatchResult) -> GenerateResult:
        """Write the rows of the batch and record its progress."""
        item = self.message.batch
        self.bodies.write_responses(item.wave, item.variant, item.batch, result.responses)
        return self._recorded(result.responses)

    def _batch(self, frozen: RunFrozen, provider: ModelProvider) -> Batch:
        item = self.message.batch
        samples = self.bodies.samples(item.wave, item.batch)
        return Batch(
            provider=provider,
            requests=requests_of(frozen.definition, item, provider, samples),
            codec=registry.codec_of(provider.vendor),
            api_key=self.ports.key_of(provider),
            recordings=recordings_of(item, frozen, self.ports.objects),
            failed=self.message.failed,
            attempts=self.message.attempts,
        )

    def _recorded(self, rows: Sequence[ModelResponse]) -> GenerateResult:
        failed = sum(row.outcome == "failed" for row in rows)
        self._record(len(rows), failed, _from_ledger(rows))
        return GenerateResult(responses=len(rows), failed=failed, from_ledger=_from_ledger(rows))

    def _record(self, done: int, failed: int, from_ledger: int, cost_usd: Decimal = _NOTHING) -> None:  # noqa: ARG002 - a port
        item = self.message.batch
        numbers = _numbers(done, failed, from_ledger)
        self.ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, numbers)


def _numbers(done: int, failed: int, from_ledger: int) -> dict[str, int]:
    return {"done": done, "failed": failed, "from_ledger": from_ledger}


def _from_ledger(rows: Sequence[ModelResponse]) -> int:
    return sum(row.from_ledger for row in rows)
