"""What `bench_providers.py` measures, one worker a process: `python tests/benchmarks/worker_calls.py WORK`.

WORK is the JSON of `Work`. The process answers batches as `call_provider` does, over the real transport, and prints
one line of JSON: seconds and CPU seconds of all batches, outcomes, and its resident memory after given numbers of
calls. Imports, clients and a warm-up are outside of the times.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.batches import OpenRun, asked

from abtest.adapters.http import HttpxTransport
from abtest.adapters.memory.ledger import MemoryLedger
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.clock import SystemClock
from abtest.providers.model import BatchSettings, LedgerEntry
from abtest.providers.ports import BatchPorts, Ledger, RunControl, SharedState
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.service import Batch, answer_batch

MEGABYTE = 1 << 20
WARM_UP_CALLS = 300
OPTIONS: dict[str, dict[str, Any]] = {"bedrock": {"region": "us-east-1"}}
KEYS = {"bedrock": '{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "example"}'}


@dataclass(frozen=True)
class Work:
    """What to do.

    Args:
        base_url: of the mock, with what the vendor's registration holds.
        calls: over all batches.
        batch_size: calls of a batch.
        stores: `memory`, `none` (a ledger that forgets, for memory over many calls), or the endpoint of an AWS.
        limits: of the registration, for every model.
        memory_after: numbers of calls.
        profile: a file for the profile of the measured part; its times are then the profiler's.
    """

    vendor: str
    base_url: str
    calls: int
    batch_size: int
    in_flight: int = 100
    stores: str = "memory"
    limits: Mapping[str, int] = field(default_factory=dict)
    memory_after: Sequence[int] = ()
    profile: str | None = None


class ForgetfulLedger:
    """A ledger that keeps nothing, so that what grows is the worker."""

    def get_many(self, keys: Sequence[str], /) -> Mapping[str, LedgerEntry]:
        return {}

    def put_many(self, entries: Mapping[str, LedgerEntry], /) -> None:
        return None


@dataclass(frozen=True)
class Stores:
    """What one worker keeps elsewhere."""

    ledger: Ledger
    control: RunControl
    shared: SharedState


def stores_of(work: Work) -> Stores:
    """Return the stores that were asked for."""
    if work.stores == "none":
        return Stores(ForgetfulLedger(), OpenRun(), MemorySharedState())
    if work.stores == "memory":
        return Stores(MemoryLedger(SystemClock()).of("team"), OpenRun(), MemorySharedState())
    return _aws_stores(work.stores)


def _aws_stores(endpoint: str) -> Stores:
    import boto3
    from aws_fakes import BUCKET, TABLE, new_workspace
    from botocore.config import Config
    from entities import a_run, a_test

    from abtest.adapters.dynamodb.control import StoredRunControl
    from abtest.adapters.dynamodb.ledger import DynamoLedger
    from abtest.adapters.dynamodb.runs import DynamoRunStore
    from abtest.adapters.dynamodb.shared_state import DynamoSharedState
    from abtest.adapters.dynamodb.table import Table
    from abtest.adapters.dynamodb.tests import DynamoTestStore
    from abtest.adapters.objects import S3ObjectStore

    keys = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=32)
    table = Table(boto3.client("dynamodb", endpoint_url=endpoint, config=config, **keys), TABLE)
    objects = S3ObjectStore(boto3.client("s3", endpoint_url=endpoint, config=config, **keys), BUCKET)
    workspace, clock, runs = new_workspace(), SystemClock(), DynamoRunStore(table)
    test = a_test(workspace)
    DynamoTestStore(table).create(test)
    run = a_run(test, cap_usd=None)
    runs.start(run, None)
    return Stores(
        DynamoLedger(table, objects, workspace, clock),
        StoredRunControl(runs, workspace, run.run_id),
        DynamoSharedState(table, clock),
    )


async def _answered(work: Work, stores: Stores) -> dict[str, Any]:
    provider = ModelProvider(
        id="mock",
        vendor=work.vendor,
        base_url=work.base_url,
        max_in_flight=work.in_flight,
        prices={"mock-1": {"input_usd_per_million": "1", "output_usd_per_million": "2"}},
        limits={"*": work.limits} if work.limits else {},
        options=OPTIONS.get(work.vendor, {}),
    )
    settings = BatchSettings(ledger_scope="run_1", max_in_flight=work.in_flight)
    outcomes: Counter[str] = Counter()
    memory_mb: dict[int, float] = {}
    async with HttpxTransport(work.in_flight, allow_private=True) as transport:
        jitter = random.Random(1).random

        async def answer(first: int, count: int) -> None:
            prompts = [f"Sample {first + i}: say it again." for i in range(count)]
            batch = Batch(
                provider, asked(provider, prompts, "mock-1"), codec_of(work.vendor), KEYS.get(work.vendor, "key-1")
            )
            ports = BatchPorts(
                transport, stores.ledger, stores.control, SystemClock(), lambda: 600.0, jitter, stores.shared, "worker"
            )
            result = await answer_batch(batch, ports, settings)
            outcomes.update(row.failure_reason or row.outcome for row in result.responses)

        await answer(-WARM_UP_CALLS, WARM_UP_CALLS)
        outcomes.clear()
        profiler = cProfile.Profile() if work.profile else None
        if profiler:
            profiler.enable()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for first in range(0, work.calls, work.batch_size):
            await answer(first, min(work.batch_size, work.calls - first))
            done = min(first + work.batch_size, work.calls)
            if done in work.memory_after:
                memory_mb[done] = round(psutil.Process().memory_info().rss / MEGABYTE, 1)
        figures = {"seconds": time.perf_counter() - wall_s, "cpu_seconds": time.process_time() - cpu_s}
        if profiler and work.profile:
            profiler.disable()
            profiler.dump_stats(work.profile)
    return {**figures, "calls": work.calls, "outcomes": dict(outcomes), "memory_mb": memory_mb}


def main() -> None:
    """Do the work and print the figures."""
    work = Work(**json.loads(sys.argv[1]))
    print(json.dumps(asyncio.run(_answered(work, stores_of(work)))))


if __name__ == "__main__":
    main()
