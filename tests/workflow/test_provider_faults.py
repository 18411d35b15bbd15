"""A run through a provider of which a fifth of all attempts fails: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from harness.faulty_provider import FAULTS, FaultyProvider, faulty_provider
from harness.platform import Platform, definition, samples
from harness.windows import most_within
from harness.wire_formats import sha_of
from harness.workers import kill_workers

pytestmark = pytest.mark.workflow

SAMPLES = 1_000
REQUESTS_PER_MINUTE = 6_000
IN_FLIGHT = 50
FLUSH_SIZE = 25
"""Answers that may wait for a write to the ledger."""
GARBAGE_REASONS = {"malformed", "html_page", "invalid_utf8", "mismatched"}
NAMED = {
    "rate_limited": "rate_limited",
    "overloaded": "overloaded",
    "server_error": "server_error",
    "stall": "timeout",
}
TEMPLATES = {"same": "{}", "prefixed": "so: {}"}


@pytest.fixture
def faulty() -> Iterator[FaultyProvider]:
    with faulty_provider() as provider:
        yield provider


def test_a_fifth_of_all_attempts_fails__every_sample_has_an_outcome_and_none_is_paid_twice(
    platform: Platform, faulty: FaultyProvider
) -> None:
    # The prompts are the same each time, so each meets the same faults each time.
    rows = samples(SAMPLES, "storm")
    faulty.behave(fault_rate=0.2, seed=4, latency_ms=40, stall_s=10)
    run_id = start(platform, faulty, rows, limits={"*": {"requests_per_minute": REQUESTS_PER_MINUTE}})
    run = platform.wait(run_id, timeout_s=240)
    served = faulty.served()
    answers = responses_of(platform, run_id)

    assert run["status"] == "COMPLETED", run
    assert set(served["faults"]) == {"none", *FAULTS}
    assert len(answers) == len({(row["sample_id"], row["variant"]) for row in answers}) == 2 * SAMPLES
    prompts = prompts_of(rows)
    for row in answers:
        check_row(row, prompts[row["variant"], row["sample_id"]], served)
    # What was delivered to nobody's row would be lost, or paid for twice.
    answered = [row for row in answers if row["outcome"] == "answered"]
    assert len(answered) == sum(map(len, served["delivered"].values()))
    assert len(answered) >= 0.95 * len(answers)
    assert run["progress"]["responses"]["done"] == 2 * SAMPLES
    assert run["progress"]["responses"]["failed"] == len(answers) - len(answered)
    check_attempts(answers, served)
    check_rate([at_s for at_s, _ in served["arrivals"]])


def test_workers_die_among_faults__no_answer_that_was_kept_is_lost(platform: Platform, faulty: FaultyProvider) -> None:
    rows = samples(200, "wreck")
    # A prompt is asked again after its worker died, so no seed says how many of its next attempts fail: a bound does.
    faults = ["rate_limited", "server_error", "abort", "cut"]
    faulty.behave(fault_rate=0.2, faults=faults, seed=2, latency_ms=300, most_in_a_row=2)
    run_id = start(platform, faulty, rows)
    platform.wait(run_id, until=lambda run: run["progress"]["responses"]["done"] >= 100)
    killed = kill_workers(platform, "call_provider")
    run = platform.wait(run_id, timeout_s=150)
    served = faulty.served()
    answers = responses_of(platform, run_id)

    assert killed >= 1
    assert run["status"] == "COMPLETED", run
    assert len(answers) == 2 * len(rows)
    prompts = prompts_of(rows)
    for row in answers:
        text = prompts[row["variant"], row["sample_id"]]
        assert (row["outcome"], row["text"]) == ("answered", text), row
        assert int(row["provider_request_id"].removeprefix("req-")) in served["delivered"][sha_of_text(text)]
    # Paid twice is at most what a worker had in flight or had not yet written when it died.
    assert sum(map(len, served["delivered"].values())) - len(answers) <= killed * (IN_FLIGHT + FLUSH_SIZE)


def start(platform: Platform, faulty: FaultyProvider, rows: Sequence[dict[str, Any]], **more: Any) -> str:
    """Start a run of all rows at the faulty provider, and return its id."""
    registration = {
        "vendor": "openai_chat",
        "base_url": f"{faulty.url}/v1",
        "max_in_flight": IN_FLIGHT,
        "timeout_s": 1,
        **more,
    }
    platform.call("PUT", "/v1/providers/faulty", json=registration)
    plan = definition(platform.dataset(rows), cache="off")
    for variant in plan["variants"].values():
        variant["provider"] = "faulty"
    return str(platform.start(plan)["run_id"])


def prompts_of(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return what is asked, by variant and sample."""
    return {
        (variant, row["id"]): text.format(row["inputs"]["q"]) for row in rows for variant, text in TEMPLATES.items()
    }


def sha_of_text(text: str) -> str:
    """Return the name under which the server counts a prompt."""
    return sha_of([{"role": "user", "content": text}])


def check_row(row: dict[str, Any], text: str, served: dict[str, Any]) -> None:
    """Check one row against what the server says of its prompt."""
    sha = sha_of_text(text)
    delivered = served["delivered"].get(sha, [])
    if row["outcome"] == "answered":
        assert row["text"] == text
        assert row["provider_request_id"] == f"req-{delivered[0]}"
        assert len(delivered) == 1
        assert sha not in served["garbage"]
        return
    assert row["outcome"] == "failed"
    assert delivered == []
    if row["failure_reason"] in GARBAGE_REASONS:
        # HTTP 200 may have been paid for, so it was not asked for again.
        assert served["garbage"][sha] == 1
    else:
        assert len(row["attempts"]) >= 4
        assert sha not in served["garbage"]


def check_attempts(rows: Sequence[dict[str, Any]], served: dict[str, Any]) -> None:
    """Check that rows tell each attempt, and by its right name."""
    attempts = Counter(attempt.get("failure_reason") or "none" for row in rows for attempt in row["attempts"])
    for fault, reason in NAMED.items():
        assert 0 < attempts[reason] <= served["faults"][fault]
    assert 0 < attempts["connection"] <= served["faults"]["abort"] + served["faults"]["cut"]
    assert sum(attempts[reason] for reason in GARBAGE_REASONS) == served["faults"]["garbage"]
    # A batch that waited elsewhere does not know the refused attempts of its earlier passes.
    assert attempts["none"] == served["faults"]["none"]
    assert attempts.total() <= len(served["arrivals"])


def check_rate(arrivals_s: Sequence[float]) -> None:
    """Check that the registered limit held in every sliding minute, and its pace in every sliding second or five."""
    arrivals_s = sorted(arrivals_s)
    per_s = REQUESTS_PER_MINUTE / 60
    for window_s, slack in ((60.0, 0.0), (5.0, 1.0), (1.0, 1.0)):
        # A permit is used up to half a second after its slot: a second may see one and a half seconds' worth.
        assert most_within(arrivals_s, window_s) <= per_s * (window_s + slack), window_s


def responses_of(platform: Platform, run_id: str) -> list[dict[str, Any]]:
    """Return the rows that the workers wrote for a run."""
    s3, bucket = platform.aws("s3"), platform.stack.outputs["DataBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    wanted = [key for key in keys if f"/{run_id}/" in key and "/responses/" in key]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in wanted]
    return [json.loads(line) for body in bodies for line in body.splitlines()]
