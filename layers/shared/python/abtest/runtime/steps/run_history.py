"""What a finished run teaches the next estimate: tokens really used, against what was counted beforehand.

Depends on: analytics' result, providers' calibration, management's estimate. Used by: `finish_run`.
"""

from __future__ import annotations

from abtest.analytics.judge_model import JudgeQuality
from abtest.analytics.model import AnalysisResult, ModelPerformance
from abtest.contracts.past_use import RunUse
from abtest.management.judge_estimate import HISTORY_BASE
from abtest.management.model import JudgeEstimate, RunFrozen, VariantEstimate
from abtest.management.token_estimate import prompt_name
from abtest.providers import calibration
from abtest.providers.ports import SharedState
from abtest.providers.registration import ModelProvider


def remember_use(state: SharedState, workspace: str, frozen: RunFrozen, analysis: AnalysisResult) -> None:
    """Keep what each variant and judge used, for later estimates; a repeated call changes nothing.

    Args:
        state: where the histories of models live.
        workspace: of the run.
        frozen: names the providers, the prompts and what was estimated.
        analysis: holds what was used.

    Raises:
        StoreError: the store did not answer.
    """
    estimate = frozen.estimate
    if estimate is None:
        return
    used = {one.variant: one for one in analysis.performance}
    judged = {one.judge: one for one in analysis.judges}
    uses: list[tuple[VariantEstimate | JudgeEstimate, RunUse | None]] = [
        *((one, _use(frozen, one, used.get(one.variant))) for one in estimate.by_variant),
        *((one, _use_of_judge(frozen, one, judged.get(one.judge))) for one in estimate.by_judge),
    ]
    for asked, use in uses:
        if use is not None:
            provider = ModelProvider.model_validate(frozen.providers[asked.provider])
            calibration.remember(state, calibration.history_key(workspace, provider, asked.model), use)


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


def _use_of_judge(frozen: RunFrozen, estimate: JudgeEstimate, judged: JudgeQuality | None) -> RunUse | None:
    # Tokens of fallback models say nothing about the judge's own, and are not told apart.
    if judged is None or judged.cost is None or judged.version is None or judged.fallbacks or not estimate.calls:
        return None
    cost = judged.cost
    return RunUse(
        run_id=frozen.run_id,
        variant=f"judge/{estimate.judge}",
        prompt=judged.version,
        base=HISTORY_BASE,
        calls=cost.calls,
        # What a judge reads is counted from its prompt each time, and not corrected: only what it writes is learned.
        base_tokens=float(cost.input_tokens),
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
    )
