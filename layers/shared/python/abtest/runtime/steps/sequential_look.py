"""A look of a sequential design: adds the wave's sums to those before it, and says whether the run may stop.

Depends on: analytics, the bodies. Used by: `take_look`.
"""

from __future__ import annotations

from abtest.analytics.data.accumulate import scored_batch
from abtest.analytics.data.scores import SampleScores
from abtest.analytics.looks import Look, LookState, take
from abtest.analytics.panels import ConsensusBuilder
from abtest.analytics.plan import AnalysisPlan
from abtest.management.model import Run, RunFrozen, StopReason
from abtest.runtime.steps.bodies import RunBodies
from abtest.runtime.steps.run_analysis import analysis_so_far
from abtest.runtime.steps.run_rows import analysis_plan, read_verdicts


def look_at(run: Run, frozen: RunFrozen, bodies: RunBodies, wave: int) -> StopReason | None:
    """Return why the run may stop after a wave, or None; keeps what the look saw.

    A repeated look reads the same objects and says the same.

    Args:
        run: the run.
        frozen: what it was started with.
        bodies: of the run.
        wave: index from 0 of the wave that was judged last.
    """
    plan = analysis_plan(run, frozen, None)
    final = wave + 1 >= len(frozen.batches_by_wave)
    before = LookState.model_validate_json(bodies.look_state(wave - 1)) if wave else LookState()
    batches = read_verdicts(bodies, frozen, wave)
    judged = SampleScores.joined(scored_batch(plan, batch.samples, batch.verdicts) for batch in batches)
    # A panel's consensus is that of the wave: what an estimating one learns from later waves comes too late for a look.
    scores, _ = ConsensusBuilder(plan).build(judged)
    state = before.extended(plan, scores)
    look = take(plan, state, planned=frozen.dataset.rows, final=final)
    if look.stop == "efficacy" and not _guardrails_are_clear(plan, frozen, bodies, wave):
        look = look.model_copy(update={"stop": None})
    _keep(bodies, wave, state, look)
    return look.stop


def _keep(bodies: RunBodies, wave: int, state: LookState, look: Look) -> None:
    bodies.write_look(wave, state.model_dump_json().encode(), look.model_dump_json(indent=2).encode())


def _guardrails_are_clear(plan: AnalysisPlan, frozen: RunFrozen, bodies: RunBodies, wave: int) -> bool:
    """Return whether a better treatment's guardrails say yes or no: stopping before they do would decide nothing."""
    if not plan.guardrails:
        return True
    analysis, _ = analysis_so_far(bodies, frozen, plan, waves=wave + 1)
    better = {
        c.treatment
        for c in analysis.comparisons
        if c.primary and c.effect is not None and (c.effect < 0) == c.lower_is_better
    }
    return all(g.verdict != "unclear" for g in analysis.guardrails if g.treatment in better)
