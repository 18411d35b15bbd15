"""The least time a run takes: what rate limits and calls in flight leave no way around.

Depends on: the ports. Used by: the estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from abtest.management.ports import ProviderFacts

ASSUMED_LATENCY_S = 0.2
"""A short answer of a fast model: real calls take longer, never much less."""
BATCH_WINDOW_S = 24 * 3600.0
"""What providers promise of their batch interfaces: an answer within a day."""


@dataclass(frozen=True, slots=True)
class PlannedUse:
    """What one variant asks of a model, one call at a time.

    Args:
        input_tokens, output_tokens: of all calls, as expected; output None is not known.
        latency_s: of a call in earlier runs; None when there were none.
    """

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int | None
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A time that a run cannot go below, and what sets it, for a person."""

    seconds: float
    what: str


def longest_bound(uses: Iterable[PlannedUse], facts: Mapping[str, ProviderFacts], workers: int) -> Bound | None:
    """Return the bound that decides, or None when nothing is asked.

    Args:
        uses: of the variants that ask directly; those of one model share its limits.
        facts: by provider.
        workers: most that serve one provider at the same time.
    """
    asked = [use for use in uses if use.calls > 0]
    bounds = [*_of_limits(asked, facts), *_of_calls_in_flight(asked, facts, workers)]
    return max(bounds, key=lambda bound: bound.seconds, default=None)


def _of_limits(uses: list[PlannedUse], facts: Mapping[str, ProviderFacts]) -> Iterator[Bound]:
    for provider, model in dict.fromkeys((use.provider, use.model) for use in uses):
        limits = facts[provider].limits(model)
        if limits is None:
            continue
        together = [use for use in uses if (use.provider, use.model) == (provider, model)]
        read = sum(use.input_tokens for use in together)
        # An answer whose length is not known has one token at least.
        written = sum(use.calls if use.output_tokens is None else use.output_tokens for use in together)
        dimensions = (
            ("requests", sum(use.calls for use in together), limits.requests),
            ("tokens", read + written, limits.tokens),
            ("input tokens", read, limits.input_tokens),
            ("output tokens", written, limits.output_tokens),
        )
        for what, amount, per_minute in dimensions:
            if per_minute is not None:
                yield Bound(
                    60 * amount / per_minute, f"the limit of {per_minute:,} {what} a minute of {provider}/{model}"
                )


def _of_calls_in_flight(uses: list[PlannedUse], facts: Mapping[str, ProviderFacts], workers: int) -> Iterator[Bound]:
    for provider in dict.fromkeys(use.provider for use in uses):
        together = [use for use in uses if use.provider == provider]
        known = [use.latency_s for use in together if use.latency_s is not None]
        worked_s = sum(use.calls * (ASSUMED_LATENCY_S if use.latency_s is None else use.latency_s) for use in together)
        calls = sum(use.calls for use in together)
        in_flight = facts[provider].max_in_flight * workers
        how = "as in earlier runs" if len(known) == len(together) else "assumed"
        words = f"{in_flight:,} calls in flight at {provider}, {worked_s / calls:.2g} s each ({how})"
        yield Bound(worked_s / in_flight, words)
