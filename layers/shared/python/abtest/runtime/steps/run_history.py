"""What a finished run teaches the next estimate: tokens really used, against what was counted beforehand.

Depends on: analytics' result, providers' calibration, management's estimate. Used by: `finish_run`.
"""

from __future__ import annotations

from abtest.analytics.model import AnalysisResult, ModelPerformance
from abtest.contracts.past_use import RunUse
from abtest.management.model import RunFrozen, VariantEstimate
from abtest.management.token_estimate import prompt_name
from abtest.providers import calibration
from abtest.providers.ports import SharedState
from abtest.providers.registration import ModelProvider


def remember_use(state: SharedState, workspace: str, frozen: RunFrozen, analysis: AnalysisResult) -> None:
    """Keep what each variant used, for later estimates; a repeated call changes nothing.

    Args:
        state: where the histories of models live.
        workspace: of the run.
        frozen: names the providers, the prompts and what was estimated.
        analysis: holds what was used.

    Raises:
        StoreError: the store did not answer.
    """
    used = {one.variant: one for one in analysis.performance}
    for estimate in frozen.estimate.by_variant if frozen.estimate else ():
        use = _use(frozen, estimate, used.get(estimate.variant))
        if use is not None:
            provider = ModelProvider.model_validate(frozen.providers[estimate.provider])
            calibration.remember(state, calibration.history_key(workspace, provider, estimate.model), use)


def _use(frozen: RunFrozen, estimate: VariantEstimate, used: ModelPerformance | None) -> RunUse | None:
    if used is None or estimate.input_base is None or estimate.input_base_tokens is None or not estimate.calls:
        return None
    tokens = used.tokens
    # The mean and not the median: a run lasts as long as all its calls together.
    return RunUse(
        run_id=frozen.run_id,
        variant=estimate.variant,
        prompt=prompt_name(frozen.definition.variants[estimate.variant]),
        base=estimate.input_base,
        calls=tokens.answers,
        base_tokens=estimate.input_base_tokens / estimate.calls * tokens.answers,
        input_tokens=tokens.total_input,
        output_tokens=tokens.total_output,
        latency_ms=used.latency_ms.mean,
    )
