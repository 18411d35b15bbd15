"""One treatment against the control on one metric: effect, interval, p-value, and the other tests beside it.

Depends on: `abtest.analytics.designs`, `abtest.analytics.statistics`. Used by: `abtest.analytics.engine`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from abtest.analytics.comparison.sensitivity import rounding_of, sensitivity_of
from abtest.analytics.data.scores import Pairs, SampleScores
from abtest.analytics.designs._inference import Inference
from abtest.analytics.model import AnalysisPlan, Comparison, McNemarTable, TestName
from abtest.analytics.statistics.cluster_robust import FEW_CLUSTERS, cluster_robust
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.paired_mean import MeanDifference, PairedMean
from abtest.analytics.statistics.win_rate import WinCounts

POWER = 0.8


def mean_difference(pairs: Pairs, alpha: float) -> MeanDifference:
    """Return effect, standard error, interval and p-value of the mean difference at a fixed time.

    Args:
        pairs: complete pairs; where some belong together, the error is robust to it.
        alpha: two-sided error rate.
    """
    plain = PairedMean.of(pairs.a, pairs.b)
    found = plain.result(alpha)
    if pairs.cluster is None or found.status in ("no_data", "too_few"):
        return found
    errors = cluster_robust(pairs.difference, pairs.cluster, alpha)
    robust = errors.recommended
    if robust is None:
        return replace(
            found,
            status=errors.status,
            clusters=errors.clusters,
            se=None,
            df=None,
            p_value=None,
            ci_low=None,
            ci_high=None,
        )
    return replace(robust, mean_a=found.mean_a, mean_b=found.mean_b)


def with_null_error(found: MeanDifference, binary: bool) -> MeanDifference:
    """Return a binary comparison in which every pair went the same way with the error it has under no difference.

    Such pairs have no spread, so no t test; under no difference each is a coin, and the error of their mean is that of
    McNemar's z statistic, |effect| / sqrt(units). Anything else is returned as it is.
    """
    units = found.clusters or found.n
    if not binary or found.status != "constant" or not found.effect or units < 2:
        return found
    return replace(found, status="ok", se=abs(found.effect) / math.sqrt(units), df=None)


def compare(plan: AnalysisPlan, scores: SampleScores, treatment: str, metric: str, inference: Inference) -> Comparison:
    """Return the comparison of one treatment with the control.

    Args:
        plan: the declared analysis.
        scores: of all samples.
        treatment: a variant that is not the control.
        metric: what is compared.
        inference: what the design allows at this look.
    """
    pairs = scores.pairs(plan.control, treatment, metric)
    found = mean_difference(pairs, plan.alpha)
    lower_is_better = plan.lower_is_better(metric)
    wins = _wins(pairs, plan.tie_margin, lower_is_better)
    comparison = Comparison(
        metric=metric,
        unit=plan.unit(metric),
        control=plan.control,
        treatment=treatment,
        primary=metric == plan.primary_metric,
        lower_is_better=lower_is_better,
        n=pairs.n,
        n_missing=scores.samples - pairs.n,
        clusters=found.clusters,
        mean_control=found.mean_a,
        mean_treatment=found.mean_b,
        effect=found.effect,
        se=found.se,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_value=found.p_value,
        test=_test(found),
        status=found.status,
        wins=wins.wins,
        losses=wins.losses,
        ties=wins.ties,
        win_rate=wins.rate,
        win_rate_se=wins.se,
        standardised_effect=_standardised(pairs, found),
        samples_to_decide=_samples_to_decide(plan, found),
    )
    if plan.is_binary(metric):
        comparison = _with_mcnemar(comparison, McNemar.of(pairs.a, pairs.b))
    if inference.kind != "fixed":
        sound = with_null_error(found, plan.is_binary(metric))
        return _sequential(comparison, sound, inference, plan.alpha)
    if plan.judged(metric):
        other = sensitivity_of(
            pairs, found, lower_is_better=lower_is_better, tie_margin=plan.tie_margin, seed=plan.seed or 0
        )
        comparison = comparison.model_copy(update={"sensitivity": other})
    return comparison


def _test(found: MeanDifference) -> TestName:
    if found.clusters is None:
        return "paired_t"
    return "clustered_t_cr2" if found.clusters < FEW_CLUSTERS else "clustered_t"


def _sequential(comparison: Comparison, found: MeanDifference, inference: Inference, alpha: float) -> Comparison:
    """Replace the interval and p-value of a fixed time by those the design allows."""
    test: TestName = "group_sequential" if inference.kind == "group_sequential" else "always_valid"
    silent: dict[str, Any] = {"test": test, "p_value": None, "ci_low": None, "ci_high": None}
    if comparison.mcnemar is not None:
        silent["mcnemar"] = comparison.mcnemar.model_copy(update={"p_value": None})
    if found.status != "ok" or found.effect is None or found.se is None:
        # That p is 1 where nothing differs is a convention at every look.
        silent["p_value"] = 1.0 if comparison.status == "no_discordant_pairs" else None
        return comparison.model_copy(update=silent)
    units = found.clusters or found.n
    reach = inference.half_width(found.se, units=units, df=found.df, alpha=alpha)
    known = math.isfinite(reach)
    return comparison.model_copy(
        update={
            **silent,
            "status": "ok",
            "se": found.se,
            "ci_low": found.effect - reach if known else None,
            "ci_high": found.effect + reach if known else None,
            "p_value": inference.p_value(found.effect, found.se, units=units, df=found.df),
        }
    )


def _with_mcnemar(comparison: Comparison, table: McNemar) -> Comparison:
    """Add the 2 x 2 counts, and let the exact test decide where the pairs are independent."""
    exact = table.result()
    counts = McNemarTable(
        both=table.both,
        only_control=table.only_a,
        only_treatment=table.only_b,
        neither=table.neither,
        p_value=exact.p_value,
    )
    if comparison.clusters is not None or comparison.status in ("no_data", "too_few"):
        return comparison.model_copy(update={"mcnemar": counts})
    return comparison.model_copy(
        update={
            "mcnemar": counts,
            "test": "exact_mcnemar",
            "status": exact.status,
            # Pairs that all go one way have no spread: an error of 0 would be taken for certainty.
            "se": None if comparison.se is None else table.se or None,
            "p_value": exact.p_value,
        }
    )


@dataclass(frozen=True)
class _Wins:
    wins: int
    losses: int
    ties: int
    rate: float | None
    se: float | None


def _wins(pairs: Pairs, tie_margin: float, lower_is_better: bool) -> _Wins:
    """Return who wins, and the share of wins, a tie counting half, with the error of its mean over the units."""
    gain = -pairs.difference if lower_is_better else pairs.difference
    margin = tie_margin + rounding_of(pairs)
    won, lost = gain > margin, gain < -margin
    wins, losses = int(np.count_nonzero(won)), int(np.count_nonzero(lost))
    counts = WinCounts(wins, losses, pairs.n - wins - losses)
    found = counts.result()
    se = found.se
    if pairs.cluster is not None:
        share = (1.0 + won - lost) / 2
        se = mean_difference(Pairs(np.zeros(pairs.n), share, pairs.cluster, pairs.rows), 0.05).se
    return _Wins(wins, losses, counts.ties, found.score, se)


def _standardised(pairs: Pairs, found: MeanDifference) -> float | None:
    if found.effect is None or pairs.n < 2 or found.status in ("constant", "no_data"):
        return None
    if found.clusters is None and found.se is not None:
        spread = found.se * math.sqrt(found.n)
    else:
        spread = float(pairs.difference.std(ddof=1))
    return found.effect / spread if spread > 0 else None


def _samples_to_decide(plan: AnalysisPlan, found: MeanDifference) -> int | None:
    """Return n (z_a + z_b)^2 / z^2: what finds an effect of this size, with this spread, four times in five."""
    if found.status != "ok" or not found.effect or not found.se:
        return None
    normal = NormalDist()
    wanted = normal.inv_cdf(1 - plan.alpha / 2) + normal.inv_cdf(POWER)
    needed = found.n * (wanted * found.se / found.effect) ** 2
    return math.ceil(needed) if needed < 1e12 else None
