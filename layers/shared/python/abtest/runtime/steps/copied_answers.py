"""The answers of an earlier run, for one that judges them anew: nothing is asked of the variants' models again.

Depends on: management, the bodies. Used by: the step PlanRun.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from abtest.contracts import object_keys
from abtest.contracts.records import ModelResponse
from abtest.contracts.steps import GenerateItem
from abtest.core.errors import ConflictError, NotFoundError
from abtest.management.model import Run, RunFrozen
from abtest.management.ports import ObjectStore, RunStore
from abtest.runtime.steps.bodies import RunBodies

_PARALLEL = 16


@dataclass(frozen=True)
class EarlierAnswers:
    """What an earlier run has asked and answered.

    Args:
        run_id: of that run.
        frozen: what it was started with.
        samples: their rows, in the order of waves and batches.
        sizes: samples of each batch of each wave that was answered whole.
    """

    run_id: str
    frozen: RunFrozen
    samples: Sequence[bytes]
    sizes: tuple[tuple[int, ...], ...]


def earlier_answers(run: Run, runs: RunStore, objects: ObjectStore) -> EarlierAnswers:
    """Return what the run that is judged anew has left.

    Args:
        run: names it in `rejudges`.
        runs: says how many of its waves were finished.
        objects: keeps its rows.

    Raises:
        ConflictError: its rows are no longer there, or it never answered a wave whole.
    """
    source_id = run.rejudges or ""
    try:
        source = runs.get(run.workspace, source_id)
        frozen = RunBodies(objects, run.workspace, source_id).frozen()
        waves = _answered_waves(run.workspace, source, frozen, objects)
        keys = [
            object_keys.samples(run.workspace, source_id, wave, batch)
            for wave in range(waves)
            for batch in range(frozen.batches_by_wave[wave])
        ]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            batches = [body.splitlines() for body in pool.map(objects.get, keys)]
    except NotFoundError as error:
        raise _gone(source_id) from error
    rest = iter(batches)
    sizes = tuple(tuple(len(next(rest)) for _ in range(count)) for count in frozen.batches_by_wave[:waves])
    return EarlierAnswers(source_id, frozen, [line for batch in batches for line in batch], sizes)


def copy_answers(run: Run, earlier: EarlierAnswers, runs: RunStore, objects: ObjectStore) -> int:
    """Write an earlier run's answers into a run, and record them as done; return how many there are.

    They cost nothing now, so they are marked as the ledger's; calls that failed stay failed.

    Args:
        run: that judges them anew.
        earlier: of `earlier_answers`.
        runs: takes the progress.
        objects: keeps the rows of both runs.

    Raises:
        ConflictError: the rows are no longer there.
    """
    source = RunBodies(objects, run.workspace, earlier.run_id)
    target = RunBodies(objects, run.workspace, run.run_id)

    def copy(place: tuple[int, int, str]) -> int:
        wave, batch, variant = place
        rows = [_copied(row) for row in source.responses(wave, variant, batch)]
        target.write_responses(wave, variant, batch, rows)
        counts = {
            "done": len(rows),
            "failed": sum(row.outcome == "failed" for row in rows),
            "from_ledger": sum(row.from_ledger for row in rows),
        }
        key = GenerateItem.key_of(wave, variant, batch)
        runs.record_batch(run.workspace, run.run_id, key, counts)
        return len(rows)

    places = [
        (wave, batch, variant)
        for wave, sizes in enumerate(earlier.sizes)
        for batch in range(len(sizes))
        for variant in earlier.frozen.definition.variants
    ]
    try:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return sum(pool.map(copy, places))
    except NotFoundError as error:
        raise _gone(earlier.run_id) from error


def _copied(row: ModelResponse) -> ModelResponse:
    return row if row.outcome == "failed" else row.model_copy(update={"from_ledger": True})


def _answered_waves(workspace: str, source: Run, frozen: RunFrozen, objects: ObjectStore) -> int:
    """Return how many waves were answered whole, from the first on; a run may have stopped before its last."""
    found = set(objects.keys(f"{object_keys.waves(workspace, source.run_id)}/"))

    def is_whole(wave: int) -> bool:
        return all(
            object_keys.responses(workspace, source.run_id, wave, variant, batch) in found
            for variant in frozen.definition.variants
            for batch in range(frozen.batches_by_wave[wave])
        )

    planned = range(len(frozen.batches_by_wave))
    whole = next((wave for wave in planned if not is_whole(wave)), len(planned))
    if whole < source.looks_taken:
        raise _gone(source.run_id)
    if not whole:
        raise ConflictError(
            f"Run {source.run_id} has no wave whose answers are all there, so nothing of it can be judged anew.",
            details={"what_to_do": "Start a new run of the test; answers that were paid for are reused."},
        )
    return whole


def _gone(run_id: str) -> ConflictError:
    return ConflictError(
        f"The answers of run {run_id} are no longer kept, so they cannot be judged anew.",
        details={"what_to_do": "Start a new run of the test; answers that the ledger still has are reused."},
    )
