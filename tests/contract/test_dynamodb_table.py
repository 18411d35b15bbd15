"""The table by itself: what DynamoDB refuses, leaves over or loses, and how it is told."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_fakes import REGION, TABLE
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber
from contract_stores import Stores
from entities import a_run, a_summary, a_test, definition_body

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.table import ConditionFailedError, Table
from abtest.contracts.definition import TestDefinition
from abtest.core.errors import InvalidInputError, StoreError, StoreThrottledError, StoreUnavailableError
from abtest.management.datasets import MAX_SUMMARY_BYTES
from abtest.management.ports import IdempotentRequest
from abtest.management.validation import MAX_DEFINITION_BYTES

pytestmark = pytest.mark.aws_fake


def key(workspace: str, sort: str = "A") -> keys.Key:
    return {keys.PARTITION: f"WS#{workspace}", keys.SORT: sort}


def test_item_reads_back__without_what_is_none(table: Table, workspace: str) -> None:
    table.put({**key(workspace), "cap": None, "n": 3, "money": Decimal("0.10"), "yes": True})

    assert table.get(key(workspace)) == {**key(workspace), "n": 3, "money": Decimal("0.10"), "yes": True}


def test_put_replaces_an_item__whole(table: Table, workspace: str) -> None:
    table.put({**key(workspace), "old": 1})
    table.put({**key(workspace), "new": 2})

    assert table.get(key(workspace)) == {**key(workspace), "new": 2}


def test_put_if_absent_refuses_a_second(table: Table, workspace: str) -> None:
    table.put(key(workspace), if_absent=True)

    with pytest.raises(ConditionFailedError):
        table.put(key(workspace), if_absent=True)


def test_reserved_words_can_be_names__written_with_a_hash(table: Table, workspace: str) -> None:
    after = table.update(
        key(workspace),
        "SET #status = :s, #error = :e ADD #count :n",
        {":s": "RUNNING", ":e": "none", ":n": 2},
        condition="attribute_not_exists(#status) OR #status = :s",
    )

    assert after == {**key(workspace), "status": "RUNNING", "error": "none", "count": 2}


@pytest.mark.parametrize("count", [0, 1, 100, 230])
def test_many_items_are_written_and_read(table: Table, workspace: str, count: int) -> None:
    wanted = [key(workspace, f"{number:04d}") for number in range(count)]
    table.put_many([{**name, "n": number} for number, name in enumerate(wanted)])

    found = table.get_many([*wanted, key(workspace, "missing")])

    assert sorted(item["n"] for item in found) == list(range(count))


def test_query_returns_more_than_one_page__in_order(table: Table, workspace: str) -> None:
    table.put_many([{**key(workspace, f"B#{number:02d}"), "blob": "x" * 150_000} for number in range(12)])
    table.put(key(workspace, "A"))

    found = list(table.query(f"WS#{workspace}", prefix="B#", attributes=(keys.SORT,)))

    assert found == [{keys.SORT: f"B#{number:02d}"} for number in range(12)]
    assert len(list(table.query(f"WS#{workspace}"))) == 13


def test_transaction_does_all_or_nothing(table: Table, workspace: str) -> None:
    table.put({**key(workspace, "taken"), "n": 1})

    with pytest.raises(ConditionFailedError):
        table.transact(
            [
                table.put_operation(key(workspace, "new")),
                table.put_operation(key(workspace, "taken"), if_absent=True),
            ]
        )

    assert table.get(key(workspace, "new")) is None


def test_largest_test_fits_into_an_item(stores: Stores, workspace: str) -> None:
    body = definition_body(description="é" * 2_000)
    for variant in body["variants"].values():
        variant["prompt"] = {"user": "x" * (MAX_DEFINITION_BYTES // 2 - 3_000)}
    definition = TestDefinition.model_validate(body)
    counts = {f"input_{number:06d}": 100_000 for number in range(4_000)}
    summary = a_summary(input_counts=counts)
    assert MAX_DEFINITION_BYTES - 5_000 < len(definition.model_dump_json().encode()) <= MAX_DEFINITION_BYTES
    assert len(summary.model_dump_json().encode()) <= MAX_SUMMARY_BYTES
    test = a_test(workspace, definition=definition, dataset=summary)

    stores.tests.create(test)

    assert stores.tests.get(workspace, test.test_id) == test


def test_items_that_expire_say_when__in_seconds(stores: Stores, table: Table, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)
    run = stores.runs.start(a_run(test), IdempotentRequest("key", "hash"))
    item = table.get(keys.idempotency(workspace, "key"))
    if item is not None:  # only over the table
        assert item[keys.EXPIRES_AT] == int(run.started_at.timestamp()) + 24 * 3600


@pytest.mark.parametrize(
    "forged",
    [
        lambda key: {**key, keys.SORT: "TEST"},
        lambda key: {**key, "extra": "x"},
        lambda key: {keys.PARTITION: key[keys.PARTITION]},
        lambda key: {**key, keys.SORT: ""},
        lambda key: {**key, keys.SORT: 3},
        lambda key: {**key, keys.PARTITION: "WS#other#TEST#t"},
        lambda key: [key],
    ],
)
def test_forged_cursor_is_refused(table: Table, workspace: str, forged: Callable[[dict[str, str]], Any]) -> None:
    partition = keys.test_partition(workspace, "test_1")
    table.put_many([keys.run_of_test(workspace, "test_1", f"run_{number}") for number in range(3)])
    _, cursor = table.page(partition, limit=1, cursor=None, index=False, prefix=keys.RUN_PREFIX)
    assert cursor is not None
    real = json.loads(base64.urlsafe_b64decode(cursor))
    text = base64.urlsafe_b64encode(json.dumps(forged(real)).encode()).decode()

    assert len(table.page(partition, limit=5, cursor=cursor, index=False, prefix=keys.RUN_PREFIX)[0]) == 2
    with pytest.raises(InvalidInputError, match="cursor"):
        table.page(partition, limit=1, cursor=text, index=False, prefix=keys.RUN_PREFIX)


# What DynamoDB says no to


@pytest.fixture
def scripted() -> tuple[Table, Stubber]:
    client = boto3.client("dynamodb", region_name=REGION)
    return Table(client, TABLE), Stubber(client)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ProvisionedThroughputExceededException", StoreThrottledError),
        ("ThrottlingException", StoreThrottledError),
        ("RequestLimitExceeded", StoreThrottledError),
        ("InternalServerError", StoreUnavailableError),
        ("ServiceUnavailable", StoreUnavailableError),
        ("ValidationException", StoreError),
        ("AccessDeniedException", StoreError),
    ],
)
def test_refusal_becomes_the_products_own_error(
    scripted: tuple[Table, Stubber], code: str, kind: type[StoreError]
) -> None:
    table, stub = scripted
    stub.add_client_error("get_item", code, "the item of tenant 7")

    with stub, pytest.raises(StoreError) as caught:
        table.get(key("w"))
    assert type(caught.value) is kind
    assert "tenant 7" not in caught.value.message


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ConditionFailedError),
        (["TransactionConflict", "None"], StoreThrottledError),
        (["ThrottlingError"], StoreThrottledError),
    ],
)
def test_cancelled_transaction_is_told_by_its_reason(
    scripted: tuple[Table, Stubber], reasons: list[str], kind: type[StoreError]
) -> None:
    table, stub = scripted
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": reason} for reason in reasons]},
    )

    with stub, pytest.raises(StoreError) as caught:
        table.transact([table.put_operation(key("w"))])
    assert type(caught.value) is kind


def test_silence_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("dynamodb", region_name=REGION)

    def silent(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb")

    monkeypatch.setattr(client, "get_item", silent)

    with pytest.raises(StoreUnavailableError, match="did not answer"):
        Table(client, TABLE).get(key("w"))


def test_what_dynamodb_left_over_is_asked_for_again(scripted: tuple[Table, Stubber]) -> None:
    table, stub = scripted
    wanted = [key("w", "A"), key("w", "B")]
    item = {"pk": {"S": "WS#w"}, "sk": {"S": "A"}}
    rest = {TABLE: {"Keys": [{"pk": {"S": "WS#w"}, "sk": {"S": "B"}}]}}
    stub.add_response("batch_get_item", {"Responses": {TABLE: [item]}, "UnprocessedKeys": rest})
    stub.add_response("batch_get_item", {"Responses": {TABLE: [{**item, "sk": {"S": "B"}}]}}, {"RequestItems": rest})

    with stub:
        assert table.get_many(wanted) == wanted


def test_what_dynamodb_never_takes_is_told(scripted: tuple[Table, Stubber]) -> None:
    table, stub = scripted
    rest = {TABLE: [{"PutRequest": {"Item": {"pk": {"S": "WS#w"}, "sk": {"S": "A"}}}}]}
    for _ in range(8):
        stub.add_response("batch_write_item", {"UnprocessedItems": rest})

    with stub, pytest.raises(StoreThrottledError, match="unwritten"):
        table.put_many([key("w")])


@pytest.mark.parametrize(
    "long", [{keys.PARTITION: "p" * 2_049, keys.SORT: "s"}, {keys.PARTITION: "p", keys.SORT: "s" * 1_025}]
)
def test_key_no_item_can_have_is_not_asked_for(scripted: tuple[Table, Stubber], long: keys.Key) -> None:
    table, stub = scripted

    with stub:
        assert table.get(long) is None
        assert table.page("p" * 2_049, limit=1, cursor=None, index=True) == ([], None)
