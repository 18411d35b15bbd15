"""The circuit of one model of one account, as a pure state machine: closed, open, half-open.

Closed: calls go out, and attempts are counted. When most of the latest attempts failed for the provider's own reasons
the circuit opens: nobody calls for a cool-down, which doubles with each failed probe. After it one worker takes the
lease (half-open) and sends one call, the probe; its answer closes the circuit, its failure opens it again. A lease that
nobody renews expires, so a worker that dies while it probes blocks nobody for long.

An attempt is counted once, when it ends or when it is half a second old, whichever is first; a failure is counted when
it ends. Failures are quick and answers are slow: counted at their ends alone, a batch that starts with a hundred calls
of which a fifth are refused at once would look as if every call failed.

Two windows are looked at. Failures within that half second belong to attempts of the same moment, so two seconds of
them tell enough where calls are many. Later ones, time-outs above all, come in waves long after their attempts were
counted, so they are held against ten seconds.

Depends on: `abtest.contracts`. Used by: the health record, the watch.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.records import FailureReason

AVAILABILITY_FAILURES: frozenset[FailureReason] = frozenset(
    {"timeout", "connection", "tls", "overloaded", "server_error"}
)
"""Reasons that say the provider cannot serve, whatever is asked. A 429 is the limits' business, and a refused key or
request would be refused again by a provider in the best of health."""

FEWEST_ATTEMPTS = 20
"""With fewer attempts in the window the circuit stays closed."""
FEWEST_QUICK_ATTEMPTS = 50
"""The same for the short window: fewer are half failed by chance too often."""
FAILED_SHARE = 0.5
"""At this share of failures among the latest attempts the circuit opens."""
COUNTED_AT_AGE_S = 0.5
"""An attempt that is still in flight at this age is counted as one that has not failed; one that failed before it
failed quickly."""
BUCKET_S = 1
QUICK_WINDOW_S = 2
SHORTEST_WINDOW_S = 10
LONGEST_WINDOW_S = 120
FIRST_COOLDOWN_S = 10.0
LONGEST_COOLDOWN_S = 120.0
LEASE_S = 10.0
"""A lease that is not renewed for so long belongs to nobody."""
_CLOCK_SLACK_S = 30.0
"""Workers' clocks differ by less; a time further ahead than it could have been set is a broken clock's."""

CircuitState = Literal["closed", "open", "half_open"]


class Kept(BaseModel):
    """A part of a shared document: immutable; fields of a later version of the product are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Tally(Kept):
    """Attempts and availability failures that were counted in a second, and how many of these were quick.

    Args:
        at_s: the second's start.
    """

    at_s: int
    attempts: int = Field(ge=0)
    failures: int = Field(ge=0)
    quick_failures: int = Field(default=0, ge=0)


class Lease(Kept):
    """Who may send the one probe, and until when nobody else may."""

    owner: str
    expires_at_s: float


class Circuit(Kept):
    """The state of a circuit; times are epoch seconds.

    Args:
        generation: grows with each opening and each closing. What was counted in an earlier one counts no more.
        changed_at_s: when the generation began.
        probe_at_s: from when on a probe may be sent, while it is not closed.
        failed_probes: in a row; doubles the cool-down.
        lease: of the probe that is under way.
        window: what was counted of this generation, the latest last; empty while it is not closed.
    """

    generation: int = Field(default=0, ge=0)
    closed: bool = True
    changed_at_s: float = 0.0
    probe_at_s: float = 0.0
    failed_probes: int = Field(default=0, ge=0)
    lease: Lease | None = None
    window: tuple[Tally, ...] = ()


class Counts(Kept):
    """What one worker counted since it last said so.

    Args:
        generation: the circuit's, as the worker knew it when these attempts began.
        attempts: that ended, or grew old enough to be counted.
        failures: availability failures; may be more than the attempts, which were counted before.
        quick_failures: those that came before their attempt was old enough to be counted without them.
        retry_after_s: the longest wait the server asked for with a failure.
    """

    generation: int = 0
    attempts: int = 0
    failures: int = 0
    quick_failures: int = 0
    retry_after_s: float | None = None


def state_of(circuit: Circuit, now_s: float) -> CircuitState:
    """Return how a circuit stands at an epoch time."""
    if circuit.closed:
        return "closed"
    return "half_open" if _held(circuit, now_s) else "open"


def probe_wait_s(circuit: Circuit, now_s: float) -> float:
    """Return the seconds until a probe may be sent, 0 when it is due; the lease of another does not count."""
    wait_s = circuit.probe_at_s - now_s
    # A broken clock must not shut the provider off for ever.
    return wait_s if 0 < wait_s <= LONGEST_COOLDOWN_S + _CLOCK_SLACK_S else 0.0


def lease_owner(circuit: Circuit, now_s: float) -> str | None:
    """Return who holds the lease of the probe at an epoch time, or None."""
    return circuit.lease.owner if circuit.lease is not None and _held(circuit, now_s) else None


def count(circuit: Circuit, counts: Counts, now_s: float) -> Circuit:
    """Return the circuit after a worker's counts, opened if they show that the provider cannot serve.

    Args:
        circuit: as it stands.
        counts: those of another generation, and all while the circuit is not closed, change nothing.
        now_s: epoch seconds.
    """
    if not circuit.closed or counts.generation != circuit.generation:
        return circuit
    if not counts.attempts and not counts.failures:
        return circuit
    window = _latest(_added(circuit.window, counts, now_s), now_s)
    if _cannot_serve(window, now_s):
        return _opened(circuit, 0, counts.retry_after_s, now_s)
    return circuit.model_copy(update={"window": window})


def take_lease(circuit: Circuit, owner: str, now_s: float) -> Circuit:
    """Return the circuit with the lease at its owner, taken or renewed; unchanged when it cannot be had.

    Args:
        circuit: as it stands.
        owner: a name no other worker has.
        now_s: epoch seconds.
    """
    holder = lease_owner(circuit, now_s)
    if circuit.closed or holder not in {None, owner}:
        return circuit
    if holder is None and probe_wait_s(circuit, now_s) > 0:
        return circuit
    return circuit.model_copy(update={"lease": Lease(owner=owner, expires_at_s=now_s + LEASE_S)})


def release_lease(circuit: Circuit, owner: str) -> Circuit:
    """Return the circuit without the owner's lease; somebody else may probe at once."""
    if circuit.lease is None or circuit.lease.owner != owner:
        return circuit
    return circuit.model_copy(update={"lease": None})


def conclude(circuit: Circuit, owner: str, *, available: bool, retry_after_s: float | None, now_s: float) -> Circuit:
    """Return the circuit after a probe: closed if the provider served, else open again and for longer.

    Args:
        circuit: as it stands.
        owner: who probed; nothing changes unless the lease is still in this name, late or not.
        available: the probe had no availability failure.
        retry_after_s: the wait the server asked for.
        now_s: epoch seconds.
    """
    if circuit.closed or circuit.lease is None or circuit.lease.owner != owner:
        return circuit
    if available:
        return Circuit(generation=circuit.generation + 1, changed_at_s=now_s)
    return _opened(circuit, circuit.failed_probes + 1, retry_after_s, now_s)


def cooldown_s(failed_probes: int, retry_after_s: float | None) -> float:
    """Return how long nobody calls after an opening.

    Args:
        failed_probes: in a row, before this opening.
        retry_after_s: what the server asks for; makes the wait longer, up to the longest.
    """
    doubled_s = FIRST_COOLDOWN_S * 2.0 ** min(failed_probes, 10)
    return min(LONGEST_COOLDOWN_S, max(doubled_s, retry_after_s or 0.0))


def _opened(circuit: Circuit, failed_probes: int, retry_after_s: float | None, now_s: float) -> Circuit:
    return Circuit(
        generation=circuit.generation + 1,
        closed=False,
        changed_at_s=now_s,
        probe_at_s=now_s + cooldown_s(failed_probes, retry_after_s),
        failed_probes=failed_probes,
    )


def _held(circuit: Circuit, now_s: float) -> bool:
    return circuit.lease is not None and 0 < circuit.lease.expires_at_s - now_s <= LEASE_S + _CLOCK_SLACK_S


def _added(window: tuple[Tally, ...], counts: Counts, now_s: float) -> tuple[Tally, ...]:
    at_s = int(now_s // BUCKET_S) * BUCKET_S
    tallies = {tally.at_s: tally for tally in window}
    before = tallies.get(at_s, Tally(at_s=at_s, attempts=0, failures=0))
    tallies[at_s] = Tally(
        at_s=at_s,
        attempts=before.attempts + counts.attempts,
        failures=before.failures + counts.failures,
        quick_failures=before.quick_failures + counts.quick_failures,
    )
    return tuple(tallies[start_s] for start_s in sorted(tallies))


def _latest(window: tuple[Tally, ...], now_s: float) -> tuple[Tally, ...]:
    """Return the latest tallies that hold enough attempts and span long enough; older ones would only slow it down."""
    kept: list[Tally] = []
    attempts = 0
    for tally in reversed(window):
        age_s = now_s - tally.at_s
        if abs(age_s) > LONGEST_WINDOW_S or (attempts >= FEWEST_ATTEMPTS and age_s >= SHORTEST_WINDOW_S):
            continue
        kept.append(tally)
        attempts += max(tally.attempts, tally.failures)
    return tuple(reversed(kept))


def _cannot_serve(window: tuple[Tally, ...], now_s: float) -> bool:
    failures = sum(tally.failures for tally in window)
    if _most_failed(sum(tally.attempts for tally in window), failures, FEWEST_ATTEMPTS):
        return True
    attempts = quick_failures = 0
    for tally in reversed(window):
        if attempts >= FEWEST_QUICK_ATTEMPTS and now_s - tally.at_s >= QUICK_WINDOW_S:
            break
        attempts += tally.attempts
        quick_failures += tally.quick_failures
    return _most_failed(attempts, quick_failures, FEWEST_QUICK_ATTEMPTS)


def _most_failed(attempts: int, failures: int, fewest: int) -> bool:
    attempts = max(attempts, failures)
    return attempts >= fewest and failures >= FAILED_SHARE * attempts
