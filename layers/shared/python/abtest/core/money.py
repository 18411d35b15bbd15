"""Money is Decimal US dollars; an unknown amount is None and stays unknown in every sum.

Depends on: nothing. Used by: pricing, estimates, the budget, reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

TOKENS_PER_PRICE_UNIT = Decimal(1_000_000)
_MICRO_CENT = Decimal("0.00000001")


def cost_of_tokens(tokens: int, usd_per_million: Decimal) -> Decimal:
    """Return the price of a number of tokens in USD, exact."""
    return Decimal(tokens) * usd_per_million / TOKENS_PER_PRICE_UNIT


def rounded(amount_usd: Decimal) -> Decimal:
    """Return an amount to 8 decimals (banker's rounding), the precision that is stored."""
    return amount_usd.quantize(_MICRO_CENT, rounding=ROUND_HALF_EVEN)


def total(amounts_usd: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum, or None when any amount is unknown."""
    sum_usd = Decimal(0)
    for amount in amounts_usd:
        if amount is None:
            return None
        sum_usd += amount
    return sum_usd


def dollars(amount_usd: Decimal | None) -> str:
    """Return an amount for a person: `$0.0042`, or `unknown`."""
    if amount_usd is None:
        return "unknown"
    if amount_usd == 0:
        return "$0"
    if amount_usd >= 1:
        return f"${amount_usd:,.2f}"
    if amount_usd >= Decimal("0.0001"):
        return f"${amount_usd:.2g}"
    # Two digits that say something, and never an exponent, which few people read as money.
    return f"${Decimal(f'{amount_usd:.1e}').normalize():f}"
