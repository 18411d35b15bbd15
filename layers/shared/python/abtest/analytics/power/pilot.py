"""What a small run or a file of results says about a test to come: spread, discordance, clusters, cost, latency.

The effect of a pilot is not taken over: planning for what a small run happened to show finds chance, not effects.

Depends on: numpy, `abtest.analytics.statistics`, `abtest.analytics.power.plan`. Used by: the API, `abtest power`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from statistics import fmean
from typing import Any

import numpy as np

from abtest.analytics.data.scores import Pairs
from abtest.analytics.model import AnalysisResult, Comparison, Method
from abtest.analytics.plan import AnalysisModel
from abtest.analytics.power.answer import PowerPlan
from abtest.analytics.power.plan import plan_power
from abtest.analytics.power.request import ClusterPlan, MetricKind, PowerRequest, RunningCost
from abtest.analytics.statistics.binomial_interval import wilson
from abtest.analytics.statistics.cluster_robust import cluster_robust
from abtest.analytics.statistics.mcnemar import McNemar
from abtest.analytics.statistics.paired_mean import PairedMean
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.money import total

CAUTIOUS = Method(
    name="Cautious spread of a pilot",
    formula="upper 80 % limit: s sqrt((n - 1) / chi^2(0.2; n - 1)) for a standard deviation, Wilson's for a share",
    source="Browne (1995), On the use of a pilot sample for sample size determination",
)
_TWO_SIDED_OF_ONE_80 = 0.4
_MOST_SIZES = 500
_FEWEST_PAIRS = 10


class Pilot(AnalysisModel):
    """What a pilot measured; what it did not is None.

    Args:
        source: names it for a person.
        kind: the metric's own kind.
        pairs: complete pairs it rests on.
        sd_difference: standard deviation of the difference B - A over samples.
        baseline: the control's mean or share.
        differing: pairs that only one variant passed; None for scores that are not 0 and 1.
        ties: share of pairs without a difference.
        sizes: samples of its clusters, or of a part that stands for them; none where no two samples belong together.
        icc: correlation of two differences within a cluster.
        cost_usd_per_sample: of an answer of each variant.
        latency_ms: mean duration of a call.
        calls_per_minute: that the pilot made.
    """

    source: str
    kind: MetricKind
    pairs: int
    sd_difference: float | None = None
    baseline: float | None = None
    differing: int | None = None
    ties: float | None = None
    sizes: tuple[int, ...] = ()
    icc: float | None = None
    cost_usd_per_sample: Decimal | None = None
    latency_ms: float | None = None
    calls_per_minute: float | None = None


def pilot_of_pairs(pairs: Pairs, source: str, kind: MetricKind | None = None) -> Pilot:
    """Return what complete pairs of scores say.

    Args:
        pairs: of two variants on one metric.
        source: names them for a person.
        kind: of the metric; None looks whether every score is 0 or 1.
    """
    sums = PairedMean.of(pairs.a, pairs.b)
    binary = bool(np.isin(pairs.a, (0.0, 1.0)).all() and np.isin(pairs.b, (0.0, 1.0)).all())
    table = McNemar.of(pairs.a, pairs.b) if binary else None
    sizes: tuple[int, ...] = ()
    icc = None
    if pairs.cluster is not None and pairs.n > 1:
        sizes = thinned(np.unique(pairs.cluster, return_counts=True)[1].tolist())
        found = cluster_robust(pairs.difference, pairs.cluster)
        if found.se_iid and found.cr1 is not None and found.cr1.se is not None:
            icc = icc_of((found.cr1.se / found.se_iid) ** 2, sizes)
    return Pilot(
        source=source,
        kind=kind or ("proportion" if binary else "mean"),
        pairs=pairs.n,
        sd_difference=math.sqrt(sums.m2_d / (sums.n - 1)) if sums.n > 1 and not sums.is_constant else None,
        baseline=sums.mean_a if sums.n else None,
        differing=None if table is None else table.only_a + table.only_b,
        ties=sums.ties / sums.n if sums.n else None,
        sizes=sizes,
        icc=icc,
    )


def pilot_of_analysis(result: AnalysisResult, *, treatment: str | None = None, metric: str | None = None) -> Pilot:
    """Return what a finished run's analysis says.

    Args:
        result: the content of `analysis.json`.
        treatment: compared with the control; None is the first one.
        metric: None is the primary one.

    Raises:
        InvalidInputError: the run has no such comparison.
    """
    chosen, about = treatment or result.plan.treatments[0], metric or result.plan.primary_metric
    comparison = next((c for c in result.comparisons if (c.treatment, c.metric) == (chosen, about)), None)
    if comparison is None:
        known = ", ".join(dict.fromkeys(f"{c.treatment}/{c.metric}" for c in result.comparisons)) or "none"
        issue = InputIssue("pilot", "the run did not compare this", f"{chosen}/{about}", known)
        raise InvalidInputError("The run cannot serve as a pilot.", [issue])
    source = f"run {result.plan.run_id}, {about}, {chosen} against {comparison.control}"
    sd, shape = _spread(comparison), _shape(comparison)
    compared = comparison.wins + comparison.losses + comparison.ties
    counts = comparison.mcnemar
    rows = [row for row in result.variants if row.variant in (chosen, comparison.control)]
    latencies = [row.latency_ms.mean for row in rows if row.latency_ms.mean is not None]
    return Pilot(
        source=source,
        kind="proportion" if counts is not None else "mean",
        pairs=comparison.n,
        sd_difference=sd,
        baseline=comparison.mean_control,
        differing=None if counts is None else counts.only_control + counts.only_treatment,
        ties=comparison.ties / compared if compared else None,
        sizes=shape,
        icc=_icc(comparison, sd, shape),
        cost_usd_per_sample=total(row.cost_usd_mean for row in rows) if rows else None,
        latency_ms=fmean(latencies) if latencies else None,
        calls_per_minute=_calls_per_minute(result),
    )


def plan_from_pilot(request: PowerRequest, pilot: Pilot) -> PowerPlan:
    """Return the plan of a request whose gaps a pilot fills.

    Args:
        request: what it says goes before what the pilot says.
        pilot: what was measured.

    Raises:
        InvalidInputError: the pilot does not say what is missing, or the request cannot be planned.
    """
    filled = with_pilot(request, pilot)
    plan = plan_power(filled)
    sentence = f"What is not given comes from {pilot.source}: {pilot.pairs:,} pairs."
    warnings = list(plan.warnings)
    if pilot.pairs < _FEWEST_PAIRS:
        warnings.append(f"A pilot of {pilot.pairs} pairs says next to nothing about the spread.")
    cautious = _cautious(request, filled, pilot)
    methods = plan.methods
    if cautious is not None and plan.samples_needed is not None:
        needed = plan_power(cautious).samples_needed
        how = "are out of reach" if needed is None else f"{needed:,} samples are needed"
        sentence += f" The spread of so few pairs is uncertain: with its upper 80 % limit {how}."
        methods = (*methods, CAUTIOUS)
    update = {"assumptions": (*plan.assumptions, sentence), "warnings": tuple(warnings), "methods": methods}
    return plan.model_copy(update=update)


def with_pilot(request: PowerRequest, pilot: Pilot) -> PowerRequest:
    """Return a request with its gaps filled by a pilot.

    Args:
        request: what it says stays.
        pilot: what was measured.

    Raises:
        InvalidInputError: the pilot's metric is not of the kind that is asked for.
    """
    kind = request.metric or pilot.kind
    changes: dict[str, Any] = {"metric": kind, "running": _running(request.running, pilot)}
    issues = []
    if kind == "mean" and request.sd_difference is None and request.sd is None:
        changes["sd_difference"] = pilot.sd_difference
        if pilot.sd_difference is None:
            issues.append(InputIssue("pilot", "its differences have no spread", allowed="a larger pilot"))
        elif not request.paired:
            issues.append(
                InputIssue("paired", "a pilot of pairs does not tell how unpaired scores vary", "false", "sd")
            )
    if kind == "proportion":
        issues += _shares(request, pilot, changes)
    if kind == "win_rate" and request.ties is None:
        changes["ties"] = pilot.ties
    if request.clusters is None and pilot.sizes and pilot.icc is not None:
        changes["clusters"] = ClusterPlan(sizes=pilot.sizes, icc=pilot.icc)
    if issues:
        raise InvalidInputError("The pilot does not say what the plan needs.", issues)
    return request.model_copy(update=changes)


def icc_of(design_effect: float, sizes: Sequence[int]) -> float:
    """Return the correlation within clusters that has a design effect, between 0 and 1.

    Args:
        design_effect: squared ratio of the cluster-robust standard error to the one of independent samples.
        sizes: samples of each cluster, some of them more than 1.

    Source: Kish (1965), section 5.4, solved for the correlation.
    """
    size = sum(s * s for s in sizes) / sum(sizes)
    return min(1.0, max(0.0, (design_effect - 1) / (size - 1))) if size > 1 else 0.0


def thinned(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of clusters, or equally spaced ones of their order where they are many."""
    ordered = sorted(sizes)
    if len(ordered) <= _MOST_SIZES:
        return tuple(ordered)
    step = len(ordered) / _MOST_SIZES
    return tuple(ordered[int((k + 0.5) * step)] for k in range(_MOST_SIZES))


def _spread(comparison: Comparison) -> float | None:
    """Return the standard deviation of the difference as if samples were independent."""
    n, counts = comparison.n, comparison.mcnemar
    if n < 2:
        return None
    if counts is not None:
        gap = counts.only_treatment - counts.only_control
        squares = counts.only_control + counts.only_treatment - gap * gap / n
        return math.sqrt(squares / (n - 1)) if squares > 0 else None
    if comparison.effect and comparison.standardised_effect:
        return comparison.effect / comparison.standardised_effect
    # With clusters the standard error holds their cost too, which errs on the safe side.
    return comparison.se * math.sqrt(n) if comparison.se else None


def _shape(comparison: Comparison) -> tuple[int, ...]:
    clusters, n = comparison.clusters, comparison.n
    if clusters is None or not 0 < clusters < n:
        return ()
    size, larger = divmod(n, clusters)
    return thinned([size] * (clusters - larger) + [size + 1] * larger)


def _icc(comparison: Comparison, sd: float | None, sizes: tuple[int, ...]) -> float | None:
    if not sizes or not sd or not comparison.se:
        return None
    return icc_of((comparison.se * math.sqrt(comparison.n) / sd) ** 2, sizes)


def _shares(request: PowerRequest, pilot: Pilot, changes: dict[str, Any]) -> list[InputIssue]:
    if pilot.differing is None:
        return [InputIssue("metric", "the pilot's scores are not 0 and 1", "proportion", "mean or win_rate")]
    if request.baseline is None and (request.target is not None or not request.paired):
        changes["baseline"] = pilot.baseline
    if request.paired and request.discordance is None:
        if pilot.differing == 0:
            return [InputIssue("pilot", "its variants never differed", allowed="a larger pilot, or discordance")]
        share = pilot.differing / pilot.pairs
        wanted = request.model_copy(update=changes).wanted
        if wanted is not None and abs(wanted) > share:
            message = "the pilot's variants differed in fewer samples than the effect"
            return [InputIssue("effect", message, f"{wanted:g}", f"up to {share:g}, or say discordance")]
        changes["discordance"] = share
    return []


def _running(running: RunningCost, pilot: Pilot) -> RunningCost:
    changes: dict[str, Any] = {}
    if running.cost_usd_per_sample is None and pilot.cost_usd_per_sample is not None:
        changes["cost_usd_per_sample"] = pilot.cost_usd_per_sample
    if running.latency_ms is None and pilot.latency_ms:
        changes["latency_ms"] = pilot.latency_ms
    if running.calls_per_minute is None and running.calls_at_once is None and pilot.calls_per_minute:
        changes["calls_per_minute"] = pilot.calls_per_minute
    return running.model_copy(update=changes)


def _calls_per_minute(result: AnalysisResult) -> float | None:
    """Return how fast the run went; None where answers came from the ledger, which is no measure of calls."""
    started, finished = result.plan.started_at, result.plan.finished_at
    if started is None or finished is None or any(row.from_ledger for row in result.variants):
        return None
    minutes = (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds() / 60
    calls = sum(row.asked for row in result.variants)
    return calls / minutes if minutes > 0 and calls else None


def _cautious(request: PowerRequest, filled: PowerRequest, pilot: Pilot) -> PowerRequest | None:
    """Return the request with the upper limit of the pilot's spread; None where the spread is not the pilot's."""
    if request.sd_difference is None and filled.metric == "mean" and filled.sd_difference is not None:
        from scipy.special import chdtri

        df = pilot.pairs - 1
        return filled.model_copy(
            update={"sd_difference": filled.sd_difference * math.sqrt(df / float(chdtri(df, 0.8)))}
        )
    if request.discordance is None and filled.metric == "proportion" and filled.discordance is not None:
        high = wilson(pilot.differing or 0, pilot.pairs, _TWO_SIDED_OF_ONE_80).ci_high or filled.discordance
        # Without the baseline, since the limit need not fit to it.
        update = {"discordance": max(filled.discordance, high), "baseline": None, "target": None}
        return filled.model_copy(update={**update, "effect": filled.wanted})
    return None
