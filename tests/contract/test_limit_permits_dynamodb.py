"""Permits over the real store: workers in threads on moto, and workers in processes on the embedded AWS."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from aws_fakes import REGION, TABLE, make_table

from abtest.adapters.dynamodb.shared_state import DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.contracts.records import Usage
from abtest.core.clock import SystemClock
from abtest.providers.limits.bucket import REQUEST_WINDOW_S
from abtest.providers.limits.permits import PermitPool
from abtest.providers.limits.queue import LATE_S
from abtest.providers.model import CallCost
from abtest.providers.registration import RateLimit

PER_MINUTE = 1_200
TEN_A_SECOND_AND_MORE = RateLimit(requests_per_minute=PER_MINUTE, tokens_per_minute=PER_MINUTE * 200)
SECONDS = 6.0


class Provider:
    """Notes when calls arrive."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, str]] = []
        self._lock = threading.Lock()

    def call(self, run_id: str) -> None:
        with self._lock:
            self.arrivals.append((time.time(), run_id))


async def work(pool: PermitPool, provider: Provider, run_id: str, end_s: float) -> None:
    """Make calls, 25 at the same time, until the end."""

    async def calls() -> None:
        while True:
            cost = CallCost(100, 100)
            if await pool.acquire(cost) is not None:
                await asyncio.sleep(0.2)
                continue
            provider.call(run_id)
            await asyncio.sleep(random.uniform(0.02, 0.2))
            pool.settle(cost, Usage(input_tokens=100, output_tokens=50))

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(end_s - time.time()):
            await asyncio.gather(*(calls() for _ in range(25)))
    await pool.close()


@pytest.mark.aws_fake
def test_workers_in_threads__keep_the_pace_use_it_and_share_it(table: Table, workspace: str) -> None:
    provider, start_s = Provider(), time.time()

    def worker(run_id: str) -> None:
        pool = PermitPool(
            DynamoSharedState(table, SystemClock()),
            f"limit#{workspace}#model",
            TEN_A_SECOND_AND_MORE,
            run_id=run_id,
            clock=SystemClock(),
            jitter=random.random,
        )
        asyncio.run(work(pool, provider, run_id, start_s + SECONDS))

    threads = [threading.Thread(target=worker, args=(run_id,)) for run_id in ("large", "large", "large", "small")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    times = sorted(time_s for time_s, _ in provider.arrivals)
    spacing_s = REQUEST_WINDOW_S / PER_MINUTE
    # Every slot has one call, at its time or a little later: never more in a while than there are slots in it.
    for index, time_s in enumerate(times):
        until = sum(1 for later in times[index:] if later < time_s + 2)
        assert until <= (2 + LATE_S) / spacing_s + 1
    assert len(times) > 0.85 * (SECONDS - 0.5) / spacing_s
    # The first second of slots goes to whoever is there first.
    later = Counter(run_id for time_s, run_id in provider.arrivals if time_s > start_s + 2)
    assert 0.7 < later["small"] / later["large"] < 1.4


CHANGES = 25
CHANGER = f"""
import boto3, random, sys, time
from abtest.adapters.dynamodb.shared_state import DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.core.clock import SystemClock

shared = DynamoSharedState(Table(boto3.client("dynamodb"), "{TABLE}"), SystemClock())

def add_one(document):
    count = (document or {{"count": 0}})["count"] + 1
    return {{"count": count}}, count

print("ready", flush=True)
sys.stdin.readline()
for _ in range({CHANGES}):
    time.sleep(random.uniform(0, 0.01))
    print(shared.change("key", add_one))
"""


@pytest.fixture
def embedded_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """DynamoDB as a server of its own, with the table in it; clients find it by their environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint_url = f"http://127.0.0.1:{port}"
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "STATE_DIR": str(tmp_path / "state")}
    without = {"SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0", "DOCKER_HOST": f"unix://{tmp_path}/no-docker.sock"}
    server = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={**os.environ, **settings, **without},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(f"{endpoint_url}/_ministack/health", server)
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        make_table()
        yield
    finally:
        server.terminate()
        server.wait(10)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "the embedded AWS ended"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the embedded AWS does not answer")


@pytest.mark.workflow
def test_changes_of_many_processes__lose_nothing(embedded_aws: None) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", CHANGER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    # Each of them says when it is ready and waits for its line, so that all of them begin together.
    assert [process.stdout.readline() for process in processes if process.stdout] == ["ready\n"] * 4
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    counts = sorted(int(count) for output in outputs for count in output.split())
    assert counts == list(range(1, 4 * CHANGES + 1))
    shared = DynamoSharedState(Table(boto3.client("dynamodb"), TABLE), SystemClock())
    assert shared.read("key") == {"count": 4 * CHANGES}
