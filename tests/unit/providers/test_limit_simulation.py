"""Many workers of several runs over minutes, in virtual time: the limit is kept, used up and shared."""

from __future__ import annotations

import random

import pytest
from limit_world import CallKind, Refusing, Traffic, Worker, World

from abtest.providers.registration import RateLimit

QUICK = CallKind(latency_s=lambda draw: draw.uniform(0.2, 1.0))


def worker(run_id: str, number: int, **changes: object) -> Worker:
    """One of several; their clocks differ by up to 0.1 s."""
    return Worker(run_id, skew_s=(number % 5 - 2) * 0.025, **changes)  # type: ignore[arg-type]


def workers(run_id: str, count: int, **changes: object) -> list[Worker]:
    return [worker(run_id, number, **changes) for number in range(count)]


def requests_in_a_minute(traffic: Traffic) -> int:
    return traffic.most_in_a_minute(lambda _: 1)


def tokens_in_a_minute(traffic: Traffic) -> int:
    return traffic.most_in_a_minute(lambda arrival: arrival.tokens)


def used(traffic: Traffic, per_minute: int, start_s: float, end_s: float) -> float:
    """The part of a limit on requests that was used."""
    return len(traffic.between(start_s, end_s)) * 60 / (end_s - start_s) / per_minute


def share(traffic: Traffic, run_id: str, start_s: float, end_s: float) -> float:
    return len(traffic.between(start_s, end_s, run_id)) / len(traffic.between(start_s, end_s))


@pytest.mark.parametrize("seed", [1, 2])
def test_two_runs__of_eighteen_and_two_workers_keep_the_limit_use_it_and_share_it(seed: int) -> None:
    world = World(RateLimit(requests_per_minute=600), seed)
    traffic = world.run([*workers("large", 18), *workers("small", 2)], 180)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 5, 180) > 0.95
    assert 0.9 < share(traffic, "large", 5, 180) / share(traffic, "small", 5, 180) < 1.1


def test_three_runs__share_equally() -> None:
    world = World(RateLimit(requests_per_minute=900))
    traffic = world.run([*workers("a", 12), *workers("b", 6), *workers("c", 2)], 120)
    assert requests_in_a_minute(traffic) <= 900
    assert used(traffic, 900, 5, 120) > 0.95
    assert all(share(traffic, run_id, 5, 120) == pytest.approx(1 / 3, rel=0.1) for run_id in "abc")


def test_late_run__has_its_share_within_seconds() -> None:
    world = World(RateLimit(requests_per_minute=600))
    traffic = world.run([*workers("first", 18), *workers("late", 2, start_s=60)], 100)
    assert share(traffic, "late", 65, 75) > 0.4
    assert share(traffic, "late", 70, 100) == pytest.approx(0.5, abs=0.05)
    assert requests_in_a_minute(traffic) <= 600


def test_run_that_ends__leaves_its_share_to_the_other_within_seconds() -> None:
    world = World(RateLimit(requests_per_minute=600))
    traffic = world.run([*workers("stays", 4), *workers("ends", 16, end_s=60)], 120)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 70, 120) > 0.95
    assert traffic.between(65, 120, "ends") == []


def test_run_with_little_to_do__gets_all_of_it_and_the_other_the_rest() -> None:
    # 4 calls in flight with a pause of 3 s: about one call each second, far below a half of ten.
    modest = Worker("modest", in_flight=4, calls=QUICK, pause_between_s=lambda draw: draw.uniform(2, 4))
    traffic = World(RateLimit(requests_per_minute=600)).run([*workers("greedy", 10), modest], 120)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 5, 120) > 0.95
    # A wait of two seconds for each slot is all that it feels.
    assert len(traffic.between(5, 120, "modest")) > 60


def test_workers_that_die__lose_their_slots_and_break_nothing() -> None:
    # Every ten seconds one of four dies in the midst of its work, with a second of slots; another one starts.
    dying = [worker("run", number, start_s=10.0 * number, end_s=10.0 * number + 40) for number in range(20)]
    traffic = World(RateLimit(requests_per_minute=600)).run(dying, 200)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 10, 200) > 0.88


@pytest.mark.parametrize(("per_minute", "seconds"), [(3, 600), (20, 300), (60, 240)])
def test_low_limits__are_kept_and_used_by_batches_that_come_back(per_minute: int, seconds: int) -> None:
    world = World(RateLimit(requests_per_minute=per_minute))
    traffic = world.run([*workers("a", 6), *workers("b", 2)], seconds)
    assert requests_in_a_minute(traffic) <= per_minute
    assert used(traffic, per_minute, 60, seconds) > 0.95
    counts = [len(traffic.between(0, seconds, run_id)) for run_id in "ab"]
    assert abs(counts[0] - counts[1]) <= max(2, 0.1 * sum(counts))
    assert bool(world.deferrals) or per_minute == 60


def test_high_limit__is_kept_used_and_shared() -> None:
    calls = CallKind(latency_s=lambda draw: draw.uniform(0.05, 0.15))
    busy = {"calls": calls, "in_flight": 200, "late_s": lambda draw: draw.uniform(0, 0.1)}
    world = World(RateLimit(requests_per_minute=30_000))
    traffic = world.run([*workers("a", 18, **busy), *workers("b", 2, **busy)], 70)
    assert requests_in_a_minute(traffic) <= 30_000
    assert used(traffic, 30_000, 2, 70) > 0.95
    assert share(traffic, "b", 2, 70) == pytest.approx(0.5, abs=0.05)
    # Many calls for each write.
    assert world.state.writes < len(traffic.arrivals) / 4


def test_one_worker__writes_seldom() -> None:
    world = World(RateLimit(requests_per_minute=6_000))
    traffic = world.run([Worker("run", in_flight=300, calls=QUICK)], 60)
    assert used(traffic, 6_000, 5, 60) > 0.95
    assert world.state.writes < len(traffic.arrivals) / 15


def test_demand_below_the_limit__passes_without_a_wait_and_with_few_writes() -> None:
    # 20 in flight and 0.1 s each: 200 calls in a second of 500 that are allowed.
    calls = CallKind(latency_s=lambda _draw: 0.1)
    world = World(RateLimit(requests_per_minute=30_000))
    steady = Worker("run", in_flight=20, calls=calls, late_s=lambda _draw: 0.0)
    traffic = world.run([steady], 30)
    assert len(traffic.arrivals) > 0.85 * 200 * 30
    assert world.state.writes < len(traffic.arrivals) / 10


def test_tokens__as_estimated_are_never_above_the_limit() -> None:
    limit = RateLimit(requests_per_minute=6_000, tokens_per_minute=120_000)
    traffic = World(limit).run([*workers("a", 18), *workers("b", 2)], 200)
    assert tokens_in_a_minute(traffic) <= 120_000
    assert requests_in_a_minute(traffic) <= 6_000
    assert 200 * used(traffic, 1, 10, 200) > 0.95 * 120_000
    assert share(traffic, "b", 10, 200) == pytest.approx(0.5, abs=0.05)


def long_tailed(draw: random.Random) -> int:
    return min(4_000, int(draw.lognormvariate(5.5, 0.8)))


@pytest.mark.parametrize("seed", [3, 4])
def test_tokens__that_nobody_could_foresee_are_learned(seed: int) -> None:
    # Answers take a tenth of what they may, differ by a factor of ten, and are known seconds later.
    calls = CallKind(500, 4_000, long_tailed, lambda draw: draw.uniform(1, 6))
    world = World(RateLimit(tokens_per_minute=400_000), seed)
    traffic = world.run([*workers("a", 6, calls=calls), *workers("b", 2, calls=calls)], 240)
    assert tokens_in_a_minute(traffic) <= 400_000
    steady = sum(arrival.tokens for arrival in traffic.between(60, 240)) / 3
    assert steady > 0.94 * 400_000


def test_large_calls__that_a_few_of_fill_a_minute_keep_the_limit() -> None:
    calls = CallKind(8_000, 1_000, lambda _draw: 1_000, lambda draw: draw.uniform(2, 10))
    traffic = World(RateLimit(tokens_per_minute=50_000)).run(workers("a", 5, calls=calls, in_flight=5), 400)
    assert tokens_in_a_minute(traffic) <= 50_000
    # Five of 9,000 fit into 50,000.
    assert sum(arrival.tokens for arrival in traffic.between(60, 400)) / 340 * 60 > 0.85 * 45_000


def test_slow_store__costs_neither_the_limit_nor_much_of_it() -> None:
    world = World(RateLimit(requests_per_minute=600), trip_s=lambda draw: draw.uniform(0.1, 1.0))
    traffic = world.run(workers("a", 10), 120)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 10, 120) > 0.9


@pytest.mark.parametrize("with_hint", [False, True])
@pytest.mark.parametrize("taken_per_minute", [150, 400])
def test_provider_that_takes_less__is_used_up_and_seldom_refuses(with_hint: bool, taken_per_minute: int) -> None:
    provider = Refusing(taken_per_minute, with_hint=with_hint)
    world = World(RateLimit(requests_per_minute=600), provider=provider)
    traffic = world.run([*workers("a", 6), *workers("b", 2)], 240)
    steady = traffic.between(60, 240)
    answered = [arrival for arrival in steady if not arrival.refused]
    assert len(answered) / 3 > 0.85 * taken_per_minute
    assert 1 - len(answered) / len(steady) < 0.3


def test_provider_that_takes_all_again__is_used_up_after_some_time() -> None:
    class Recovering(Refusing):
        def refuses(self, now_s: float) -> bool:
            return now_s < 60 and super().refuses(now_s)

    world = World(RateLimit(requests_per_minute=600), provider=Recovering(60, with_hint=True))
    traffic = world.run(workers("a", 6), 360)
    assert requests_in_a_minute(traffic) <= 600
    assert used(traffic, 600, 300, 360) > 0.95
