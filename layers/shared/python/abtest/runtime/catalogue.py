"""Joins the domains where management needs what only another domain knows.

Depends on: evaluation, providers, management. Used by: the API, the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.core.errors import InputIssue
from abtest.evaluation.service import needs_reference
from abtest.evaluation.validation import check_parameters
from abtest.management.estimate import PriceOf
from abtest.management.ports import ProviderFacts
from abtest.providers import calibration, tokens
from abtest.providers.ports import SharedState
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider


class JudgeRegistry:
    """Implements management's `JudgeCatalogue` over the evaluation domain."""

    def check(self, judge_type: str, parameters: Mapping[str, Any]) -> Sequence[InputIssue]:
        """Return what is wrong with a judge's type or parameters."""
        return check_parameters(judge_type, parameters)

    def needs_reference(self, judge_type: str, parameters: Mapping[str, Any]) -> bool:
        """Return whether the judge compares with the sample's reference."""
        return needs_reference(judge_type, parameters)


class Tokenizers:
    """Implements management's `TokenCounter` over the public tokenizers."""

    encodings: Sequence[str] = tokens.ENCODINGS

    def encoding_of(self, model: str) -> str | None:
        """Return the encoding a model is known to read text in, or None."""
        return tokens.encoding_of(model)

    def count(self, encoding: str, text: str) -> int:
        """Return the number of tokens of a text."""
        return tokens.count_tokens(encoding, text)


@dataclass(frozen=True)
class ModelHistory:
    """Implements management's `UsageHistory` for one workspace.

    Args:
        state: where histories live.
    """

    state: SharedState
    workspace: str

    def past(self, facts: ProviderFacts, model: str, *, base: str, prompt: str) -> PastUse | None:
        """Return what earlier runs say of a next one, or None when there were none like it."""
        provider = ModelProvider.model_validate(dict(facts.registration))
        key = calibration.history_key(self.workspace, provider, model)
        return calibration.recall(self.state, key, base=base, prompt=prompt)


def price_book(now: Callable[[], datetime]) -> Callable[[Mapping[str, ProviderFacts]], PriceOf]:
    """Return what makes price functions of registered providers.

    Args:
        now: the time in UTC; prices depend on the day.
    """

    def book(known: Mapping[str, ProviderFacts]) -> PriceOf:
        def price(provider_id: str, model: str, usage: Usage, batch: bool) -> tuple[Decimal | None, str | None]:
            provider = ModelProvider.model_validate(dict(known[provider_id].registration))
            return price_of(provider, model, usage, now(), batch=batch)

        return price

    return book
