"""Guardrails: whether a treatment is shown to lose no more than a margin (non-inferiority).

A loss is how much worse the treatment is, whatever the metric's direction. The test is one-sided at alpha, on paired
samples. A relative margin of a mean is tested on the contrast "treatment minus (1 + margin) times control"; of a
quantile it is taken from the control's estimate, which is treated as known.

Depends on: `abtest.analytics.comparison.comparing`, `abtest.analytics.statistics`. Used by: `abtest.analytics.engine`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from abtest.analytics.comparison.comparing import mean_difference
from abtest.analytics.data.scores import Pairs, SampleScores
from abtest.analytics.designs._inference import Inference, one_sided_p
from abtest.analytics.model import AnalysisPlan, GuardrailPlan, GuardrailResult, GuardrailVerdict, Status
from abtest.analytics.plan import QUANTILES
from abtest.analytics.statistics._student import SMALLEST_P
from abtest.analytics.statistics.holm import holm
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.non_inferiority_proportion import paired_non_inferiority
from abtest.analytics.statistics.quantile_difference import paired_quantile_difference


@dataclass(frozen=True)
class _Loss:
    """How much worse the treatment is, with the evidence that it is less than the margin."""

    status: Status
    method: str
    margin: float | None = None
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def guardrails_of(
    plan: AnalysisPlan, scores: SampleScores, treatment: str, inference: Inference
) -> tuple[GuardrailResult, ...]:
    """Return all guardrails of one treatment, adjusted by Holm for their number.

    Args:
        plan: the declared analysis.
        scores: of all samples.
        treatment: a variant that is not the control.
        inference: what the design allows at this look.
    """
    found = [guard(plan, scores, treatment, guardrail, inference) for guardrail in plan.guardrails]
    adjusted = holm([result.p_value for result in found])
    return tuple(
        result.model_copy(update={"p_value_adjusted": p, "verdict": _verdict(result, p, plan.alpha)})
        for result, p in zip(found, adjusted, strict=True)
    )


def guard(
    plan: AnalysisPlan, scores: SampleScores, treatment: str, guardrail: GuardrailPlan, inference: Inference
) -> GuardrailResult:
    """Return one guardrail of one treatment, not adjusted.

    Args:
        plan: the declared analysis.
        scores: of all samples.
        treatment: a variant that is not the control.
        guardrail: which metric and margin.
        inference: what the design allows at this look.
    """
    pairs = scores.pairs(plan.control, treatment, guardrail.metric)
    sign = 1.0 if plan.lower_is_better(guardrail.metric) else -1.0
    values = _values(pairs, guardrail)
    loss = _loss(plan, pairs, guardrail, sign, inference)
    result = GuardrailResult(
        name=guardrail.name,
        metric=guardrail.metric,
        statistic=guardrail.statistic,
        unit=plan.unit(guardrail.metric),
        treatment=treatment,
        n=pairs.n,
        value_control=values[0],
        value_treatment=values[1],
        loss=loss.loss,
        loss_low=loss.low,
        loss_high=loss.high,
        margin=loss.margin,
        p_value=loss.p_value,
        status=loss.status,
        method=loss.method,
        verdict="unclear",
    )
    return result.model_copy(update={"verdict": _verdict(result, loss.p_value, plan.alpha)})


def _verdict(result: GuardrailResult, p_value: float | None, alpha: float) -> GuardrailVerdict:
    if p_value is not None and p_value < alpha:
        return "holds"
    known = result.loss_low is not None and result.margin is not None
    return "broken" if known and (result.loss_low or 0.0) > (result.margin or 0.0) else "unclear"


def _values(pairs: Pairs, guardrail: GuardrailPlan) -> tuple[float | None, float | None]:
    if pairs.n == 0:
        return None, None
    if guardrail.statistic == "mean":
        return float(pairs.a.mean()), float(pairs.b.mean())
    q = QUANTILES[guardrail.statistic]
    return float(np.quantile(pairs.a, q)), float(np.quantile(pairs.b, q))


def _loss(plan: AnalysisPlan, pairs: Pairs, guardrail: GuardrailPlan, sign: float, inference: Inference) -> _Loss:
    if pairs.n == 0:
        return _Loss("no_data", "none")
    if guardrail.statistic != "mean":
        return _quantile_loss(plan, pairs, guardrail, sign, inference)
    independent = pairs.cluster is None and inference.kind == "fixed"
    # No share can lose 1 or more: such a margin is no margin of a share, only of a mean.
    if plan.is_binary(guardrail.metric) and independent and guardrail.margin is not None and guardrail.margin < 1:
        return _rate_loss(plan, pairs, guardrail.margin, sign)
    return _mean_loss(plan, pairs, guardrail, sign, inference)


def _mean_loss(plan: AnalysisPlan, pairs: Pairs, guardrail: GuardrailPlan, sign: float, inference: Inference) -> _Loss:
    """Return the loss of a mean; a relative margin goes into the contrast, an absolute one into the hypothesis."""
    mean_control = float(pairs.a.mean())
    loss = sign * float(pairs.difference.mean())
    relative = guardrail.margin_relative
    margin = guardrail.margin if relative is None else relative * abs(mean_control)
    allowed = pairs.a * (sign * relative) if relative is not None else np.full(pairs.n, sign * (margin or 0.0))
    if relative is not None and mean_control <= 0:
        return _Loss("out_of_range", "a share of a control that is not above 0 is no margin", margin, loss)
    contrast = mean_difference(Pairs(pairs.a + allowed, pairs.b, pairs.cluster, pairs.rows), plan.alpha)
    units = contrast.clusters or contrast.n
    # Positive where the treatment stays inside the margin.
    inside = -sign * (contrast.effect or 0.0)
    if contrast.status == "constant" and inside:
        return _alike(plan, units, inside, _Loss("ok", "sign test, every pair alike", margin, loss), inference)
    if contrast.status != "ok" or contrast.effect is None or not contrast.se:
        return _Loss(contrast.status, "paired mean", margin, loss)
    p_value = one_sided_p(inference, inside, contrast.se, units=units, df=contrast.df)
    reach = inference.half_width(contrast.se, units=units, df=contrast.df, alpha=2 * plan.alpha)
    return _Loss("ok", "paired mean", margin, loss, *_ends(loss, reach), max(p_value, SMALLEST_P))


def _alike(plan: AnalysisPlan, units: int, inside: float, found: _Loss, inference: Inference) -> _Loss:
    """Return the evidence where every unit lies equally far inside the margin, or outside.

    Without a spread there is no t test, but each unit on one side of the margin is a coin that fell the same way. A
    fixed prompt that adds the same tokens to every call is such a case.
    """
    loss = found.loss or 0.0
    if inference.kind == "fixed":
        chance = max(SMALLEST_P, 0.5**units)
        ends = (loss, loss) if chance < plan.alpha else (None, None)
        return replace(found, low=ends[0], high=ends[1], p_value=chance if inside > 0 else 1.0)
    se = abs(inside) / math.sqrt(units)
    reach = inference.half_width(se, units=units, df=None, alpha=2 * plan.alpha)
    low, high = _ends(loss, reach)
    p_value = max(SMALLEST_P, one_sided_p(inference, inside, se, units=units, df=None))
    return replace(found, low=low, high=high, p_value=p_value)


def _ends(loss: float, reach: float) -> tuple[float | None, float | None]:
    """Return the one-sided bounds of a loss; none at a look that may spend nothing yet."""
    return (loss - reach, loss + reach) if math.isfinite(reach) else (None, None)


def _rate_loss(plan: AnalysisPlan, pairs: Pairs, margin: float, sign: float) -> _Loss:
    found = paired_non_inferiority(
        McNemar.of(pairs.a, pairs.b), margin=margin, lower_is_better=sign > 0, alpha=plan.alpha
    )
    method = "paired shares (Newcombe)"
    return _Loss(found.status, method, margin, found.loss, found.low, found.high, found.p_value)


def _quantile_loss(
    plan: AnalysisPlan, pairs: Pairs, guardrail: GuardrailPlan, sign: float, inference: Inference
) -> _Loss:
    q = QUANTILES[guardrail.statistic]
    found = paired_quantile_difference(
        pairs.a, pairs.b, q, cluster=pairs.cluster, alpha=2 * plan.alpha, seed=plan.seed or 0
    )
    control = float(np.quantile(pairs.a, q))
    margin = guardrail.margin if guardrail.margin_relative is None else guardrail.margin_relative * abs(control)
    if found.status != "ok" or found.difference is None or not found.se or margin is None:
        return _Loss(found.status, f"{guardrail.statistic}, paired bootstrap", margin)
    loss = sign * found.difference
    p_value = one_sided_p(inference, margin - loss, found.se, units=pairs.units, df=None)
    reach = inference.half_width(found.se, units=pairs.units, df=None, alpha=2 * plan.alpha)
    method = f"{guardrail.statistic}, {found.method}"
    return _Loss("ok", method, margin, loss, *_ends(loss, reach), max(p_value, SMALLEST_P))


def non_inferiorities(plan: AnalysisPlan, scores: SampleScores, inference: Inference) -> dict[str, GuardrailResult]:
    """Return the primary metric of every treatment against its declared margin; none where none was declared.

    Several treatments are adjusted by Holm: one of them would be found no worse by chance more often than each.

    Args:
        plan: the declared analysis.
        scores: of all samples.
        inference: what the design allows at this look.
    """
    if plan.primary_margin is None and plan.primary_margin_relative is None:
        return {}
    guardrail = GuardrailPlan(
        name="primary_margin",
        metric=plan.primary_metric,
        margin=plan.primary_margin,
        margin_relative=plan.primary_margin_relative,
    )
    found = {t: guard(plan, scores, t, guardrail, inference) for t in plan.treatments}
    if len(found) == 1:
        return found
    adjusted = holm([result.p_value for result in found.values()])
    return {
        t: result.model_copy(update={"p_value_adjusted": p, "verdict": _verdict(result, p, plan.alpha)})
        for (t, result), p in zip(found.items(), adjusted, strict=True)
    }
