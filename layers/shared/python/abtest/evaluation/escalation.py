"""Where a panel's members disagree so that a stronger judge is asked.

Depends on: `abtest.contracts.records`, `abtest.evaluation.judges.panel`. Used by: the worker of judges that ask models.
"""

from __future__ import annotations

from collections.abc import Iterable

from abtest.contracts.records import Verdict
from abtest.evaluation.judges.panel import Parameters
from abtest.evaluation.model import JudgeConfiguration

_FEWEST_SCORES = 2
"""One score alone is no agreement."""
_NOISE = 1e-9
"""Of the arithmetic of means, which makes no disagreement."""


def to_escalate(panel: JudgeConfiguration, verdicts: Iterable[Verdict]) -> frozenset[tuple[str, str]]:
    """Return (sample, variant) for what the members of a panel disagree about; of a pair the variant is the treatment.

    They disagree where two scores are further apart than `agree_within`, and where fewer than two of them have scored.
    An answer that does not exist is nobody's disagreement.

    Args:
        panel: a judge of the type `panel` whose options are right.
        verdicts: of its members on a batch; those of other judges are passed over.

    Raises:
        pydantic.ValidationError: the options are not a panel's.
    """
    options = Parameters.model_validate(panel.parameters)
    members = frozenset(options.members)
    scores: dict[tuple[str, str], list[float]] = {}
    for verdict in verdicts:
        if verdict.judge in members and not _without_answer(verdict):
            found = scores.setdefault((verdict.sample_id, verdict.variant), [])
            if verdict.status == "scored" and verdict.score is not None:
                found.append(verdict.score)
    return frozenset(case for case, found in scores.items() if _disagree(found, options.agree_within))


def _without_answer(verdict: Verdict) -> bool:
    # A judge that could not be asked has votes that say so.
    return verdict.status == "not_judged" and not verdict.votes


def _disagree(scores: list[float], agree_within: float) -> bool:
    return len(scores) < _FEWEST_SCORES or max(scores) - min(scores) > agree_within + _NOISE
