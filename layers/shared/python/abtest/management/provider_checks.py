"""What a definition asks of its providers, checked before anything is spent: nothing it says is dropped on the way.

Depends on: `abtest.contracts`; what a provider can do arrives as facts. Used by: the test service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from abtest.contracts.definition import Variant
from abtest.core.errors import InputIssue
from abtest.core.registry import nearest
from abtest.management.ports import ProviderFacts


def check_providers(variants: Mapping[str, Variant], known: Mapping[str, ProviderFacts]) -> list[InputIssue]:
    """Return an issue for each variant whose provider is not registered, or cannot do what the variant asks.

    Args:
        variants: by name, those that can be read.
        known: facts by provider identifier.
    """
    return [issue for name, variant in variants.items() for issue in _of_variant(f"variants.{name}", variant, known)]


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
        guess = nearest(variant.provider, known)
        yield InputIssue(
            f"{path}.provider",
            "no such provider is registered" + (f"; did you mean {guess!r}?" if guess else ""),
            variant.provider,
            ", ".join(sorted(known)) or "register one: `abtest providers add`",
        )
        return
    for parameter, why in facts.unsupported(variant.model, variant.parameters).items():
        found = getattr(variant.parameters, parameter, None)
        yield InputIssue(
            f"{path}.parameters.{parameter}",
            f"it cannot be sent to {variant.provider}: {why}",
            None if found is None else str(found)[:80],
            "remove it, or use a provider and model that take it",
        )
    if variant.mode == "batch" and not facts.batches:
        message = f"the vendor {facts.vendor} of {variant.provider} has no batch interface that is spoken here"
        yield InputIssue(f"{path}.mode", message, "batch", "direct")
