"""A worker's view of its run: the money and the stop sign.

Depends on: the run store. Used by: wiring.
"""

from __future__ import annotations

from decimal import Decimal

from abtest.management.model import Spending
from abtest.management.ports import RunStore
from abtest.providers.model import ControlState


class StoredRunControl:
    """Implements the providers' `RunControl` for one run."""

    def __init__(self, runs: RunStore, workspace: str, run_id: str) -> None:
        self._runs = runs
        self._workspace = workspace
        self._run_id = run_id

    def state(self) -> ControlState:
        """Return what the run's record says now."""
        return _to_state(self._runs.spending(self._workspace, self._run_id))

    def spend(self, calls: int, cost_usd: Decimal) -> ControlState:
        """Add to what the run has spent, and return the state after it."""
        return _to_state(self._runs.spend(self._workspace, self._run_id, calls=calls, cost_usd=cost_usd))


def _to_state(spending: Spending) -> ControlState:
    return ControlState(
        cancel_requested=spending.stop is not None,
        spent_usd=spending.spent_usd,
        cap_usd=spending.cap_usd,
        calls=spending.calls,
    )
