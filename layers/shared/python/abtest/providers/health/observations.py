"""What one worker saw of a model since it last said so: counts in memory, no I/O, a few microseconds an attempt.

Depends on: the circuit, the health record. Used by: the watch.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter

from abtest.contracts.records import FailureReason
from abtest.providers.health.circuit import AVAILABILITY_FAILURES, COUNTED_AT_AGE_S, Counts
from abtest.providers.health.record import HealthReport, LastError, bin_of, shortened
from abtest.providers.model import CallFailure, SeenAttempt


class Observations:
    """Attempts of one worker: those in flight, and sums over those that ended. Times are monotonic seconds.

    Args:
        generation: the circuit's, as the worker knows it.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._since_s = float("-inf")
        self._young: list[float] = []
        self._answered = 0
        self._failed: Counter[str] = Counter()
        self._latencies: Counter[int] = Counter()
        self._last_error: LastError | None = None
        self._last_success_at_s: float | None = None
        self._attempts = 0
        self._failures = 0
        self._quick_failures = 0
        self._retry_after_s: float | None = None

    @property
    def any_new(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._young or self._answered or self._failed)

    @property
    def quick_failures(self) -> int:
        """Failures that came at once and were not told yet."""
        return self._quick_failures

    def begin(self, now_s: float) -> None:
        """Note an attempt that may be sent now."""
        insort(self._young, now_s)

    def end(self, seen: SeenAttempt, now_s: float, at_s: float) -> None:
        """Note what an attempt showed.

        Args:
            seen: the attempt.
            now_s: when it ended.
            at_s: the same moment in epoch seconds, for the record.
        """
        if seen.failure is None:
            self._answered += 1
            self._latencies[bin_of(seen.latency_ms)] += 1
            self._last_success_at_s = at_s
        else:
            self._failed[seen.failure.failure_reason] += 1
            self._last_error = _last_error(seen.failure, at_s)
        self._count(seen, now_s - seen.latency_ms / 1000)

    def turn(self, generation: int, now_s: float) -> None:
        """Begin a generation of the circuit: what began before says nothing about it any more."""
        if generation == self._generation:
            return
        self._generation = generation
        self._since_s = now_s
        self._young.clear()
        self._attempts = self._failures = self._quick_failures = 0
        self._retry_after_s = None

    def take(self, now_s: float) -> HealthReport:
        """Return what is new, and forget it; attempts that grew old enough meanwhile are counted."""
        grown = bisect_right(self._young, now_s - COUNTED_AT_AGE_S)
        del self._young[:grown]
        report = HealthReport(
            answered=self._answered,
            failed=dict(self._failed),
            latencies=dict(self._latencies),
            last_error=self._last_error,
            last_success_at_s=self._last_success_at_s,
            counts=Counts(
                generation=self._generation,
                attempts=self._attempts + grown,
                failures=self._failures,
                quick_failures=self._quick_failures,
                retry_after_s=self._retry_after_s,
            ),
        )
        self._answered = self._attempts = self._failures = self._quick_failures = 0
        self._failed.clear()
        self._latencies.clear()
        self._last_error = self._last_success_at_s = self._retry_after_s = None
        return report

    def give_back(self, report: HealthReport) -> None:
        """Take back a report that could not be told; it goes with the next one."""
        self._answered += report.answered
        self._failed.update(report.failed)
        self._latencies.update(report.latencies)
        self._last_error = self._last_error or report.last_error
        self._last_success_at_s = self._last_success_at_s or report.last_success_at_s
        if report.counts.generation == self._generation:
            self._attempts += report.counts.attempts
            self._failures += report.counts.failures
            self._quick_failures += report.counts.quick_failures
            self._retry_after_s = _longer(self._retry_after_s, report.counts.retry_after_s)

    def _count(self, seen: SeenAttempt, started_s: float) -> None:
        if started_s < self._since_s:
            return
        failure, quick = seen.failure, seen.latency_ms < 1000 * COUNTED_AT_AGE_S
        # One that is not among the young was counted when it grew old.
        place = bisect_right(self._young, started_s)
        if place:
            del self._young[place - 1]
            self._attempts += 1
        if failure is not None and is_unavailable(failure.failure_reason):
            self._failures += 1
            self._quick_failures += quick
            self._retry_after_s = _longer(self._retry_after_s, failure.retry_after_s)


def is_unavailable(reason: FailureReason) -> bool:
    """Return whether a failure says that the provider cannot serve."""
    return reason in AVAILABILITY_FAILURES


def _longer(first_s: float | None, second_s: float | None) -> float | None:
    return max((wait_s for wait_s in (first_s, second_s) if wait_s is not None), default=None)


def _last_error(failure: CallFailure, at_s: float) -> LastError:
    return LastError(reason=failure.failure_reason, status=failure.status, detail=shortened(failure.detail), at_s=at_s)
