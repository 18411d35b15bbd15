"""Documents that workers share, in every store: changed as if nobody else did, whoever else does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest
from contract_stores import Stores
from entities import FixedClock

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.shared_state import LIFETIME_S, DynamoSharedState
from abtest.adapters.dynamodb.table import Item, Table
from abtest.core.errors import StoreThrottledError
from abtest.providers.ports import SharedState


@pytest.fixture
def key(workspace: str) -> str:
    """A key nobody has used."""
    return f"limit#{workspace}#model"


def put(shared: SharedState, key: str, document: Mapping[str, Any]) -> None:
    shared.change(key, lambda _document: (document, None))


def add_one(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], int]:
    count = (document or {"count": 0})["count"] + 1
    return {"count": count}, count


# One worker


def test_read__is_none_before_the_first_change(stores: Stores, key: str) -> None:
    assert stores.shared.read(key) is None


def test_change__starts_with_none_and_goes_on_with_what_it_wrote(stores: Stores, key: str) -> None:
    seen: list[Any] = []

    def decide(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], str]:
        seen.append(document)
        return {"visits": len(seen)}, f"visit {len(seen)}"

    assert [stores.shared.change(key, decide) for _ in range(3)] == ["visit 1", "visit 2", "visit 3"]
    assert seen == [None, {"visits": 1}, {"visits": 2}]
    assert stores.shared.read(key) == {"visits": 3}


def test_document__keeps_every_json_value(stores: Stores, key: str) -> None:
    document = {
        "slot_s": 1_795_000_000.123457,
        "small": 5e-324,
        "tenth": 0.1,
        "large": 2**63,
        "negative": -1.5,
        "none": None,
        "yes": True,
        "text": "größer\u2028\x00",
        "list": [1, [2.5, {}], []],
        "": {"": ""},
    }
    put(stores.shared, key, document)
    read = stores.shared.read(key)
    assert read == document
    assert isinstance(read, dict)
    assert repr(read["slot_s"]) == "1795000000.123457"
    assert isinstance(read["large"], int)


def test_document__is_the_callers_own(stores: Stores, key: str) -> None:
    document: dict[str, Any] = {"list": [1]}
    put(stores.shared, key, document)
    document["list"].append(2)
    read: Any = stores.shared.read(key)
    read["list"].append(3)
    assert stores.shared.read(key) == {"list": [1]}


def test_keys__of_512_characters_are_told_apart(stores: Stores, key: str) -> None:
    long = f"{key}#".ljust(511, "é")
    put(stores.shared, long + "a", {"of": "a"})
    put(stores.shared, long + "b", {"of": "b"})
    assert stores.shared.read(long + "a") == {"of": "a"}
    assert stores.shared.read(long + "b") == {"of": "b"}


def test_decision_that_fails__changes_nothing(stores: Stores, key: str) -> None:
    put(stores.shared, key, {"count": 1})

    def decide(_document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], None]:
        raise LookupError("no")

    with pytest.raises(LookupError):
        stores.shared.change(key, decide)
    assert stores.shared.change(key, add_one) == 2


# Many workers


def in_threads(work: Callable[[int], Any], count: int) -> list[Any]:
    """Run it in so many threads that begin together."""
    together = threading.Barrier(count)

    def begin(number: int) -> Any:
        together.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def test_changes_of_many_threads__lose_nothing(stores: Stores, key: str) -> None:
    def work(_number: int) -> list[int]:
        return [stores.shared.change(key, add_one) for _ in range(10)]

    counts = sorted(chain(*in_threads(work, 6)))
    assert counts == list(range(1, 61))
    assert stores.shared.read(key) == {"count": 60}


def test_changes_of_other_keys__do_not_meet(stores: Stores, key: str) -> None:
    def work(number: int) -> int:
        return [stores.shared.change(f"{key}#{number}", add_one) for _ in range(5)][-1]

    assert in_threads(work, 4) == [5] * 4


@pytest.fixture
def workers(table: Table) -> list[DynamoSharedState]:
    """Workers that share nothing but the table."""
    return [DynamoSharedState(table, FixedClock()) for _ in range(5)]


@pytest.mark.aws_fake
def test_changes_of_many_workers__lose_nothing(workers: list[DynamoSharedState], key: str) -> None:
    def work(number: int) -> list[int]:
        return [workers[number].change(key, add_one) for _ in range(10)]

    assert sorted(chain(*in_threads(work, 5))) == list(range(1, 51))
    assert workers[0].read(key) == {"count": 50}


class WatchedTable(Table):
    """A table that counts requests, and may be disturbed before a write.

    Args:
        table: the real one.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(table._client, table.name)
        self.requests: list[str] = []
        self.before_write: Callable[[], None] = lambda: None

    def get(self, key: keys.Key) -> Item | None:
        self.requests.append("get")
        return super().get(key)

    def replace(self, item: Item, attribute: str, expected: int | None) -> Item | None:
        self.requests.append("put")
        self.before_write()
        return super().replace(item, attribute, expected)


@pytest.fixture
def watched(table: Table) -> WatchedTable:
    return WatchedTable(table)


@pytest.mark.aws_fake
def test_change_that_nobody_disturbs__is_one_request(watched: WatchedTable, key: str) -> None:
    shared = DynamoSharedState(watched, FixedClock())
    for _ in range(3):
        shared.change(key, add_one)
    assert watched.requests == ["get", "put", "put", "put"]


@pytest.mark.aws_fake
def test_change_that_another_forestalled__needs_no_read(watched: WatchedTable, table: Table, key: str) -> None:
    shared, other = DynamoSharedState(watched, FixedClock()), DynamoSharedState(table, FixedClock())
    shared.change(key, add_one)
    other.change(key, add_one)
    watched.requests.clear()
    assert shared.change(key, add_one) == 3
    assert watched.requests == ["put", "put"]


@pytest.mark.aws_fake
def test_item_that_expired__is_as_if_it_had_never_been(table: Table, key: str) -> None:
    shared = DynamoSharedState(table, FixedClock())
    shared.change(key, add_one)
    delete(table, key)
    # The worker still remembers the document, which is gone.
    assert shared.change(key, add_one) == 1
    delete(table, key)
    assert shared.read(key) is None
    assert shared.change(key, add_one) == 1


@pytest.mark.aws_fake
def test_item_that_expired_and_came_again__is_not_taken_for_the_old_one(table: Table, key: str) -> None:
    clock = FixedClock()
    old, new = DynamoSharedState(table, clock), DynamoSharedState(table, clock)
    for _ in range(2):
        old.change(key, add_one)
    delete(table, key)
    clock.pass_s(LIFETIME_S)
    for _ in range(2):
        new.change(key, lambda document: ({"count": (document or {"count": 100})["count"] + 1}, None))
    assert old.change(key, add_one) == 103


@pytest.mark.aws_fake
def test_item_that_expires_between_two_tries__is_made_anew(watched: WatchedTable, table: Table, key: str) -> None:
    shared = DynamoSharedState(watched, FixedClock())
    shared.change(key, add_one)

    def expire() -> None:
        watched.before_write = lambda: None
        delete(table, key)

    watched.before_write = expire
    assert shared.change(key, add_one) == 1
    assert shared.read(key) == {"count": 1}


@pytest.mark.aws_fake
def test_write_whose_answer_was_lost__counts_once(watched: WatchedTable, key: str) -> None:
    shared = DynamoSharedState(watched, FixedClock())
    shared.change(key, add_one)

    class Repeating(WatchedTable):
        """As a client that got no answer and sends the same request again."""

        def replace(self, item: Item, attribute: str, expected: int | None) -> Item | None:
            super().replace(item, attribute, expected)
            return super().replace(item, attribute, expected)

    assert DynamoSharedState(Repeating(watched), FixedClock()).change(key, add_one) == 2
    assert shared.change(key, add_one) == 3


@pytest.mark.aws_fake
def test_others_that_are_always_faster__are_told_as_throttling(watched: WatchedTable, table: Table, key: str) -> None:
    waits: list[float] = []
    other = DynamoSharedState(table, FixedClock())
    watched.before_write = lambda: other.change(key, add_one) and None
    shared = DynamoSharedState(watched, FixedClock(), waits.append)
    with pytest.raises(StoreThrottledError, match="faster"):
        shared.change(key, add_one)
    assert len(waits) == 10
    assert all(0 <= wait_s <= 0.1 for wait_s in waits)
    watched.before_write = lambda: None
    assert shared.change(key, add_one) == 21


@pytest.mark.aws_fake
def test_item__expires_a_week_after_the_last_change(table: Table, key: str) -> None:
    clock = FixedClock()
    shared = DynamoSharedState(table, clock)
    shared.change(key, add_one)
    clock.pass_s(1_000)
    shared.change(key, add_one)
    item = table.get(keys.shared(key))
    assert item is not None
    assert item[keys.EXPIRES_AT] == int(clock.now().timestamp()) + LIFETIME_S
    assert json.loads(item["document"]) == {"count": 2}


def delete(table: Table, key: str) -> None:
    """Do what the time to live does."""
    table._client.delete_item(TableName=table.name, Key=table._out(keys.shared(key)))
