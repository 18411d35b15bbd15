"""Answers that were recorded elsewhere: no call, no key, no ledger, nothing spent.

The wire format is our own: the rows of a dataset of kind `recording` (`abtest.contracts.records.Recording`), found
by the sample's id. Latency, tokens and cost are the recording's; what it does not say is unknown.

Depends on: `abtest.providers.model`. Used by: the registry.
"""

from __future__ import annotations

from collections.abc import Mapping

from abtest.contracts.records import ModelResponse, Recording, Usage
from abtest.providers.model import Capabilities, ModelRequest
from abtest.providers.registration import Options

PRICE_SOURCE = "recording"
"""The price source of a cost that the recording states."""


class ReplayCodec:
    """Serves recorded answers."""

    capabilities = Capabilities(parameters=frozenset(), calls_http=False)
    options = Options

    def answer(self, request: ModelRequest, recordings: Mapping[str, Recording]) -> ModelResponse:
        """Return the recorded answer to a request; a sample without one fails with `no_recording`.

        Args:
            request: names the sample and the variant.
            recordings: rows by sample id.
        """
        recording = recordings.get(request.sample_id)
        if recording is None:
            return ModelResponse(
                sample_id=request.sample_id, variant=request.variant, outcome="failed", failure_reason="no_recording"
            )
        return ModelResponse(
            sample_id=request.sample_id,
            variant=request.variant,
            outcome="answered",
            text=recording.output,
            usage=_usage(recording),
            latency_ms=recording.latency_ms,
            cost_usd=recording.cost_usd,
            price_source=None if recording.cost_usd is None else PRICE_SOURCE,
        )


def _usage(recording: Recording) -> Usage | None:
    # One count alone would make the other look like zero, which it is not: then usage is unknown.
    if recording.input_tokens is None or recording.output_tokens is None:
        return None
    return Usage(input_tokens=recording.input_tokens, output_tokens=recording.output_tokens)


CODEC = ReplayCodec()
