"""Why a sample has no score of the primary metric: one small code a sample, counted at the end.

Depends on: numpy, `abtest.contracts.records`. Used by: `abtest.analytics.data.batch`, `abtest.analytics.panels`,
`abtest.analytics.service`.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt

from abtest.contracts.records import FailureReason

Reasons = npt.NDArray[np.int8]

REASONS: tuple[str, ...] = (
    "no_verdict",
    *get_args(FailureReason),
    "unknown",
    "no_response",
    "no_counterpart",
    "not_reported",
    "not_judged",
    "judge_invalid",
    "judges_disagree",
    "too_few_judges",
    "no_majority",
    "not_escalated",
)
"""By code; the first stands for a sample of which nothing else is known."""
CODES = {reason: code for code, reason in enumerate(REASONS)}


def missing_by_reason(absent: npt.NDArray[np.bool_], why: Reasons | None) -> dict[str, int]:
    """Return how many samples lack a score, by reason, the names sorted.

    Args:
        absent: which samples lack it, shape (samples,).
        why: codes of the reasons, shape (samples,); None where nobody noted any.
    """
    if why is None:
        count = int(np.count_nonzero(absent))
        return {REASONS[0]: count} if count else {}
    counts = np.bincount(why[absent], minlength=len(REASONS)).tolist()
    return {name: count for name, count in sorted(zip(REASONS, counts, strict=True)) if count}
