"""The same stores twice: in memory, and over moto with the table's real keys and index."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from aws_fakes import BUCKET, REGION, TABLE, FakeAws, fake_aws, new_workspace
from contract_stores import Stores
from entities import FixedClock

from abtest.adapters.dynamodb.datasets import DynamoBudgetStore, DynamoDatasetStore
from abtest.adapters.dynamodb.ledger import DynamoLedger
from abtest.adapters.dynamodb.providers import DynamoProviderStore
from abtest.adapters.dynamodb.runs import DynamoRunStore
from abtest.adapters.dynamodb.shared_state import DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.adapters.dynamodb.tests import DynamoTestStore
from abtest.adapters.memory.datasets import MemoryBudgetStore, MemoryDatasetStore
from abtest.adapters.memory.ledger import MemoryLedger
from abtest.adapters.memory.objects import MemoryObjectStore
from abtest.adapters.memory.providers import MemoryProviderStore
from abtest.adapters.memory.runs import MemoryRunStore
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.adapters.memory.tests import MemoryTestStore
from abtest.adapters.objects import S3ObjectStore


@pytest.fixture(scope="module")
def aws() -> Iterator[FakeAws]:
    with fake_aws() as account:
        yield account


@pytest.fixture(scope="module")
def table(aws: FakeAws) -> Table:
    return Table(boto3.client("dynamodb", region_name=REGION), TABLE)


@pytest.fixture(scope="module")
def bucket(aws: FakeAws) -> S3ObjectStore:
    return S3ObjectStore(boto3.client("s3", region_name=REGION), BUCKET)


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws_fake)])
def stores(request: pytest.FixtureRequest) -> Stores:
    clock = FixedClock()
    if request.param == "memory":
        tests = MemoryTestStore()
        return Stores(
            tests=tests,
            runs=MemoryRunStore(tests),
            datasets=MemoryDatasetStore(),
            budgets=MemoryBudgetStore(),
            objects=MemoryObjectStore(),
            providers=MemoryProviderStore(),
            ledger=MemoryLedger(clock).of,
            shared=MemorySharedState(),
            clock=clock,
        )
    table, objects = request.getfixturevalue("table"), request.getfixturevalue("bucket")
    return Stores(
        tests=DynamoTestStore(table),
        runs=DynamoRunStore(table),
        datasets=DynamoDatasetStore(table),
        budgets=DynamoBudgetStore(table),
        objects=objects,
        providers=DynamoProviderStore(table),
        ledger=lambda workspace: DynamoLedger(table, objects, workspace, clock),
        shared=DynamoSharedState(table, clock),
        clock=clock,
    )


@pytest.fixture
def workspace() -> str:
    return new_workspace()
