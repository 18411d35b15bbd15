"""The rate bucket of one provider's account and model, which all workers share: who may call when.

Each call has a slot, the time at which it may be sent. Slots are handed out ahead of time, many in one change of the
document, and are spaced by virtual scheduling (the generic cell rate algorithm): after a call, each limited dimension
is taken until a theoretical arrival time. So calls of all workers are even, and need no further word with each other.

The guarantee: in no 60 seconds does the provider see more than the limit, as long as no two calls deviate from their
slots by amounts that differ by more than 0.75 seconds. Requests keep it by spacing, tokens by the account of each
minute; tokens as far as they are known: what calls in flight will take is estimated.

Depends on: `abtest.providers` (account, registration, limits.minute, .pace, .shares). Used by: the permit pool.

Source: ITU-T Recommendation I.371, annex A (the generic cell rate algorithm as virtual scheduling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from abtest.contracts.records import Usage
from abtest.providers.account import account_key
from abtest.providers.limits.minute import MinuteAccount
from abtest.providers.limits.pace import Pace
from abtest.providers.limits.shares import Shares
from abtest.providers.model import CallCost
from abtest.providers.registration import ModelProvider, RateLimit

LimitReason = Literal["rate_limit", "provider_throttles"]

REQUEST_WINDOW_S = 61.5
"""Seconds over which a minute's requests are spread: a minute, and a margin for calls off their slots."""
TOKEN_WINDOW_S = 61.0
"""The same for tokens; the account of the minute is the guard, so the spacing may be a little closer."""
LONGEST_HORIZON_S = 4.0
"""How far from now a slot may be at most, while calls are few."""
SHORTEST_HORIZON_S = 1.0
"""How far it may be at least, while calls are many: with less, slots would be lost between two asks."""
HORIZON_CALLS = 20
"""How many calls' slots between those two are enough: the longer the queue of slots, the longer every call waits."""
LONGEST_PAUSE_S = 900.0
RETURN_S = 3.0
"""How much later than it could a run that waits may ask again without losing its claim."""
_VERSION = 1
_TOKEN_DIMENSIONS = ("tokens_per_minute", "input_tokens_per_minute", "output_tokens_per_minute")


class Permit(NamedTuple):
    """One call's slot.

    Args:
        slot_s: epoch seconds at which the call may be sent.
        charged: tokens it is charged with: all, uncached input, output.
    """

    slot_s: float
    charged: tuple[int, int, int]


class Settlement(NamedTuple):
    """What the call of a permit took.

    Args:
        cost: the estimate it had.
    """

    permit: Permit
    cost: CallCost
    usage: Usage


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a reservation.

    Args:
        permits: for the first calls that were asked for, slots in order of time; perhaps fewer than asked.
        wait_s: seconds after which one more can be had; 0 when none is missing.
        why: what is waited for; None when nothing is missing.
        pause_until_s: epoch seconds until which nobody may call; 0 when there is no pause.
        call_s: for how long the first call keeps the limit busy.
    """

    permits: tuple[Permit, ...] = ()
    wait_s: float = 0.0
    why: LimitReason | None = None
    pause_until_s: float = 0.0
    call_s: float = 0.0


def limit_key(provider: ModelProvider, model: str) -> str:
    """Return the key of the bucket that all calls of one account to one model share, over workspaces and runs.

    Args:
        provider: its account counts, not its name.
        model: as the provider calls it.
    """
    return f"limit#{account_key(provider)}#{model}"


def with_pause(document: Mapping[str, Any] | None, until_s: float, now_s: float) -> dict[str, Any]:
    """Return the document with a pause: nobody may call until then, at most a quarter of an hour from now.

    Args:
        document: may be None, or hold a pause already; the later one stays.
        until_s, now_s: epoch seconds.
    """
    until_s = max(pause_until_s(document), min(until_s, now_s + LONGEST_PAUSE_S))
    return {"version": _VERSION, **(document or {}), "pause_until_s": until_s}


def pause_until_s(document: Mapping[str, Any] | None) -> float:
    """Return the epoch seconds until which nobody may call; 0 when there never was a pause."""
    return float(document.get("pause_until_s", 0.0)) if document else 0.0


class Bucket:
    """The bucket while it is changed: read from a document, asked, and written back. No clock, no I/O.

    Args:
        document: as it stands in the store; None when there is none yet.
        rate_limit: as the asking worker knows it; None knows pauses only.
        run_id: the run that asks.
        now_s: epoch seconds.
        kind: of its calls; what calls take of their estimates is learned for each kind.
    """

    def __init__(
        self,
        document: Mapping[str, Any] | None,
        rate_limit: RateLimit | None,
        run_id: str,
        now_s: float,
        *,
        kind: str = "",
    ) -> None:
        data = document if document and document.get("version") == _VERSION else {}
        self._now_s = now_s
        self._last_s: float = data.get("last_s", 0.0)
        self._pause_until_s = pause_until_s(data)
        self._pace = Pace(data.get("pace"), now_s)
        self._shares = Shares(data.get("runs", {}), data.get("served_s", 0.0), run_id, kind, now_s)
        self._free_s: float = data.get("requests_free_s", 0.0)
        self._kept = {name: data[name] for name in _TOKEN_DIMENSIONS if name in data}
        per_minute = rate_limit.requests_per_minute if rate_limit else None
        self._request_s = REQUEST_WINDOW_S / (per_minute * self._pace.factor) if per_minute else 0.0
        self._tokens = [
            _TokenLimit(index, limit, self._pace.factor, data.get(name))
            for index, name in enumerate(_TOKEN_DIMENSIONS)
            if rate_limit and (limit := getattr(rate_limit, name))
        ]

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Correct what calls were charged with, now that it is known what they took."""
        for permit, cost, usage in settlements:
            self._correct(permit, _taken(usage))
            self._shares.learn(cost, usage)

    def release(self, permits: Sequence[Permit]) -> None:
        """Take back what permits were charged with that no call used; their slots stay empty."""
        for permit in permits:
            self._correct(permit, (0, 0, 0))

    def give_back(self, permits: Sequence[Permit]) -> None:
        """Release permits and let others have their slots, if those are the last that were handed out.

        Args:
            permits: in order of time, all of one grant and without gaps, the first one still to come.
        """
        self.release(permits)
        if permits and permits[-1].slot_s == self._last_s:
            self._last_s = self._free_s = permits[0].slot_s

    def observe(self, attempts: int, refusals: int) -> None:
        """Count attempts that came to an end, and those of them that were refused for the rate."""
        self._pace.observe(attempts, refusals)

    def pause(self, until_s: float) -> None:
        """Let nobody call until then, at most a quarter of an hour from now."""
        self._pause_until_s = max(self._pause_until_s, min(until_s, self._now_s + LONGEST_PAUSE_S))

    def reserve(self, costs: Sequence[CallCost], horizon_s: float, start_s: float | None = None) -> Grant:
        """Return slots for calls, as far as they are near enough and the run's turn.

        Args:
            costs: estimates of the calls, in the order they are to be sent; none asks for nothing.
            horizon_s: how far from now a slot may be, at most `LONGEST_HORIZON_S`.
            start_s: epoch seconds before which a slot is of no use; None is now.
        """
        paused_s = self._pause_until_s if self._pause_until_s > self._now_s else 0.0
        if not costs:
            return Grant(pause_until_s=paused_s)
        earliest_s = max(self._now_s, start_s or 0.0, self._pause_until_s)
        call_s = self._capacity_s(self._shares.charge(costs[0]))
        longest_s = min(horizon_s, LONGEST_HORIZON_S, max(SHORTEST_HORIZON_S, HORIZON_CALLS * call_s))
        self._shares.begin(call_s)
        permits: list[Permit] = []
        wait_s = 0.0
        for cost in costs:
            permit = self._next(cost, earliest_s)
            wait_s = permit.slot_s - self._now_s - self._shares.horizon_s(longest_s)
            if wait_s > 0:
                self._shares.wait(self._now_s + wait_s + RETURN_S)
                break
            self._take(permit)
            permits.append(permit)
        why = self._why(longest_s) if wait_s > 0 else None
        return Grant(tuple(permits), max(0.0, wait_s), why, paused_s, call_s)

    def document(self) -> dict[str, Any]:
        """Return the bucket as plain JSON."""
        return {
            "version": _VERSION,
            "last_s": self._last_s,
            "pause_until_s": self._pause_until_s,
            "pace": self._pace.as_json(),
            "served_s": round(self._shares.served_s, 6),
            "requests_free_s": self._free_s,
            **self._kept,
            **{_TOKEN_DIMENSIONS[limit.index]: limit.as_json() for limit in self._tokens},
            "runs": self._shares.as_json(),
        }

    def _why(self, horizon_s: float) -> LimitReason:
        return "provider_throttles" if self._pause_until_s - self._now_s > horizon_s else "rate_limit"

    def _next(self, cost: CallCost, earliest_s: float) -> Permit:
        charged = self._shares.charge(cost)
        slot_s = max(earliest_s, self._last_s, self._free_s)
        for limit in self._tokens:
            # A later slot suits the dimensions before it as well, so one pass is enough.
            slot_s = limit.earliest_s(slot_s, charged[limit.index])
        return Permit(slot_s, charged)

    def _take(self, permit: Permit) -> None:
        self._last_s = permit.slot_s
        self._free_s = permit.slot_s + self._request_s
        for limit in self._tokens:
            limit.take(permit)
        self._shares.use(self._capacity_s(permit.charged))

    def _correct(self, permit: Permit, actual: tuple[int, int, int]) -> None:
        for limit in self._tokens:
            limit.correct(permit, actual[limit.index])
        self._shares.correct(self._capacity_s(actual) - self._capacity_s(permit.charged))

    def _capacity_s(self, charged: tuple[int, int, int]) -> float:
        """Return how long a call keeps the dimension busy that it takes the largest part of."""
        return max([self._request_s, *(limit.seconds(charged[limit.index]) for limit in self._tokens)])


class _TokenLimit:
    """One limit on tokens: when it is free again, and what each second of the last minute was charged with."""

    def __init__(self, index: int, limit: int, pace: float, stored: Sequence[Any] | None) -> None:
        self.index = index
        self._limit = limit
        self._token_s = TOKEN_WINDOW_S / (limit * pace)
        free_s, first, *amounts = stored or (0.0, 0)
        self._free_s: float = free_s
        self._minute = MinuteAccount(first, amounts)

    def seconds(self, amount: int) -> float:
        return min(amount, self._limit) * self._token_s

    def earliest_s(self, slot_s: float, amount: int) -> float:
        # A call larger than the limit has a minute of its own; whether it may be so large, the provider says.
        return self._minute.earliest_s(max(slot_s, self._free_s), min(amount, self._limit), self._limit)

    def take(self, permit: Permit) -> None:
        amount = permit.charged[self.index]
        self._minute.add(permit.slot_s, min(amount, self._limit))
        self._free_s = permit.slot_s + self.seconds(amount)

    def correct(self, permit: Permit, actual: int) -> None:
        charged = min(permit.charged[self.index], self._limit)
        self._minute.correct(permit.slot_s, actual - charged)
        self._free_s += self.seconds(actual) - self.seconds(charged)

    def as_json(self) -> list[Any]:
        return [round(self._free_s, 6), *self._minute.as_json()]


def _taken(usage: Usage) -> tuple[int, int, int]:
    uncached = usage.input_tokens + usage.cache_write_tokens
    output = usage.total_output_tokens
    return usage.total_input_tokens + output, uncached, output
