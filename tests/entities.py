"""Tests, runs, datasets and definitions to start a test from; each call makes new ones."""

from __future__ import annotations

import copy
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from abtest.contracts.definition import TestDefinition
from abtest.management.model import Dataset, DatasetSummary, Estimate, Run, RunPhase, Test, TestStatus

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
VERSION = "a" * 64
OTHER_VERSION = "b" * 64
_counter = itertools.count(1)


class FixedClock:
    """A clock that a test moves by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._now.timestamp()

    def pass_s(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def definition_body(**changes: Any) -> dict[str, Any]:
    """Return a definition as the API takes it: a prompt variant against another, judged by equality."""
    body: dict[str, Any] = {
        "name": "capitals",
        "dataset": {"version": VERSION},
        "control": "terse",
        "variants": {
            "terse": {
                "provider": "local",
                "model": "small",
                "prompt": {"user": "Capital of {{ country }}?"},
                "parameters": {"temperature": 0, "max_tokens": 20},
            },
            "wordy": {
                "provider": "local",
                "model": "small",
                "prompt": {"system": "You know geography.", "user": "What is the capital of {{ country }}?"},
                "parameters": {"temperature": 0, "max_tokens": 20},
            },
        },
        "judges": {"correct": {"type": "exact_match"}},
        "primary_metric": "correct",
        "seed": 7,
    }
    return copy.deepcopy({**body, **changes})


def replay_body(**changes: Any) -> dict[str, Any]:
    """Return a definition whose answers were recorded."""
    variants = {
        "old": {"provider": "replay", "model": "one", "recording": {"version": VERSION}},
        "new": {"provider": "replay", "model": "two", "recording": {"version": OTHER_VERSION}},
    }
    return definition_body(**{"variants": variants, "control": "old", **changes})


def a_definition(**changes: Any) -> TestDefinition:
    """Return `definition_body` as its model."""
    return TestDefinition.model_validate(definition_body(**changes))


def a_summary(rows: int = 100, **changes: Any) -> DatasetSummary:
    """Return the summary of a dataset whose rows all have `country` and a reference."""
    facts: dict[str, Any] = {
        "rows": rows,
        "input_counts": {"country": rows},
        "input_characters": {"country": 8 * rows},
        "references": rows,
        "total_bytes": 100 * rows,
    }
    return DatasetSummary(**{**facts, **changes})


def a_dataset(workspace: str, **changes: Any) -> Dataset:
    """Return a dataset that awaits its upload."""
    number = next(_counter)
    facts: dict[str, Any] = {
        "dataset_id": f"dataset_{number:06d}",
        "workspace": workspace,
        "name": "capitals",
        "kind": "samples",
        "created_at": NOW,
    }
    return Dataset(**{**facts, **changes})


def an_estimate() -> Estimate:
    """Return an estimate whose price is known."""
    return Estimate(
        samples=100,
        calls=200,
        input_tokens=2_000,
        output_tokens_max=4_000,
        cost_usd_max=Decimal("0.25"),
        duration_s_at_least=4.0,
        detectable_effect=0.2,
        by_variant=(),
    )


def a_test(workspace: str, **changes: Any) -> Test:
    """Return a test that is READY."""
    facts: dict[str, Any] = {
        "test_id": f"test_{next(_counter):06d}",
        "workspace": workspace,
        "status": TestStatus.READY,
        "definition": a_definition(),
        "dataset": a_summary(),
        "estimate": an_estimate(),
        "created_at": NOW,
        "created_by": "ada",
    }
    return Test(**{**facts, **changes})


def a_run(test: Test, **changes: Any) -> Run:
    """Return a run of a test that has just started."""
    facts: dict[str, Any] = {
        "run_id": f"run_{next(_counter):06d}",
        "test_id": test.test_id,
        "test_name": test.definition.name,
        "workspace": test.workspace,
        "status": TestStatus.RUNNING,
        "phase": RunPhase.PLANNING,
        "started_at": NOW,
        "started_by": "ada",
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:test_lifecycle:run",
        "cap_usd": Decimal("0.5"),
    }
    return Run(**{**facts, **changes})
