"""Retry decisions: tables of hints and statuses, and what holds for any of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.providers.model import CallFailure, RetryPolicy
from abtest.providers.retry import (
    NEVER_RETRIED,
    THROTTLED,
    GiveUp,
    Retry,
    classify_status,
    decide,
    parse_retry_after_s,
    with_hints,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
POLICY = RetryPolicy()
LIMITED = CallFailure(failure_reason="rate_limited", retryable=True, status=429)


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "250", "x-amz-retry-after": "1500"}, 0.25),
        ({"x-amz-retry-after": "-1", "retry-after": "9"}, 9.0),
        ({"x-amz-retry-after": "soon"}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:10 -0000"}, 10.0),
        ({"retry-after": "Mon, 23 Nov 2026 13:00:10 +0100"}, 10.0),
    ],
)
def test_hints_are_read__every_form(headers: dict[str, str], expected_s: float | None):
    assert parse_retry_after_s(headers, NOW) == expected_s


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_hints_never_raise__any_text(milliseconds: str, amazon: str, seconds: str):
    headers = {"retry-after-ms": milliseconds, "x-amz-retry-after": amazon, "retry-after": seconds}
    hint_s = parse_retry_after_s(headers, NOW)
    assert hint_s is None or hint_s >= 0


@pytest.mark.parametrize(
    ("failure", "headers", "retryable", "after_s"),
    [
        (LIMITED, {}, True, None),
        (LIMITED, {"retry-after": "3"}, True, 3.0),
        (LIMITED, {"x-should-retry": "false"}, False, None),
        (LIMITED, {"x-should-retry": "FALSE", "retry-after": "3"}, False, 3.0),
        (LIMITED, {"x-should-retry": "maybe"}, True, None),
        (CallFailure(failure_reason="malformed", retryable=False), {"x-should-retry": "true"}, True, None),
        (
            CallFailure(failure_reason="quota", retryable=False),
            {"x-should-retry": "true", "retry-after": "1"},
            False,
            None,
        ),
        (CallFailure(failure_reason="auth", retryable=False), {"x-should-retry": "true"}, False, None),
        (CallFailure(failure_reason="rate_limited", retryable=True, retry_after_s=17.0), {}, True, 17.0),
        (
            CallFailure(failure_reason="rate_limited", retryable=True, retry_after_s=17.0),
            {"x-should-retry": "false"},
            False,
            17.0,
        ),
    ],
)
def test_the_server_has_the_last_word__but_not_on_what_is_never_retried(
    failure: CallFailure, headers: dict[str, str], retryable: bool, after_s: float | None
):
    hinted = with_hints(failure, headers, NOW)
    assert (hinted.retryable, hinted.retry_after_s) == (retryable, after_s)


@pytest.mark.parametrize(
    ("attempt", "jitter", "after_s"),
    [(1, 1.0, 0.5), (2, 1.0, 1.0), (3, 1.0, 2.0), (1, 0.5, 0.25), (3, 0.0, 0.0)],
)
def test_waits_double_and_are_spread__no_hint(attempt: int, jitter: float, after_s: float):
    assert decide(LIMITED, attempt, 0.0, POLICY, jitter) == Retry(after_s)


def test_waits_are_capped__many_attempts():
    assert decide(LIMITED, 9, 0.0, RetryPolicy(max_throttled=20), 1.0) == Retry(8.0)


@pytest.mark.parametrize(("hint_s", "expected"), [(0.0, Retry(0.0)), (10.0, Retry(10.0)), (120.0, Retry(120.0))])
def test_hints_are_honoured__up_to_two_minutes(hint_s: float, expected: Retry):
    failure = LIMITED.model_copy(update={"retry_after_s": hint_s})
    assert decide(failure, 1, 0.0, POLICY, 0.0) == expected


def test_a_long_hint_means_do_not_retry__over_two_minutes():
    assert isinstance(decide(LIMITED.model_copy(update={"retry_after_s": 120.5}), 1, 0.0, POLICY, 0.0), GiveUp)


def test_attempts_are_counted__fourth_failed():
    failed = CallFailure(failure_reason="server_error", retryable=True)
    assert isinstance(decide(failed, 3, 0.0, POLICY, 0.0), Retry)
    assert isinstance(decide(failed, 4, 0.0, POLICY, 0.0), GiveUp)


def test_refusals_for_the_moment_are_counted_apart__sixth_refusal():
    assert isinstance(decide(LIMITED, 5, 0.0, POLICY, 0.0), Retry)
    assert isinstance(decide(LIMITED, 6, 0.0, POLICY, 0.0), GiveUp)


def test_a_call_does_not_last_for_ever__slow_attempts():
    assert isinstance(decide(LIMITED, 1, 299.0, POLICY, 1.0), Retry)
    assert isinstance(decide(LIMITED, 1, 299.9, POLICY, 1.0), GiveUp)


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (302, "not_found", False),
        (400, "bad_request", False),
        (401, "auth", False),
        (402, "quota", False),
        (403, "permission", False),
        (404, "not_found", False),
        (408, "timeout", True),
        (409, "server_error", True),
        (410, "model_retired", False),
        (413, "bad_request", False),
        (418, "bad_request", False),
        (422, "bad_request", False),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (502, "server_error", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
    ],
)
def test_statuses_are_classified__each_kind(status: int, reason: str, retryable: bool):
    assert classify_status(status) == (reason, retryable)


reasons = st.sampled_from(
    ["timeout", "connection", "rate_limited", "server_error", "quota", "auth", "bad_request", "not_found", "malformed"]
)


@given(
    reason=reasons,
    retryable=st.booleans(),
    hint_s=st.none() | st.floats(0, 1_000),
    attempt=st.integers(1, 10),
    elapsed_s=st.floats(0, 1_000),
    jitter=st.floats(0, 1),
)
def test_no_decision_breaks_a_limit__anything(
    reason: str, retryable: bool, hint_s: float | None, attempt: int, elapsed_s: float, jitter: float
):
    failure = CallFailure.model_validate({"failure_reason": reason, "retryable": retryable, "retry_after_s": hint_s})
    decision = decide(failure, attempt, elapsed_s, POLICY, jitter)
    if isinstance(decision, GiveUp):
        assert decision.why
        return
    assert retryable
    assert reason not in NEVER_RETRIED
    assert attempt < (POLICY.max_throttled if reason in THROTTLED else POLICY.max_attempts)
    assert elapsed_s + decision.after_s <= POLICY.longest_call_s
    if hint_s is None:
        assert 0 <= decision.after_s <= POLICY.cap_s
    else:
        assert hint_s <= decision.after_s <= hint_s * 1.1 + 1e-9
