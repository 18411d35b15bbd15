"""What is known of the instrument, the judges: how far they agree, what they prefer, how variants rank by them.

Depends on: pydantic. Used by: `abtest.analytics.model`, which names it again for everyone else.
"""

from __future__ import annotations

from abtest.analytics.status import AnalysisModel, Number, Probability, Status


class RankedVariant(AnalysisModel):
    """One variant's strength among all, from every pair of variants on the primary metric.

    Args:
        log_strength: natural-log Bradley-Terry strength, centred to a mean of 0.
        rank: from 1; variants that cannot be told apart share one.
    """

    variant: str
    log_strength: Number | None = None
    se: Number | None = None
    ci_low: Number | None = None
    ci_high: Number | None = None
    rank: int | None = None


class Ranking(AnalysisModel):
    """All variants by strength, or why they have none."""

    status: Status
    variants: tuple[RankedVariant, ...] = ()


class Agreement(AnalysisModel):
    """How far several judges agree on the same answers; chance-corrected figures beside the raw one.

    Args:
        judges: who gave ratings.
        metric: what they rated: the metric's name, or the panel's whose members they are; empty in older results.
        units: answers that two or more judges rated.
        raw: share of judge pairs that gave the same rating.
        cohen_kappa: of two judges; None for more.
    """

    judges: tuple[str, ...]
    units: int
    status: Status
    raw: Number | None = None
    cohen_kappa: Number | None = None
    fleiss_kappa: Number | None = None
    krippendorff_alpha: Number | None = None
    gwet_ac1: Number | None = None
    metric: str = ""


class PositionBias(AnalysisModel):
    """What showing an answer first does to a pairwise judge.

    Args:
        pairs: samples that a judge saw in both orders.
        flip_rate: share of them in which the judge chose the other answer when the order was turned.
        first_rate: share of decisive verdicts that name the answer shown first, over all rows.
        p_value: exact two-sided, that flips favour neither position; of pairs in one order each, that the order changes
            nothing, by a logit.
    """

    status: Status
    pairs: int = 0
    flip_rate: Number | None = None
    flip_rate_low: Number | None = None
    flip_rate_high: Number | None = None
    first_rate: Number | None = None
    p_value: Probability | None = None


class LengthControlled(AnalysisModel):
    """The win rate a variant would have if its answers were as long as the baseline's.

    Args:
        win_rate: length-controlled share.
        raw_win_rate: of the same rows, not controlled.
    """

    treatment: str
    status: Status
    n: int
    win_rate: Number | None = None
    se: Number | None = None
    raw_win_rate: Number | None = None
