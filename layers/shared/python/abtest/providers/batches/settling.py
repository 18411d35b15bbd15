"""Puts what a job came to where it belongs: answers into the ledger, their cost into the run's record.

The money first, then the answers, a few at a time, as for direct calls; answers that the ledger has already from this
very job are passed over. So a poller that dies in the midst repeats the spending of no more than one such write, and
never loses an answer.

Depends on: `abtest.providers.batches.model`, pricing. Used by: submission, polling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from abtest.providers.batches.model import JobRequests
from abtest.providers.model import Answer, LedgerEntry
from abtest.providers.ports import Ledger, RunControl
from abtest.providers.pricing import price_of

AT_ONCE = 25
"""Answers of one write: as many as the table takes in one request."""
_KEYS_OF_ONE_READ = 100


async def entries_of(ledger: Ledger, wanted: Sequence[str]) -> dict[str, LedgerEntry]:
    """Return what the ledger has of some keys, any number of them."""
    found: dict[str, LedgerEntry] = {}
    for start in range(0, len(wanted), _KEYS_OF_ONE_READ):
        found.update(await asyncio.to_thread(ledger.get_many, wanted[start : start + _KEYS_OF_ONE_READ]))
    return found


async def settle(
    requests: JobRequests, answers: Mapping[str, Answer], ledger: Ledger, control: RunControl, at: datetime
) -> None:
    """Return when each answer is paid for in the run's record and stands in the ledger.

    Args:
        answers: by custom id.
        at: moment of the prices.

    Raises:
        StoreError: something could not be written; repeated, it goes on where it stopped.
    """
    priced: dict[str, LedgerEntry] = {}
    for entry in requests.entries:
        answer = answers.get(entry.custom_id)
        if answer is not None:
            priced[entry.ledger_key] = _ledger_entry(requests, entry.paid_by, answer, at)
    known = await entries_of(ledger, list(priced))
    fresh = [(key, entry) for key, entry in priced.items() if key not in known or known[key].paid_by != entry.paid_by]
    for start in range(0, len(fresh), AT_ONCE):
        chunk = dict(fresh[start : start + AT_ONCE])
        cost_usd = sum((entry.cost_usd or Decimal(0) for entry in chunk.values()), Decimal(0))
        await asyncio.to_thread(control.spend, len(chunk), cost_usd)
        await asyncio.to_thread(ledger.put_many, chunk)


def _ledger_entry(requests: JobRequests, paid_by: str, answer: Answer, at: datetime) -> LedgerEntry:
    cost_usd, source = price_of(requests.provider, requests.model, answer.usage, at, batch=True)
    # How long a job took says nothing about how fast the model is: such an answer has no latency.
    return LedgerEntry(
        paid_by=paid_by,
        outcome=answer.outcome,
        text=answer.text,
        usage=answer.usage,
        latency_ms=None,
        cost_usd=cost_usd,
        price_source=source,
        finish_reason=answer.finish_reason,
        provider_request_id=answer.provider_request_id,
        served_model=answer.served_model,
    )
