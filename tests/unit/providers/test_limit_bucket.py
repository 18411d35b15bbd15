"""The rate bucket: what it grants keeps the limit in every window, wastes nothing, and is fair."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.contracts.records import Usage
from abtest.providers.limits.bucket import (
    LONGEST_HORIZON_S,
    LONGEST_PAUSE_S,
    REQUEST_WINDOW_S,
    SHORTEST_HORIZON_S,
    Bucket,
    Grant,
    Permit,
    Settlement,
    limit_key,
    pause_until_s,
    with_pause,
)
from abtest.providers.limits.minute import WINDOW_S, MinuteAccount
from abtest.providers.limits.pace import LOWEST, RAISE, ROUND_S, Pace
from abtest.providers.limits.shares import MOST_KINDS, MOST_RUNS, REMEMBERED_S
from abtest.providers.model import CallCost
from abtest.providers.registration import ModelProvider, RateLimit

NOW_S = 1_795_000_000.0
CALL = CallCost(100, 50)
SIXTY = RateLimit(requests_per_minute=60)
SPACING_S = REQUEST_WINDOW_S / 60


class Store:
    """One document, and whoever changes it."""

    def __init__(self, rate_limit: RateLimit = SIXTY) -> None:
        self.rate_limit = rate_limit
        self.document: dict[str, Any] | None = None

    def open(self, now_s: float, run_id: str = "run", kind: str = "") -> Bucket:
        return Bucket(self.document, self.rate_limit, run_id, now_s, kind=kind)

    def save(self, bucket: Bucket) -> None:
        self.document = json.loads(json.dumps(bucket.document()))

    def reserve(
        self, now_s: float, calls: int, run_id: str = "run", horizon_s: float = 3.0, cost: CallCost = CALL
    ) -> Grant:
        bucket = self.open(now_s, run_id)
        grant = bucket.reserve([cost] * calls, horizon_s)
        self.save(bucket)
        return grant

    def settle(self, now_s: float, *settlements: Settlement, run_id: str = "run") -> None:
        bucket = self.open(now_s, run_id)
        bucket.settle(settlements)
        self.save(bucket)


def used(input_tokens: int, output_tokens: int, **more: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **more)


def slots(grant: Grant) -> list[float]:
    return [permit.slot_s for permit in grant.permits]


# One worker asks


def test_reserve__gives_the_first_call_its_slot_now_and_spaces_the_others() -> None:
    grant = Store().reserve(NOW_S, 3)
    assert slots(grant) == pytest.approx([NOW_S, NOW_S + SPACING_S, NOW_S + 2 * SPACING_S])
    assert (grant.wait_s, grant.why) == (0, None)


def test_reserve__grants_up_to_the_horizon_and_says_when_there_is_more() -> None:
    store = Store()
    grant = store.reserve(NOW_S, 50)
    assert len(grant.permits) == 3
    assert grant.why == "rate_limit"
    assert grant.wait_s == pytest.approx(3 * SPACING_S - 3, abs=1e-3)
    assert store.reserve(NOW_S + grant.wait_s - 0.01, 50).permits == ()
    assert len(store.reserve(NOW_S + grant.wait_s + 0.01, 50).permits) == 1


def test_reserve__goes_on_where_it_ended_and_never_makes_up_for_idle_time() -> None:
    store = Store()
    store.reserve(NOW_S, 2)
    assert slots(store.reserve(NOW_S + 0.5, 1)) == pytest.approx([NOW_S + 2 * SPACING_S])
    later = slots(store.reserve(NOW_S + 1_000, 2))
    assert later == pytest.approx([NOW_S + 1_000, NOW_S + 1_000 + SPACING_S])


def test_reserve__starts_where_the_worker_can_use_it() -> None:
    bucket = Store().open(NOW_S)
    assert slots(bucket.reserve([CALL], 3.0, NOW_S + 0.3)) == [NOW_S + 0.3]


def test_reserve__asks_for_nothing() -> None:
    store = Store()
    assert store.reserve(NOW_S, 0) == Grant()
    assert slots(store.reserve(NOW_S, 1)) == [NOW_S]


def test_reserve__looks_less_far_ahead_the_more_calls_there_are() -> None:
    fast = Store(RateLimit(requests_per_minute=30_000)).reserve(NOW_S, 5_000)
    assert fast.permits[-1].slot_s == pytest.approx(NOW_S + SHORTEST_HORIZON_S, abs=0.01)
    slow = Store(RateLimit(requests_per_minute=60)).reserve(NOW_S, 5_000, horizon_s=100)
    assert slow.permits[-1].slot_s <= NOW_S + LONGEST_HORIZON_S


def test_reserve__follows_a_limit_that_was_changed() -> None:
    store = Store()
    store.reserve(NOW_S, 1)
    store.rate_limit = RateLimit(requests_per_minute=600)
    first, second = slots(store.reserve(NOW_S, 2))
    assert (first, second - first) == pytest.approx((NOW_S + SPACING_S, SPACING_S / 10))


def test_reserve__keeps_the_dimension_it_does_not_know() -> None:
    # A worker that read the registration before a limit on tokens was added.
    store = Store(RateLimit(tokens_per_minute=1_000))
    store.reserve(NOW_S, 6)
    before = store.document and store.document["tokens_per_minute"]
    store.rate_limit = SIXTY
    store.reserve(NOW_S + 1, 1)
    assert store.document is not None
    assert store.document["tokens_per_minute"] == before


def test_document_of_another_version__is_replaced() -> None:
    store = Store()
    store.document = {"version": 0, "last_s": "?"}
    assert slots(store.reserve(NOW_S, 1)) == [NOW_S]


# Tokens


def test_tokens__are_charged_with_the_estimate_and_then_with_what_was_used() -> None:
    store = Store(RateLimit(tokens_per_minute=1_000))
    grant = store.reserve(NOW_S, 1, cost=CallCost(300, 200))
    assert grant.permits[0].charged == (501, 301, 201)
    spaced = slots(store.reserve(NOW_S, 1, horizon_s=0.0)) or [NOW_S]
    assert spaced == [NOW_S]
    store.settle(NOW_S + 1, Settlement(grant.permits[0], CallCost(300, 200), used(300, 100)))
    assert store.document is not None
    assert sum(store.document["tokens_per_minute"][2:]) == 400


def test_tokens__a_call_larger_than_the_limit_has_a_minute_of_its_own() -> None:
    store = Store(RateLimit(tokens_per_minute=1_000))
    assert slots(store.reserve(NOW_S, 1, cost=CallCost(5_000, 0))) == [NOW_S]
    denied = store.reserve(NOW_S, 1)
    assert 60 < denied.wait_s + 3 < 63
    assert len(store.reserve(NOW_S + denied.wait_s + 0.001, 1).permits) == 1


def test_tokens__input_counts_what_is_not_cached_and_output_what_is_reasoned() -> None:
    limit = RateLimit(tokens_per_minute=10_000, input_tokens_per_minute=10_000, output_tokens_per_minute=10_000)
    store = Store(limit)
    grant = store.reserve(NOW_S, 1, cost=CallCost(1_000, 500))
    usage = used(100, 40, cache_read_tokens=700, cache_write_tokens=200, reasoning_tokens=60)
    store.settle(NOW_S + 1, Settlement(grant.permits[0], CallCost(1_000, 500), usage))
    document = store.document or {}
    sums = {name: sum(document[name][2:]) for name in document if name.endswith("_per_minute")}
    assert sums == {"tokens_per_minute": 1_100, "input_tokens_per_minute": 300, "output_tokens_per_minute": 100}


def test_estimates__follow_what_calls_of_the_kind_took() -> None:
    store = Store(RateLimit(tokens_per_minute=10_000_000))
    cost = CallCost(100, 4_000)
    for second in range(50):
        bucket = store.open(NOW_S + second, kind="terse")
        permit = bucket.reserve([cost], 3.0).permits[0]
        store.save(bucket)
        bucket = store.open(NOW_S + second, kind="terse")
        bucket.settle([Settlement(permit, cost, used(120, 80))])
        store.save(bucket)
    charged = store.open(NOW_S + 50, kind="terse").reserve([cost], 3.0).permits[0].charged
    assert 200 <= charged[0] <= 230
    assert 80 <= charged[2] <= 100
    others = store.open(NOW_S + 50, kind="verbose").reserve([cost], 3.0).permits[0].charged
    assert others[2] == 4_001


def test_estimates__one_answer_says_little() -> None:
    store = Store(RateLimit(tokens_per_minute=10_000_000))
    cost = CallCost(100, 4_000)
    permit = store.reserve(NOW_S, 1, cost=cost).permits[0]
    store.settle(NOW_S, Settlement(permit, cost, used(100, 10)))
    assert store.reserve(NOW_S, 1, cost=cost).permits[0].charged[2] > 3_600


# Permits that were not used


def test_give_back__lets_others_have_the_last_slots() -> None:
    store = Store(RateLimit(requests_per_minute=600, tokens_per_minute=1_000_000))
    first = store.reserve(NOW_S, 10)
    bucket = store.open(NOW_S + 0.25)
    bucket.give_back(first.permits[3:])
    store.save(bucket)
    again = store.reserve(NOW_S + 0.25, 10, run_id="other")
    assert slots(again)[0] == pytest.approx(first.permits[3].slot_s)


def test_give_back__keeps_slots_others_have_passed_but_frees_their_tokens() -> None:
    store = Store(RateLimit(requests_per_minute=600, tokens_per_minute=1_000_000))
    first = store.reserve(NOW_S, 3)
    second = store.reserve(NOW_S, 1, run_id="other")
    bucket = store.open(NOW_S)
    bucket.give_back(first.permits)
    store.save(bucket)
    assert slots(store.reserve(NOW_S, 1))[0] > second.permits[0].slot_s
    assert store.document is not None
    assert sum(store.document["tokens_per_minute"][2:]) == 2 * second.permits[0].charged[0]


# Pauses and pace


def test_pause__holds_everybody_back_and_says_so() -> None:
    store = Store()
    bucket = store.open(NOW_S)
    bucket.pause(NOW_S + 20)
    store.save(bucket)
    denied = store.reserve(NOW_S + 1, 1, run_id="other")
    assert (denied.permits, denied.why, denied.pause_until_s) == ((), "provider_throttles", NOW_S + 20)
    assert denied.wait_s == pytest.approx(19 - 3)
    assert slots(store.reserve(NOW_S + 18, 1)) == [NOW_S + 20]
    assert store.reserve(NOW_S + 30, 0).pause_until_s == 0


def test_pause__is_never_shortened_and_never_longer_than_a_quarter_of_an_hour() -> None:
    document = with_pause(None, NOW_S + 100, NOW_S)
    assert pause_until_s(with_pause(document, NOW_S + 50, NOW_S)) == NOW_S + 100
    assert pause_until_s(with_pause(document, NOW_S + 1e9, NOW_S)) == NOW_S + LONGEST_PAUSE_S
    assert pause_until_s(None) == 0


def test_pause__of_a_model_without_limits_is_kept_when_one_is_registered() -> None:
    store = Store()
    store.document = with_pause(None, NOW_S + 2, NOW_S)
    assert slots(store.reserve(NOW_S, 1)) == [NOW_S + 2]


def test_pace__halves_when_every_call_is_refused_and_comes_back() -> None:
    store = Store()
    bucket = store.open(NOW_S)
    bucket.observe(10, 10)
    store.save(bucket)
    first, second = slots(store.reserve(NOW_S + ROUND_S, 2))
    assert second - first == pytest.approx(SPACING_S / (0.5 + RAISE))
    rounds = round(0.5 / RAISE)
    first, second = slots(store.reserve(NOW_S + ROUND_S * (rounds + 2), 2))
    assert second - first == pytest.approx(SPACING_S)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 100), st.integers(0, 100)), max_size=50))
def test_pace__stays_between_its_bounds(rounds: list[tuple[float, int, int]]) -> None:
    now_s, stored = NOW_S, None
    for passed_s, attempts, refusals in rounds:
        now_s += passed_s
        pace = Pace(stored, now_s)
        assert LOWEST <= pace.factor <= 1
        pace.observe(attempts, refusals)
        stored = json.loads(json.dumps(pace.as_json()))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_pace__settles_just_above_what_the_provider_takes(share: float) -> None:
    # The provider takes a part of the limit; what is asked beyond it is refused.
    stored, now_s, paces = None, NOW_S, []
    for _ in range(200):
        pace = Pace(stored, now_s)
        paces.append(pace.factor)
        attempts = int(1_000 * pace.factor)
        pace.observe(attempts, max(0, attempts - int(1_000 * share)))
        stored, now_s = pace.as_json(), now_s + ROUND_S
    settled = paces[100:]
    assert share * 0.95 < min(settled) <= max(settled) < share + 3 * RAISE


def test_pace__a_few_refusals_cost_little() -> None:
    stored, now_s = None, NOW_S
    for _ in range(100):
        pace = Pace(stored, now_s)
        pace.observe(1_000, 40)
        stored, now_s = pace.as_json(), now_s + ROUND_S
    assert pace.factor > 0.9


# Runs


def test_runs__one_that_waits_gets_the_far_slots_and_the_other_only_near_ones() -> None:
    store = Store(RateLimit(requests_per_minute=600))
    greedy = store.reserve(NOW_S, 1_000, "greedy")
    assert store.reserve(NOW_S, 5, "late").permits == ()
    # The horizon moves on; though it asks first, the one that had all of it gets next to nothing.
    assert len(store.reserve(NOW_S + 1, 1_000, "greedy").permits) <= 1
    late = store.reserve(NOW_S + 1, 1_000, "late")
    assert len(late.permits) >= 3
    assert late.permits[0].slot_s > greedy.permits[-1].slot_s


def test_runs__one_that_stays_away_stops_nobody() -> None:
    store = Store(RateLimit(requests_per_minute=600))
    store.reserve(NOW_S, 1_000, "greedy")
    store.reserve(NOW_S, 5, "gone")
    now_s, granted = NOW_S, 0
    while now_s < NOW_S + 20:
        now_s += 0.3
        granted += len(store.reserve(now_s, 1_000, "greedy").permits)
    assert granted > 20 * 10 * 60 / REQUEST_WINDOW_S - 5


def test_runs__one_that_was_idle_has_no_claim_to_the_past() -> None:
    store = Store(RateLimit(requests_per_minute=600))
    store.reserve(NOW_S, 1, "idle")
    now_s = NOW_S
    while now_s < NOW_S + 60:
        now_s += 0.5
        store.reserve(now_s, 1_000, "busy")
    counts = {"idle": 0, "busy": 0}
    while now_s < NOW_S + 80:
        now_s += 0.25
        for run_id in counts:
            counts[run_id] += len(store.reserve(now_s, 1_000, run_id).permits)
    assert counts["idle"] == pytest.approx(counts["busy"], rel=0.2)


@settings(max_examples=12)
@given(st.integers(1, 6), st.integers(1, 10), st.sampled_from([20, 60, 600, 3_000]))
def test_runs__share_equally_however_often_they_ask(runs: int, times: int, per_minute: int) -> None:
    store = Store(RateLimit(requests_per_minute=per_minute))
    counts = dict.fromkeys([f"run{number}" for number in range(runs)], 0)
    start_s = now_s = NOW_S
    seconds = 60 * max(1, 600 // per_minute)
    while now_s < start_s + seconds:
        now_s += 0.4
        for number, run_id in enumerate(counts):
            # The first run asks often, the last one once.
            for _ in range(times if number == 0 else 1):
                counts[run_id] += len(store.reserve(now_s, 1_000, run_id).permits)
        if start_s == NOW_S and now_s > NOW_S + 5:
            # What the first one took before it had company is not shared.
            start_s, counts = now_s, dict.fromkeys(counts, 0)
    fair = sum(counts.values()) / runs
    assert sum(counts.values()) >= 0.99 * seconds / REQUEST_WINDOW_S * per_minute - 1
    assert all(abs(count - fair) <= max(1.5, 0.1 * fair) for count in counts.values())


def test_runs__are_forgotten_some_time_after_they_asked() -> None:
    store = Store()
    for number in range(MOST_RUNS + 5):
        store.reserve(NOW_S + number / 10, 1, f"run{number}")
    assert store.document is not None
    assert len(store.document["runs"]) == MOST_RUNS
    assert f"run{MOST_RUNS + 4}" in store.document["runs"]
    store.reserve(NOW_S + REMEMBERED_S + 100, 1, "last")
    assert list(store.document["runs"]) == ["last"]


def test_kinds__of_a_run_are_bounded() -> None:
    store = Store()
    for number in range(MOST_KINDS + 5):
        store.save(store.open(NOW_S, kind=f"variant{number}"))
    assert store.document is not None
    kinds = list(store.document["runs"]["run"]["seen"])
    assert kinds == [f"variant{number}" for number in range(5, MOST_KINDS + 5)]


# The guarantee, whatever happens

_LIMITS = st.builds(
    RateLimit,
    requests_per_minute=st.sampled_from([None, 1, 3, 59, 600, 30_000]),
    tokens_per_minute=st.sampled_from([None, 50, 2_000, 100_000]),
    output_tokens_per_minute=st.sampled_from([None, 1_000]),
)
_STEPS = st.lists(
    st.tuples(
        st.floats(0, 20),  # seconds since the last step
        st.sampled_from(["a", "b", "c"]),
        st.lists(st.builds(CallCost, st.integers(0, 400), st.integers(0, 400)), max_size=30),
        st.floats(0, 4),  # horizon
        st.sampled_from(["settle", "release", "give back", "pause", "refuse", "nothing"]),
    ),
    min_size=1,
    max_size=40,
)


def _windows_hold(charges: list[tuple[float, int]], window_s: float, limit: int) -> bool:
    """Whether no half-open window of that length holds more than the limit."""
    ordered = sorted(charges)
    start = total = 0
    for slot_s, amount in ordered:
        total += amount
        while slot_s - ordered[start][0] >= window_s - 1e-4:
            total -= ordered[start][1]
            start += 1
        if total > limit:
            return False
    return True


@given(_LIMITS, _STEPS)
def test_guarantee__no_window_holds_more_than_the_limit(rate_limit: RateLimit, steps: list[Any]) -> None:
    store, now_s, last_s = Store(rate_limit), NOW_S, 0.0
    standing: list[Permit] = []
    charges: dict[Permit, tuple[int, int, int]] = {}
    for passed_s, run_id, costs, horizon_s, then in steps:
        now_s += passed_s
        bucket = store.open(now_s, run_id)
        grant = bucket.reserve(costs, horizon_s)
        assert len(grant.permits) == len(costs) or grant.wait_s > 0
        for permit in grant.permits:
            assert max(now_s, last_s) <= permit.slot_s <= now_s + horizon_s + 1e-6
            last_s = permit.slot_s
            standing.append(permit)
            charges[permit] = permit.charged
        store.save(bucket)
        bucket = store.open(now_s, run_id)
        if then == "settle" and grant.permits:
            permit = grant.permits[0]
            usage = used(permit.charged[1] // 2, permit.charged[2] // 2)
            bucket.settle([Settlement(permit, costs[0], usage)])
            charges[permit] = (usage.input_tokens + usage.output_tokens, usage.input_tokens, usage.output_tokens)
        elif then == "release" and grant.permits:
            bucket.release(grant.permits[:1])
            charges[grant.permits[0]] = (0, 0, 0)
        elif then == "give back":
            tail = [permit for permit in grant.permits if permit.slot_s > now_s]
            bucket.give_back(tail)
            standing = [permit for permit in standing if permit not in tail]
            last_s = tail[0].slot_s if tail else last_s
        elif then == "pause":
            bucket.pause(now_s + 2)
        elif then == "refuse":
            bucket.observe(4, 2)
        store.save(bucket)
    if rate_limit.requests_per_minute:
        requests = [(permit.slot_s, 1) for permit in standing]
        assert _windows_hold(requests, REQUEST_WINDOW_S, rate_limit.requests_per_minute)
    for index, limit in enumerate(
        (rate_limit.tokens_per_minute, rate_limit.input_tokens_per_minute, rate_limit.output_tokens_per_minute)
    ):
        if limit:
            tokens = [(permit.slot_s, min(limit, charges[permit][index])) for permit in standing]
            assert _windows_hold(tokens, WINDOW_S, limit)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 100)), max_size=80))
def test_minute__gives_the_earliest_time_that_whole_seconds_allow(charges: list[tuple[float, int]]) -> None:
    account, taken, now_s = MinuteAccount(), [], NOW_S
    for passed_s, amount in charges:
        now_s += passed_s
        slot_s = account.earliest_s(now_s, amount, 100)

        def fits(time_s: float, amount: int = amount) -> bool:
            # A second counts until its end has left the window.
            return amount + sum(a for s, a in taken if int(s) + 1 + WINDOW_S > time_s) <= 100

        assert fits(slot_s)
        if slot_s > now_s:
            assert not fits(slot_s - 0.001)
        account.add(slot_s, amount)
        taken.append((slot_s, amount))
        now_s = slot_s
        assert len(account.as_json()) <= WINDOW_S + 4
        account = MinuteAccount(account.as_json()[0], account.as_json()[1:])


# The key


def test_limit_key__is_one_for_all_registrations_of_an_account() -> None:
    facts: dict[str, Any] = {"vendor": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "secret_name": "s"}
    one, other = ModelProvider(id="one", **facts), ModelProvider(id="other", max_in_flight=3, **facts)
    assert limit_key(one, "small") == limit_key(other, "small")
    assert limit_key(one, "small") != limit_key(one, "large")
    assert limit_key(one, "small") != limit_key(one.model_copy(update={"secret_name": "t"}), "small")
    assert "127.0.0.1" not in limit_key(one, "small")
