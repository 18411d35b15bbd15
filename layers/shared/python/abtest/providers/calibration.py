"""Remembers, for each model, what runs really used, so that the next estimate is better than a count beforehand.

A provider's own count differs from ours: by its tokenizer, by the frame of a chat, by what it adds to a prompt. The
ratio of the two is steady for one model, and its spread between runs says how far it can be trusted.

Depends on: contracts, the shared state, the account's name. Used by: the end of a run, the estimate of a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from abtest.contracts.past_use import PastUse, RunUse
from abtest.core.hashing import content_hash
from abtest.providers.account import account_key
from abtest.providers.ports import SharedState
from abtest.providers.registration import ModelProvider

MOST_RUNS = 40
"""Variants of runs that are remembered of a model, the newest."""
_FIELDS = frozenset(RunUse.__dataclass_fields__)


def history_key(workspace: str, provider: ModelProvider, model: str) -> str:
    """Return the key of a model's history; each workspace has its own.

    Args:
        workspace: what its runs used says something about its data, so it is shared with no other.
        provider: two registrations of one account share a history.
        model: the provider's name of the model.
    """
    return f"use#{content_hash([workspace, account_key(provider), model])}"


def remember(state: SharedState, key: str, use: RunUse) -> None:
    """Keep what a run used; a repeated report of the same run replaces the first.

    Args:
        state: where histories live.
        key: of `history_key`.
        use: nothing is kept of a run without a counted call.

    Raises:
        StoreError: the store did not answer.
    """
    if use.calls > 0 and use.base_tokens > 0:
        state.change(key, lambda document: (with_run(document, use), None))


def recall(state: SharedState, key: str, *, base: str, prompt: str) -> PastUse | None:
    """Return what earlier runs say of a next one, or None when there were none like it.

    Args:
        state: where histories live.
        key: of `history_key`.
        base: how the next run is counted beforehand; others say nothing about it.
        prompt: runs of the same prompt are preferred to all others.

    Raises:
        StoreError: the store did not answer.
    """
    return past_use(state.read(key), base=base, prompt=prompt)


def with_run(document: Mapping[str, Any] | None, use: RunUse) -> dict[str, Any]:
    """Return a history with one more run.

    Args:
        document: as it stands; None is an empty one.
        use: goes to the end.
    """
    kept = [run for run in _runs(document) if (run.run_id, run.variant) != (use.run_id, use.variant)]
    return {"runs": [asdict(run) for run in [*kept, use][-MOST_RUNS:]]}


def past_use(document: Mapping[str, Any] | None, *, base: str, prompt: str) -> PastUse | None:
    """Return what a history says of a run that is counted beforehand by `base` and asks with `prompt`."""
    alike = [run for run in _runs(document) if run.base == base]
    same = [run for run in alike if run.prompt == prompt]
    chosen = same or alike
    if not chosen:
        return None
    calls = sum(run.calls for run in chosen)
    ratio = sum(run.input_tokens for run in chosen) / sum(run.base_tokens for run in chosen)
    output = sum(run.output_tokens for run in chosen) / calls
    return PastUse(
        runs=len({run.run_id for run in chosen}),
        calls=calls,
        same_prompt=bool(same),
        input_ratio=ratio,
        input_spread=_spread([run.input_tokens / run.base_tokens for run in chosen], ratio),
        output_tokens=output,
        output_spread=_spread([run.output_tokens / run.calls for run in chosen], output),
        latency_ms=_mean_latency_ms(chosen),
    )


def _runs(document: Mapping[str, Any] | None) -> list[RunUse]:
    # A document of another version of the product is no history, and none is worth a failure.
    found = document.get("runs", ()) if document is not None else ()
    return [RunUse(**run) for run in found if _FIELDS >= run.keys() >= _FIELDS - {"latency_ms"}]


def _spread(values: Sequence[float], center: float) -> float | None:
    if len(values) < 2 or center <= 0:
        return None
    return max(abs(value / center - 1) for value in values)


def _mean_latency_ms(runs: Sequence[RunUse]) -> float | None:
    timed = [(run.latency_ms, run.calls) for run in runs if run.latency_ms is not None]
    calls = sum(count for _, count in timed)
    return sum(latency_ms * count for latency_ms, count in timed) / calls if calls else None
