"""Who gets the next slots when several runs want more than there is: equal shares, and nothing left idle.

Each run has used an amount of capacity, in seconds of the whole limit. A run that got all it asked for has no claim. A
run that was refused something has: while it does, others that have used more than it may look ahead only a little, so
the slots beyond are its own. Slots that are near go to whoever asks, so a run that stays away stops nobody.

Depends on: `abtest.providers.model`. Used by: `abtest.providers.limits.bucket`.

Source: start-time fair queueing: Goyal, Vin and Cheng, "Start-time fair queueing: a scheduling algorithm for integrated
    services packet switching networks", SIGCOMM 1996. Here the queue stands at the clients, so a claim ends with time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abtest.contracts.records import Usage
from abtest.providers.model import CallCost

NEAR = 1 / 3
"""The part of the horizon within which a run may look ahead that has used more than another one which waits."""
LEAD = 1 / 12
"""How much more capacity a run may have used than another one which waits, as a part of the horizon."""
CREDIT_S = 3.0
"""The most capacity a run that waited may catch up at the others' expense."""
REMEMBERED_S = 600.0
"""How long a run is known after it last asked."""
MOST_RUNS = 40
MOST_KINDS = 8
"""How many kinds of calls of a run are told apart; the one that was asked for longest ago makes room."""
_SEEN_CALLS = 400
_DOUBTED_CALLS = 3
_SAFETY = 1.05
_NOTHING = [0] * 6

Record = dict[str, Any]


class Shares:
    """What every run has used and waits for, seen by the run that asks.

    Args:
        runs: by run: `used_s`, `asked_s` and `waits_until_s` (epoch), `seen` by kind of call (see `learn`).
        served_s: what the run that was served last had used before that.
        run_id: the run that asks.
        kind: of its calls.
        now_s: epoch seconds.
    """

    def __init__(self, runs: Mapping[str, Record], served_s: float, run_id: str, kind: str, now_s: float) -> None:
        known = {name: dict(run) for name, run in runs.items() if now_s - run["asked_s"] < REMEMBERED_S}
        self.served_s = served_s
        mine: Record = {"used_s": served_s, "waits_until_s": 0.0, "seen": {}}
        self._me = known.pop(run_id, mine) | {"asked_s": now_s}
        self._run_id, self._kind, self._others, self._now_s = run_id, kind, known, now_s
        waiting = (run["used_s"] for run in known.values() if run["waits_until_s"] > now_s)
        self._least_waiting_s = min(waiting, default=float("inf"))
        self._seen: list[int] = self._me["seen"].get(kind, _NOTHING)
        self._ratios = _ratios(self._seen)

    def begin(self, first_call_s: float) -> None:
        """Note that the run asks.

        Args:
            first_call_s: the capacity its first call takes; a call is never too large to be caught up.
        """
        me = self._me
        credit_s = max(CREDIT_S, 1.5 * first_call_s) if me["waits_until_s"] > self._now_s else 0.0
        me["used_s"] = max(me["used_s"], self.served_s - credit_s)

    def horizon_s(self, longest_s: float) -> float:
        """Return how far from now the run's next slot may be, of the horizon that a run alone has."""
        ahead = self._me["used_s"] > self._least_waiting_s + LEAD * longest_s
        return NEAR * longest_s if ahead else longest_s

    def use(self, capacity_s: float) -> None:
        """Note that the run got a call."""
        self.served_s = self._me["used_s"]
        self._me["used_s"] += capacity_s

    def correct(self, capacity_s: float) -> None:
        """Change what the run has used: a call took another amount than it was charged with."""
        self._me["used_s"] += capacity_s

    def wait(self, until_s: float) -> None:
        """Note that the run was refused something and comes back by then."""
        self._me["waits_until_s"] = max(self._me["waits_until_s"], until_s)

    def learn(self, cost: CallCost, usage: Usage) -> None:
        """Note an estimate and what the call really took."""
        uncached = usage.input_tokens + usage.cache_write_tokens
        actual = (usage.total_input_tokens, uncached, usage.total_output_tokens)
        seen = [1, cost.input_tokens, cost.output_tokens, *actual]
        kept = [value // 2 for value in self._seen] if self._seen[0] >= _SEEN_CALLS else self._seen
        self._seen = [old + new for old, new in zip(kept, seen, strict=True)]

    def charge(self, cost: CallCost) -> tuple[int, int, int]:
        """Return what to charge a call with: all tokens, uncached input and output, from what the run's calls took."""
        all_input, uncached, output = self._ratios
        out = cost.output_tokens * output
        return int(cost.input_tokens * all_input + out) + 1, int(cost.input_tokens * uncached) + 1, int(out) + 1

    def as_json(self) -> dict[str, Record]:
        """Return the runs as a document; the ones that asked longest ago make room."""
        others = {kind: seen for kind, seen in self._me["seen"].items() if kind != self._kind}
        newest = dict(list(others.items())[1 - MOST_KINDS :])
        self._me |= {"used_s": round(self._me["used_s"], 6), "seen": newest | {self._kind: self._seen}}
        runs = {**self._others, self._run_id: self._me}
        return {name: runs[name] for name in sorted(runs, key=lambda name: runs[name]["asked_s"])[-MOST_RUNS:]}


def _ratios(seen: list[int]) -> tuple[float, float, float]:
    """Return what calls took of their estimates: of input, of input as uncached, of output.

    Calls as large as estimated are mixed in, many of them while few calls are seen: their mean says little then.
    """
    calls, input_estimate, output_estimate, all_input, uncached, output = seen
    if not calls:
        return 1.0, 1.0, 1.0
    doubt = (_DOUBTED_CALLS / calls) ** 2
    return (
        _ratio(all_input, input_estimate, doubt),
        _ratio(uncached, input_estimate, doubt),
        _ratio(output, output_estimate, doubt),
    )


def _ratio(actual: int, estimate: int, doubt: float) -> float:
    return _SAFETY * (actual + doubt * estimate) / (estimate * (1 + doubt)) if estimate else 1.0
