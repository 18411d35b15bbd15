"""What a run will ask for, before anything is spent.

Depends on: `abtest.contracts`; prices, power, tokenizers and history arrive as arguments. Used by: the API.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from abtest.contracts.definition import TestDefinition, Variant
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.core.money import total
from abtest.management.duration import BATCH_WINDOW_S, PlannedUse, longest_bound
from abtest.management.estimate_notes import estimate_notes
from abtest.management.judge_estimate import (
    HISTORY_BASE,
    AnswerTokens,
    JudgeWorld,
    estimate_judges,
    recorded_tokens,
)
from abtest.management.model import DatasetSummary, Estimate, JudgeEstimate, VariantEstimate
from abtest.management.ports import PriceOf, ProviderFacts, TokenCounter, UsageHistory
from abtest.management.token_estimate import TokenEstimate, estimate_tokens


@dataclass(frozen=True)
class EstimatePorts:
    """What an estimate needs to know of the world.

    Args:
        providers: facts by provider identifier.
        price_of: see `PriceOf`.
        counter: counts tokens.
        history: knows earlier runs; None knows none.
        workers: most that serve one provider at the same time.
        schema_text: what a judge sends beside its messages.
    """

    providers: Mapping[str, ProviderFacts]
    price_of: PriceOf
    counter: TokenCounter
    history: UsageHistory | None = None
    workers: int = 1
    schema_text: Callable[[JudgeFacts], str] = lambda _judge: ""


def estimate_run(
    definition: TestDefinition,
    dataset: DatasetSummary,
    ports: EstimatePorts,
    *,
    judges: Mapping[str, JudgeFacts],
    recordings: Mapping[str, DatasetSummary],
    detectable_effect: float | None,
    asks_variants: bool = True,
) -> Estimate:
    """Return the estimate of one run.

    Args:
        definition: names providers that `ports` knows.
        dataset: how much text its samples have.
        ports: see `EstimatePorts`.
        judges: facts of all its judges.
        recordings: by variant, of those that play recorded answers.
        detectable_effect: from the power analysis; None where it is not known for this metric.
        asks_variants: False for a run that judges earlier answers anew.
    """
    found = {name: _tokens(variant, dataset, ports) for name, variant in definition.variants.items()}
    variants = tuple(
        _of_variant(name, variant, dataset.rows, found[name] if asks_variants else None, ports)
        for name, variant in definition.variants.items()
    )
    answers = {
        name: _answers(variant, found[name], recordings.get(name), dataset.rows)
        for name, variant in definition.variants.items()
    }
    world = JudgeWorld(
        dataset, answers, ports.counter, ports.price_of, lambda fact: _past_of_judge(fact, ports), ports.schema_text
    )
    by_judge, least_read = estimate_judges(definition, judges, world)
    live = [v for v in variants if v.calls]
    uses = [_planned(v, found[v.variant]) for v in live if v.mode == "direct"]
    judging = [
        _planned_judge(j, read) for j, read in zip(by_judge, least_read, strict=True) if not j.only_disagreements
    ]
    seconds, bound = _duration(uses, judging, ports)
    all_of_them: tuple[VariantEstimate | JudgeEstimate, ...] = (*variants, *by_judge)
    cost_max = total(one.cost_usd_max for one in all_of_them)
    return Estimate(
        samples=dataset.rows,
        calls=sum(one.calls for one in all_of_them),
        input_tokens=sum(one.input_tokens for one in all_of_them),
        output_tokens_max=sum(one.output_tokens_max for one in all_of_them),
        cost_usd_max=cost_max,
        input_tokens_expected=_sum(one.input_tokens_expected for one in all_of_them),
        output_tokens_expected=_sum(one.output_tokens_expected for one in all_of_them),
        cost_usd_expected=total(one.cost_usd_expected for one in all_of_them),
        duration_s_at_least=seconds,
        duration_bound=bound,
        duration_s_at_most=BATCH_WINDOW_S if any(v.mode == "batch" for v in live) else None,
        detectable_effect=detectable_effect,
        by_variant=variants,
        by_judge=by_judge,
        notes=estimate_notes(definition, cost_max, variants, by_judge, ports.counter.encodings),
    )


def _answers(
    variant: Variant, tokens: TokenEstimate | None, recording: DatasetSummary | None, rows: int
) -> AnswerTokens:
    if tokens is not None:
        return AnswerTokens(tokens.output_expected, tokens.output_most)
    if recording is not None:
        return recorded_tokens(recording)
    return AnswerTokens(None, rows * variant.parameters.max_tokens)


def _past_of_judge(fact: JudgeFacts, ports: EstimatePorts) -> PastUse | None:
    if ports.history is None:
        return None
    asked = fact.models[0]
    return ports.history.past(ports.providers[asked.provider], asked.model, base=HISTORY_BASE, prompt=fact.version)


def _duration(answering: list[PlannedUse], judging: list[PlannedUse], ports: EstimatePorts) -> tuple[float, str | None]:
    # Judges read answers, so that no judging happens while the answers are not there.
    first, second = (longest_bound(uses, ports.providers, ports.workers) for uses in (answering, judging))
    words = [first.what] if first else []
    if second:
        words.append(f"the judges: {second.what}")
    return round(sum(bound.seconds for bound in (first, second) if bound), 1), ", then ".join(words) or None


def _tokens(variant: Variant, dataset: DatasetSummary, ports: EstimatePorts) -> TokenEstimate | None:
    def past(base: str, prompt: str) -> PastUse | None:
        facts = ports.providers.get(variant.provider)
        if ports.history is None or facts is None:
            return None
        return ports.history.past(facts, variant.model, base=base, prompt=prompt)

    return estimate_tokens(variant, dataset, ports.counter, past)


def _of_variant(
    name: str, variant: Variant, rows: int, tokens: TokenEstimate | None, ports: EstimatePorts
) -> VariantEstimate:
    who = {"variant": name, "provider": variant.provider, "model": variant.model}
    if tokens is None or rows == 0:
        return VariantEstimate(
            **who,
            calls=0,
            input_tokens=0,
            output_tokens_max=0,
            cost_usd_max=Decimal(0),
            price_source="recorded answers cost nothing now",
            input_tokens_expected=0,
            output_tokens_expected=0,
            cost_usd_expected=Decimal(0),
        )
    most, source = _cost(variant, rows, tokens.input_most, tokens.output_most, ports.price_of)
    expected = None
    if tokens.output_expected is not None:
        expected, _ = _cost(variant, rows, tokens.input_expected, tokens.output_expected, ports.price_of)
    return VariantEstimate(
        **who,
        calls=rows,
        input_tokens=tokens.input_most,
        output_tokens_max=tokens.output_most,
        cost_usd_max=most,
        price_source=source,
        input_tokens_expected=tokens.input_expected,
        input_counted_by=tokens.input_counted_by,
        input_error=tokens.input_error,
        input_base=tokens.input_base,
        input_base_tokens=tokens.input_base_tokens,
        output_tokens_expected=tokens.output_expected,
        output_known_from=tokens.output_known_from,
        output_error=tokens.output_error,
        cost_usd_expected=expected,
        mode=variant.mode,
    )


def _cost(
    variant: Variant, calls: int, input_tokens: int, output_tokens: int, price_of: PriceOf
) -> tuple[Decimal | None, str | None]:
    # The price of a mean call: long inputs may have another price, and all calls together are no long input.
    usage = Usage(input_tokens=math.ceil(input_tokens / calls), output_tokens=math.ceil(output_tokens / calls))
    each, source = price_of(variant.provider, variant.model, usage, variant.mode == "batch")
    return (None, source) if each is None else (each * calls, source)


def _planned(variant: VariantEstimate, tokens: TokenEstimate | None) -> PlannedUse:
    latency_ms = None if tokens is None else tokens.latency_ms
    return PlannedUse(
        provider=variant.provider,
        model=variant.model,
        calls=variant.calls,
        input_tokens=variant.input_tokens_expected or 0,
        output_tokens=variant.output_tokens_expected,
        latency_s=None if latency_ms is None else latency_ms / 1000,
    )


def _planned_judge(judge: JudgeEstimate, least_read: int) -> PlannedUse:
    read = judge.input_tokens_expected
    return PlannedUse(
        provider=judge.provider,
        model=judge.model,
        calls=judge.calls,
        input_tokens=least_read if read is None else read,
        output_tokens=judge.output_tokens_expected,
        latency_s=None,
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)
