"""Imported scores in a worker: read once, and forgotten when there is too much of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.contracts import object_keys
from abtest.contracts.records import ImportedScore
from abtest.core.errors import NotFoundError
from abtest.runtime.steps.imported_scores import ScoreCache


class CountingObjects(MemoryObjectStore):
    """Counts how often a body is read by lines."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()

    def lines(self, key: str) -> Iterator[bytes]:
        self.reads[key] += 1
        return super().lines(key)


@pytest.fixture
def objects() -> CountingObjects:
    store = CountingObjects()
    for version in ("v1", "v2"):
        rows = [ImportedScore(id=f"s{number % 3}", variant=version, score=number) for number in range(6)]
        body = b"".join(row.model_dump_json().encode() + b"\n" for row in rows)
        store.put(object_keys.dataset_rows("team", version), body)
    return store


def test_rows_of_some_samples_are_found__and_the_dataset_is_read_once(objects: CountingObjects) -> None:
    cache = ScoreCache()

    first = cache.rows(objects, "team", "v1", ["s2", "s0", "stranger"])
    second = cache.rows(objects, "team", "v1", ["s1"])

    assert [(row.id, row.score) for row in first] == [("s2", 2.0), ("s2", 5.0), ("s0", 0.0), ("s0", 3.0)]
    assert [(row.id, row.score) for row in second] == [("s1", 1.0), ("s1", 4.0)]
    assert set(objects.reads.values()) == {1}


def test_the_dataset_read_last_stays__and_older_ones_go_when_there_is_too_much(objects: CountingObjects) -> None:
    cache = ScoreCache(most_bytes=1)

    for version in ("v1", "v1", "v2", "v2", "v1"):
        assert cache.rows(objects, "team", version, ["s0"])[0].variant == version

    assert objects.reads[object_keys.dataset_rows("team", "v1")] == 2
    assert objects.reads[object_keys.dataset_rows("team", "v2")] == 1


def test_scores_of_another_workspace_are_not_found__even_by_their_name(objects: CountingObjects) -> None:
    cache = ScoreCache()
    cache.rows(objects, "team", "v1", ["s0"])

    with pytest.raises(NotFoundError):
        cache.rows(objects, "others", "v1", ["s0"])
