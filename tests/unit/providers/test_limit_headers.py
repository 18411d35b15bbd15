"""What headers say of limits: both families, odd values, and the pause that follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.providers.limits.headers import LONGEST_PAUSE_S, ServerLimit, duration_s, server_limits

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OPENAI = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-limit-tokens": "150000",
    "x-ratelimit-remaining-tokens": "149984",
    "x-ratelimit-reset-tokens": "6m0s",
}
ANTHROPIC = {
    f"anthropic-ratelimit-{name}-{part}": value
    for name in ("requests", "tokens", "input-tokens", "output-tokens")
    for part, value in (("limit", "4000"), ("remaining", "3999"), ("reset", "2026-11-23T12:00:30Z"))
}


def test_openai__all_limits_are_read() -> None:
    limits = server_limits(OPENAI, NOW)
    assert limits is not None
    assert limits.by_dimension == {
        "requests": ServerLimit(60, 59, 1.0),
        "tokens": ServerLimit(150_000, 149_984, 360.0),
    }
    assert limits.pause_s == 0


def test_anthropic__all_limits_are_read() -> None:
    limits = server_limits(ANTHROPIC, NOW)
    assert limits is not None
    assert limits.by_dimension == dict.fromkeys(
        ("requests", "tokens", "input_tokens", "output_tokens"), ServerLimit(4_000, 3_999, 30.0)
    )


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "text/html"}, {"x-ratelimit-limit-requests": "many"}, {"retry-after": "3"}]
)
def test_no_limits__is_none(headers: dict[str, str]) -> None:
    assert server_limits(headers, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("1h2m3.5s", 3_723.5),
        ("1m30.951s", 90.951),
        ("1d", 86_400.0),
        ("2m", 120.0),
        ("1s500ms", 1.5),
        ("0s", 0.0),
        ("7", 7.0),
        (" 1.5S ", 1.5),
    ],
)
def test_duration__is_read(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "s", "-1s", "1x", "1s1h", "nan", "inf", "1e999", "9" * 400 + "s"])
def test_duration__that_is_none_is_none(text: str) -> None:
    assert duration_s(text) is None


def test_pause__is_one_requests_time_when_none_remains() -> None:
    headers = OPENAI | {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}
    limits = server_limits(headers, NOW)
    # 60 in 60 s: the next one can be sent a second later, whole it is only after a minute.
    assert limits is not None
    assert limits.pause_s == pytest.approx(1.0)


def test_pause__is_a_part_of_the_reset_when_no_tokens_remain() -> None:
    headers = ANTHROPIC | {"anthropic-ratelimit-output-tokens-remaining": "0"}
    limits = server_limits(headers, NOW)
    assert limits is not None
    assert 0.3 < limits.pause_s < 1


def test_pause__is_bounded() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "24h"}
    limits = server_limits(headers, NOW)
    assert limits is not None
    assert limits.pause_s == LONGEST_PAUSE_S


@pytest.mark.parametrize("reset", ["2026-11-23T11:00:00Z", "2026-11-23T13:00:00+02:00", "yesterday", ""])
def test_pause__is_none_when_the_reset_is_over_or_unknown(reset: str) -> None:
    headers = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": reset}
    limits = server_limits(headers, NOW)
    assert limits is not None
    assert limits.pause_s == 0


def test_reset__without_a_zone_is_utc() -> None:
    moment = (NOW + timedelta(seconds=90)).replace(tzinfo=None).isoformat()
    limits = server_limits({"anthropic-ratelimit-requests-reset": moment}, NOW)
    assert limits is not None
    assert limits.by_dimension["requests"].reset_s == 90.0


_NAMES = st.sampled_from([*OPENAI, *ANTHROPIC])
_VALUES = st.one_of(
    st.text(max_size=40), st.floats().map(str), st.integers().map(str), st.datetimes().map(datetime.isoformat)
)


@given(st.dictionaries(_NAMES, _VALUES))
def test_headers__whatever_they_hold_never_raise(headers: dict[str, str]) -> None:
    limits = server_limits(headers, NOW)
    assert limits is None or 0 <= limits.pause_s <= LONGEST_PAUSE_S
