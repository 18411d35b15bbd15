"""The stores of one technology, as the contract's tests take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from entities import FixedClock

from abtest.management.ports import BudgetStore, DatasetStore, ObjectStore, RunStore, TestStore
from abtest.providers.ports import Ledger, SharedState


@dataclass(frozen=True)
class Stores:
    """One technology's stores."""

    tests: TestStore
    runs: RunStore
    datasets: DatasetStore
    budgets: BudgetStore
    objects: ObjectStore
    providers: Any
    ledger: Callable[[str], Ledger]
    shared: SharedState
    clock: FixedClock
