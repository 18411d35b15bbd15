"""The changes of a job's state that more than one part makes.

Depends on: `abtest.providers.batches` (model, schedule). Used by: submission, polling.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.providers.batches.model import JobCounts, JobRequests, JobState
from abtest.providers.batches.schedule import TIMES, later, next_look


def accepted(state: JobState, vendor_job_id: str, now: datetime) -> dict[str, Any]:
    """Return what changes of a job's state once the vendor is known to have it.

    Args:
        now: when that is known; the vendor's window began at the submission.
    """
    submitted_at = state.asked_from or now
    fresh = state.model_copy(update={"submitted_at": submitted_at})
    return {
        "phase": "submitted",
        "vendor_job_id": vendor_job_id,
        "submitted_at": submitted_at,
        "deadline_at": later(submitted_at, TIMES.window_s + TIMES.grace_s),
        "next_look_at": next_look(fresh, now),
        "lease_until": None,
        "asked_from": None,
        "asked_until": None,
        "troubles": 0,
        "trouble": None,
    }


def all_failed(state: JobState, requests: JobRequests, reason: FailureReason, now: datetime) -> JobState:
    """Return the state of a job that never came to a vendor, or of which nothing was ever heard again.

    Args:
        reason: of each request that has no answer in the ledger; those that have one are taken from there.
    """
    failures = dict.fromkeys((entry.custom_id for entry in requests.entries), reason)
    return ended(state, failures, JobCounts(failed=len(failures)), now)


def ended(state: JobState, failures: Mapping[str, FailureReason], counts: JobCounts, now: datetime) -> JobState:
    """Return the state of a job of which there is nothing more to read; its message is due to go back."""
    changes = {"phase": "ended", "failures": dict(failures), "counts": counts, "next_look_at": now}
    return state.model_copy(update=changes)
