"""What is known of Gemini's models: which parameters a generation of them takes. It holds wherever the name is served.

Newer models accept a temperature and ignore it, which a test of temperatures could not see: so it is refused here. A
name of another form tells nothing, and nothing is refused for it.

Source: the pages latest-model, whats-new-gemini-3.6, thinking and models below
https://ai.google.dev/gemini-api/docs/, the table of thinking levels at
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking, and the levels that the official
client knows (google-genai 3.6.1).

Depends on: nothing. Used by: `gemini`.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?-(pro|flash-lite|flash)?")
_MOVING_NAME = re.compile(r"gemini-(?:pro|flash-lite|flash)-latest")
_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH"}
_KNOWN_LEVELS = frozenset(_LEVELS)
_LEVELS_OF_3 = frozenset({"minimal", "low", "medium", "high"})
_LEVELS_OF_3_0_PRO = frozenset({"low", "high"})


def thinking_level(effort: str) -> str:
    """Return the name of an effort on the wire; one that Gemini does not know is refused before."""
    return _LEVELS.get(effort, effort.upper())


def sampling_refusal(model: str) -> str | None:
    """Return why temperature and top_p cannot be sent to a model, or None."""
    if _MOVING_NAME.search(model):
        return "the name leads to the newest model, and from Gemini 3.6 on models ignore it: name the model itself"
    found = _NAME.search(model)
    if found is None:
        return None
    generation = _generation(found)
    if generation >= (3, 6):
        return "Gemini 3.6 and later ignore it"
    if generation == (3, 5) and found[3] == "flash-lite":
        return "Gemini 3.5 Flash-Lite ignores it"
    return None


def effort_refusal(model: str, effort: str) -> str | None:
    """Return why a reasoning effort cannot be sent to a model, or None."""
    levels = _levels(model)
    if not levels:
        return "before version 3 Gemini takes a budget of tokens for thinking, not a level"
    if effort in levels:
        return None
    return f"its thinking levels are {', '.join(level for level in _LEVELS if level in levels)}"


def _levels(model: str) -> frozenset[str]:
    found = _NAME.search(model)
    if found is None:
        return _KNOWN_LEVELS
    generation, size = _generation(found), found[3]
    if generation < (3, 0):
        return frozenset()
    if generation >= (4, 0):
        return _KNOWN_LEVELS
    if size == "pro":
        return _LEVELS_OF_3_0_PRO if generation == (3, 0) else _LEVELS_OF_3 - {"minimal"}
    return _LEVELS_OF_3 - {"minimal"} if size == "flash" and generation >= (3, 7) else _LEVELS_OF_3


def _generation(found: re.Match[str]) -> tuple[int, int]:
    return int(found[1]), int(found[2] or 0)
