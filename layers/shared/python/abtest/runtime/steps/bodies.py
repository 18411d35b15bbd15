"""Reading and writing the JSONL bodies of a run.

Depends on: contracts. Used by: the steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from abtest.contracts import object_keys
from abtest.contracts.records import JudgeCall, ModelResponse, PinnedVerdict, Record, Sample, Verdict
from abtest.core.errors import NotFoundError
from abtest.management.model import RunFrozen
from abtest.management.ports import ObjectStore

Row = TypeVar("Row", bound=Record)


class RunBodies:
    """The bodies of one run.

    Args:
        objects: where they live.
    """

    def __init__(self, objects: ObjectStore, workspace: str, run_id: str) -> None:
        self._objects = objects
        self._run = (workspace, run_id)

    def frozen(self) -> RunFrozen:
        """Return what the run was started with.

        Raises:
            NotFoundError: it was never planned.
        """
        return RunFrozen.model_validate_json(self._objects.get(object_keys.frozen(*self._run)))

    def samples(self, wave: int, batch: int) -> list[Sample]:
        """Return the samples of a batch."""
        return self._read(object_keys.samples(*self._run, wave, batch), Sample)

    def responses(self, wave: int, variant: str, batch: int) -> list[ModelResponse]:
        """Return the responses of a batch x variant.

        Raises:
            NotFoundError: no worker has finished it.
        """
        return self._read(object_keys.responses(*self._run, wave, variant, batch), ModelResponse)

    def verdicts(self, wave: int, judge: str, batch: int) -> list[Verdict]:
        """Return the verdicts of a batch x judge.

        Raises:
            NotFoundError: it was not judged.
        """
        return self._read(object_keys.verdicts(*self._run, wave, judge, batch), Verdict)

    def responses_so_far(self, wave: int, variant: str, batch: int) -> list[ModelResponse]:
        """Return the responses of a batch x variant, or none."""
        return self._read_so_far(object_keys.responses(*self._run, wave, variant, batch), ModelResponse)

    def verdicts_so_far(self, wave: int, judge: str, batch: int) -> list[Verdict]:
        """Return the verdicts of a batch x judge, or none."""
        return self._read_so_far(object_keys.verdicts(*self._run, wave, judge, batch), Verdict)

    def judge_calls(self, wave: int, judge: str, batch: int, models: int = 1) -> list[JudgeCall]:
        """Return the calls of a judge's models about a batch, or none.

        Args:
            models: how many models the judge has, its fallbacks among them.
        """
        keys = [
            object_keys.judge_calls(*self._run, wave, judge, batch, fallback=fallback) for fallback in range(models)
        ]
        return [call for key in keys for call in self._read_so_far(key, JudgeCall)]

    def pinned_verdicts(self, judge: str) -> list[PinnedVerdict]:
        """Return what a judge said in this run of its pinned examples, or none."""
        return self._read_so_far(object_keys.judge_pinned(*self._run, judge), PinnedVerdict)

    def write_responses(self, wave: int, variant: str, batch: int, rows: Iterable[ModelResponse]) -> None:
        """Write the responses of a batch x variant whole."""
        self._write(object_keys.responses(*self._run, wave, variant, batch), rows)

    def write_verdicts(self, wave: int, judge: str, batch: int, rows: Iterable[Verdict]) -> None:
        """Write the verdicts of a batch x judge whole."""
        self._write(object_keys.verdicts(*self._run, wave, judge, batch), rows)

    def write_judge_calls(self, wave: int, judge: str, batch: int, rows: Iterable[JudgeCall], *, fallback: int) -> None:
        """Write the calls of one model of a judge about a batch whole."""
        self._write(object_keys.judge_calls(*self._run, wave, judge, batch, fallback=fallback), rows)

    def write_pinned_verdicts(self, judge: str, rows: Iterable[PinnedVerdict]) -> None:
        """Write what a judge says of its pinned examples whole."""
        self._write(object_keys.judge_pinned(*self._run, judge), rows)

    def look_state(self, wave: int) -> bytes:
        """Return the sums that the look after a wave left.

        Raises:
            NotFoundError: there was no such look.
        """
        return self._objects.get(object_keys.look_state(*self._run, wave))

    def write_look(self, wave: int, state: bytes, look: bytes) -> None:
        """Write the sums that a look leaves, and what it saw."""
        self._objects.put(object_keys.look_state(*self._run, wave), state)
        self._objects.put(object_keys.look(*self._run, wave), look)

    def write_artifact(self, name: str, body: bytes, content_type: str) -> None:
        """Write one of the files a person downloads."""
        self._objects.put(object_keys.artifact(*self._run, name), body, content_type=content_type)

    def _read(self, key: str, model: type[Row]) -> list[Row]:
        return [model.model_validate_json(line) for line in self._objects.get(key).splitlines()]

    def _read_so_far(self, key: str, model: type[Row]) -> list[Row]:
        try:
            return self._read(key, model)
        except NotFoundError:
            return []

    def _write(self, key: str, rows: Iterable[Record]) -> None:
        self._objects.put(
            key, b"".join(row.model_dump_json().encode() + b"\n" for row in rows), content_type=object_keys.JSONL
        )
