"""The health document: sums of several workers, quantiles, what a person sees, and the names of accounts."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.providers.account import account_key
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.health.circuit import Circuit, Counts, take_lease
from abtest.providers.health.record import (
    WINDOW_S,
    HealthReport,
    LastError,
    ProviderHealth,
    bin_of,
    health_key,
    merge,
    quantile_ms,
    read_health,
    shortened,
    view,
)
from abtest.providers.registration import ModelProvider

NOW_S = 1_800_000_000.0


def report(**facts: Any) -> HealthReport:
    return HealthReport(**facts)


def answered(*latencies_ms: float, at_s: float = NOW_S) -> HealthReport:
    bins = [bin_of(latency_ms) for latency_ms in latencies_ms]
    return report(answered=len(bins), latencies={number: bins.count(number) for number in bins}, last_success_at_s=at_s)


def failed(reason: str, times: int = 1, at_s: float = NOW_S, **facts: Any) -> HealthReport:
    return report(failed={reason: times}, last_error=LastError(reason=reason, at_s=at_s, **facts))


reports = st.builds(
    HealthReport,
    answered=st.integers(0, 5),
    failed=st.dictionaries(st.sampled_from(["timeout", "auth", "rate_limited"]), st.integers(1, 5)),
    latencies=st.dictionaries(st.integers(-10, 150), st.integers(1, 5)),
    last_success_at_s=st.none() | st.floats(NOW_S - 50, NOW_S),
)


@given(st.lists(reports, max_size=6), st.randoms(use_true_random=False))
def test_reports__add_up_in_any_order(given_reports: list[HealthReport], order: random.Random) -> None:
    def merged(sequence: list[HealthReport]) -> ProviderHealth:
        health = ProviderHealth()
        for one in sequence:
            health = merge(read_health(json.loads(json.dumps(health.document()))), one, NOW_S)
        return health

    shuffled = list(given_reports)
    order.shuffle(shuffled)
    assert merged(given_reports) == merged(shuffled)


@given(st.lists(st.floats(0.02, 600_000), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 1.0]))
def test_quantile__is_right_within_four_and_a_half_percent(latencies_ms: list[float], share: float) -> None:
    bins = [bin_of(latency_ms) for latency_ms in latencies_ms]
    found = quantile_ms({number: bins.count(number) for number in bins}, share)
    rank = max(1, -(-int(share * 100) * len(latencies_ms) // 100))
    exact = sorted(latencies_ms)[rank - 1]
    assert found is not None
    assert abs(found - exact) <= 0.045 * exact + 0.0005  # it is rounded to a microsecond


def test_quantile__of_nothing_is_none() -> None:
    assert quantile_ms({}, 0.5) is None
    assert bin_of(0.0) == bin_of(0.01)


def test_view__shows_what_happened() -> None:
    health = merge(ProviderHealth(), answered(100.0, 100.0, 100.0, 2000.0), NOW_S)
    health = merge(health, failed("overloaded", status=529, detail="HTTP 529"), NOW_S + 3)
    shown = view(health, "openai", "gpt", NOW_S + 5)
    assert (shown.attempts, shown.answered, shown.failed, shown.success_rate) == (5, 4, {"overloaded": 1}, 0.8)
    assert shown.latency_p50_ms == pytest.approx(100, rel=0.045)
    assert shown.latency_p95_ms == pytest.approx(2000, rel=0.045)
    assert shown.last_error is not None
    assert (shown.last_error.reason, shown.last_error.status) == ("overloaded", 529)
    assert shown.last_error.what_to_do == WHAT_TO_DO["overloaded"]
    assert shown.last_success_at is not None
    assert shown.last_success_at.timestamp() == NOW_S
    assert shown.circuit.state == "closed"
    assert shown.circuit.since is None


def test_view__of_nothing_has_no_numbers() -> None:
    shown = view(read_health(None), "openai", "gpt", NOW_S)
    assert shown.attempts == 0
    assert (shown.success_rate, shown.latency_p50_ms, shown.latency_p95_ms) == (None, None, None)
    assert (shown.last_error, shown.last_success_at) == (None, None)


def test_view__of_an_open_circuit_says_when_it_is_tried_again() -> None:
    health = merge(ProviderHealth(), report(counts=Counts(attempts=30, failures=30)), NOW_S)
    circuit = view(health, "openai", "gpt", NOW_S + 4).circuit
    assert (circuit.state, circuit.failed_probes) == ("open", 0)
    assert circuit.since is not None
    assert circuit.next_probe_at is not None
    assert (circuit.next_probe_at - circuit.since).total_seconds() == 10
    leased = health.model_copy(update={"circuit": take_lease(health.circuit, "a", NOW_S + 10)})
    assert view(leased, "openai", "gpt", NOW_S + 11).circuit.state == "half_open"


@pytest.mark.parametrize("age_s", [WINDOW_S + 20, -WINDOW_S - 20])
def test_old_and_future_buckets__leave(age_s: float) -> None:
    health = merge(ProviderHealth(), failed("timeout", 7), NOW_S)
    assert view(health, "openai", "gpt", NOW_S + age_s).attempts == 0
    later = merge(health, answered(5.0), NOW_S + age_s)
    assert len(later.buckets) == 1
    assert later.last_error == health.last_error


def test_latest_error__stays_whoever_reports_first() -> None:
    newer, older = failed("timeout", at_s=NOW_S), failed("auth", at_s=NOW_S - 5)
    for first, second in ((newer, older), (older, newer)):
        health = merge(merge(ProviderHealth(), first, NOW_S), second, NOW_S)
        assert health.last_error == newer.last_error


@pytest.mark.parametrize(
    "document",
    [{"buckets": 3}, {"circuit": {"generation": -1}}, {"last_error": {"reason": "unheard of", "at_s": 1}}, {"a": "b"}],
)
def test_document_nobody_understands__is_begun_anew(document: dict[str, Any]) -> None:
    assert read_health(document) == ProviderHealth()


def test_document_of_a_later_version__is_read_as_far_as_it_goes() -> None:
    document = merge(ProviderHealth(), answered(5.0), NOW_S).document()
    later = {**document, "new": 1, "circuit": {"generation": 4, "novelty": True}}
    assert read_health(later).circuit == Circuit(generation=4)
    assert read_health(later).buckets == read_health(document).buckets


def test_full_document__is_small() -> None:
    health, rows = ProviderHealth(), random.Random(1)
    for second in range(130):
        latencies = [rows.lognormvariate(8, 0.6) for _ in range(200)]
        health = merge(health, answered(*latencies), NOW_S + second)
        seen = report(failed={"overloaded": 9, "rate_limited": 30}, counts=Counts(attempts=200, failures=9))
        health = merge(health, seen, NOW_S + second)
    assert len(json.dumps(health.document(), separators=(",", ":"))) < 4_000


def test_long_detail__is_cut() -> None:
    assert shortened("short") == "short"
    assert len(shortened("x" * 1000)) == 300


def provider(**facts: Any) -> ModelProvider:
    return ModelProvider(**({"id": "openai", "vendor": "openai_chat", "secret_name": "abtest/dev/key"} | facts))


@pytest.mark.parametrize(
    "same",
    [
        {"id": "other"},
        {"base_url": "https://api.openai.com/v1"},
        {"base_url": "https://API.openai.com/v1/"},
        {"base_url": "https://api.openai.com"},
        {"vendor": "openai_responses"},
        {"max_in_flight": 3},
        {"options": {"region": None}},
    ],
)
def test_account__is_the_same(same: dict[str, Any]) -> None:
    assert account_key(provider(**same)) == account_key(provider())


@pytest.mark.parametrize(
    "other",
    [
        {"base_url": "https://eu.api.openai.com/v1"},
        {"base_url": "http://api.openai.com/v1"},
        {"base_url": "https://api.openai.com/other/v1"},
        {"secret_name": "abtest/dev/other"},
        {"secret_name": None},
        {"options": {"region": "eu-central-1"}},
        {"options": {"project": "p1"}},
    ],
)
def test_account__is_another(other: dict[str, Any]) -> None:
    assert account_key(provider(**other)) != account_key(provider())


def test_account__of_a_vendor_without_address_or_of_another_version() -> None:
    assert account_key(provider(vendor="replay")) != account_key(provider(vendor="not_ours_yet"))


def test_health_key__fits_the_store_and_hides_address_and_secret() -> None:
    key = health_key(provider(), "m" * 200)
    assert len(key) <= 512
    assert "abtest/dev/key" not in key
    assert "openai.com" not in key
    assert health_key(provider(), "a") != health_key(provider(), "b")
