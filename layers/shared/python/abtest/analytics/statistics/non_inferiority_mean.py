"""Is the treatment's mean shown to be worse by less than a margin?

Depends on: `abtest.analytics.statistics.paired_mean`. Used by: guardrails on means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from abtest.analytics.model import Method, Status
from abtest.analytics.statistics._one_sided import above
from abtest.analytics.statistics._student import critical_value
from abtest.analytics.statistics._wald import check_alpha
from abtest.analytics.statistics.paired_mean import MeanDifference

STATISTIC = Method(
    name="Non-inferiority test of a mean",
    formula="loss = B - A where lower is better, else A - B; p = P(T < (loss - margin) / SE), T ~ t(df); "
    "not inferior when p < alpha, which is when the one-sided upper limit of the loss is below the margin",
    source="Wellek (2010), Testing statistical hypotheses of equivalence and noninferiority, sections 2.2 and 5.2",
)


@dataclass(frozen=True)
class MeanNonInferiority:
    """How much worse the treatment is, against the margin; None where it cannot be tested.

    Args:
        status: that of the mean difference.
        margin: the largest loss that is still acceptable, in the metric's unit.
        loss: how much worse B is; negative where it is better.
        loss_low: one-sided lower limit of the loss at 1 - alpha.
        loss_high: one-sided upper limit at 1 - alpha; both are the interval with level 1 - 2 alpha.
        p_value: of "the loss is at least the margin".
        non_inferior: whether p_value is below alpha.
    """

    status: Status
    margin: float
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    p_value: float | None = None
    non_inferior: bool | None = None


def non_inferiority_mean(
    found: MeanDifference, margin: float, *, lower_is_better: bool, alpha: float = 0.05
) -> MeanNonInferiority:
    """Return whether the treatment's mean is shown to be worse by less than the margin.

    Args:
        found: the difference B - A with its standard error: paired, clustered or of unpaired groups (Welch).
        margin: the largest loss that is still acceptable, in the metric's unit, at least 0; 0 asks for superiority.
        lower_is_better: the metric's direction.
        alpha: one-sided error rate, below 1/2.

    Raises:
        ValueError: the margin is negative or not finite, or alpha is not between 0 and 1/2.

    Assumes: the margin was declared before the data were seen; for the rest what the mean difference assumes.
    """
    check_margin(margin, alpha)
    sign = 1.0 if lower_is_better else -1.0
    loss = None if found.effect is None else sign * found.effect
    if found.status != "ok" or loss is None or not found.se or found.df is None:
        return MeanNonInferiority(found.status, margin, loss)
    p_value = above((margin - loss) / found.se, found.df)
    reach = critical_value(2 * alpha, found.df) * found.se
    return MeanNonInferiority("ok", margin, loss, loss - reach, loss + reach, p_value, p_value < alpha)


def check_margin(margin: float, alpha: float) -> None:
    """Refuse a margin or a one-sided error rate that makes no test.

    Raises:
        ValueError: the margin is negative or not finite, or alpha is not between 0 and 1/2.
    """
    check_alpha(alpha)
    if alpha >= 0.5:
        raise ValueError(f"a one-sided error rate is below 1/2; got {alpha}")
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"a margin is a finite loss of at least 0; got {margin}")
