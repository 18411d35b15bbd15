"""The options of `abtest providers add`, as the registration takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from abtest.providers.registration import ModelProvider
from abtest_cli.errors import UsageError
from abtest_cli.provider_options import limits_of, options_of, prices_of, unsupported_of


def test_every_option_makes_a_registration__all_at_once() -> None:
    provider = ModelProvider.model_validate(
        {
            "id": "acme",
            "vendor": "openai_chat",
            "prices": prices_of(["org/m=1=0.15,0.60"]),
            "limits": limits_of(["m=500,200000", "*=60", "n=,9000"]),
            "unsupported_parameters": unsupported_of(["m=temperature, top_p"]),
            "options": options_of(["api_version=2024", 'additional_fields={"k": 1}', "query=a=b"]),
        }
    )
    assert set(provider.prices) == {"org/m=1"}
    limits = {model: limit.model_dump(exclude_none=True) for model, limit in provider.limits.items()}
    assert limits == {
        "m": {"requests_per_minute": 500, "tokens_per_minute": 200_000},
        "*": {"requests_per_minute": 60},
        "n": {"tokens_per_minute": 9_000},
    }
    assert provider.refused_by("m") == {"temperature", "top_p"}
    # A version is a text to every vendor, however much it looks like a number.
    assert provider.options == {"api_version": "2024", "additional_fields": {"k": 1}, "query": "a=b"}


@pytest.mark.parametrize(
    ("read", "option", "texts"),
    [
        (prices_of, "--price", ["m", "m=1", "m=1,-2", "=1,2", "m=NaN,1"]),
        (limits_of, "--limit", ["m", "m=", "m=,", "m=0", "m=1.5", "=60", "m=1,-2"]),
        (unsupported_of, "--unsupported", ["m", "m=", "=top_p", "m=a,,b"]),
        (options_of, "--option", ["=x"]),
    ],
)
def test_every_wrong_text_is_told__with_what_is_allowed(
    read: Callable[[list[str]], dict[str, Any]], option: str, texts: list[str]
) -> None:
    with pytest.raises(UsageError) as told:
        read(texts)
    assert [(issue.path, issue.found) for issue in told.value.issues] == [(option, text) for text in texts]
    assert all(issue.allowed for issue in told.value.issues)
