"""The health of a model as one worker lives it: hears whether the circuit is closed, and tells what its calls showed.

`admit` and `note` touch memory only. A background task tells the shared document what is new about once a second, and
hears with the same request what the other workers found. A store that does not answer never stops a call: while it is
away the circuit counts as closed as soon as its cool-down is over.

Depends on: the circuit, the health record, `abtest.providers.ports`. Used by: the gate of a batch, the live check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from zlib import crc32

from abtest.core.clock import Clock
from abtest.core.errors import StoreError
from abtest.providers.health import circuit as machine
from abtest.providers.health.observations import Observations, is_unavailable
from abtest.providers.health.record import HealthReport, ProviderHealth, merge, read_health
from abtest.providers.model import SeenAttempt
from abtest.providers.ports import SharedState

TELL_INTERVAL_S = 1.0
HEAR_INTERVAL_S = 2.0
_AWAY_FACTOR = 4
_PROBE_LOOK_S = 1.0
_LEASE_LOOK_S = 0.2
_UNUSED_LEASE_S = 5.0
_ROUNDING_S = 1e-3
_ALARMING_FAILURES = machine.FEWEST_QUICK_ATTEMPTS // 2


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an attempt may be made now.

    Args:
        kind: `allowed`; `probe`: it may, and what it shows decides for everybody; `blocked`: it may not.
        wait_s: when blocked, the seconds after which it is worth asking again; 0 otherwise.
        detail: when blocked, why, in a few words; empty otherwise.
    """

    kind: Literal["allowed", "probe", "blocked"]
    wait_s: float = 0.0
    detail: str = ""

    @property
    def may_call(self) -> bool:
        """Whether the attempt may be made."""
        return self.kind != "blocked"


@dataclass(slots=True)
class _Probe:
    """The lease of this worker, in monotonic seconds.

    Args:
        held_s: when it was taken.
        renewed_s: when the store was last asked to keep it, and did.
        sent_s: when the probe was given out; None while it was not.
        available: whether the provider served; None while nobody knows.
    """

    held_s: float
    renewed_s: float
    sent_s: float | None = None
    available: bool | None = None
    retry_after_s: float | None = None


class HealthWatch:
    """Watches one model of one account for one batch; lives in one event loop.

    Call `start` before the first `admit`, ask `admit` directly before each attempt is sent, give each attempt that was
    sent to `note`, and `close` in the end, whatever happened.

    Args:
        state: the documents that workers share; its calls run in threads, one at a time.
        key: of `health_key`.
        clock: tells the time.
        owner: a name no other worker has, for the lease of a probe.
        tell_interval_s: between two tellings of what is new, a fifth more or less by the owner's name.
        hear_interval_s: between two looks while there is nothing to tell.
    """

    def __init__(
        self,
        state: SharedState,
        key: str,
        clock: Clock,
        owner: str,
        *,
        tell_interval_s: float = TELL_INTERVAL_S,
        hear_interval_s: float = HEAR_INTERVAL_S,
    ) -> None:
        self._state, self._key, self._clock, self._owner = state, key, clock, owner
        # Workers that start together would tell together, and get in each other's way each time.
        self._tell_interval_s = tell_interval_s * (0.8 + 0.4 * crc32(owner.encode()) / 2**32)
        self._hear_interval_s = hear_interval_s
        self._circuit = machine.Circuit()
        self._detail = ""
        self._last_success_at_s: float | None = None
        self._seen = Observations(self._circuit.generation)
        self._probe: _Probe | None = None
        self._lease_wanted = False
        self._store_is_away = False
        self._heard_s = float("-inf")
        self._closing = False
        self._wake = asyncio.Event()
        self._telling = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.store_errors = 0

    async def start(self) -> None:
        """Hear how the circuit stands, take the lease of a probe if one is due, and go on in the background."""
        await self._hear()
        if not self._circuit.closed and machine.probe_wait_s(self._circuit, self._now_s()) == 0:
            self._lease_wanted = True
            await self.refresh()
        self._task = asyncio.create_task(self._run())

    @property
    def has_answered_before(self) -> bool:
        """Whether anybody's call of this model got an answer, as far as the record goes back."""
        return self._last_success_at_s is not None

    @property
    def is_closed(self) -> bool:
        """Whether calls go out, as far as is known; a look that costs nothing, before waiting for a permit."""
        return self._circuit.closed

    def look(self) -> Admission:
        """Return what `admit` would say, and send nothing: whether it is worth waiting for a permit. Never waits."""
        return Admission("allowed") if self._circuit.closed else self._admit_while_open(sends=False)

    def admit(self) -> Admission:
        """Return whether an attempt may be made now; never waits.

        After `allowed` or `probe` the attempt is taken as sent, and counts as one that has not failed once it is half
        a second old. A `probe` is given out once for each lease.
        """
        if self._circuit.closed:
            self._seen.begin(self._clock.monotonic_s())
            return Admission("allowed")
        return self._admit_while_open(sends=True)

    def _admit_while_open(self, *, sends: bool) -> Admission:
        now_s, probe = self._clock.monotonic_s(), self._probe
        if probe is not None and probe.sent_s is not None:
            return self._blocked(_PROBE_LOOK_S, "a probe is under way")
        # A lease that may have run out by now may be another's already.
        if probe is not None and now_s - probe.renewed_s < machine.LEASE_S / 2:
            probe.sent_s = now_s if sends else None
            return Admission("probe")
        wait_s = machine.probe_wait_s(self._circuit, self._now_s())
        if wait_s > 0:
            return self._blocked(wait_s, "")
        if self._store_is_away:
            return Admission("allowed")
        if machine.lease_owner(self._circuit, self._now_s()) not in {None, self._owner}:
            return self._blocked(_PROBE_LOOK_S, "another worker sends a probe")
        self._lease_wanted = True
        self._wake.set()
        return self._blocked(_LEASE_LOOK_S, "a probe is due")

    def note(self, seen: SeenAttempt | None) -> None:
        """Take what an attempt showed; None when it was given up in flight. No I/O.

        Args:
            seen: called when the attempt ended, because its latency says when it began.
        """
        if seen is None:
            return
        now_s = self._clock.monotonic_s()
        self._seen.end(seen, now_s, self._now_s())
        if self._is_alarming(now_s):
            self._wake.set()
        probe = self._probe
        if probe is None or probe.sent_s is None or probe.available is not None:
            return
        # A call that began before the probe shows how the provider was, not how it is.
        if now_s - seen.latency_ms / 1000 >= probe.sent_s - _ROUNDING_S:
            probe.available = seen.failure is None or not is_unavailable(seen.failure.failure_reason)
            probe.retry_after_s = None if seen.failure is None else seen.failure.retry_after_s
            self._wake.set()

    def _is_alarming(self, now_s: float) -> bool:
        """Return whether the others should hear at once: each second more of an outage costs calls."""
        if self._store_is_away or self._seen.quick_failures < _ALARMING_FAILURES:
            return False
        # Not sooner: what did not fail at once must be old enough to count beside it.
        return now_s - self._heard_s >= machine.COUNTED_AT_AGE_S

    async def close(self) -> None:
        """Tell what is left, give back a lease that decided nothing, and stop. Tolerates a store that is away."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            # Never cancelled: a request in its thread would go on, and be told twice.
            await self._task
            self._task = None
        await self.refresh()

    async def refresh(self) -> None:
        """Tell what is new, or only look when there is nothing; `start` does it in the background."""
        async with self._telling:
            await self._refresh()

    async def _refresh(self) -> None:
        now_s, epoch_s = self._clock.monotonic_s(), self._now_s()
        report = self._seen.take(now_s)
        probe = self._probe
        wants_lease = self._lease_wanted and not self._closing and probe is None
        self._lease_wanted = False
        if report.empty and probe is None and not wants_lease:
            await self._hear()
            return
        keeps_lease = wants_lease or (probe is not None and self._keeps(probe, now_s))
        if probe is not None and probe.available is None and not keeps_lease:
            # From now on it must not be given out: while the store is told, the worker goes on.
            self._probe = None

        def decide(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ProviderHealth]:
            health = merge(read_health(document), report, epoch_s)
            health = health.model_copy(update={"circuit": self._after(health.circuit, probe, keeps_lease, epoch_s)})
            return health.document(), health

        try:
            health = await asyncio.to_thread(self._state.change, self._key, decide)
        except StoreError:
            self._lost(report)
            return
        self._heard(health, now_s if keeps_lease else None)

    def _after(
        self, circuit: machine.Circuit, probe: _Probe | None, keeps_lease: bool, epoch_s: float
    ) -> machine.Circuit:
        """Return the circuit after what this worker knows of its probe; pure, for it may be asked again."""
        if probe is not None and probe.available is not None:
            return machine.conclude(
                circuit,
                self._owner,
                available=probe.available,
                retry_after_s=probe.retry_after_s,
                now_s=epoch_s,
            )
        if keeps_lease:
            return machine.take_lease(circuit, self._owner, epoch_s)
        return machine.release_lease(circuit, self._owner)

    def _keeps(self, probe: _Probe, now_s: float) -> bool:
        if self._closing or probe.available is not None:
            return False
        return probe.sent_s is not None or now_s - probe.held_s < _UNUSED_LEASE_S

    async def _hear(self) -> None:
        try:
            document = await asyncio.to_thread(self._state.read, self._key)
        except StoreError:
            self._lost(None)
            return
        self._heard(read_health(document), None)

    def _heard(self, health: ProviderHealth, renewed_s: float | None) -> None:
        now_s = self._clock.monotonic_s()
        self._heard_s, self._store_is_away = now_s, False
        self._circuit = health.circuit
        self._last_success_at_s = health.last_success_at_s
        self._detail = "" if health.last_error is None else health.last_error.detail or health.last_error.reason
        self._seen.turn(health.circuit.generation, now_s)
        if machine.lease_owner(health.circuit, self._now_s()) != self._owner:
            self._probe = None
        elif renewed_s is not None and self._probe is None:
            self._probe = _Probe(held_s=now_s, renewed_s=renewed_s)
        elif renewed_s is not None and self._probe is not None:
            self._probe.renewed_s = renewed_s

    def _lost(self, report: HealthReport | None) -> None:
        self.store_errors += 1
        self._store_is_away = True
        if report is not None:
            self._seen.give_back(report)

    async def _run(self) -> None:
        while not self._closing:
            await self._pause()
            if not self._closing:
                await self.refresh()

    async def _pause(self) -> None:
        """Wait until something must be told at once, or it is time again."""
        interval_s = self._tell_interval_s * (_AWAY_FACTOR if self._store_is_away else 1)
        while not self._wake.is_set():
            try:
                await asyncio.wait_for(self._wake.wait(), interval_s)
            except TimeoutError:
                idle_s = self._clock.monotonic_s() - self._heard_s
                if self._seen.any_new or not self._circuit.closed or idle_s >= self._hear_interval_s:
                    return
        self._wake.clear()

    def _blocked(self, wait_s: float, why: str) -> Admission:
        parts = [part for part in (why, self._detail) if part]
        return Admission("blocked", wait_s, "; ".join(parts))

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
