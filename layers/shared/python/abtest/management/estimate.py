"""What a run will ask for, before anything is spent.

Depends on: `abtest.contracts`; prices, power, tokenizers and history arrive as arguments. Used by: the API.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from abtest.contracts.definition import TestDefinition, Variant
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.core.money import total
from abtest.management.duration import BATCH_WINDOW_S, PlannedUse, longest_bound
from abtest.management.model import DatasetSummary, Estimate, VariantEstimate
from abtest.management.ports import ProviderFacts, TokenCounter, UsageHistory
from abtest.management.token_estimate import TokenEstimate, estimate_tokens

PriceOf = Callable[[str, str, Usage, bool], tuple[Decimal | None, str | None]]
"""Price of one call's usage by provider and model, and where it comes from; True asks for the batch interface's."""


@dataclass(frozen=True)
class EstimatePorts:
    """What an estimate needs to know of the world.

    Args:
        providers: facts by provider identifier.
        price_of: see `PriceOf`.
        counter: counts tokens.
        history: knows earlier runs; None knows none.
        workers: most that serve one provider at the same time.
    """

    providers: Mapping[str, ProviderFacts]
    price_of: PriceOf
    counter: TokenCounter
    history: UsageHistory | None = None
    workers: int = 1


def estimate_run(
    definition: TestDefinition, dataset: DatasetSummary, ports: EstimatePorts, *, detectable_effect: float | None
) -> Estimate:
    """Return the estimate of one run.

    Args:
        definition: names providers that `ports` knows.
        dataset: how much text its samples have.
        ports: see `EstimatePorts`.
        detectable_effect: from the power analysis; None where it is not known for this metric.
    """
    found = {name: _tokens(variant, dataset, ports) for name, variant in definition.variants.items()}
    variants = tuple(
        _of_variant(name, variant, dataset.rows, found[name], ports) for name, variant in definition.variants.items()
    )
    live = [v for v in variants if v.calls]
    uses = [_planned(v, found[v.variant]) for v in live if v.mode == "direct"]
    bound = longest_bound(uses, ports.providers, ports.workers)
    cost_max = total(v.cost_usd_max for v in variants)
    return Estimate(
        samples=dataset.rows,
        calls=sum(v.calls for v in variants),
        input_tokens=sum(v.input_tokens for v in variants),
        output_tokens_max=sum(v.output_tokens_max for v in variants),
        cost_usd_max=cost_max,
        input_tokens_expected=_sum(v.input_tokens_expected for v in variants),
        output_tokens_expected=_sum(v.output_tokens_expected for v in variants),
        cost_usd_expected=total(v.cost_usd_expected for v in variants),
        duration_s_at_least=round(bound.seconds, 1) if bound else 0.0,
        duration_bound=bound.what if bound else None,
        duration_s_at_most=BATCH_WINDOW_S if any(v.mode == "batch" for v in live) else None,
        detectable_effect=detectable_effect,
        by_variant=variants,
        notes=_notes(definition, cost_max, variants, ports.counter.encodings),
    )


def _tokens(variant: Variant, dataset: DatasetSummary, ports: EstimatePorts) -> TokenEstimate | None:
    def past(base: str, prompt: str) -> PastUse | None:
        if ports.history is None:
            return None
        return ports.history.past(ports.providers[variant.provider], variant.model, base=base, prompt=prompt)

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


def _sum(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _notes(
    definition: TestDefinition, cost: Decimal | None, variants: tuple[VariantEstimate, ...], encodings: Sequence[str]
) -> tuple[str, ...]:
    live = [v for v in variants if v.calls]
    notes = []
    if live:
        notes.append("Most: input with its error, every answer at max_tokens. Answers from the ledger cost nothing.")
    # What earlier runs say of the output, they say of the input too.
    guessed = [v.variant for v in live if v.input_base not in encodings and v.output_tokens_expected is None]
    if guessed:
        notes.append(
            f"The tokenizer of {', '.join(guessed)} is not public; where the samples are in another script than Latin, "
            "the input may be further off than its error, until a run has shown it."
        )
    new = [v.variant for v in live if v.output_tokens_expected is None]
    if new:
        notes.append(f"How long the answers of {', '.join(new)} are is not known before a first run.")
    batch = [v.variant for v in live if v.mode == "batch"]
    if batch:
        notes.append(
            f"{', '.join(batch)}: the provider's batch interface takes up to 24 h, at about half the price of direct "
            "calls."
        )
    unknown = [v.variant for v in variants if v.cost_usd_max is None]
    cap = definition.budget.cap_usd
    if unknown:
        notes.append(f"The price of {', '.join(unknown)} is unknown, so its cost is too, and a cap cannot stop it.")
    elif cap is not None and cost is not None and cost > cap:
        notes.append(
            f"The upper bound exceeds the cap of ${cap}: the run stops when it has spent that, and keeps what it has."
        )
    return tuple(notes)
