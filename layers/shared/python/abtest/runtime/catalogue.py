"""Joins the domains where management needs what only another domain knows.

Depends on: evaluation, providers, management. Used by: the API, the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from abtest.contracts.records import Usage
from abtest.core.errors import InputIssue
from abtest.evaluation.service import needs_reference
from abtest.evaluation.validation import check_parameters
from abtest.management.estimate import PriceOf
from abtest.management.ports import ProviderFacts
from abtest.providers.model import ModelProvider
from abtest.providers.pricing import price_of


class JudgeRegistry:
    """Implements management's `JudgeCatalogue` over the evaluation domain."""

    def check(self, judge_type: str, parameters: Mapping[str, Any]) -> Sequence[InputIssue]:
        """Return what is wrong with a judge's type or parameters."""
        return check_parameters(judge_type, parameters)

    def needs_reference(self, judge_type: str, parameters: Mapping[str, Any]) -> bool:
        """Return whether the judge compares with the sample's reference."""
        return needs_reference(judge_type, parameters)


def price_book(now: Callable[[], datetime]) -> Callable[[Mapping[str, ProviderFacts]], PriceOf]:
    """Return what makes price functions of registered providers.

    Args:
        now: the time in UTC; prices depend on the day.
    """

    def book(known: Mapping[str, ProviderFacts]) -> PriceOf:
        def price(provider_id: str, model: str, usage: Usage) -> tuple[Decimal | None, str | None]:
            provider = ModelProvider.model_validate(dict(known[provider_id].registration))
            return price_of(provider, model, usage, now())

        return price

    return book
