"""TakeLook: what follows a wave under the declared design.

A fixed design decides at its end only: a look before it reads no score, so that nobody can stop on one. Under a
sequential design the run stops when the question is answered, when it will hardly be, or when the money is spent.

Depends on: management. Used by: `functions/take_look`.
"""

from __future__ import annotations

from abtest.contracts.steps import WaveState
from abtest.core.errors import RunCancelledError
from abtest.management.model import Run, RunFrozen, StopReason
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.bodies import RunBodies


def take_look(state: WaveState, runs: RunStore, objects: ObjectStore) -> WaveState:
    """Return the state that leads into the next wave, or to the end.

    Raises:
        RunCancelledError: the run was asked to stop after its last answer was in.
    """
    spending = runs.spending(state.workspace, state.run_id)
    if spending.stop == "cancelled":
        raise RunCancelledError("The run was asked to stop; what was answered is kept.")
    bodies = RunBodies(objects, state.workspace, state.run_id)
    frozen = bodies.frozen()
    run = runs.get(state.workspace, state.run_id)
    stop = _answered(run, frozen, bodies, state.wave)
    final = state.wave + 1 >= len(frozen.batches_by_wave)
    if not final and spending.cap_usd is not None and spending.spent_usd >= spending.cap_usd:
        stop = "budget"
    runs.update(run.model_copy(update={"looks_taken": state.wave + 1, "stopped_early": stop}))
    if final or stop is not None:
        return state.model_copy(update={"next": "finish"})
    return state.next_wave()


def _answered(run: Run, frozen: RunFrozen, bodies: RunBodies, wave: int) -> StopReason | None:
    if frozen.definition.design.kind == "fixed":
        return None
    # Only designs that look need the statistics: a fixed one starts without loading them.
    from abtest.runtime.steps.sequential_look import look_at

    return look_at(run, frozen, bodies, wave)
