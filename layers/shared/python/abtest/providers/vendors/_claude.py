"""What is known of Claude's models: which parameters a version of them takes. It holds wherever the name is served.

A name of another form tells nothing, and nothing is refused for it.

Source: the pages effort, thinking-troubleshooting, structured-outputs and whats-new-claude-4-7 below
https://platform.claude.com/docs/en/, and the messages with which the API refuses a request.

Depends on: `abtest.contracts`. Used by: `anthropic`, `bedrock`.
"""

from __future__ import annotations

import re
from typing import Any

from abtest.contracts.definition import Parameters

Version = tuple[int, int]
"""Such as (4, 6)."""

# `claude-opus-4-6`, `claude-sonnet-5`, `claude-haiku-4-5-20251001`, `claude-3-5-sonnet-latest`; a date is no version.
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_LEAST_TOP_P_OF_THINKING = 0.95


def model_version(model: str) -> Version | None:
    """Return the version in a model's name, or None when the name is of no Claude or has none."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def temperature_refusal(parameters: Parameters, version: Version | None) -> str | None:
    """Return why the given temperature cannot be sent, or None."""
    temperature = parameters.temperature
    if temperature is None or temperature == 1:
        return None
    if temperature > 1:
        return "Anthropic's temperature goes from 0 to 1"
    if version is not None and version >= (4, 7):
        return "Claude 4.7 and later take no temperature but 1"
    if parameters.reasoning_effort is not None:
        return "a model that thinks takes no temperature but 1: leave it or reasoning_effort out"
    return None


def top_p_refusal(parameters: Parameters, version: Version | None) -> str | None:
    """Return why the given top_p cannot be sent, or None."""
    if parameters.top_p is None:
        return None
    if version is not None and version >= (4, 7):
        return "Claude 4.7 and later take no top_p"
    if version is not None and version >= (4, 1) and parameters.temperature is not None:
        return "Claude 4.1 and later take either temperature or top_p"
    if parameters.reasoning_effort is not None and parameters.top_p < _LEAST_TOP_P_OF_THINKING:
        return f"a model that thinks takes no top_p below {_LEAST_TOP_P_OF_THINKING}: leave it or reasoning_effort out"
    return None


def effort_refusal(effort: str | None, version: Version | None) -> str | None:
    """Return why the given effort cannot be sent, or None."""
    if effort is None:
        return None
    if effort in {"none", "minimal"}:
        return "Anthropic's efforts are low, medium, high, xhigh and max"
    if version is not None and version < (4, 6):
        return "before version 4.6 Claude takes a budget of tokens for thinking, not an effort"
    if effort == "xhigh" and version == (4, 6):
        return "Claude knows xhigh from version 4.7 on"
    return None


def schema_refusal(schema: dict[str, Any] | None, version: Version | None) -> str | None:
    """Return why the given output schema cannot be sent, or None."""
    if schema is not None and version is not None and version < (4, 5):
        return "Claude follows a schema from version 4.5 on"
    return None
