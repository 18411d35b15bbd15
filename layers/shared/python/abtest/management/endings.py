"""How a run ends: what every step needs that ends one, and nothing heavier.

Depends on: the model. Used by: the service, the steps.
"""

from __future__ import annotations

from datetime import datetime

from abtest.core.errors import AbTestError
from abtest.management.model import Run, RunError, RunPhase


def ended(run: Run, now: datetime, error: RunError | None = None) -> Run:
    """Return a run that is over."""
    return run.model_copy(update={"phase": RunPhase.DONE, "finished_at": now, "error": error})


def explained(error: AbTestError) -> dict[str, str]:
    """Return `code`, `message` and `what_to_do` of an error, for the run's record."""
    advice = str(error.details.get("what_to_do") or "Start the run again; answers that were paid for are reused.")
    return {"code": error.code, "message": error.message, "what_to_do": advice}
