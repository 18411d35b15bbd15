"""The options of `abtest providers add` as the registration's fields.

Depends on: `abtest.core.errors`. Used by: `abtest_cli.commands.providers`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from abtest.core.errors import InputIssue
from abtest_cli.errors import UsageError

PRICE = "MODEL=INPUT,OUTPUT such as gpt-x=0.15,0.60"
LIMIT = "MODEL=REQUESTS,TOKENS a minute, either may be left out, such as gpt-x=500,200000 or *=60"
UNSUPPORTED = "MODEL=PARAMETER,PARAMETER such as o9=temperature,top_p"
OPTION = "NAME=VALUE such as api_version=2023-06-01"


def prices_of(texts: list[str]) -> dict[str, Any]:
    """Return prices by model.

    Args:
        texts: `MODEL=INPUT,OUTPUT`, USD per million tokens.

    Raises:
        UsageError: with every text that is not of that form.
    """
    return _pairs("--price", "not a price", PRICE, texts, _price)


def limits_of(texts: list[str]) -> dict[str, Any]:
    """Return limits by model; `*` is any model.

    Args:
        texts: `MODEL=REQUESTS,TOKENS`, whole numbers a minute; either may be empty.

    Raises:
        UsageError: with every text that is not of that form.
    """
    return _pairs("--limit", "not a limit", LIMIT, texts, _limit)


def unsupported_of(texts: list[str]) -> dict[str, Any]:
    """Return the parameters that models refuse, by model.

    Args:
        texts: `MODEL=PARAMETER,PARAMETER`.

    Raises:
        UsageError: with every text that is not of that form.
    """
    return _pairs("--unsupported", "no list of parameters", UNSUPPORTED, texts, _names)


def options_of(texts: list[str]) -> dict[str, Any]:
    """Return the vendor's own options.

    Args:
        texts: `NAME=VALUE`; a value that is JSON (an object, a number, true) is taken as such.

    Raises:
        UsageError: with every text that is not of that form.
    """
    return _pairs("--option", "not an option", OPTION, texts, _value)


def _pairs(option: str, what: str, allowed: str, texts: list[str], read: Callable[[str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    issues = []
    for text in texts:
        # Names of models may hold an equals sign, names of options never do.
        name, _, value = text.partition("=") if option == "--option" else text.rpartition("=")
        try:
            if not name:
                raise ValueError("no name")
            found[name] = read(value)
        except (InvalidOperation, ValueError):
            issues.append(InputIssue(option, what, text, allowed))
    if issues:
        raise UsageError(f"The values of {option} cannot be used.", issues)
    return found


def _price(text: str) -> dict[str, str]:
    given, taken = (Decimal(amount.strip()) for amount in text.split(","))
    if not given.is_finite() or not taken.is_finite() or min(given, taken) < 0:
        raise ValueError("no price")
    return {"input_usd_per_million": str(given), "output_usd_per_million": str(taken)}


def _limit(text: str) -> dict[str, int]:
    requests, _, tokens = text.partition(",")
    named = {"requests_per_minute": requests.strip(), "tokens_per_minute": tokens.strip()}
    limit = {name: int(value) for name, value in named.items() if value}
    if not limit or min(limit.values()) < 1:
        raise ValueError("no limit")
    return limit


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError("an empty name")
    return names


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    # A version such as 2024 is a text to every vendor.
    return text if isinstance(value, int | float) and not isinstance(value, bool) else value
