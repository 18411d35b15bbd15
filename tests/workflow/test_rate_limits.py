"""Two runs of one account's model at once, twenty workers: the registered limit is kept, used, and shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from harness.faulty_provider import FaultyProvider, faulty_provider
from harness.platform import Platform, definition, samples
from harness.windows import most_within
from harness.workers import concurrent_workers

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

WORKERS = 20
SAMPLES = 500
REQUESTS_PER_MINUTE = 1_500
START_S = 15.0
"""After the first call, until every worker has started: a start takes a second of one of two cores."""
SHARED_S = 30.0
"""At the end of that, both runs surely have had all their workers for some time, however slow the machine is."""


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as started:
        started.behave(latency_ms=400)
        yield started


def test_two_runs_share_a_limit__twenty_workers(platform: Platform, provider: FaultyProvider) -> None:
    registration = {
        "vendor": "openai_chat",
        "base_url": f"{provider.url}/v1",
        "max_in_flight": 50,
        "limits": {"echo-1": {"requests_per_minute": REQUESTS_PER_MINUTE}},
    }
    platform.call("PUT", "/v1/providers/limited", json=registration)
    plans = {tag: plan_of(platform, tag) for tag in ("first", "second")}
    with concurrent_workers(platform, "openai_chat", WORKERS):
        runs = {tag: platform.start(plan)["run_id"] for tag, plan in plans.items()}
        done = {tag: platform.wait(run_id, timeout_s=200) for tag, run_id in runs.items()}
    arrivals = sorted(map(tuple, provider.served()["arrivals"]))

    for run in done.values():
        assert run["status"] == "COMPLETED", run
        assert run["progress"]["responses"] == {"done": 1000, "total": 1000, "failed": 0, "from_ledger": 0}
    assert len(arrivals) == 4 * SAMPLES
    times_s = [at_s for at_s, _ in arrivals]
    assert most_within(times_s, 60.0) <= REQUESTS_PER_MINUTE
    steady = steady_part(arrivals)
    length_s = steady[-1][0] - steady[0][0]
    assert length_s > 30
    assert len(steady) - 1 > 0.95 * length_s * REQUESTS_PER_MINUTE / 60
    together = [tag for at_s, tag in steady if at_s >= steady[-1][0] - SHARED_S]
    shares = Counter(together)
    # While batches of one run wait outside a worker the other one has its slots, so halves are never exact.
    assert min(shares["first"], shares["second"]) > 0.4 * len(together), shares


def plan_of(platform: Platform, tag: str) -> dict[str, Any]:
    """Return a test whose every prompt starts with the tag."""
    plan = definition(platform.dataset(samples(SAMPLES, tag)), name=tag, cache="off")
    for name, variant in plan["variants"].items():
        variant |= {"provider": "limited", "prompt": {"user": "{{ q }}" if name == "same" else "{{ q }}, please"}}
    return plan


def steady_part(arrivals: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the arrivals after the start and before the first of the two runs had asked its last."""
    ends_s = min(max(at_s for at_s, tag in arrivals if tag == wanted) for wanted in ("first", "second"))
    return [(at_s, tag) for at_s, tag in arrivals if arrivals[0][0] + START_S <= at_s <= ends_s]
