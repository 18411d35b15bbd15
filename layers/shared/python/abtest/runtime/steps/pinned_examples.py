"""What a run's judges said of their pinned examples, and what asking that took.

Depends on: analytics' statistics, the bodies. Used by: `run_analysis`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from abtest.analytics.data.judging import JudgeStatistics, UseTotals
from abtest.analytics.plan import AnalysisPlan
from abtest.contracts.records import JudgeCall, JudgeUse, PinnedVerdict
from abtest.management.model import RunFrozen
from abtest.runtime.steps.bodies import RunBodies


@dataclass(frozen=True)
class PinnedExamples:
    """All pinned examples of a run.

    Args:
        verdicts: of all judges.
        statistics: judge to what asking it about them took, and nothing else.
    """

    verdicts: tuple[PinnedVerdict, ...]
    statistics: dict[str, JudgeStatistics]


def pinned_examples(bodies: RunBodies, frozen: RunFrozen, plan: AnalysisPlan) -> PinnedExamples:
    """Return what judges that ask models said of their pinned examples.

    Args:
        bodies: of the run.
        frozen: knows how many models a judge has.
        plan: names the judges.
    """
    verdicts: list[PinnedVerdict] = []
    statistics = {}
    for judge in plan.instruments:
        found = bodies.pinned_verdicts(judge.name) if judge.kind == "model" else []
        if not found:
            continue
        verdicts += found
        models = len(frozen.judges[judge.name].models) if judge.name in frozen.judges else 1
        # They are asked together with the run's first batch.
        calls = bodies.judge_calls(0, judge.name, 0, models)
        statistics[judge.name] = JudgeStatistics(pinned=UseTotals.of(_uses(calls, f"judge/{judge.name}/pinned")))
    return PinnedExamples(tuple(verdicts), statistics)


def _uses(calls: Sequence[JudgeCall], asker: str) -> list[JudgeUse]:
    """Return what each answered call of an asker took."""
    answered = [c.response for c in calls if c.response.variant == asker and c.response.outcome != "failed"]
    return [
        JudgeUse(
            calls=1,
            from_ledger=int(response.from_ledger),
            input_tokens=response.usage.total_input_tokens if response.usage else 0,
            output_tokens=response.usage.total_output_tokens if response.usage else 0,
            cost_usd=response.cost_usd,
            spent_usd=Decimal(0) if response.from_ledger or response.cost_usd is None else response.cost_usd,
        )
        for response in answered
    ]
