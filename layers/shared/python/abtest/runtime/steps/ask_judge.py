"""AskJudge: one queue message, which is one batch of one judge that asks a model.

The judge's questions go the way of all calls: limits, circuit, ledger, budget. Where its model cannot serve and it has
another one, the message goes on to that one's queue, and only what is missing is asked again.

Depends on: evaluation, management, providers. Used by: `functions/call_provider`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal

from abtest.contracts.records import ModelResponse, Verdict
from abtest.contracts.steps import JudgeMessage, JudgeResult
from abtest.core.errors import NotFoundError, ProviderError
from abtest.evaluation.escalation import to_escalate
from abtest.evaluation.model import JudgeConfiguration, Reply
from abtest.evaluation.service import compile_model_judge
from abtest.management.model import RunFrozen
from abtest.providers.model import BatchResult
from abtest.providers.registration import ModelProvider
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.judge_rounds import JudgeRounds
from abtest.runtime.steps.judged_batch import JudgedBatch
from abtest.runtime.steps.put_off import AskedBatch
from abtest.runtime.steps.queue_worker import WorkerPorts, batch_settings, work_off

_PARALLEL_READS = 8


def ask_judge(
    message: JudgeMessage, receipt_handle: str, remaining_s: Callable[[], float], ports: WorkerPorts
) -> JudgeResult | None:
    """Judge one batch by asking a model and hand the result to the waiting execution; as `work_off`."""
    bodies = RunBodies(ports.objects, message.batch.workspace, message.batch.run_id)
    return work_off(_Judging(message, bodies, ports), receipt_handle, remaining_s, ports)


@dataclass
class _Judging:
    """Implements `Work` for the verdicts of a judge. What it has read for `answer` serves what comes after."""

    message: JudgeMessage
    bodies: RunBodies
    ports: WorkerPorts
    _frozen: RunFrozen = field(init=False)
    _batch: JudgedBatch = field(init=False)

    def may_have_answers(self) -> bool:
        """Return whether an earlier delivery may have left replies in the ledger only."""
        return self.message.deferrals > 0

    def written(self) -> JudgeResult | None:
        """Return the counts of the verdicts that an earlier delivery has written."""
        item = self.message.batch
        try:
            return self._recorded(self.bodies.verdicts(item.wave, item.judge, item.batch))
        except NotFoundError:
            return None

    def answer(self, remaining_s: Callable[[], float]) -> AskedBatch:
        """Return what became of the questions."""
        self._frozen = self.bodies.frozen()
        batch = self._batch = _read(self.message, self.bodies, self._frozen)
        provider = ModelProvider.model_validate(self._frozen.providers[batch.asked.provider])
        result = self._asked(batch, provider, remaining_s)
        done = batch.share_answered(batch.answered(result.responses))
        return AskedBatch(provider, batch.asked.model, result, self._numbers(done), batch.has_another)

    def handed_on(self, result: BatchResult) -> JudgeMessage | None:
        """Return what the judge's next model is to be asked; what this one has answered is kept."""
        item, batch = self.message.batch, self._batch
        if not batch.has_another:
            return None
        self._write_calls(result.responses)
        # What was waited for is given up.
        self._record(self._numbers(batch.share_answered(batch.answered(result.responses))))
        following = batch.judge.models[batch.fallback + 1]
        vendor = self._frozen.providers[following.provider]["vendor"]
        update = {"fallback": batch.fallback + 1, "vendor": vendor, "queue_url": self.ports.queue_urls[vendor]}
        return JudgeMessage(
            task_token=self.message.task_token,
            batch=item.model_copy(update=update),
            deferrals=self.message.deferrals,
        )

    def write(self, result: BatchResult) -> JudgeResult:
        """Write calls and verdicts, the verdicts last: where they are, the batch is done."""
        item, batch, rows = self.message.batch, self._batch, result.responses
        # A message that came twice may have been handed on meanwhile: what another model said stays, for a look may
        # have read it.
        written = self.written() if len(batch.judge.models) > 1 else None
        if written is not None:
            return written
        verdicts = batch.verdicts(rows)
        self._write_calls(rows)
        self.bodies.write_verdicts(item.wave, item.judge, item.batch, verdicts)
        return self._recorded(verdicts)

    def _write_calls(self, rows: Sequence[ModelResponse]) -> None:
        item, batch = self.message.batch, self._batch
        if rows:
            # Without a key nothing was asked, and what an earlier delivery has kept must not get lost.
            self.bodies.write_judge_calls(item.wave, item.judge, item.batch, batch.calls(rows), fallback=batch.fallback)
        if batch.pinned:
            self.bodies.write_pinned_verdicts(item.judge, batch.pinned_verdicts(rows))

    def _asked(self, batch: JudgedBatch, provider: ModelProvider, remaining_s: Callable[[], float]) -> BatchResult:
        def show(done: int, failed: int, from_ledger: int, cost_usd: Decimal) -> None:  # noqa: ARG001 - a port
            self._record(self._numbers(batch.share_answered(done)))

        try:
            rounds = JudgeRounds(batch, provider, self.ports.key_of(provider), self.message)
        except ProviderError as error:
            # A key that cannot be had is no reason to stop where another model can be asked.
            return BatchResult((), unfinished=True, fatal=error)
        batch_ports = self.ports.batch_ports(self.message, remaining_s, show)
        settings = batch_settings(self.message, provider, self._frozen.definition.cache)
        return self.ports.run_async(rounds.ask(batch_ports, settings))

    def _numbers(self, share: float) -> dict[str, int]:
        """Return how far the batch is, in verdicts, while questions are open."""
        item = self.message.batch
        size = item.size if self._batch.only is None else len(self._batch.only)
        return {"done": int(size * share), **({"added": size} if item.panels else {})}

    def _recorded(self, verdicts: Sequence[Verdict]) -> JudgeResult:
        not_scored = sum(verdict.status != "scored" for verdict in verdicts)
        added = {"added": len(verdicts)} if self.message.batch.panels else {}
        self._record({"done": len(verdicts), "failed": not_scored, **added})
        return JudgeResult(verdicts=len(verdicts), not_scored=not_scored)

    def _record(self, numbers: dict[str, int]) -> None:
        item = self.message.batch
        self.ports.runs.record_batch(item.workspace, item.run_id, item.progress_key, numbers)


def _read(message: JudgeMessage, bodies: RunBodies, frozen: RunFrozen) -> JudgedBatch:
    item, definition = message.batch, frozen.definition
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        samples = pool.submit(bodies.samples, item.wave, item.batch)
        responses = {
            variant: pool.submit(bodies.responses, item.wave, variant, item.batch) for variant in definition.variants
        }
        return JudgedBatch(
            judge=compile_model_judge(_configuration(frozen, item.judge)),
            samples=samples.result(),
            responses={variant: rows.result() for variant, rows in responses.items()},
            control=definition.control,
            only=_disagreements(message, bodies, frozen) if item.panels else None,
            fallback=item.fallback,
            earlier=_earlier(message, bodies),
            with_pinned=item.wave == 0 and item.batch == 0,
        )


def _configuration(frozen: RunFrozen, judge: str) -> JudgeConfiguration:
    configuration = frozen.definition.judges[judge]
    return JudgeConfiguration(name=judge, type=configuration.type, parameters=configuration.parameters)


def _disagreements(message: JudgeMessage, bodies: RunBodies, frozen: RunFrozen) -> frozenset[tuple[str, str]]:
    """Return what the judge is asked about: where the members of its panels disagree."""
    item = message.batch
    found: frozenset[tuple[str, str]] = frozenset()
    for panel in item.panels:
        members = frozen.judges[panel].members
        verdicts = [row for member in members for row in bodies.verdicts(item.wave, member, item.batch)]
        found |= to_escalate(_configuration(frozen, panel), verdicts)
    return found


def _earlier(message: JudgeMessage, bodies: RunBodies) -> dict[str, Reply]:
    """Return what the judge's models before this one have answered."""
    item = message.batch
    if not item.fallback:
        return {}
    calls = bodies.judge_calls(item.wave, item.judge, item.batch, models=item.fallback)
    return {call.question: (call.fallback, call.response) for call in calls if call.response.outcome != "failed"}
