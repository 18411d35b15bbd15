"""Joins the domains where management needs what only another domain knows.

Depends on: evaluation, providers, management. Used by: the API, the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from abtest.contracts.definition import JudgeConfiguration
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.core.errors import InputIssue
from abtest.evaluation.families import model_family
from abtest.evaluation.model import JudgeConfiguration as NamedJudge
from abtest.evaluation.service import check_judges, compile_model_judge, dimensions_of, judge_facts, kind_of
from abtest.evaluation.validation import check_parameters
from abtest.management.ports import PriceOf, ProviderFacts
from abtest.providers import calibration, tokens
from abtest.providers.ports import SharedState
from abtest.providers.pricing import price_of
from abtest.providers.registration import ModelProvider


class JudgeRegistry:
    """Implements management's `JudgeCatalogue` over the evaluation domain."""

    def check(self, judge_type: str, parameters: Mapping[str, Any]) -> Sequence[InputIssue]:
        """Return what is wrong with a judge's type or parameters."""
        return check_parameters(judge_type, parameters)

    def check_all(self, judges: Mapping[str, JudgeConfiguration]) -> Sequence[InputIssue]:
        """Return what is wrong between judges, such as a panel's members; paths begin with a judge's name."""
        return check_judges(_named(judges))

    def facts(self, judges: Mapping[str, JudgeConfiguration]) -> Mapping[str, JudgeFacts]:
        """Return what is known of those judges that are right, by name; a wrong one is left out."""
        right = [judge for judge in _named(judges) if not check_parameters(judge.type, judge.parameters)]
        while right:
            wrong = {name for issue in check_judges(right) for name in _names_of(issue.path, right)}
            if not wrong:
                break
            # A panel without one of its judges is wrong as well, which the next look tells.
            right = [judge for judge in right if judge.name not in wrong]
        return judge_facts(right) if right else {}

    def family(self, model: str) -> str | None:
        """Return which family of models a model belongs to, or None where its name does not tell."""
        return model_family(model)

    def read_documents(self, judge: JudgeConfiguration) -> Sequence[str]:
        """Return the dimensions of a right judge that rest on a sample's documents."""
        (named,) = _named({judge.type: judge})
        # One that reads a reference as well makes do with what there is.
        return [one.name for one in dimensions_of(named) if one.reads == ("documents",)]

    def schema_text(self, judge: JudgeConfiguration) -> str:
        """Return what a right judge sends beside its messages: the schema of a reply, or nothing."""
        if kind_of(judge.type) != "model":
            return ""
        compiled = compile_model_judge(*_named({judge.type: judge}))
        return json.dumps(compiled.output_schema) if compiled.structured else ""


def _named(judges: Mapping[str, JudgeConfiguration]) -> list[NamedJudge]:
    return [
        NamedJudge.model_construct(name=name, type=judge.type, parameters=judge.parameters)
        for name, judge in judges.items()
    ]


def _names_of(path: str, judges: Sequence[NamedJudge]) -> Iterator[str]:
    # Names may have dots: of all that begin the path the longest is meant.
    fitting = [judge.name for judge in judges if path == judge.name or path.startswith(f"{judge.name}.")]
    yield from sorted(fitting, key=len)[-1:]


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
