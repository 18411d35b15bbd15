"""The health of one model of one account: what its attempts came to lately, kept as one small shared document.

Workers add what they saw; the sums do not depend on who was first. Latencies are kept as a histogram of logarithmic
bins, eight to a factor of two, so that a quantile is right within 4.5 % and histograms add up.

Depends on: the circuit, `abtest.providers.model`. Used by: the watch, the API.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, ValidationError

from abtest.contracts.records import FailureReason
from abtest.providers.account import account_key
from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.health.circuit import Circuit, CircuitState, Counts, Kept, count, probe_wait_s, state_of
from abtest.providers.registration import ModelProvider, Value

BUCKET_S = 20
WINDOW_S = 120
BINS_PER_OCTAVE = 8
_LOWEST_LATENCY_MS = 0.01
_LONGEST_DETAIL = 300


class HealthBucket(Kept):
    """What attempts came to in twenty seconds.

    Args:
        at_s: epoch seconds of its start.
        failed: attempts without an answer, by reason.
        latencies: answered attempts by bin of their latency.
    """

    at_s: int
    answered: int = Field(default=0, ge=0)
    failed: dict[str, int] = Field(default_factory=dict)
    latencies: dict[int, int] = Field(default_factory=dict)


class LastError(Kept):
    """The latest failure: `detail` is a few words, never a prompt, an answer or a key."""

    reason: FailureReason
    status: int | None = None
    detail: str = ""
    at_s: float


class ProviderHealth(Kept):
    """The document: the last two minutes, the latest failure and success, and the circuit."""

    buckets: tuple[HealthBucket, ...] = ()
    last_error: LastError | None = None
    last_success_at_s: float | None = None
    circuit: Circuit = Circuit()

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


class HealthReport(Kept):
    """What one worker saw since it last said so; see `HealthBucket` and `LastError`."""

    answered: int = 0
    failed: dict[str, int] = Field(default_factory=dict)
    latencies: dict[int, int] = Field(default_factory=dict)
    last_error: LastError | None = None
    last_success_at_s: float | None = None
    counts: Counts = Counts()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.answered or self.failed or self.counts.attempts or self.counts.failures)


class CircuitView(Value):
    """How the circuit stands, for a person."""

    state: CircuitState
    since: datetime | None
    next_probe_at: datetime | None
    failed_probes: int


class LastErrorView(Value):
    """The latest failure, for a person."""

    reason: FailureReason
    status: int | None
    detail: str
    what_to_do: str
    at: datetime


class HealthView(Value):
    """The health of a model, as the API shows it.

    Args:
        window_s: what the counts and quantiles cover, up to now.
        success_rate: answered attempts of all; None without any.
        latency_p50_ms, latency_p95_ms: of answered attempts, within 4.5 %; None without any.
    """

    provider: str
    model: str
    window_s: int
    attempts: int
    answered: int
    failed: dict[str, int]
    success_rate: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    last_error: LastErrorView | None
    last_success_at: datetime | None
    circuit: CircuitView


def health_key(provider: ModelProvider, model: str) -> str:
    """Return the shared document's key: the account and the model, whichever registration or workspace names them."""
    return f"health#{account_key(provider)}#{model}"


def read_health(document: Mapping[str, Any] | None) -> ProviderHealth:
    """Return the health a document tells of; a new one when there is none, or none that can be understood."""
    if document is None:
        return ProviderHealth()
    try:
        return ProviderHealth.model_validate(document)
    except ValidationError:
        return ProviderHealth()


def merge(health: ProviderHealth, report: HealthReport, now_s: float) -> ProviderHealth:
    """Return the health after a worker's report.

    Args:
        health: as it stands.
        report: its counts go into the bucket of now, whenever the attempts ended.
        now_s: epoch seconds.
    """
    at_s = int(now_s // BUCKET_S) * BUCKET_S
    kept = {bucket.at_s: bucket for bucket in health.buckets if _recent(bucket, now_s)}
    if report.answered or report.failed:
        kept[at_s] = _sum(kept.get(at_s, HealthBucket(at_s=at_s)), report)
    return ProviderHealth(
        buckets=tuple(kept[start_s] for start_s in sorted(kept)),
        last_error=max(filter(None, (health.last_error, report.last_error)), key=lambda e: e.at_s, default=None),
        last_success_at_s=max(filter(None, (health.last_success_at_s, report.last_success_at_s)), default=None),
        circuit=count(health.circuit, report.counts, now_s),
    )


def view(health: ProviderHealth, provider: str, model: str, now_s: float) -> HealthView:
    """Return the health of a model for a person.

    Args:
        health: as it stands.
        provider, model: whose it is.
        now_s: epoch seconds; what is older than the window does not count.
    """
    recent = [bucket for bucket in health.buckets if _recent(bucket, now_s)]
    answered = sum(bucket.answered for bucket in recent)
    failed: Counter[str] = Counter()
    latencies: Counter[int] = Counter()
    for bucket in recent:
        failed.update(bucket.failed)
        latencies.update(bucket.latencies)
    attempts = answered + failed.total()
    return HealthView(
        provider=provider,
        model=model,
        window_s=WINDOW_S,
        attempts=attempts,
        answered=answered,
        failed=dict(sorted(failed.items())),
        success_rate=round(answered / attempts, 4) if attempts else None,
        latency_p50_ms=quantile_ms(latencies, 0.5),
        latency_p95_ms=quantile_ms(latencies, 0.95),
        last_error=_error_view(health.last_error),
        last_success_at=_moment(health.last_success_at_s),
        circuit=_circuit_view(health.circuit, now_s),
    )


def bin_of(latency_ms: float) -> int:
    """Return the bin of a latency; bin b holds those from 2**(b/8) up to 2**((b+1)/8) ms."""
    return math.floor(BINS_PER_OCTAVE * math.log2(max(latency_ms, _LOWEST_LATENCY_MS)))


def quantile_ms(latencies: Mapping[int, int], share: float) -> float | None:
    """Return the latency that a share of the calls does not exceed, in ms, or None without calls.

    Args:
        latencies: calls by bin.
        share: in 0..1; the nearest rank is taken, and the geometric middle of its bin.
    """
    total = sum(latencies.values())
    rank = max(1, math.ceil(share * total))
    seen = 0
    for number, calls in sorted(latencies.items()):
        seen += calls
        if seen >= rank:
            return round(2 ** ((number + 0.5) / BINS_PER_OCTAVE), 3)
    return None


def shortened(detail: str) -> str:
    """Return a detail that fits into the document."""
    return detail if len(detail) <= _LONGEST_DETAIL else f"{detail[: _LONGEST_DETAIL - 1]}…"


def _recent(bucket: HealthBucket, now_s: float) -> bool:
    # A bucket from the future, of a worker whose clock is wrong, leaves as one from the past does.
    return abs(now_s - bucket.at_s) < WINDOW_S


def _sum(bucket: HealthBucket, report: HealthReport) -> HealthBucket:
    return HealthBucket(
        at_s=bucket.at_s,
        answered=bucket.answered + report.answered,
        failed=dict(Counter(bucket.failed) + Counter(report.failed)),
        latencies=dict(Counter(bucket.latencies) + Counter(report.latencies)),
    )


def _moment(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _error_view(error: LastError | None) -> LastErrorView | None:
    if error is None:
        return None
    return LastErrorView(
        reason=error.reason,
        status=error.status,
        detail=error.detail,
        what_to_do=WHAT_TO_DO[error.reason],
        at=datetime.fromtimestamp(error.at_s, UTC),
    )


def _circuit_view(circuit: Circuit, now_s: float) -> CircuitView:
    state = state_of(circuit, now_s)
    return CircuitView(
        state=state,
        since=_moment(circuit.changed_at_s) if circuit.generation else None,
        next_probe_at=_moment(now_s + probe_wait_s(circuit, now_s)) if state == "open" else None,
        failed_probes=circuit.failed_probes,
    )
