"""The table as plain dictionaries, with failures of DynamoDB turned into the product's own.

Depends on: boto3. Used by: the stores beside it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from abtest.adapters.dynamodb import keys
from abtest.core.errors import InvalidInputError, StoreError, StoreThrottledError, StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
Result = TypeVar("Result")

_NAME = re.compile(r"#\w+")
_MAX_GET = 100
_MAX_WRITE = 25
_MAX_UNPROCESSED_ROUNDS = 8
_MAX_KEY_BYTES = {keys.PARTITION: 2048, keys.SORT: 1024}
_THROTTLES = {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"}
_OUTAGES = {"InternalServerError", "ServiceUnavailable", "InternalFailure"}


class ConditionFailedError(StoreError):
    """A conditional write found another state than it asked for."""

    code = "condition_failed"


class Table:
    """One DynamoDB table.

    Args:
        client: a low-level client; items are (de)serialised here.
        name: the table's name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name
        self._encode = TypeSerializer().serialize
        self._decode = TypeDeserializer().deserialize

    def get(self, key: keys.Key) -> Item | None:
        """Return an item, read consistently, or None."""
        if _is_too_long(key):
            return None
        response = self._call(
            lambda: self._client.get_item(TableName=self.name, Key=self._out(key), ConsistentRead=True)
        )
        return self._in(response["Item"]) if "Item" in response else None

    def get_many(self, wanted: Sequence[keys.Key]) -> list[Item]:
        """Return the items that exist, in no order; any number of keys."""
        found: list[Item] = []
        for start in range(0, len(wanted), _MAX_GET):
            pending: Any = {self.name: {"Keys": [self._out(k) for k in wanted[start : start + _MAX_GET]]}}
            for _ in range(_MAX_UNPROCESSED_ROUNDS):
                response = self._call(partial(self._client.batch_get_item, RequestItems=pending))
                found.extend(self._in(item) for item in response["Responses"].get(self.name, []))
                pending = response.get("UnprocessedKeys")
                if not pending:
                    break
            else:
                raise StoreThrottledError("DynamoDB left keys unread after several rounds; try again later.")
        return found

    def put(self, item: Item, *, if_absent: bool = False) -> None:
        """Write an item.

        Raises:
            ConditionFailedError: `if_absent` and one is there.
        """
        condition = {"ConditionExpression": f"attribute_not_exists({keys.PARTITION})"} if if_absent else {}
        self._call(lambda: self._client.put_item(TableName=self.name, Item=self._out(item), **condition))  # type: ignore[arg-type]

    def put_many(self, items: Sequence[Item]) -> None:
        """Write items without conditions, 25 at a time."""
        for start in range(0, len(items), _MAX_WRITE):
            pending: Any = {
                self.name: [{"PutRequest": {"Item": self._out(i)}} for i in items[start : start + _MAX_WRITE]]
            }
            for _ in range(_MAX_UNPROCESSED_ROUNDS):
                response = self._call(partial(self._client.batch_write_item, RequestItems=pending))
                pending = response.get("UnprocessedItems")
                if not pending:
                    break
            else:
                raise StoreThrottledError("DynamoDB left items unwritten after several rounds; try again later.")

    def update(
        self, key: keys.Key, expression: str, values: Mapping[str, Any], *, condition: str | None = None
    ) -> Item:
        """Change an item and return it whole after the change.

        Args:
            expression: `SET a = :a ADD b :b`; names that DynamoDB reserves are written `#name`.
            values: by placeholder, colon included.
            condition: an expression over the same placeholders.

        Raises:
            ConditionFailedError: the condition does not hold.
        """
        request = self._update(key, expression, values, condition)
        response = self._call(lambda: self._client.update_item(**request, ReturnValues="ALL_NEW"))
        return self._in(response["Attributes"])

    def replace(self, item: Item, attribute: str, expected: int | None) -> Item | None:
        """Write an item if an attribute still has a value (None: if no item is there).

        Returns:
            None when it was written, else the item that stands there; empty when it went away meanwhile.
        """
        condition = f"attribute_not_exists({keys.PARTITION})" if expected is None else "#attribute = :expected"
        request: dict[str, Any] = {
            "TableName": self.name,
            "Item": self._out(item),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if expected is not None:
            request["ExpressionAttributeNames"] = {"#attribute": attribute}
            request["ExpressionAttributeValues"] = self._out({":expected": expected})
        try:
            self._client.put_item(**request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                raise _translated(error) from error
            standing: Any = error.response.get("Item")
            return self._in(standing) if standing else {}
        except BotoCoreError as error:
            raise StoreUnavailableError(f"DynamoDB did not answer: {type(error).__name__}.") from error
        return None

    def query(self, partition: str, *, prefix: str = "", attributes: Sequence[str] = ()) -> Iterator[Item]:
        """Return every item of a partition whose sort key has a prefix, in order."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)" if prefix else "pk = :pk",
            "ExpressionAttributeValues": self._out({":pk": partition, **({":sk": prefix} if prefix else {})}),
            "ConsistentRead": True,
        }
        if attributes:
            request |= {
                "ProjectionExpression": ", ".join(f"#{a}" for a in attributes),
                "ExpressionAttributeNames": {f"#{a}": a for a in attributes},
            }
        while True:
            response = self._call(lambda: self._client.query(**request))
            yield from map(self._in, response["Items"])
            if "LastEvaluatedKey" not in response:
                return
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]

    def page(
        self, partition: str, *, limit: int, cursor: str | None, index: bool, prefix: str = ""
    ) -> tuple[list[Item], str | None]:
        """Return up to `limit` items, newest first, and the cursor of the next ones."""
        if _is_too_long({keys.PARTITION: partition}):
            return [], None
        partition_name, sort_name = (keys.INDEX_PARTITION, keys.INDEX_SORT) if index else (keys.PARTITION, keys.SORT)
        condition = f"{partition_name} = :pk" + (f" AND begins_with({sort_name}, :sk)" if prefix else "")
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": self._out({":pk": partition, **({":sk": prefix} if prefix else {})}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if index:
            request["IndexName"] = keys.INDEX
        if cursor:
            names = {keys.PARTITION, keys.SORT, partition_name, sort_name}
            request["ExclusiveStartKey"] = self._out(_from_cursor(cursor, names, {partition_name: partition}, prefix))
        response = self._call(lambda: self._client.query(**request))
        last = response.get("LastEvaluatedKey")
        return [self._in(i) for i in response["Items"]], _to_cursor(self._in(last)) if last else None

    def put_operation(self, item: Item, *, if_absent: bool = False) -> dict[str, Any]:
        """Return a write for `transact`."""
        put: dict[str, Any] = {"TableName": self.name, "Item": self._out(item)}
        if if_absent:
            put["ConditionExpression"] = f"attribute_not_exists({keys.PARTITION})"
        return {"Put": put}

    def update_operation(
        self, key: keys.Key, expression: str, values: Mapping[str, Any], *, condition: str | None = None
    ) -> dict[str, Any]:
        """Return a change for `transact`."""
        return {"Update": self._update(key, expression, values, condition)}

    def transact(self, operations: Iterable[dict[str, Any]]) -> None:
        """Do all of it or nothing.

        Raises:
            ConditionFailedError: any condition does not hold.
        """
        operations = list(operations)
        self._call(lambda: self._client.transact_write_items(TransactItems=operations))  # type: ignore[arg-type]

    def _update(
        self, key: keys.Key, expression: str, values: Mapping[str, Any], condition: str | None
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self.name,
            "Key": self._out(key),
            "UpdateExpression": expression,
            "ExpressionAttributeValues": self._out(values),
        }
        if condition:
            request["ConditionExpression"] = condition
        names = set(_NAME.findall(f"{expression} {condition or ''}"))
        if names:
            request["ExpressionAttributeNames"] = {name: name[1:] for name in names}
        return request

    def _out(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._encode(value) for name, value in item.items() if value is not None}

    def _in(self, item: Mapping[str, Any]) -> Item:
        return {name: self._decode(value) for name, value in item.items()}

    def _call(self, request: Callable[[], Result]) -> Result:
        try:
            return request()
        except ClientError as error:
            raise _translated(error) from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"DynamoDB did not answer: {type(error).__name__}.") from error


def _translated(error: ClientError) -> StoreError:
    code = error.response.get("Error", {}).get("Code", "")
    reasons = [r.get("Code") for r in error.response.get("CancellationReasons", [])]
    if code == "ConditionalCheckFailedException" or "ConditionalCheckFailed" in reasons:
        return ConditionFailedError("The item was in another state.", details={"reasons": reasons})
    if code in _THROTTLES or code == "TransactionCanceledException":
        return StoreThrottledError("DynamoDB asks to slow down; try again later.", details={"reasons": reasons})
    if code in _OUTAGES:
        return StoreUnavailableError("DynamoDB is not available; try again later.")
    return StoreError(f"DynamoDB refused the request: {code}.", details={"code": code})


def _to_cursor(last: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(last, sort_keys=True).encode()).decode()


def _is_too_long(key: Mapping[str, str]) -> bool:
    # Names come from clients. DynamoDB refuses a longer key, so no item has it.
    return any(len(value.encode()) > _MAX_KEY_BYTES[name] for name, value in key.items())


def _from_cursor(cursor: str, names: set[str], partition: Mapping[str, str], prefix: str) -> dict[str, str]:
    # A cursor comes back from a client: it may only continue the list it was given for.
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if key.keys() != names or not all(isinstance(v, str) and v for v in key.values()):
            raise ValueError("not a key")
        if partition.items() - key.items() or not key[keys.SORT].startswith(prefix):
            raise ValueError("another list")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError("The cursor is not one of this list; start again without it.") from error
    return dict(key)
