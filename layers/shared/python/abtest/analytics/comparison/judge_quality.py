"""What a table of results says of the judges: agreement, preference for a position, preference for length.

Depends on: numpy, `abtest.analytics.statistics`. Used by: `abtest.analytics.offline`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from abtest.analytics.comparison.rating_agreement import agreement_of_ratings
from abtest.analytics.data.table_scores import sides
from abtest.analytics.data.tables import (
    FIRST,
    INVALID,
    SECOND,
    TIE,
    Codes,
    PairwiseTable,
    PreferenceTable,
    ResultTable,
    ScoreTable,
    Values,
)
from abtest.analytics.model import Agreement, LengthControlled, PositionBias
from abtest.analytics.statistics.clustered_share import clustered_share
from abtest.analytics.statistics.length_controlled_win_rate import length_controlled_win_rate
from abtest.analytics.statistics.position_bias import PositionCounts
from abtest.analytics.statistics.sign_test import SignTest


def agreement_of(table: ResultTable, metric: str, variants: tuple[str, ...]) -> Agreement | None:
    """Return how far the judges of one metric agree; None where there is one judge.

    Args:
        table: checked rows.
        metric: of a table of scores; other tables have one.
        variants: whose answers count.
    """
    if len(table.judges) < 2:
        return None
    ratings = _ratings(table, metric, variants)
    return agreement_of_ratings(table.judges, ratings, nominal=isinstance(table, PairwiseTable), metric=metric)


def _ratings(table: ResultTable, metric: str, variants: tuple[str, ...]) -> Values:
    """Return ratings of shape (judges, answers), NaN being missing."""
    count = len(table.variants)
    chosen = [table.variants.index(variant) for variant in variants]
    if isinstance(table, ScoreTable):
        keep = (table.metric == table.metrics.index(metric)) & np.isin(table.variant, chosen)
        unit, value = table.sample.astype(np.int64) * count + table.variant, table.score
    else:
        left, right, share = sides(table)
        keep = np.isin(left, chosen) & np.isin(right, chosen)
        unit, value = (table.sample.astype(np.int64) * count + left) * count + right, share
    units, codes = np.unique(unit[keep], return_inverse=True)
    ratings = np.full((len(table.judges), units.size), np.nan)
    ratings[table.judge[keep], codes] = value[keep]
    return ratings


def position_of(table: PairwiseTable, alpha: float) -> PositionBias:
    """Return what the order of answers does to the verdicts.

    Args:
        table: checked rows.
        alpha: two-sided error rate of the interval.
    """
    known = table.verdict != INVALID
    decisive = known & ((table.verdict == FIRST) | (table.verdict == SECOND))
    named = int(np.count_nonzero(decisive))
    first_rate = float(np.count_nonzero(table.verdict == FIRST)) / named if named else None
    unit, straight, turned = _both_orders(table, known)
    return position_bias(unit, straight, turned, first_rate=first_rate, alpha=alpha)


def position_bias(
    unit: Codes, straight: Codes, turned: Codes, *, first_rate: float | None, alpha: float
) -> PositionBias:
    """Return what the order of answers does, from verdicts on the same pair in both orders.

    Args:
        unit: sample or cluster of each pair, shape (pairs,).
        straight: position that won in one order, shape (pairs,).
        turned: position that won in the other.
        first_rate: share of decisive verdicts that name the first position.
        alpha: two-sided error rate of the interval.
    """
    found = PositionCounts.of(straight, turned).result(alpha)
    if found.n == 0:
        return PositionBias(status="no_data", first_rate=first_rate)
    rate = found.flip_rate
    if np.unique(unit).size < unit.size:
        # Wilson's interval takes pairs for independent; several judges or variants of one sample are not.
        rate = clustered_share((straight == turned) & (straight != TIE), unit, alpha)
    return PositionBias(
        status=found.status if found.status in ("ok", "all_ties") else "ok",
        pairs=found.n,
        flip_rate=rate.share,
        flip_rate_low=rate.ci_low,
        flip_rate_high=rate.ci_high,
        first_rate=first_rate,
        p_value=_lean(unit, straight, turned),
    )


def _both_orders(table: PairwiseTable, known: npt.NDArray[np.bool_]) -> tuple[Codes, Codes, Codes]:
    """Return sample or cluster, and both verdicts, of each pair of answers that one judge saw in both orders."""
    count = len(table.variants)
    low, high = np.minimum(table.first, table.second), np.maximum(table.first, table.second)
    pair = ((table.sample.astype(np.int64) * count + low) * count + high) * len(table.judges) + table.judge
    straight, turned = known & (table.first == low), known & (table.first == high)
    _, one, other = np.intersect1d(pair[straight], pair[turned], return_indices=True)
    unit = _units(table, table.sample[straight][one])
    return unit, table.verdict[straight][one], table.verdict[turned][other]


def _units(table: PairwiseTable | PreferenceTable, sample: Codes) -> Codes:
    """Return the independent unit of each row: the cluster of its sample, or the sample itself."""
    cluster = table.groups.cluster[sample]
    return np.where(cluster < 0, len(table.groups.clusters) + sample, cluster).astype(np.int32)


def _lean(unit: Codes, straight: Codes, turned: Codes) -> float:
    """Return the exact two-sided p-value of "flips favour neither position", a sample or cluster counting once."""
    to_first = (straight == FIRST) & (turned == FIRST)
    to_second = (straight == SECOND) & (turned == SECOND)
    _, codes = np.unique(unit, return_inverse=True)
    net = np.bincount(codes, weights=to_first.astype(np.float64) - to_second)
    # Without a flip nothing leans: p is 1 by convention.
    return SignTest.of(net).result().p_value or 1.0


def length_controlled_of(
    table: PairwiseTable | PreferenceTable, variants: tuple[str, ...], alpha: float
) -> tuple[LengthControlled, ...]:
    """Return the win rate at equal length of each treatment; none where the lengths are not told.

    Args:
        table: checked rows.
        variants: the control first.
        alpha: two-sided error rate.
    """
    if not isinstance(table, PreferenceTable) or table.length_variant is None or table.length_baseline is None:
        return ()
    control = table.variants.index(variants[0])
    told = ~(np.isnan(table.length_variant) | np.isnan(table.length_baseline) | np.isnan(table.preference))
    found = []
    for treatment in variants[1:]:
        code = table.variants.index(treatment)
        straight = (table.variant == code) & (table.baseline == control)
        turned = (table.variant == control) & (table.baseline == code)
        rows = np.flatnonzero(told & (straight | turned))
        back, share = turned[rows], table.preference[rows]
        own, other = table.length_variant[rows], table.length_baseline[rows]
        result = length_controlled_win_rate(
            np.where(back, 1 - share, share),
            np.where(back, own, other),
            np.where(back, other, own),
            clusters=_units(table, table.sample[rows]),
            alpha=alpha,
        )
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
