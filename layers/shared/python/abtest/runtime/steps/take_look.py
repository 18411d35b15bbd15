"""TakeLook: what follows a wave under the declared design.

A fixed design decides at its end only: a look before it reads no score, so that nobody can stop on one.

Depends on: management. Used by: `functions/take_look`.
"""

from __future__ import annotations

from abtest.contracts.steps import WaveState
from abtest.core.errors import RunCancelledError
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.bodies import RunBodies


def take_look(state: WaveState, runs: RunStore, objects: ObjectStore) -> WaveState:
    """Return the state that leads into the next wave, or to the end.

    Raises:
        RunCancelledError: the run was asked to stop after its last answer was in.
    """
    if runs.spending(state.workspace, state.run_id).stop == "cancelled":
        raise RunCancelledError("The run was asked to stop; what was answered is kept.")
    waves = len(RunBodies(objects, state.workspace, state.run_id).frozen().batches_by_wave)
    if state.wave + 1 < waves:
        return WaveState.of(state, state.wave + 1, "next_wave")
    return state.model_copy(update={"next": "finish"})
