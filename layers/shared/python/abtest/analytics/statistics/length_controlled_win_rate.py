"""Win rate of B over A if both wrote answers of one length, by a fractional logit on the length difference.

Depends on: numpy, `abtest.analytics.statistics._fractional_logit`. Used by: `abtest.analytics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._fractional_logit import LogitFit, fractional_logit
from abtest.analytics.statistics._lasso_logit import lasso_logit
from abtest.analytics.statistics._pair_counts import Integers
from abtest.analytics.statistics._wald import Floats, check_alpha, quantile

STATISTIC = Method(
    name="Length-controlled win rate",
    formula="z = (length A - length B) / sd; logit E[y] = b_len tanh(z) + b_diff difficulty + b_0, y = 1 if B wins, "
    "1/2 tie, 0 if A wins; rate = mean over samples of logistic(b_diff difficulty + b_0); "
    "SE by the delta method from the sandwich",
    source="Dubois, Galambosi, Liang and Hashimoto (2024), Length-controlled AlpacaEval, section 3; fit without "
    "penalty after Papke and Wooldridge (1996), Econometric methods for fractional response variables, section 2",
)
PENALISED = Method(
    name="Length-controlled win rate with AlpacaEval's penalty",
    formula="the same model, coefficients minimise -log-likelihood + penalty (|b_len| + |b_diff| + |b_0|)",
    source="Dubois, Galambosi, Liang and Hashimoto (2024), Length-controlled AlpacaEval, section 3; penalty after "
    "Tibshirani (1996), Regression shrinkage and selection via the lasso",
)
_NEAR = 0.5
_EXACT = 1e-12
_FEWEST_NEAR = 0.05


@dataclass(frozen=True)
class LengthControlledWinRate:
    """The win rate at equal lengths beside the raw one, both from 0 to 1.

    Args:
        status: `ok`; `no_data`; `too_few`; `all_ties` or `constant` (every comparison scored alike, so that
            there is no error); `no_length_variation` (both answers are always equally long: the rate is
            the raw one); `confounded` (B's answers are, nearly, always the longer or always the shorter ones,
            so that the rate at equal length, if given, is an extrapolation; or a column of the model depends on the
            others); `separated` (the model predicts without an error: coefficients are infinite);
            `one_cluster`; `not_converged`.
        n: comparisons.
        win_rate: raw, (wins + ties / 2) / n.
        near_share: share of comparisons with |z| < 1/2, where lengths are alike.
        rate: win rate at equal length.
        se: its standard error, difficulties held fixed.
        ci_low: lower end of its interval, made on the logit scale.
        intercept: b_0 with `se_intercept`; `length_effect`, `difficulty_effect` accordingly.
        clusters: number of clusters; None when comparisons stand alone.
    """

    status: Status
    n: int
    win_rate: float | None = None
    near_share: float | None = None
    rate: float | None = None
    se: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    intercept: float | None = None
    se_intercept: float | None = None
    length_effect: float | None = None
    se_length_effect: float | None = None
    difficulty_effect: float | None = None
    se_difficulty_effect: float | None = None
    clusters: int | None = None


def length_controlled_win_rate(
    score: Any,
    length_a: Any,
    length_b: Any,
    *,
    difficulty: Any = None,
    clusters: Any = None,
    alpha: float = 0.05,
) -> LengthControlledWinRate:
    """Return the win rate of B at equal lengths.

    Args:
        score: result of B, shape (n,), from 0 to 1: 1 win, 1/2 tie, 0 loss, or a judge's probability that B is better.
        length_a: length of A's answers, shape (n,), in any unit, and so `length_b` of B's.
        difficulty: of each sample for the baseline, shape (n,); None for the model without it.
        clusters: label of the cluster of each comparison, shape (n,); None when comparisons stand alone.
        alpha: two-sided error rate.

    Raises:
        ValueError: lengths of the lists differ, a number is not finite, or a score is not between 0 and 1.

    Assumes: independent comparisons (or clusters); length acts through tanh(z), and by itself, not by better content.
    Source: Dubois et al. (2024), section 3; Papke and Wooldridge (1996), section 2.
    """
    check_alpha(alpha)
    y, shorter, extra = _checked(score, length_a, length_b, difficulty)
    index = None if clusters is None else _cluster_index(clusters, y.size)
    if y.size == 0:
        return LengthControlledWinRate("no_data", 0)
    groups = None if index is None else int(index.max()) + 1
    found = LengthControlledWinRate("too_few", int(y.size), float(y.mean()), clusters=groups)
    if y.size == 1:
        return found
    if 0 < y[0] < 1 and (y == y[0]).all():
        # Every outcome is met exactly, at any length: there is a rate, and nothing to tell its error from.
        return replace(found, status="all_ties" if y[0] == 0.5 else "constant", rate=float(y[0]))
    spread = _spread(shorter)
    if spread == 0:
        return _without_length(found, shorter, y, index, alpha)
    return _fitted(found, shorter / spread, _at_equal_length(y, extra), y, index, alpha=alpha)


@dataclass(frozen=True)
class PenalisedLengthControlledWinRate:
    """The win rate at equal lengths with coefficients pulled towards 0, and so itself towards 1/2; it has no error.

    `status` as of `LengthControlledWinRate`, save that penalised coefficients are never infinite.
    """

    status: Status
    penalty: float
    n: int
    rate: float | None = None
    intercept: float | None = None
    length_effect: float | None = None
    difficulty_effect: float | None = None


def penalised_length_controlled_win_rate(
    score: Any, length_a: Any, length_b: Any, *, penalty: float, difficulty: Any = None
) -> PenalisedLengthControlledWinRate:
    """Return the win rate of B at equal lengths as AlpacaEval fits it, to set beside published figures.

    Args:
        score: as of `length_controlled_win_rate`, like `length_a`, `length_b` and `difficulty`.
        penalty: on the sum of absolute coefficients, above 0; 1 / C of scikit-learn's logistic regression.

    Raises:
        ValueError: as of `length_controlled_win_rate`, or the penalty is not a finite number above 0.

    Source: Dubois et al. (2024), section 3.
    """
    if not (math.isfinite(penalty) and penalty > 0):
        raise ValueError(f"a penalty is a finite number above 0; got {penalty}")
    y, shorter, extra = _checked(score, length_a, length_b, difficulty)
    found = PenalisedLengthControlledWinRate("no_data", penalty, int(y.size))
    if y.size < 2:
        return replace(found, status="too_few") if y.size else found
    spread = _spread(shorter)
    if spread == 0:
        if shorter.any():
            return replace(found, status="confounded")
        return replace(found, status="no_length_variation", rate=float(y.mean()))
    z, at_equal_length = shorter / spread, _at_equal_length(y, extra)
    beta = lasso_logit(np.column_stack([at_equal_length, np.tanh(z)]), y, penalty)
    if beta is None:
        return replace(found, status="not_converged")
    from scipy.special import expit

    return replace(
        found,
        status="confounded" if _extrapolates(z) else "ok",
        rate=float(expit(at_equal_length @ beta[:-1]).mean()),
        intercept=float(beta[0]),
        length_effect=float(beta[-1]),
        difficulty_effect=None if extra is None else float(beta[1]),
    )


def _checked(score: Any, length_a: Any, length_b: Any, difficulty: Any) -> tuple[Floats, Floats, Floats | None]:
    """Return score, how much shorter B's answers are, and difficulty."""
    y, a, b = _list("scores", score), _list("lengths of A", length_a), _list("lengths of B", length_b)
    extra = None if difficulty is None else _list("difficulties", difficulty)
    if any(other is not None and other.shape != y.shape for other in (a, b, extra)):
        raise ValueError("scores, lengths and difficulties need one length")
    if y.size and not (y.min() >= 0 and y.max() <= 1):
        raise ValueError("a score is between 0 (A wins) and 1 (B wins), a tie being 1/2")
    return y, a - b, extra


def _cluster_index(clusters: Any, n: int) -> Integers:
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise ValueError(f"{n} comparisons need as many clusters; got shape {labels.shape}")
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)


def _spread(shorter: Floats) -> float:
    """Return the standard deviation of the length difference; exactly 0 when only rounding makes it differ."""
    spread = float(shorter.std(ddof=1))
    return 0.0 if spread <= 1e-12 * float(np.abs(shorter).max()) else spread


def _at_equal_length(y: Floats, extra: Floats | None) -> Floats:
    return np.column_stack([np.ones(y.size)] if extra is None else [np.ones(y.size), extra])


def _near_share(z: Floats) -> float:
    return float(np.mean(np.abs(z) < _NEAR))


def _extrapolates(z: Floats) -> bool:
    """Return whether too few answers are alike in length to say what holds at equal length."""
    return _near_share(z) < _FEWEST_NEAR or bool((z > 0).all() or (z < 0).all())


def _list(name: str, given: Any) -> Floats:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"{name} must be one list of finite numbers; leave out the comparisons that lack one")
    return values


def _without_length(
    found: LengthControlledWinRate, shorter: Floats, y: Floats, index: Integers | None, alpha: float
) -> LengthControlledWinRate:
    if shorter.any():
        return replace(found, status="confounded", near_share=0.0)
    found = replace(found, status="no_length_variation", near_share=1.0, rate=found.win_rate)
    fit = fractional_logit(np.ones((y.size, 1)), y, index)
    if fit.beta is None or fit.covariance is None:
        return found
    return _with_interval(found, float(np.sqrt(fit.covariance[0, 0])) * _slope(found.win_rate), alpha)


def _fitted(
    found: LengthControlledWinRate,
    z: Floats,
    at_equal_length: Floats,
    y: Floats,
    index: Integers | None,
    *,
    alpha: float,
) -> LengthControlledWinRate:
    extrapolates = _extrapolates(z)
    found = replace(found, near_share=_near_share(z))
    fit = fractional_logit(np.column_stack([at_equal_length, np.tanh(z)]), y, index)
    if fit.beta is None:
        return replace(found, status=fit.status)
    from scipy.special import expit

    found = _with_coefficients(replace(found, status="confounded" if extrapolates else fit.status), fit)
    eta = at_equal_length @ fit.beta[:-1]
    share = expit(eta)
    found = replace(found, rate=float(share.mean()))
    if fit.covariance is None:
        return found
    gradient = (at_equal_length * (share * expit(-eta))[:, None]).mean(axis=0)
    return _with_interval(found, math.sqrt(max(0.0, float(gradient @ fit.covariance[:-1, :-1] @ gradient))), alpha)


def _with_coefficients(found: LengthControlledWinRate, fit: LogitFit) -> LengthControlledWinRate:
    if fit.beta is None:
        return found
    beta = [float(value) for value in fit.beta]
    errors: list[float | None] = [None] * len(beta)
    if fit.covariance is not None:
        errors = [float(value) for value in np.sqrt(np.diagonal(fit.covariance))]
    found = replace(found, intercept=beta[0], se_intercept=errors[0])
    found = replace(found, length_effect=beta[-1], se_length_effect=errors[-1])
    if len(beta) == 3:
        return replace(found, difficulty_effect=beta[1], se_difficulty_effect=errors[1])
    return found


def _with_interval(found: LengthControlledWinRate, se: float, alpha: float) -> LengthControlledWinRate:
    slope = _slope(found.rate)
    # Rows that the curve meets exactly leave nothing to judge chance by.
    if found.rate is None or slope == 0 or se <= _EXACT:
        return found
    from scipy.special import expit, logit

    reach = quantile(alpha) * se / slope
    low, high = (float(expit(float(logit(found.rate)) + side * reach)) for side in (-1, 1))
    return replace(found, se=se, ci_low=low, ci_high=high)


def _slope(rate: float | None) -> float:
    """Return how fast the share moves with its log-odds."""
    return 0.0 if rate is None else rate * (1 - rate)
