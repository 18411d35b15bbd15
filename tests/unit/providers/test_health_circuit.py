"""The circuit's state machine: when it opens, who probes, what closes it, and that nothing shuts it for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from abtest.contracts.records import FailureReason
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.health.circuit import (
    AVAILABILITY_FAILURES,
    FEWEST_ATTEMPTS,
    FIRST_COOLDOWN_S,
    LEASE_S,
    LONGEST_COOLDOWN_S,
    LONGEST_WINDOW_S,
    Circuit,
    Counts,
    conclude,
    cooldown_s,
    count,
    lease_owner,
    probe_wait_s,
    release_lease,
    state_of,
    take_lease,
)

NOW_S = 1_800_000_000.0


def counted(attempts: int, failures: int, generation: int = 0, **facts: Any) -> Counts:
    return Counts(generation=generation, attempts=attempts, failures=failures, **facts)


def opened(now_s: float = NOW_S, retry_after_s: float | None = None) -> Circuit:
    return count(Circuit(), counted(20, 20, retry_after_s=retry_after_s), now_s)


def probing(owner: str = "a", now_s: float = NOW_S + FIRST_COOLDOWN_S) -> Circuit:
    return take_lease(opened(now_s - FIRST_COOLDOWN_S), owner, now_s)


@pytest.mark.parametrize(
    ("attempts", "failures", "state"),
    [(19, 19, "closed"), (20, 9, "closed"), (20, 10, "open"), (1000, 499, "closed"), (1000, 500, "open")],
)
def test_circuit__opens_at_half_of_at_least_twenty_attempts(attempts: int, failures: int, state: str) -> None:
    assert state_of(count(Circuit(), counted(attempts, failures), NOW_S), NOW_S) == state


def test_availability_failures__are_neither_limits_nor_faults_of_the_request() -> None:
    assert set(WHAT_TO_DO) > AVAILABILITY_FAILURES
    harmless: set[FailureReason] = {
        "rate_limited",
        "quota",
        "auth",
        "permission",
        "bad_request",
        "context_length",
        "model_not_found",
    }
    assert not AVAILABILITY_FAILURES & harmless


def test_counts_of_several_workers__add_up() -> None:
    circuit = Circuit()
    for _ in range(4):
        assert state_of(circuit, NOW_S) == "closed"
        circuit = count(circuit, counted(5, 4), NOW_S)
    assert state_of(circuit, NOW_S) == "open"


def test_failures_counted_after_their_attempts__make_no_share_above_one() -> None:
    circuit = count(Circuit(), counted(0, 19), NOW_S)
    assert state_of(circuit, NOW_S) == "closed"
    assert state_of(count(circuit, counted(0, 1), NOW_S), NOW_S) == "open"


def test_a_healthy_past__delays_the_opening_by_seconds_only() -> None:
    circuit = Circuit()
    for second in range(100):
        circuit = count(circuit, counted(100, 0), NOW_S + second)
    for second in range(100, 130):
        circuit = count(circuit, counted(100, 100), NOW_S + second)
        if not circuit.closed:
            break
    assert 100 <= circuit.changed_at_s - NOW_S <= 106


@pytest.mark.parametrize(("quick", "seconds"), [(100, 3), (0, 6)])
def test_quick_failures__open_it_sooner_than_slow_ones(quick: int, seconds: int) -> None:
    circuit = Circuit()
    for second in range(100):
        circuit = count(circuit, counted(100, 0), NOW_S + second)
    for second in range(100, 130):
        circuit = count(circuit, counted(100, 100, quick_failures=quick), NOW_S + second)
        if not circuit.closed:
            break
    assert circuit.changed_at_s - NOW_S - 99 <= seconds


def test_a_wave_of_time_outs_of_a_tenth__opens_nothing() -> None:
    circuit = Circuit()
    for second in range(121):
        failures = 10 if second == 120 else 0
        circuit = count(circuit, counted(5, failures), NOW_S + second)
    assert circuit.closed


@pytest.mark.parametrize(("attempts", "quick", "state"), [(48, 24, "closed"), (50, 25, "open"), (50, 24, "closed")])
def test_quick_failures__need_fifty_attempts(attempts: int, quick: int, state: str) -> None:
    healthy = count(Circuit(), counted(1000, 0), NOW_S)
    circuit = count(healthy, counted(attempts, quick, quick_failures=quick), NOW_S + 5)
    assert state_of(circuit, NOW_S + 5) == state


def test_few_attempts_in_two_minutes__are_enough_to_open() -> None:
    circuit = Circuit()
    for number in range(20):
        circuit = count(circuit, counted(1, 1), NOW_S + 6 * number)
    assert not circuit.closed


def test_attempts_older_than_two_minutes__do_not_count() -> None:
    circuit = count(Circuit(), counted(19, 19), NOW_S)
    later_s = NOW_S + LONGEST_WINDOW_S + 4
    assert count(circuit, counted(1, 1), later_s).closed


def test_the_window__stays_small() -> None:
    circuit = Circuit()
    for step in range(1000):
        circuit = count(circuit, counted(1, 0), NOW_S + step / 4)
        assert len(circuit.window) <= 12
    slow = Circuit()
    for step in range(200):
        slow = count(slow, counted(1, 0), NOW_S + 5 * step)
        assert len(slow.window) <= FEWEST_ATTEMPTS + 2


def test_counts_of_an_earlier_generation__change_nothing() -> None:
    closed_again = conclude(probing(), "a", available=True, retry_after_s=None, now_s=NOW_S + 11)
    assert closed_again.generation == 2
    for generation in (0, 1):
        assert count(closed_again, counted(500, 500, generation), NOW_S + 12) == closed_again


@pytest.mark.parametrize(("hint_s", "wait_s"), [(None, 10.0), (3.0, 10.0), (45.0, 45.0), (3600.0, 120.0)])
def test_retry_hint__makes_the_cool_down_longer_up_to_the_longest(hint_s: float | None, wait_s: float) -> None:
    assert probe_wait_s(opened(retry_after_s=hint_s), NOW_S) == wait_s


def test_cool_down__doubles_with_each_failed_probe() -> None:
    circuit, now_s, waits = opened(), NOW_S, []
    for _ in range(6):
        waits.append(probe_wait_s(circuit, now_s))
        now_s += waits[-1]
        circuit = take_lease(circuit, "a", now_s)
        circuit = conclude(circuit, "a", available=False, retry_after_s=None, now_s=now_s)
    assert waits == [10, 20, 40, 80, 120, 120]


def test_cool_down__begins_anew_after_a_success() -> None:
    circuit = conclude(probing(), "a", available=False, retry_after_s=None, now_s=NOW_S + 11)
    assert circuit.failed_probes == 1
    circuit = take_lease(circuit, "a", NOW_S + 31)
    circuit = conclude(circuit, "a", available=True, retry_after_s=None, now_s=NOW_S + 32)
    again = count(circuit, counted(20, 20, circuit.generation), NOW_S + 33)
    assert probe_wait_s(again, NOW_S + 33) == FIRST_COOLDOWN_S


def test_no_lease__before_the_cool_down_is_over() -> None:
    assert take_lease(opened(), "a", NOW_S + 9.9).lease is None
    assert take_lease(Circuit(), "a", NOW_S).lease is None


def test_one_lease__goes_to_one_owner() -> None:
    circuit = probing("a")
    assert state_of(circuit, NOW_S + 10) == "half_open"
    assert lease_owner(take_lease(circuit, "b", NOW_S + 15), NOW_S + 15) == "a"


def test_lease_of_a_dead_prober__expires() -> None:
    circuit = probing("a")
    after_s = NOW_S + 10 + LEASE_S
    assert state_of(circuit, after_s) == "open"
    circuit = take_lease(circuit, "b", after_s)
    assert lease_owner(circuit, after_s) == "b"
    assert conclude(circuit, "a", available=True, retry_after_s=None, now_s=after_s) == circuit


def test_lease__is_renewed_by_its_owner_and_given_back() -> None:
    circuit = take_lease(probing("a"), "a", NOW_S + 18)
    assert lease_owner(circuit, NOW_S + 25) == "a"
    assert release_lease(circuit, "b") == circuit
    assert lease_owner(take_lease(release_lease(circuit, "a"), "b", NOW_S + 25), NOW_S + 25) == "b"


def test_late_verdict_of_a_prober_nobody_replaced__counts() -> None:
    circuit = conclude(probing("a"), "a", available=True, retry_after_s=None, now_s=NOW_S + 300)
    assert circuit.closed


@pytest.mark.parametrize("ahead_s", [LONGEST_COOLDOWN_S + 31, 86_400.0])
def test_times_of_a_wrong_clock__shut_nobody_out(ahead_s: float) -> None:
    from_the_future = opened(NOW_S + ahead_s)
    assert probe_wait_s(from_the_future, NOW_S) == 0
    stuck = take_lease(from_the_future, "broken", NOW_S + ahead_s + 200)
    assert lease_owner(take_lease(stuck, "sane", NOW_S), NOW_S) == "sane"


def test_clocks_that_differ_a_little__neither_steal_a_lease_nor_probe_early() -> None:
    circuit = opened(NOW_S, retry_after_s=500.0)
    assert probe_wait_s(circuit, NOW_S - 0.1) > LONGEST_COOLDOWN_S
    assert lease_owner(take_lease(probing("a"), "b", NOW_S + 9.9), NOW_S + 9.9) == "a"


@given(st.integers(0, 2_000), st.none() | st.floats(0, 1e9))
def test_cool_down__is_within_its_limits(failed_probes: int, hint_s: float | None) -> None:
    assert FIRST_COOLDOWN_S <= cooldown_s(failed_probes, hint_s) <= LONGEST_COOLDOWN_S


class SharedCircuit(RuleBasedStateMachine):
    """Five workers that do anything at any time with one circuit, which is kept as JSON between the steps."""

    owners = st.sampled_from("abcde")

    def __init__(self) -> None:
        super().__init__()
        self.now_s = NOW_S
        self.circuit = Circuit()
        self.granted: tuple[str, float] | None = None

    def put(self, circuit: Circuit) -> None:
        before = self.circuit
        self.circuit = Circuit.model_validate_json(json.dumps(circuit.model_dump(mode="json", exclude_defaults=True)))
        assert self.circuit == circuit
        assert circuit.generation - before.generation in {0, 1}
        assert (circuit.closed != before.closed) <= (circuit.generation > before.generation)

    @rule(step_s=st.floats(0.01, 30))
    def time_passes(self, step_s: float) -> None:
        self.now_s += step_s

    @rule(attempts=st.integers(0, 50), failures=st.integers(0, 50), late=st.booleans())
    def worker_counts(self, attempts: int, failures: int, late: bool) -> None:
        generation = self.circuit.generation - 1 if late and self.circuit.generation else self.circuit.generation
        after = count(self.circuit, counted(attempts, failures, generation), self.now_s)
        # Nothing that was counted closes a circuit.
        assert after.closed <= self.circuit.closed
        self.put(after)

    @rule(owner=owners)
    def worker_asks_for_the_lease(self, owner: str) -> None:
        after = take_lease(self.circuit, owner, self.now_s)
        holder = lease_owner(after, self.now_s)
        if self.granted is not None and self.now_s < self.granted[1]:
            assert holder == self.granted[0], "two probes at the same time"
        if holder == owner:
            assert not after.closed
            self.granted = (owner, self.now_s + LEASE_S)
        self.put(after)

    @rule(owner=owners)
    def worker_gives_back(self, owner: str) -> None:
        self.put(release_lease(self.circuit, owner))
        if self.granted is not None and self.granted[0] == owner:
            self.granted = None

    @rule(owner=owners, available=st.booleans(), hint_s=st.none() | st.floats(0, 500))
    def probe_ends(self, owner: str, available: bool, hint_s: float | None) -> None:
        after = conclude(self.circuit, owner, available=available, retry_after_s=hint_s, now_s=self.now_s)
        if after != self.circuit:
            assert self.circuit.lease is not None
            assert self.circuit.lease.owner == owner
            assert after.closed == available
            self.granted = None
        self.put(after)

    @invariant()
    def nothing_shuts_it_for_ever(self) -> None:
        if self.circuit.closed:
            return
        assert not self.circuit.window
        assert 0 <= probe_wait_s(self.circuit, self.now_s) <= LONGEST_COOLDOWN_S
        later_s = self.now_s + LONGEST_COOLDOWN_S + LEASE_S
        leased = take_lease(self.circuit, "z", later_s)
        assert lease_owner(leased, later_s) == "z"
        assert conclude(leased, "z", available=True, retry_after_s=None, now_s=later_s).closed


TestSharedCircuit = SharedCircuit.TestCase
