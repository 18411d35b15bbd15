"""Where the answers of a run can be downloaded, batch by batch: samples and responses as they were kept.

Depends on: contracts, management's ports, the bodies of a run. Used by: the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from abtest.contracts import object_keys
from abtest.core.errors import InputIssue, InvalidInputError, NotFoundError
from abtest.management.model import RunFrozen
from abtest.management.ports import ObjectStore
from abtest.runtime.steps.bodies import RunBodies

LIFETIME_S = 900


@dataclass(frozen=True)
class BatchFiles:
    """One batch, and where its rows can be downloaded for a while.

    Args:
        samples_url: JSONL of `Sample`.
        responses_urls: by variant, JSONL of `ModelResponse`.
    """

    wave: int
    batch: int
    samples_url: str
    responses_urls: dict[str, str]


@dataclass(frozen=True)
class AnswerFiles:
    """Some batches of a run.

    Args:
        control: of the run's test; None when the run ended before it was planned.
        variants: all of them.
        next_cursor: where the next batches begin; None is the end.
    """

    control: str | None = None
    variants: tuple[str, ...] = ()
    batches: tuple[BatchFiles, ...] = field(default=())
    next_cursor: str | None = None


def answer_files(objects: ObjectStore, workspace: str, run_id: str, *, limit: int, cursor: str | None) -> AnswerFiles:
    """Return a page of a run's batches, those that every variant has answered.

    Args:
        objects: where bodies live.
        workspace: of the run.
        run_id: a run that has ended.
        limit: most batches; batches without all answers count and are left out.
        cursor: of the page before; None begins.

    Raises:
        InvalidInputError: the cursor is none of ours.
    """
    first = _first(cursor)
    try:
        frozen = RunBodies(objects, workspace, run_id).frozen()
    except NotFoundError:
        return AnswerFiles()
    places = [(wave, batch) for wave, count in enumerate(frozen.batches_by_wave) for batch in range(count)]
    page = places[first : first + limit]
    return AnswerFiles(
        control=frozen.definition.control,
        variants=tuple(frozen.definition.variants),
        batches=tuple(_of_page(objects, workspace, run_id, frozen, page)),
        next_cursor=str(first + limit) if first + limit < len(places) else None,
    )


def _first(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        issue = InputIssue("cursor", "it comes from no earlier page", cursor[:40], "the next_cursor of a page")
        raise InvalidInputError("The query does not fit.", [issue])
    return int(cursor)


def _of_page(
    objects: ObjectStore, workspace: str, run_id: str, frozen: RunFrozen, page: Sequence[tuple[int, int]]
) -> list[BatchFiles]:
    found = []
    for wave, places in groupby(page, key=lambda place: place[0]):
        # A run that stopped early has no answers in its last waves.
        there = set(objects.keys(object_keys.wave(workspace, run_id, wave) + "/responses/"))
        for _, batch in places:
            keys = {
                variant: object_keys.responses(workspace, run_id, wave, variant, batch)
                for variant in frozen.definition.variants
            }
            if there.issuperset(keys.values()):
                found.append(_files(objects, object_keys.samples(workspace, run_id, wave, batch), keys, wave, batch))
    return found


def _files(objects: ObjectStore, samples: str, responses: dict[str, str], wave: int, batch: int) -> BatchFiles:
    def url(key: str, name: str) -> str:
        return objects.download_url(key, expires_in_s=LIFETIME_S, filename=f"{name}-{wave:04d}-{batch:05d}.jsonl")

    return BatchFiles(
        wave=wave,
        batch=batch,
        samples_url=url(samples, "samples"),
        responses_urls={variant: url(key, f"responses-{variant}") for variant, key in responses.items()},
    )
