"""Imported scores as a worker keeps them: read once, found by sample.

Depends on: contracts, management's ports. Used by: the step JudgeBatch.
"""

from __future__ import annotations

import json
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts import object_keys
from abtest.contracts.records import ImportedScore
from abtest.management.ports import ObjectStore

MOST_BYTES = 256_000_000
"""Rows that one worker keeps; an upload has at most 200 MB."""


@dataclass(frozen=True)
class _Kept:
    by_sample: Mapping[str, Sequence[bytes]]
    size_bytes: int


class ScoreCache:
    """Rows of the datasets of scores that were read last; their names are their content, so none grows old.

    Args:
        most_bytes: of all rows together; the dataset read last stays, whatever its size.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def rows(
        self, objects: ObjectStore, workspace: str, version: str, sample_ids: Iterable[str]
    ) -> list[ImportedScore]:
        """Return the rows of some samples.

        Args:
            objects: where datasets live.
            workspace: whose dataset.
            version: which.
            sample_ids: samples of a batch; those without a row are passed over.

        Raises:
            NotFoundError: the dataset is gone.
        """
        key = (workspace, version)
        kept = self._kept.get(key)
        if kept is None:
            kept = _read(objects.lines(object_keys.dataset_rows(workspace, version)))
            self._kept[key] = kept
            self._forget_oldest()
        self._kept.move_to_end(key)
        lines = (line for sample_id in sample_ids for line in kept.by_sample.get(sample_id, ()))
        return [ImportedScore.model_validate_json(line) for line in lines]

    def _forget_oldest(self) -> None:
        while len(self._kept) > 1 and sum(kept.size_bytes for kept in self._kept.values()) > self._most_bytes:
            self._kept.popitem(last=False)


def _read(lines: Iterable[bytes]) -> _Kept:
    by_sample: dict[str, list[bytes]] = defaultdict(list)
    size_bytes = 0
    for line in lines:
        by_sample[json.loads(line)["id"]].append(line)
        size_bytes += len(line)
    return _Kept(dict(by_sample), size_bytes)


SCORES = ScoreCache()
"""Of this worker."""
