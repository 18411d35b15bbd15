"""The analysis of the waves of a run that were done.

Depends on: analytics, reporting's rows, the bodies. Used by: `finish_run`, and a look before it stops a run.
"""

from __future__ import annotations

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisResult
from abtest.analytics.plan import AnalysisPlan, LookPosition
from abtest.analytics.service import RunScores, analyse
from abtest.management.model import RunFrozen
from abtest.reporting.rows import PairedRow, pair_rows, with_panels
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.pinned_examples import pinned_examples
from abtest.runtime.steps.run_rows import read_batches


def analysis_so_far(
    bodies: RunBodies, frozen: RunFrozen, plan: AnalysisPlan, *, waves: int
) -> tuple[AnalysisResult, list[PairedRow]]:
    """Return the analysis of the waves that were run, and their rows.

    Args:
        bodies: of the run.
        frozen: names its batches, variants and judges.
        plan: the declared analysis.
        waves: how many were run.
    """
    parts: list[RunStatistics] = []
    rows: list[PairedRow] = []
    asked: list[int] = []
    for wave in range(waves):
        done = 0
        for batch in read_batches(bodies, frozen, slice(wave, wave + 1)):
            parts.append(RunStatistics.of_batch(plan, batch.samples, batch.responses, batch.verdicts))
            rows.extend(pair_rows(batch.samples, batch.responses, batch.verdicts))
            done += len(batch.samples)
        asked.append((asked[-1] if asked else 0) + done)
    final = waves == len(frozen.batches_by_wave)
    look = LookPosition(number=waves, asked=tuple(asked), planned=frozen.dataset.rows, final=final)
    pinned = pinned_examples(bodies, frozen, plan)
    statistics = RunStatistics.merge([*parts, RunStatistics(judges=pinned.statistics)])
    run = RunScores.of(plan, statistics)
    analysis = analyse(plan, statistics, look, pinned=pinned.verdicts, run=run)
    return analysis, with_panels(plan, rows, run.scores)
