"""What a run will ask for, before anything is spent.

Depends on: `abtest.contracts`; prices and power arrive as functions. Used by: the API.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from abtest.contracts.definition import TestDefinition, Variant
from abtest.contracts.records import Usage
from abtest.core.money import total
from abtest.management import templates
from abtest.management.model import DatasetSummary, Estimate, VariantEstimate

CHARACTERS_PER_TOKEN = 2
"""A lower bound for English, code and numbers; other scripts may take more tokens than half their characters."""
FRAME_TOKENS = 32
"""What a chat's frame adds to a call: roles, separators, a default system prompt."""
ASSUMED_LATENCY_S = 0.2
"""A short answer of a fast model: real runs take longer, never much less."""

PriceOf = Callable[[str, str, Usage], tuple[Decimal | None, str | None]]
"""Price of a usage by provider and model, and where it comes from."""


def estimate_run(
    definition: TestDefinition,
    dataset: DatasetSummary,
    *,
    price_of: PriceOf,
    max_in_flight: dict[str, int],
    detectable_effect: float | None,
) -> Estimate:
    """Return the estimate of one run.

    Args:
        price_of: see `PriceOf`.
        max_in_flight: concurrent calls by provider.
        detectable_effect: from the power analysis; None where it is not known for this metric.
    """
    variants = tuple(_of_variant(n, v, dataset, price_of) for n, v in definition.variants.items())
    live = [v for v in variants if definition.variants[v.variant].prompt is not None]
    calls: dict[str, int] = {}
    for v in live:
        calls[v.provider] = calls.get(v.provider, 0) + v.calls
    duration_s = max((n / max_in_flight[p] * ASSUMED_LATENCY_S for p, n in calls.items()), default=0.0)
    cost = total(v.cost_usd_max for v in variants)
    return Estimate(
        samples=dataset.rows,
        calls=sum(calls.values()),
        input_tokens=sum(v.input_tokens for v in variants),
        output_tokens_max=sum(v.output_tokens_max for v in variants),
        cost_usd_max=cost,
        duration_s_at_least=round(duration_s, 1),
        detectable_effect=detectable_effect,
        by_variant=variants,
        notes=_notes(definition, cost, variants),
    )


def _of_variant(name: str, variant: Variant, dataset: DatasetSummary, price_of: PriceOf) -> VariantEstimate:
    live = variant.prompt is not None
    input_tokens = _most_input_tokens(variant, dataset) if live else 0
    output_tokens = dataset.rows * variant.parameters.max_tokens if live else 0
    if live:
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
        cost, source = price_of(variant.provider, variant.model, usage)
    else:
        cost, source = Decimal(0), "recorded answers cost nothing now"
    return VariantEstimate(
        variant=name,
        provider=variant.provider,
        model=variant.model,
        calls=dataset.rows if live else 0,
        input_tokens=input_tokens,
        output_tokens_max=output_tokens,
        cost_usd_max=cost,
        price_source=source,
    )


def _most_input_tokens(variant: Variant, dataset: DatasetSummary) -> int:
    return _prompt_characters(variant, dataset) // CHARACTERS_PER_TOKEN + FRAME_TOKENS * dataset.rows


def _prompt_characters(variant: Variant, dataset: DatasetSummary) -> int:
    if variant.prompt is None:
        return 0
    characters = 0
    for source in filter(None, (variant.prompt.system, variant.prompt.user)):
        characters += len(templates.fixed_text(source)) * dataset.rows
        characters += sum(dataset.input_characters.get(name, 0) for name in templates.variables(source))
    return characters


def _notes(definition: TestDefinition, cost: Decimal | None, variants: tuple[VariantEstimate, ...]) -> tuple[str, ...]:
    notes = [
        f"Tokens and cost are upper bounds: input as characters / {CHARACTERS_PER_TOKEN} and {FRAME_TOKENS} a call for "
        "the chat's frame (scripts other than Latin may exceed it), every answer at max_tokens.",
        f"Duration assumes {ASSUMED_LATENCY_S:g} s a call.",
    ]
    unknown = [v.variant for v in variants if v.cost_usd_max is None]
    cap = definition.budget.cap_usd
    if unknown:
        notes.append(f"The price of {', '.join(unknown)} is unknown, so its cost is too, and a cap cannot stop it.")
    elif cap is not None and cost is not None and cost > cap:
        notes.append(
            f"The upper bound exceeds the cap of ${cap}: the run stops when it has spent that, and keeps what it has."
        )
    return tuple(notes)
