"""Did the call stay within a limit of time, money or tokens?

Measures: the response's latency, cost or output tokens against an upper limit; the limit itself is allowed. The numbers
are those of the call that answered: latency is that of its last attempt, without waiting and retries; cost is the price
when it was paid for; output tokens include reasoning. An answer that had been paid for before keeps its first latency
and cost.

A number that is not known makes the verdict `invalid`, never 0 or 1: the cost of a model without a price, the tokens of
a provider that reports none, the latency of an answer from a batch job.

When it misleads: it says nothing about the answer, and a refusal is quick and cheap. A share within a limit hides how
far the others are beyond it: the metrics `latency_ms`, `cost_usd` and `output_tokens` that every run has show sizes.
Latency depends on the hour and the load, also between variants.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from abtest.contracts.records import ModelResponse, Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, ResponseScorer, Score, verdict_of
from abtest.evaluation.response_facts import output_tokens

Measure = Literal["latency_ms", "cost_usd", "output_tokens"]
_UNITS = {"latency_ms": "ms", "cost_usd": "USD", "output_tokens": "output tokens"}


class Parameters(JudgeParameters):
    """Options of `threshold`."""

    measure: Measure = Field(description="What is compared with the limit.")
    at_most: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)] = Field(
        description="The largest value that passes, in the unit of the measure."
    )


def _latency_ms(response: ModelResponse) -> Decimal:
    latency_ms = response.latency_ms
    if latency_ms is None or not math.isfinite(latency_ms):
        raise UnjudgeableError(
            "the latency of the call is unknown; answers of batch jobs and some recordings have none"
        )
    # By its decimal digits, so that 800.1 ms is within a limit of 800.1.
    return Decimal(repr(float(latency_ms)))


def _cost_usd(response: ModelResponse) -> Decimal:
    cost_usd = response.cost_usd
    if cost_usd is None or not cost_usd.is_finite():
        raise UnjudgeableError("the cost of the call is unknown; register the provider with a price for this model")
    return cost_usd


def _output_tokens(response: ModelResponse) -> Decimal:
    return Decimal(output_tokens(response, reasoning=True))


_MEASURES = {"latency_ms": _latency_ms, "cost_usd": _cost_usd, "output_tokens": _output_tokens}


def _compile(parameters: Parameters) -> ResponseScorer:
    measured, limit = _MEASURES[parameters.measure], parameters.at_most
    unit = _UNITS[parameters.measure]

    def score(_: Sample, __: str, response: ModelResponse) -> Score:
        value = measured(response)
        return Score(1.0) if value <= limit else verdict_of(False, f"{value:f} {unit}, more than {limit:f}")

    return ResponseScorer(score)


JUDGE = JudgeType(
    name="threshold",
    summary="1 when the call's latency, cost or output tokens are within a limit.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: False,
)
