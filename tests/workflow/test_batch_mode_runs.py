"""`mode: batch` on the embedded AWS: the state machine waits by its task token, the schedule looks after the jobs."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from harness.batch_server import BatchServer, batch_server
from harness.platform import Platform, definition, samples

pytestmark = pytest.mark.workflow

SIZE = 30
COST_USD = 0.002
"""Of one answer of the server at half the price."""


@pytest.fixture
def server(platform: Platform) -> Iterator[BatchServer]:
    with batch_server() as running:
        prices = {"echo-1": {"input_usd_per_million": "100", "output_usd_per_million": "600"}}
        for vendor in ("openai_chat", "anthropic"):
            body = {"vendor": vendor, "base_url": running.base_url(vendor), "prices": prices, "timeout_s": 10}
            platform.call("PUT", f"/v1/providers/by_{vendor}", json=body)
        yield running


def by_batch(version: str, **changes: Any) -> dict[str, Any]:
    """Return a test whose two variants are asked through two vendors' batch interfaces."""
    plan = definition(version, **changes)
    providers = dict(zip(plan["variants"], ("by_openai_chat", "by_anthropic"), strict=True))
    for name, variant in plan["variants"].items():
        variant.update(provider=providers[name], mode="batch", parameters={"max_tokens": 32})
    return plan


def until(happens: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Return what happens once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (found := happens()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


def poll(platform: Platform) -> dict[str, Any]:
    """Have every job looked at now."""
    name = json.loads(platform.stack.outputs["FunctionNames"])["poll_batches"]
    answer = platform.aws("lambda").invoke(FunctionName=name, Payload=b'{"all": true}')
    result = dict(json.loads(answer["Payload"].read()))
    assert "FunctionError" not in answer, result
    return result


def test_a_run_by_batch__waits_for_its_jobs_and_reaches_its_verdict(
    platform: Platform, server: BatchServer, tag: str
) -> None:
    run = platform.start(by_batch(platform.dataset(samples(SIZE, tag))))
    until(lambda: len(server.jobs) == 2)
    waiting = until(lambda: len(shown := platform.run(run["run_id"])["waiting"]) == 2 and shown)
    assert {(one["provider"], one["why"]) for one in waiting} == {
        ("by_openai_chat", "batch_interface"),
        ("by_anthropic", "batch_interface"),
    }
    assert poll(platform)["ended"] == 0
    assert platform.run(run["run_id"])["status"] == "RUNNING"

    server.finish()
    assert poll(platform)["answered"] == 2 * SIZE
    done = platform.wait(run["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["progress"]["responses"] == {"done": 2 * SIZE, "total": 2 * SIZE, "failed": 0, "from_ledger": 0}
    assert float(done["spent_usd"]) == pytest.approx(2 * SIZE * COST_USD)
    assert set(server.paid.values()) == {1}
    rows = list(csv.DictReader(io.StringIO(platform.artifact(run["run_id"], "samples.csv").decode())))
    assert {row["outcome"] for row in rows} == {"answered"}

    again = platform.wait(platform.call("POST", f"/v1/tests/{run['test_id']}/runs")["run_id"])
    assert again["progress"]["responses"]["from_ledger"] == 2 * SIZE
    assert len(server.jobs) == 2


def test_a_cancelled_run_by_batch__ends_and_stops_its_jobs(platform: Platform, server: BatchServer, tag: str) -> None:
    run = platform.start(by_batch(platform.dataset(samples(SIZE, tag))))
    until(lambda: len(server.jobs) == 2)
    platform.call("POST", f"/v1/runs/{run['run_id']}/cancel")
    poll(platform)
    assert platform.wait(run["run_id"])["status"] == "CANCELLED"
    assert {job.state for job in server.jobs} == {"cancelling"}

    server.finish("cancelled")
    poll(platform)
    assert float(platform.run(run["run_id"])["spent_usd"]) == pytest.approx(2 * SIZE * COST_USD)


@pytest.mark.slow
def test_the_schedule_looks_after_jobs__nobody_else_does(platform: Platform, server: BatchServer, tag: str) -> None:
    server.faults.after_looks = 1
    server.faults.outcome = lambda index: "expired" if index == 0 else "answered"
    run = platform.start(by_batch(platform.dataset(samples(SIZE, tag))))
    done = platform.wait(run["run_id"], timeout_s=240)

    assert done["status"] == "COMPLETED", done
    assert done["progress"]["responses"]["failed"] == 2
    rows = list(csv.DictReader(io.StringIO(platform.artifact(run["run_id"], "samples.csv").decode())))
    assert sorted(row["failure_reason"] for row in rows if row["outcome"] == "failed") == ["batch_expired"] * 2
