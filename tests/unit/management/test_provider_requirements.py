"""What a definition asks of its providers."""

from __future__ import annotations

from typing import Any

import pytest
from entities import a_definition

from abtest.adapters.provider_facts import provider_facts
from abtest.core.errors import InputIssue
from abtest.management.provider_checks import check_providers, fallback_issues
from abtest.providers.registration import REPLAY_PROVIDER, ModelProvider


def a_provider(provider_id: str = "local", **changes: Any) -> ModelProvider:
    facts = {"id": provider_id, "vendor": "openai_chat", "base_url": "http://127.0.0.1:9/v1"}
    return ModelProvider.model_validate(facts | changes)


def issues(provider: ModelProvider, **variant: Any) -> list[InputIssue]:
    definition = a_definition()
    changed = {name: one.model_copy(update=variant) for name, one in definition.variants.items()}
    return check_providers(changed, {provider.id: provider_facts(provider)})


def test_unknown_provider_is_told__with_the_nearest_name() -> None:
    known = {p.id: provider_facts(p) for p in (a_provider("locale"), REPLAY_PROVIDER)}

    found = check_providers(a_definition().variants, known)

    assert found[0] == InputIssue(
        "variants.terse.provider",
        "no such provider is registered; did you mean 'locale'?",
        "local",
        "locale, replay",
    )
    assert [issue.path for issue in found] == ["variants.terse.provider", "variants.wordy.provider"]


def test_registered_providers_are_fine__with_parameters_they_take() -> None:
    assert issues(a_provider()) == []


@pytest.mark.parametrize("model", ["{model}", "*"])
def test_a_parameter_the_registration_refuses_is_told__before_anything_is_spent(model: str) -> None:
    definition = a_definition()
    variant = next(iter(definition.variants.values()))
    named = model.format(model=variant.model)
    parameters = variant.parameters.model_copy(update={"temperature": 0.5})

    found = issues(a_provider(unsupported_parameters={named: ["temperature"]}), parameters=parameters)

    assert [issue.path for issue in found] == [
        f"variants.{name}.parameters.temperature" for name in definition.variants
    ]
    assert found[0].found == "0.5"
    assert "the registration of local says" in found[0].message


def test_a_parameter_left_to_the_provider_is_never_refused__although_the_registration_names_it() -> None:
    definition = a_definition()
    variant = next(iter(definition.variants.values()))
    parameters = variant.parameters.model_copy(update={"temperature": None})

    assert issues(a_provider(unsupported_parameters={"*": ["temperature"]}), parameters=parameters) == []


@pytest.mark.parametrize("field", ["fallback", "fallbacks"])
def test_a_fallback_is_refused__with_the_reason(field: str) -> None:
    (issue,) = fallback_issues({"variants": {"a": {field: ["other"]}, "b": {}}})

    assert issue.path == f"variants.a.{field}"
    assert "another model" in issue.message
