"""AWS in this process, by moto: the table with its real keys and index, a bucket, queues, a state machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from abtest.adapters.dynamodb import keys

REGION = "us-east-1"
ACCOUNT = "123456789012"
TABLE = "abtest-table"
BUCKET = "abtest-bodies"
VENDORS = ("openai_chat", "replay")
SECRETS_PREFIX = "abtest/local/providers/"
STATE_MACHINE = {
    "StartAt": "PlanRun",
    "States": {"PlanRun": {"Type": "Pass", "End": True}},
}


@dataclass(frozen=True)
class FakeAws:
    """What was made in the fake account."""

    queue_urls: dict[str, str]
    state_machine_arn: str


@contextmanager
def fake_aws() -> Iterator[FakeAws]:
    """Make the account's resources, for as long as the block lasts."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        _one_request_at_a_time(patch)
        make_table()
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=BUCKET)
        sqs = boto3.client("sqs", region_name=REGION)
        queue_urls = {vendor: sqs.create_queue(QueueName=f"abtest-{vendor}")["QueueUrl"] for vendor in VENDORS}
        machine = boto3.client("stepfunctions", region_name=REGION).create_state_machine(
            name="abtest-local-test_lifecycle",
            definition=json.dumps(STATE_MACHINE),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/lifecycle",
        )
        yield FakeAws(queue_urls, machine["stateMachineArn"])


def make_table() -> None:
    """Make the table as the data stack does."""
    names = (keys.PARTITION, keys.SORT, keys.INDEX_PARTITION, keys.INDEX_SORT)
    client = boto3.client("dynamodb", region_name=REGION)
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_key_schema(keys.PARTITION, keys.SORT),
        GlobalSecondaryIndexes=[
            {
                "IndexName": keys.INDEX,
                "KeySchema": _key_schema(keys.INDEX_PARTITION, keys.INDEX_SORT),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": keys.EXPIRES_AT}
    )


def _one_request_at_a_time(patch: pytest.MonkeyPatch) -> None:
    # A transaction is atomic on AWS; moto works it off in the caller's thread, in the midst of others.
    lock, process = threading.RLock(), BotocoreStubber.process_request

    def locked(stubber: BotocoreStubber, request: Any) -> Any:
        with lock:
            return process(stubber, request)

    patch.setattr(BotocoreStubber, "process_request", locked)


def new_workspace() -> str:
    """Return the name of a workspace nobody has used: tests share the table and never meet."""
    return f"team-{uuid4().hex[:12]}"


def _key_schema(partition: str, sort: str) -> Any:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
