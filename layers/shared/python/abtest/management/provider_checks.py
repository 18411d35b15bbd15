"""What a definition asks of its providers, checked before anything is spent: nothing it says is dropped on the way.

Depends on: `abtest.contracts`; what a provider can do arrives as facts. Used by: the test service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abtest.contracts.definition import Parameters, Variant
from abtest.contracts.judging import AskedModel, JudgeFacts
from abtest.core.errors import InputIssue
from abtest.core.registry import nearest
from abtest.management.ports import ProviderFacts

REPLAY = "replay"
"""The provider of recorded answers."""


def check_providers(variants: Mapping[str, Variant], known: Mapping[str, ProviderFacts]) -> list[InputIssue]:
    """Return an issue for each variant whose provider is not registered, or cannot do what the variant asks.

    Args:
        variants: by name, those that can be read.
        known: facts by provider identifier.
    """
    return [issue for name, variant in variants.items() for issue in _of_variant(f"variants.{name}", variant, known)]


def check_judge_providers(facts: Mapping[str, JudgeFacts], known: Mapping[str, ProviderFacts]) -> list[InputIssue]:
    """Return an issue for each model a judge asks whose provider is not registered, or refuses what is written.

    What the judge sets by itself, such as a temperature of 0, is left out where a model refuses it: no issue.

    Args:
        facts: of the judges that are right.
        known: facts by provider identifier.
    """
    return [
        issue
        for name, fact in facts.items()
        for position, asked in enumerate(fact.models)
        if asked.provider != REPLAY
        for issue in _of_judge(model_path(name, position), f"judges.{name}.parameters", asked, known)
    ]


def model_path(judge: str, position: int) -> str:
    """Return where a definition names a model that a judge asks.

    Args:
        judge: its name.
        position: 0 is the judge's own model, then its fallbacks in order.
    """
    return f"judges.{judge}" if position == 0 else f"judges.{judge}.fallbacks.{position - 1}"


def fallback_issues(raw: Mapping[str, Any]) -> list[InputIssue]:
    """Return an issue for each variant that names a fallback: answers of another model would be another treatment.

    Args:
        raw: the definition as it came.
    """
    variants = raw.get("variants")
    named = variants.items() if isinstance(variants, Mapping) else ()
    return [
        InputIssue(
            f"variants.{name}.{field}",
            "a fallback would answer some samples with another model, and the variant would be no one treatment",
            allowed="remove it; a provider that is down is waited for, up to its give_up_after_s",
        )
        for name, variant in named
        if isinstance(variant, Mapping)
        for field in ("fallback", "fallbacks")
        if field in variant
    ]


def _of_variant(path: str, variant: Variant, known: Mapping[str, ProviderFacts]) -> Iterator[InputIssue]:
    facts = known.get(variant.provider)
    if facts is None:
        yield _unregistered(path, variant.provider, known)
        return
    for parameter, why in facts.unsupported(variant.model, variant.parameters).items():
        yield _refused(f"{path}.parameters", variant.provider, variant.parameters, parameter, why)
    if variant.mode == "batch" and not facts.batches:
        message = f"the vendor {facts.vendor} of {variant.provider} has no batch interface that is spoken here"
        yield InputIssue(f"{path}.mode", message, "batch", "direct")


def _of_judge(
    path: str, parameters: str, asked: AskedModel, known: Mapping[str, ProviderFacts]
) -> Iterator[InputIssue]:
    facts = known.get(asked.provider)
    if facts is None:
        yield _unregistered(path, asked.provider, known)
        return
    for parameter, why in facts.unsupported(asked.model, asked.parameters).items():
        if parameter not in asked.wished:
            yield _refused(parameters, f"{asked.provider}/{asked.model}", asked.parameters, parameter, why)


def _unregistered(path: str, provider: str, known: Mapping[str, ProviderFacts]) -> InputIssue:
    guess = nearest(provider, known)
    return InputIssue(
        f"{path}.provider",
        "no such provider is registered" + (f"; did you mean {guess!r}?" if guess else ""),
        provider,
        ", ".join(sorted(known)) or "register one: `abtest providers add`",
    )


def _refused(path: str, receiver: str, parameters: Parameters, parameter: str, why: str) -> InputIssue:
    found = getattr(parameters, parameter, None)
    return InputIssue(
        f"{path}.{parameter}",
        f"it cannot be sent to {receiver}: {why}",
        None if found is None else str(found)[:80],
        "remove it, or use a provider and model that take it",
    )
