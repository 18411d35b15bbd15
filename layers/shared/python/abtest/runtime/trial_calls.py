"""The calls of one judge of a trial: asked at once, repaired once, given up before the caller is.

Depends on: evaluation, `abtest.providers.service`. Used by: `judge_trials`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from abtest.contracts.definition import Parameters
from abtest.contracts.judging import AskedModel
from abtest.contracts.records import ModelResponse, Usage
from abtest.core.errors import InputIssue, InvalidInputError, NotFoundError
from abtest.evaluation.model import Question
from abtest.evaluation.trial import Trial, place_of
from abtest.evaluation.trial_result import Asked
from abtest.providers import registry
from abtest.providers.gate import expected_cost
from abtest.providers.model import BatchSettings, ChatMessage, ControlState, LedgerEntry, ModelRequest, RetryPolicy
from abtest.providers.ports import BatchPorts, HttpCodec, Transport
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider
from abtest.providers.service import Batch, answer_batch
from abtest.runtime.judge_parameters import sendable
from abtest.runtime.provider_check import LiveCheckPorts

MOST_IN_FLIGHT = 12
_RETRY = RetryPolicy(max_attempts=2, longest_hint_s=5.0, longest_call_s=12.0, max_throttled=2, patience_s=3.0)
_START_MARGIN_S, _FINISH_MARGIN_S = 3.0, 1.0
_CALLS_OF_A_QUESTION = 2
"""The question and its repair."""


@dataclass
class Spending:
    """What a trial has spent; implements `RunControl`: nobody stops a trial, and its budget is reserved."""

    spent_usd: Decimal = Decimal(0)

    def state(self) -> ControlState:
        """Return what was spent."""
        return ControlState(spent_usd=self.spent_usd)

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:  # noqa: ARG002 - a port
        """Add to what was spent."""
        self.spent_usd += cost_usd
        return self.state()


@dataclass(frozen=True)
class TrialLimits:
    """What all calls of a trial share.

    Args:
        trial_id: names the trial among the runs that share a provider's limits.
        deadline_s: on the monotonic clock; what is in flight then is given up.
    """

    trial_id: str
    deadline_s: float
    spending: Spending
    transport: Transport


@dataclass(frozen=True)
class TrialCalls:
    """What one judge of a trial will ask, and of whom.

    Args:
        parameters: what is sent, the schema of the reply included where the model takes one.
        key: None when the provider needs none.
        most_usd: price of all calls, were each reply as long as it may be and had to be repaired; an unknown price
            counts nothing.
    """

    prompts: Asked
    level: int
    provider: ModelProvider
    model: str
    parameters: Parameters
    key: str | None = field(repr=False)
    most_usd: Decimal


def calls_of(
    workspace: str, trial: Trial, prompts: Mapping[str, Asked], ports: LiveCheckPorts
) -> dict[str, TrialCalls]:
    """Return the calls of a trial's judges.

    Raises:
        InvalidInputError: a provider is not registered or cannot be asked so; with every reason.
        ProviderConfigurationError: a provider's key cannot be read.
    """
    issues: list[InputIssue] = []
    planned: dict[str, tuple[Asked, ModelProvider, AskedModel, Parameters]] = {}
    for name, asked in prompts.items():
        place, model = place_of(trial, name), asked.judge.models[trial.fallback]
        provider = _provider(workspace, model.provider, place, ports, issues)
        if provider is None:
            continue
        sent = sendable(asked.judge, model, provider)
        issues += [InputIssue(f"{place}.parameters.{option}", why) for option, why in sent.refused.items()]
        left_out = ", ".join(sent.left_out)
        notes = (f"Not sent, because {model.model} does not take it: {left_out}.",) if left_out else ()
        planned[name] = replace(asked, notes=notes), provider, model, sent.parameters
    if issues:
        raise InvalidInputError("The judge cannot be tried so.", issues)
    return {name: _planned(*parts, level=trial.fallback, ports=ports) for name, parts in planned.items()}


async def make_calls(calls: TrialCalls, limits: TrialLimits, ports: LiveCheckPorts) -> Asked:
    """Return a judge's questions with their replies; what could not be read is asked a second time.

    Raises:
        StoreError: the limits or the circuit cannot be read.
    """
    prompts = calls.prompts
    first = await _answered(calls, prompts.questions, limits, ports)
    replies = {question: (calls.level, row) for question, row in first.items()}
    repairs = prompts.judge.repairs(prompts.questions, replies)
    second = await _answered(calls, repairs, limits, ports)
    replies |= {question: (calls.level, row) for question, row in second.items()}
    return replace(prompts, repairs=tuple(repairs), replies=replies)


def _provider(
    workspace: str, provider_id: str, place: str, ports: LiveCheckPorts, issues: list[InputIssue]
) -> ModelProvider | None:
    try:
        provider = ports.providers.get(workspace, provider_id)
    except NotFoundError:
        issues.append(InputIssue(f"{place}.provider", "no such provider is registered", provider_id))
        return None
    if not isinstance(registry.codec_of(provider.vendor), HttpCodec):
        issues.append(InputIssue(f"{place}.provider", "serves recorded answers; a judge needs a model", provider_id))
        return None
    return provider


def _planned(
    asked: Asked,
    provider: ModelProvider,
    model: AskedModel,
    parameters: Parameters,
    *,
    level: int,
    ports: LiveCheckPorts,
) -> TrialCalls:
    calls = TrialCalls(
        prompts=asked,
        level=level,
        provider=provider,
        model=model.model,
        parameters=parameters,
        # Read anew: who corrects a key and tries again must not hear of the old one.
        key=ports.secrets.key(provider.secret_name, fresh=True) if provider.secret_name else None,
        most_usd=Decimal(0),
    )
    costs = [expected_cost(request) for request in _requests(calls, asked.questions)]
    usages = [Usage(input_tokens=cost.input_tokens, output_tokens=cost.output_tokens) for cost in costs]
    prices = [price_of(provider, model.model, usage, ports.clock.now())[0] for usage in usages]
    most_usd = sum((price for price in prices if price is not None), Decimal(0)) * _CALLS_OF_A_QUESTION
    return replace(calls, most_usd=most_usd)


def _requests(calls: TrialCalls, questions: Sequence[Question]) -> list[ModelRequest]:
    return [
        ModelRequest(
            provider=calls.provider.id,
            vendor=calls.provider.vendor,
            model=calls.model,
            messages=tuple(ChatMessage(role=role, content=content) for role, content in question.messages),
            parameters=calls.parameters,
            sample_id=question.id,
            variant=f"judge/{calls.prompts.judge.name}",
            repeat_index=question.repeat,
        )
        for question in questions
    ]


async def _answered(
    calls: TrialCalls, questions: Sequence[Question], limits: TrialLimits, ports: LiveCheckPorts
) -> dict[str, ModelResponse]:
    """Return a row for each question there was time for, by its id."""
    if not questions:
        return {}
    outside = BatchPorts(
        transport=limits.transport,
        ledger=_NoLedger(),
        control=limits.spending,
        clock=ports.clock,
        remaining_s=lambda: limits.deadline_s - ports.clock.monotonic_s(),
        jitter=random.SystemRandom().random,
        shared=ports.shared_state,
        owner=f"{limits.trial_id} {calls.prompts.judge.name} {questions[0].id}",
    )
    settings = BatchSettings(
        ledger_scope=limits.trial_id,
        cache="off",
        max_in_flight=min(calls.provider.max_in_flight, MOST_IN_FLIGHT),
        start_margin_s=_START_MARGIN_S,
        finish_margin_s=_FINISH_MARGIN_S,
        retry=_RETRY,
    )
    codec = registry.codec_of(calls.provider.vendor)
    batch = Batch(calls.provider, _requests(calls, questions), codec, calls.key)
    result = await answer_batch(batch, outside, settings)
    # Nobody waits any longer: what would be asked later in a run has failed here, and its row says why.
    return {row.sample_id: row for row in result.if_given_up or result.responses}


class _NoLedger:
    """Implements `Ledger`: a trial asks anew each time, and its answers serve nobody else."""

    def get_many(self, keys: Sequence[str], /) -> Mapping[str, LedgerEntry]:  # noqa: ARG002 - a port
        return {}

    def put_many(self, entries: Mapping[str, LedgerEntry], /) -> None:
        """Keep nothing."""
