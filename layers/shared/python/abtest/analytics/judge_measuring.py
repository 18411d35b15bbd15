"""Makes `JudgeQuality` of what a run's judges did: position, length, repeats, drift, kinship, cost.

Depends on: numpy, `abtest.analytics.comparison`, `abtest.analytics.data`. Used by: `abtest.analytics.service`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from abtest.analytics.comparison.judge_quality import position_bias
from abtest.analytics.comparison.rating_agreement import FEWEST_FOR_CORRELATION, correlation_of
from abtest.analytics.data.judging import NOT_BOTH, JudgeStatistics, UseTotals
from abtest.analytics.data.scores import ALONE, ANSWER_LENGTH, SampleScores
from abtest.analytics.data.tables import Codes, Values
from abtest.analytics.judge_metric import JudgeMetric
from abtest.analytics.model import (
    AnalysisPlan,
    Comparison,
    Drift,
    JudgeCost,
    JudgeQuality,
    LengthControlled,
    LengthCorrelation,
    OrderedWinRate,
    PositionBias,
    Retest,
)
from abtest.analytics.statistics.length_controlled_win_rate import length_controlled_win_rate
from abtest.analytics.statistics.position_bias import FIRST, SECOND, TIE, OrderCounts
from abtest.contracts.records import PinnedVerdict

DRIFT_TOLERANCE = 0.1
"""Mean distance from the expected scores, as a share of the scale, up to which a judge counts as unchanged."""


def judges_of(
    plan: AnalysisPlan,
    statistics: Mapping[str, JudgeStatistics],
    scores: SampleScores,
    comparisons: Sequence[Comparison],
    pinned: Iterable[PinnedVerdict],
) -> tuple[JudgeQuality, ...]:
    """Return every judge of a run as an instrument, panels excepted, in the order of the definition.

    Args:
        plan: names the judges.
        statistics: judge to what it did.
        scores: of all samples.
        comparisons: hold the intervals that the design allows.
        pinned: what judges said of their pinned examples.
    """
    examples: dict[str, list[PinnedVerdict]] = {}
    for one in pinned:
        examples.setdefault(one.judge, []).append(one)
    measured = (judge for judge in plan.instruments if judge.kind != "panel")
    return tuple(
        _quality(plan, judge, statistics.get(judge.name, JudgeStatistics())).model_copy(
            update={
                **_biases(plan, judge, statistics.get(judge.name, JudgeStatistics()), scores, comparisons),
                "drift": _drift(judge, examples[judge.name]) if judge.name in examples else None,
            }
        )
        for judge in measured
    )


def _quality(plan: AnalysisPlan, judge: JudgeMetric, found: JudgeStatistics) -> JudgeQuality:
    """Return what a judge did and took."""
    given, votes = sum(found.statuses.values()), found.votes.get("scored", 0)
    return JudgeQuality(
        judge=judge.name,
        type=judge.type,
        kind=judge.kind,
        pairwise=judge.pairwise,
        version=judge.version,
        versions=dict(found.versions),
        model=judge.model,
        family=judge.family,
        related_variants=tuple(v for v in plan.variants if judge.family and plan.families.get(v) == judge.family),
        verdicts=dict(found.statuses),
        coverage=found.statuses.get("scored", 0) / given if given else None,
        votes=dict(found.votes),
        unaskable=found.unaskable if judge.kind == "model" else 0,
        repaired=found.repaired,
        fallbacks=dict(found.fallbacks),
        fallback_share=sum(found.fallbacks.values()) / votes if votes else None,
        cost=_cost(found.use, found.pinned) if judge.kind == "model" or found.use.calls else None,
        retest=_retest(found),
        escalated_only=judge.escalated_only,
    )


def _biases(
    plan: AnalysisPlan,
    judge: JudgeMetric,
    found: JudgeStatistics,
    scores: SampleScores,
    comparisons: Sequence[Comparison],
) -> dict[str, Any]:
    """Return what a judge prefers beside quality: a position, or length."""
    if judge.pairwise:
        return {
            "position": _position(plan, judge, found, scores),
            "win_rates": tuple(_win_rates(plan, judge, found, scores, comparisons)),
            "length_controlled": length_controlled_of(plan, judge.name, scores),
        }
    return {"length_correlation": tuple(_length_correlations(plan, judge, scores))} if judge.kind == "model" else {}


def _cost(use: UseTotals, pinned: UseTotals) -> JudgeCost:
    return JudgeCost(
        calls=use.calls,
        repairs=use.repairs,
        from_ledger=use.from_ledger,
        input_tokens=use.input_tokens,
        output_tokens=use.output_tokens,
        cost_usd=None if use.cost_unknown else use.cost_usd,
        cost_unknown=use.cost_unknown,
        spent_usd=use.spent_usd,
        pinned_calls=pinned.calls,
        pinned_spent_usd=pinned.spent_usd,
    )


def _position(plan: AnalysisPlan, judge: JudgeMetric, found: JudgeStatistics, scores: SampleScores) -> PositionBias:
    """Return what the order of the answers does to a pairwise judge."""
    first_rate = _first_rate(found.orders.values())
    bias = position_bias(*_in_both_orders(plan, judge.name, scores), first_rate=first_rate, alpha=plan.alpha)
    if bias.pairs == 0:
        bias = _by_one_order(plan, found, scores, bias)
    return _as_designed(plan, bias)


def position_of_dimension(plan: AnalysisPlan, metric: str, scores: SampleScores) -> PositionBias:
    """Return what the order of the answers does to one dimension of a pairwise judge.

    Args:
        plan: names the treatments; its primary metric is the dimension.
        metric: `JUDGE.DIMENSION`.
        scores: of all samples.
    """
    units, straight, turned = _in_both_orders(plan, metric, scores)
    named = np.bincount(np.concatenate((straight, turned)), minlength=TIE + 1)
    decisive = int(named[FIRST] + named[SECOND])
    first_rate = float(named[FIRST]) / decisive if decisive else None
    return _as_designed(plan, position_bias(units, straight, turned, first_rate=first_rate, alpha=plan.alpha))


def _in_both_orders(plan: AnalysisPlan, metric: str, scores: SampleScores) -> tuple[Codes, Codes, Codes]:
    """Return the unit of each pair that was judged in both orders, and which position won in either."""
    units, straight, turned = [_NONE], [_NONE], [_NONE]
    for treatment in plan.treatments:
        codes = scores.orders.get((treatment, metric))
        if codes is not None:
            rows = np.flatnonzero(codes != NOT_BOTH)
            units.append(_units(scores, rows))
            straight.append((codes[rows] // 3).astype(np.int32))
            turned.append((codes[rows] % 3).astype(np.int32))
    return np.concatenate(units), np.concatenate(straight), np.concatenate(turned)


def _as_designed(plan: AnalysisPlan, bias: PositionBias) -> PositionBias:
    if plan.design.kind == "fixed":
        return bias
    # A test and an interval at a fixed time: looking spoils them like all others.
    return bias.model_copy(update={"p_value": None, "flip_rate_low": None, "flip_rate_high": None})


_NONE: Codes = np.zeros(0, dtype=np.int32)


def _by_one_order(plan: AnalysisPlan, found: JudgeStatistics, scores: SampleScores, bias: PositionBias) -> PositionBias:
    """Return what pairs that were judged in one order each say: no flips, but whether the order matters."""
    if scores.cluster is not None or len(plan.treatments) != 1 or found.retest.pairs:
        return bias
    effect = found.orders.get(plan.treatments[0], OrderCounts()).result(plan.alpha).position
    if effect is None or effect.p_value is None:
        return bias
    return bias.model_copy(update={"status": "ok", "p_value": effect.p_value})


def _units(scores: SampleScores, rows: npt.NDArray[np.intp]) -> Codes:
    """Return the independent unit of each row: its cluster, or the sample itself."""
    if scores.cluster is None:
        return rows.astype(np.int32)
    codes = scores.cluster.codes[rows]
    return np.where(codes == ALONE, len(scores.cluster.names) + rows, codes).astype(np.int32)


def _first_rate(counts: Iterable[OrderCounts]) -> float | None:
    """Return the share of decisive votes for the answer shown first."""
    first = second = 0
    for count in counts:
        first += count.a_first[0] + count.b_first[1]
        second += count.a_first[1] + count.b_first[0]
    return first / (first + second) if first + second else None


def _win_rates(
    plan: AnalysisPlan,
    judge: JudgeMetric,
    found: JudgeStatistics,
    scores: SampleScores,
    comparisons: Sequence[Comparison],
) -> Iterable[OrderedWinRate]:
    for treatment in plan.treatments:
        share = share_of(plan, scores, treatment, judge.name)
        known = share[~np.isnan(share)]
        compared = next((c for c in comparisons if c.metric == judge.name and c.treatment == treatment), None)
        low, high = (None, None) if compared is None else (compared.ci_low, compared.ci_high)
        votes = found.orders.get(treatment, OrderCounts())
        yield OrderedWinRate(
            treatment=treatment,
            n=int(known.size),
            win_rate=float(known.mean()) if known.size else None,
            # The effect is the net preference: the share less the rest of it.
            ci_low=None if low is None else (1 + low) / 2,
            ci_high=None if high is None else (1 + high) / 2,
            shown_first=_share(votes.a_first),
            first_votes=sum(votes.a_first),
            shown_second=_share(votes.b_first),
            second_votes=sum(votes.b_first),
        )


def _share(votes: tuple[int, int, int]) -> float | None:
    won, _, tied = votes
    return (won + tied / 2) / sum(votes) if sum(votes) else None


def share_of(plan: AnalysisPlan, scores: SampleScores, treatment: str, metric: str) -> Values:
    """Return a treatment's share of the preference against the control, shape (samples,)."""
    column = scores.column(treatment, metric)
    return column if len(plan.treatments) == 1 else (column + 1) / 2


def length_controlled_of(plan: AnalysisPlan, metric: str, scores: SampleScores) -> tuple[LengthControlled, ...]:
    """Return the win rate at equal length of each treatment on a preference; none where no length is known.

    Args:
        plan: names the variants.
        metric: a preference.
        scores: of all samples, with the lengths of answers.
    """
    control = scores.column(plan.control, ANSWER_LENGTH)
    found = []
    for treatment in plan.treatments:
        share, own = share_of(plan, scores, treatment, metric), scores.column(treatment, ANSWER_LENGTH)
        rows = np.flatnonzero(~(np.isnan(share) | np.isnan(own) | np.isnan(control)))
        if not rows.size:
            continue
        clusters = None if scores.cluster is None else _units(scores, rows)
        result = length_controlled_win_rate(share[rows], control[rows], own[rows], clusters=clusters, alpha=plan.alpha)
        found.append(
            LengthControlled(
                treatment=treatment,
                status=result.status,
                n=result.n,
                win_rate=result.rate,
                se=result.se,
                raw_win_rate=result.win_rate,
            )
        )
    return tuple(found)


def _length_correlations(plan: AnalysisPlan, judge: JudgeMetric, scores: SampleScores) -> Iterable[LengthCorrelation]:
    for treatment in plan.treatments:
        pairs = scores.pairs(plan.control, treatment, judge.name)
        longer = scores.column(treatment, ANSWER_LENGTH) - scores.column(plan.control, ANSWER_LENGTH)
        longer = longer[pairs.rows]
        known = ~np.isnan(longer)
        r = correlation_of(pairs.difference[known], longer[known])
        n = int(np.count_nonzero(known))
        few = n < FEWEST_FOR_CORRELATION
        yield LengthCorrelation(
            treatment=treatment,
            status="no_data" if not n else "too_few" if few else "constant" if math.isnan(r) else "ok",
            n=n,
            correlation=None if math.isnan(r) else r,
        )


def _retest(found: JudgeStatistics) -> Retest | None:
    retest = found.retest
    if not retest.pairs:
        return None
    return Retest(pairs=retest.pairs, same=retest.same / retest.pairs, mean_distance=retest.distance / retest.pairs)


def _drift(judge: JudgeMetric, pinned: Sequence[PinnedVerdict]) -> Drift:
    distances = [abs(one.score - one.expected) for one in pinned if one.score is not None]
    tolerance = DRIFT_TOLERANCE * (judge.scale[1] - judge.scale[0])
    if not distances:
        return Drift(status="no_data", examples=len(pinned), scored=0, tolerance=tolerance)
    mean = sum(distances) / len(distances)
    return Drift(
        status="ok",
        examples=len(pinned),
        scored=len(distances),
        mean_deviation=mean,
        largest_deviation=max(distances),
        tolerance=tolerance,
        drifted=mean > tolerance * (1 + 1e-9),
    )
