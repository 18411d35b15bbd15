"""What earlier runs of a workspace showed of a model: tokens against their estimate, length of answers, latency.

Depends on: `abtest.core`. Used by: the providers, which remember it; management, which estimates with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunUse:
    """What one run showed of one variant.

    Args:
        prompt: names the prompt and its parameters; equal for variants that ask alike.
        base: how the input was counted beforehand.
        calls: answers that came with a usage, cached ones included.
        base_tokens: input tokens that were counted beforehand for so many calls, without any correction.
        input_tokens: what the provider counted, cached parts included.
        output_tokens: of the answers, reasoning included.
        latency_ms: mean over the calls that were made in the run; None when there was none.
    """

    run_id: str
    variant: str
    prompt: str
    base: str
    calls: int
    base_tokens: float
    input_tokens: int
    output_tokens: int
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PastUse:
    """What earlier runs say of a next one.

    Args:
        runs, calls: how many it rests on, of those counted beforehand as the next one is.
        same_prompt: they asked with the very prompt and parameters.
        input_ratio: real input tokens for each that was counted beforehand.
        input_spread: largest relative distance of a run's ratio from it; None when one run alone shows none.
        output_tokens: mean of an answer.
        output_spread: largest relative distance of a run's mean from it; None when one run alone shows none.
        latency_ms: mean of a call; None when unknown.
    """

    runs: int
    calls: int
    same_prompt: bool
    input_ratio: float
    input_spread: float | None
    output_tokens: float
    output_spread: float | None
    latency_ms: float | None = None
