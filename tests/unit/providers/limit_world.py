"""Workers, their clocks, a store and a provider in virtual time: minutes of traffic in seconds, without sleeping."""

from __future__ import annotations

import asyncio
import bisect
import json
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from abtest.contracts.records import Usage
from abtest.providers.limits.permits import PermitPool
from abtest.providers.model import CallCost, Deferral
from abtest.providers.registration import RateLimit

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START_S = START.timestamp()


class _VirtualSelector(selectors.DefaultSelector):
    """Moves the time instead of waiting for it."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            # Nothing is planned: only a thread can bring news.
            return super().select(10)
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes as fast as its work is done; starts at 0 s."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now_s


class StoreTrips(ThreadPoolExecutor):
    """Runs what would run in a thread at half of a trip's virtual time.

    Args:
        trip_s: draws the length of a trip.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, trip_s: Callable[[], float]) -> None:
        super().__init__(1)
        self._loop, self._trip_s = loop, trip_s

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        half_s = self._trip_s() / 2

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except Exception as error:
                self._loop.call_later(half_s, future.set_exception, error)
            else:
                self._loop.call_later(half_s, future.set_result, result)

        self._loop.call_later(half_s, run)
        return future


@dataclass
class LoopClock:
    """A worker's clock in virtual time.

    Args:
        skew_s: how far it is ahead of the truth.
    """

    skew_s: float = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic_s() + self.skew_s)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class CountingState:
    """A shared state in memory that counts; documents pass through JSON, as in every store."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}
        self.reads = self.writes = 0

    def read(self, key: str) -> Mapping[str, Any] | None:
        self.reads += 1
        text = self.documents.get(key)
        return None if text is None else json.loads(text)

    def change(self, key: str, decide: Callable[[Any], tuple[Mapping[str, Any], Any]]) -> Any:
        self.writes += 1
        text = self.documents.get(key)
        document, result = decide(None if text is None else json.loads(text))
        self.documents[key] = json.dumps(document)
        return result


@dataclass
class Arrival:
    """A call as the provider sees it."""

    time_s: float
    run_id: str
    tokens: int
    refused: bool = False


class Refusing:
    """A provider that takes fewer calls than registered, as one does that others use as well.

    Args:
        per_minute: calls it takes, evenly refilled, at most a second's worth at once.
        with_hint: whether a refusal says how long to wait.
    """

    def __init__(self, per_minute: int, *, with_hint: bool) -> None:
        self._rate, self._with_hint = per_minute / 60, with_hint
        self._left, self._seen_s = self._rate, 0.0

    def refuses(self, now_s: float) -> bool:
        self._left = min(self._rate, self._left + (now_s - self._seen_s) * self._rate)
        self._seen_s = now_s
        if self._left < 1:
            return True
        self._left -= 1
        return False

    def hint_s(self) -> float | None:
        return max(0.0, 1 - self._left) / self._rate if self._with_hint else None


@dataclass
class Traffic:
    """All arrivals, in order of time."""

    arrivals: list[Arrival] = field(default_factory=list)

    def between(self, start_s: float, end_s: float, run_id: str | None = None) -> list[Arrival]:
        return [a for a in self.arrivals if start_s <= a.time_s < end_s and run_id in {None, a.run_id}]

    def most_in_a_minute(self, size: Callable[[Arrival], int]) -> int:
        """The most that any 60 seconds hold."""
        arrivals = sorted(self.arrivals, key=lambda a: a.time_s)
        times = [a.time_s for a in arrivals]
        sums = [0]
        for arrival in arrivals:
            sums.append(sums[-1] + size(arrival))
        ends = (bisect.bisect_left(times, time_s + 60) for time_s in times)
        return max((sums[end] - sums[start] for start, end in enumerate(ends)), default=0)


@dataclass(frozen=True)
class CallKind:
    """How calls look.

    Args:
        input_tokens: of the estimate, and really.
        most_output_tokens: the estimate.
        output_tokens: draws what a call really takes.
        latency_s: draws how long one takes.
    """

    input_tokens: int = 100
    most_output_tokens: int = 100
    output_tokens: Callable[[random.Random], int] = lambda _draw: 100
    latency_s: Callable[[random.Random], float] = lambda draw: draw.uniform(0.2, 2.0)


@dataclass(frozen=True)
class Worker:
    """One worker of a run.

    Args:
        in_flight: calls it makes at the same time.
        start_s, end_s: when it works; it dies at the end, without a word.
        late_s: draws how much later than allowed a call arrives.
        skew_s: of its clock.
        pause_between_s: draws how long it does something else between two calls.
    """

    run_id: str
    in_flight: int = 50
    start_s: float = 0.0
    end_s: float = float("inf")
    late_s: Callable[[random.Random], float] = lambda draw: draw.uniform(0.0, 0.5)
    skew_s: float = 0.0
    calls: CallKind = CallKind()
    pause_between_s: Callable[[random.Random], float] = lambda _draw: 0.0


class World:
    """Workers of some runs, and the provider they call.

    Args:
        rate_limit: as registered.
        seed: of everything random.
        trip_s: draws the length of a trip to the store.
        provider: refuses calls; None takes every one.
    """

    def __init__(
        self,
        rate_limit: RateLimit | None,
        seed: int = 7,
        trip_s: Callable[[random.Random], float] = lambda draw: draw.uniform(0.004, 0.03),
        provider: Refusing | None = None,
    ) -> None:
        self.rate_limit = rate_limit
        self._provider = provider
        self.state = CountingState()
        self.traffic = Traffic()
        self.deferrals: list[Deferral] = []
        self._draw = random.Random(seed)
        self._trip_s = trip_s

    def run(self, workers: list[Worker], seconds: float) -> Traffic:
        """Let workers work for so many virtual seconds; return what the provider saw."""
        run_virtually(self._work(workers, seconds), lambda: self._trip_s(self._draw))
        return self.traffic

    async def _work(self, workers: list[Worker], seconds: float) -> None:
        tasks = [asyncio.create_task(self._worker(worker)) for worker in workers]
        await asyncio.sleep(seconds)
        await _stop(tasks)

    async def _worker(self, worker: Worker) -> None:
        await asyncio.sleep(worker.start_s)
        left_s = worker.end_s - worker.start_s
        try:
            async with asyncio.timeout(None if left_s == float("inf") else left_s):
                while True:
                    deferral = await self._batch(worker)
                    self.deferrals.append(deferral)
                    # A message comes back a little later than it was sent to.
                    await asyncio.sleep(deferral.wait_s + self._draw.uniform(0.0, 1.2))
        except TimeoutError:
            return

    async def _batch(self, worker: Worker) -> Deferral:
        pool = PermitPool(
            self.state,
            "limit",
            self.rate_limit,
            run_id=worker.run_id,
            clock=LoopClock(worker.skew_s),
            jitter=self._draw.random,
        )
        calls = [asyncio.create_task(self._calls(worker, pool)) for _ in range(worker.in_flight)]
        try:
            deferral = (await asyncio.gather(*calls))[0]
        finally:
            await _stop(calls)
        await pool.close()
        return deferral

    async def _calls(self, worker: Worker, pool: PermitPool) -> Deferral:
        loop = asyncio.get_running_loop()
        kind, draw = worker.calls, self._draw
        while True:
            cost = CallCost(kind.input_tokens, kind.most_output_tokens)
            deferral = await pool.acquire(cost)
            if deferral is not None:
                return deferral
            await asyncio.sleep(worker.late_s(draw))
            output_tokens = kind.output_tokens(draw)
            refused = self._provider is not None and self._provider.refuses(loop.time())
            arrival = Arrival(loop.time(), worker.run_id, kind.input_tokens + output_tokens, refused)
            self.traffic.arrivals.append(arrival)
            if self._provider is not None and refused:
                hint_s = self._provider.hint_s()
                pool.throttled(hint_s)
                pool.settle(cost, None)
                await asyncio.sleep(hint_s or draw.uniform(0, 1))
                continue
            await asyncio.sleep(kind.latency_s(draw))
            pool.settle(cost, Usage(input_tokens=kind.input_tokens, output_tokens=output_tokens))
            await asyncio.sleep(worker.pause_between_s(draw))


def run_virtually(work: Coroutine[Any, Any, Any], trip_s: Callable[[], float] = lambda: 0.01) -> Any:
    """Run to the end in virtual time, and return the result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        loop.set_default_executor(StoreTrips(loop, trip_s))
        return runner.run(work)


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
