"""The primary comparison within slices of the samples, adjusted for how many of them were looked at.

Depends on: `abtest.analytics.comparison.comparing`. Used by: `abtest.analytics.engine`.
"""

from __future__ import annotations

from collections.abc import Iterator

from abtest.analytics.comparison.comparing import mean_difference
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.model import AnalysisPlan, SliceEffect
from abtest.analytics.statistics.benjamini_hochberg import benjamini_hochberg

FEWEST_PAIRS = 10
"""A slice with fewer complete pairs is not tested."""


def slice_effects(plan: AnalysisPlan, scores: SampleScores) -> list[SliceEffect]:
    """Return the primary effect of every treatment in every slice, adjusted over all of them.

    Args:
        plan: the declared analysis.
        scores: of all samples, with their slices.
    """
    effects = list(_effects(plan, scores))
    adjusted = benjamini_hochberg([effect.p_value for effect in effects])
    pairs = zip(effects, adjusted, strict=True)
    return [effect.model_copy(update={"p_value_adjusted": p}) for effect, p in pairs]


def _effects(plan: AnalysisPlan, scores: SampleScores) -> Iterator[SliceEffect]:
    for name, column in scores.slices.items():
        for code, value in enumerate(column.names):
            for treatment in plan.treatments:
                pairs = scores.pairs(plan.control, treatment, plan.primary_metric, column.codes == code)
                if pairs.n < FEWEST_PAIRS:
                    continue
                found = mean_difference(pairs, plan.alpha)
                yield SliceEffect(
                    slice=name,
                    value=value,
                    treatment=treatment,
                    n=pairs.n,
                    effect=found.effect,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    p_value=found.p_value,
                    status=found.status,
                )
