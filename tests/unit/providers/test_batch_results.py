"""What results are made of, when jobs are looked at, and what they may cost: the pure parts of `mode: batch`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from provider_fakes import ok, refused

from abtest.contracts.definition import Parameters
from abtest.providers.batches.model import JobId, JobState, JobView, ResultLine, Results
from abtest.providers.batches.outage import refused_error
from abtest.providers.batches.results import Outcomes, outcomes_of
from abtest.providers.batches.schedule import (
    TIMES,
    has_room,
    next_look,
    next_try,
    outstanding_usd,
    waited_too_long,
    worst_cost_usd,
)
from abtest.providers.model import CallFailure, ChatMessage, ControlState, HttpReply, ModelRequest
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.providers.vendors.openai_chat import CODEC

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PROVIDER = ModelProvider(
    id="p",
    vendor="openai_chat",
    prices={"small": ModelPrice(input_usd_per_million=Decimal(100), output_usd_per_million=Decimal(900))},
)
REFUSED = refused(400)
EXPIRED = CallFailure(failure_reason="batch_expired", retryable=False)


def outcomes(*lines: tuple[str, HttpReply | CallFailure], ended: Any = "completed", unreadable: int = 0) -> Outcomes:
    results = Results(tuple(ResultLine(custom_id, said) for custom_id, said in lines), unreadable)
    return outcomes_of(["a", "b"], JobView(ended), results, CODEC)


def texts(found: Outcomes) -> dict[str, str | None]:
    return {custom_id: answer.text for custom_id, answer in found.answers.items()}


def state(**changes: Any) -> JobState:
    facts: dict[str, Any] = {
        "id": JobId(workspace="w", run_id="r", wave=0, variant="a", batch=0),
        "phase": "submitted",
        "provider": "p",
        "model": "small",
        "requests": 2,
        "created_at": NOW,
        "next_look_at": NOW,
        "submitted_at": NOW,
    }
    return JobState(**{**facts, **changes})


def other(batch: int, phase: str, worst_usd: str | None) -> JobState:
    job = JobId(workspace="w", run_id="r", wave=0, variant="a", batch=batch)
    return state(id=job, phase=phase, worst_cost_usd=None if worst_usd is None else Decimal(worst_usd))


def request(text: str, max_tokens: int = 10, model: str = "small") -> ModelRequest:
    return ModelRequest(
        provider="p",
        vendor="openai_chat",
        model=model,
        messages=(ChatMessage(role="user", content=text),),
        parameters=Parameters(max_tokens=max_tokens),
        sample_id="s",
        variant="a",
    )


# Results


def test_each_request_has_an_answer_or_a_reason() -> None:
    found = outcomes(("b", ok("two")), ("a", REFUSED))

    assert (texts(found), found.failures) == ({"b": "two"}, {"a": "bad_request"})
    assert (found.counts.answered, found.counts.failed, found.whole) == (1, 1, True)


@pytest.mark.parametrize(
    "lines",
    [
        [("a", ok("first")), ("a", ok("second"))],
        [("a", ok("first")), ("a", REFUSED)],
        [("a", REFUSED), ("a", ok("first"))],
        [("a", EXPIRED), ("a", ok("first")), ("a", ok("second"))],
    ],
    ids=str,
)
def test_of_several_results_the_first_answer_counts(lines: list[tuple[str, Any]]) -> None:
    found = outcomes(*lines, ("b", ok("two")))

    assert texts(found) == {"a": "first", "b": "two"}
    assert found.failures == {}
    assert found.counts.duplicates == len(lines) - 1


@pytest.mark.parametrize(
    ("ended", "unreadable", "strangers", "reason", "whole"),
    [
        ("completed", 0, 0, "batch_failed", False),
        ("completed", 1, 0, "malformed", False),
        ("completed", 0, 1, "mismatched", False),
        ("expired", 0, 0, "batch_expired", True),
        ("expired", 1, 1, "batch_expired", False),
        ("cancelled", 0, 0, "cancelled", True),
        ("failed", 0, 0, "batch_failed", True),
    ],
)
def test_a_result_that_is_missing_says_why(
    ended: str, unreadable: int, strangers: int, reason: str, whole: bool
) -> None:
    found = outcomes(("a", ok("one")), *[("stranger", ok("no"))] * strangers, ended=ended, unreadable=unreadable)

    assert (found.failures, found.whole) == ({"b": reason}, whole)
    assert (found.counts.mismatched, found.counts.unreadable) == (strangers, unreadable)


def test_a_job_that_failed_as_a_whole_gives_its_reason_to_each() -> None:
    quota = CallFailure(failure_reason="quota", retryable=False)
    found = outcomes_of(["a", "b"], JobView("failed", failure=quota), Results(()), CODEC)

    assert found.failures == {"a": "quota", "b": "quota"}


def test_refusals_and_filters_are_answers_here_too() -> None:
    choice = {"message": {"role": "assistant", "content": None, "refusal": "no"}, "finish_reason": "stop"}
    found = outcomes(("a", ok(choices=[choice])), ("b", ok()))

    assert found.answers["a"].outcome == "refused"
    assert json.dumps(found.counts.model_dump()) == (
        '{"answered": 2, "failed": 0, "mismatched": 0, "duplicates": 0, "unreadable": 0}'
    )


# Times


@pytest.mark.parametrize(("age_s", "wait_s"), [(0, 60), (1799, 60), (1800, 300), (80_000, 300)])
def test_young_jobs_are_looked_at_more_often(age_s: float, wait_s: float) -> None:
    now = NOW + timedelta(seconds=age_s)

    assert (next_look(state(), now) - now).total_seconds() == wait_s


@pytest.mark.parametrize(
    ("troubles", "hint_s", "wait_s"),
    [(1, None, 60), (2, None, 120), (3, None, 240), (4, None, 300), (1000, None, 300), (1, 200, 200), (1, 9999, 900)],
)
def test_what_fails_is_tried_later_each_time__or_when_the_server_says(
    troubles: int, hint_s: float | None, wait_s: float
) -> None:
    failure = CallFailure(failure_reason="overloaded", retryable=True, retry_after_s=hint_s)

    assert (next_try(troubles, failure, NOW) - NOW).total_seconds() == wait_s


def test_admission_and_window_together_are_less_than_the_state_machine_waits() -> None:
    waits_s = 48 * 3600

    assert TIMES.admission_s + TIMES.window_s + TIMES.grace_s + 3600 < waits_s
    assert waited_too_long(state(), NOW + timedelta(seconds=TIMES.admission_s))
    assert not waited_too_long(state(), NOW + timedelta(seconds=TIMES.admission_s - 1))


# Money


def test_the_most_a_job_may_cost_is_counted_at_half_the_price() -> None:
    # 100 characters are 50 tokens, and 32 for the frame: 82 at $50 a million, 10 at $450 a million.
    one_usd = Decimal(82 * 50 + 10 * 450) / 1_000_000

    assert worst_cost_usd([request("x" * 100)] * 3, PROVIDER, NOW) == 3 * one_usd
    assert worst_cost_usd([request("x"), request("x", model="unheard-of")], PROVIDER, NOW) is None


def test_jobs_that_may_still_cost_money_take_their_room() -> None:
    jobs = [
        state(worst_cost_usd=Decimal(100)),
        other(1, "submitting", "1"),
        other(2, "absent", "2"),
        other(3, "submitted", "4"),
        other(4, "cancelling", "8"),
        other(5, "parked", "16"),
        other(6, "ended", "32"),
        other(7, "closed", "64"),
        other(8, "submitted", None),
    ]

    assert outstanding_usd(jobs[0], jobs) == 15


@pytest.mark.parametrize(
    ("cap", "spent", "outstanding", "worst", "fits"),
    [
        (None, "9", "9", "9", True),
        ("10", "3", "3", "4", True),
        ("10", "3", "3", "4.00000001", False),
        ("10", "10", "0", None, False),
        ("10", "9.99", "0", None, True),
        ("10", "9", "2", None, False),
    ],
)
def test_room_under_the_cap(cap: str | None, spent: str, outstanding: str, worst: str | None, fits: bool) -> None:
    control = ControlState(spent_usd=Decimal(spent), cap_usd=None if cap is None else Decimal(cap))
    job = state(worst_cost_usd=None if worst is None else Decimal(worst))

    assert has_room(job, control, Decimal(outstanding)) is fits


# Words


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("auth", "ProviderAuthError"),
        ("permission", "ProviderAuthError"),
        ("quota", "ProviderUnavailableError"),
        ("rate_limited", "ProviderUnavailableError"),
        ("model_not_found", "ProviderConfigurationError"),
        ("bad_request", "ProviderConfigurationError"),
        ("not_found", "ProviderConfigurationError"),
    ],
)
def test_a_vendor_that_takes_no_job_fails_the_run_with_what_to_do(reason: Any, kind: str) -> None:
    failure = CallFailure(failure_reason=reason, retryable=False, status=418, detail="HTTP 418")
    error = refused_error(PROVIDER, "small", failure)

    assert type(error).__name__ == kind
    assert "'p'" in error.message
    assert "HTTP 418" in error.message
    assert error.details["what_to_do"].endswith("Then start the run again.")
