"""Which family a model belongs to, as far as its name tells: judges tend to prefer answers of their own family.

A name is read without the vendor's or gateway's prefixes (`openai/`, `us.anthropic.`, `models/`, `ft:`). A model that
was trained from another's answers under a name of its own is not recognised as its relative.

Depends on: nothing. Used by: the checks of a test's judges, the analysis.

Source: A. Panickssery, S. Bowman, S. Feng, LLM evaluators recognize and favor their own generations, NeurIPS 2024 (why
a judge of a variant's family is told).
"""

from __future__ import annotations

import re

# The first pattern that is found at the beginning of a part of the name decides: distilled models are named after
# whose behaviour they copy (`deepseek-r1-distill-llama`), so the part that comes first wins.
_FAMILIES = (
    ("gpt", r"gpt|chatgpt|o[1-9](?![a-z0-9])|codex|davinci"),
    ("claude", r"claude"),
    ("gemini", r"gemini|palm"),
    ("gemma", r"gemma|codegemma"),
    ("llama", r"llama|meta-llama|codellama|vicuna|alpaca|tinyllama"),
    ("qwen", r"qwen|qwq|qvq"),
    ("mistral", r"mistral|mixtral|ministral|magistral|codestral|devstral|pixtral"),
    ("deepseek", r"deepseek"),
    ("nova", r"nova(?![a-z])"),
    ("titan", r"titan"),
    ("command", r"command|c4ai|aya(?![a-z])"),
    ("phi", r"phi(?![a-z])"),
    ("grok", r"grok"),
    ("jamba", r"jamba|jurassic|j2(?![a-z0-9])"),
    ("kimi", r"kimi|moonshot"),
    ("glm", r"glm|chatglm"),
    ("granite", r"granite"),
    ("nemotron", r"nemotron"),
    ("minimax", r"minimax|abab"),
    ("olmo", r"olmo|tulu"),
    ("falcon", r"falcon"),
    ("yi", r"yi(?![a-z])"),
    ("smollm", r"smollm"),
)
_PATTERN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _FAMILIES))
_SEPARATOR = re.compile(r"[/:.@\s_]+|-(?=[a-z])")


def model_family(model: str) -> str | None:
    """Return the family of a model, such as `gpt`, `claude` or `llama`, or None when its name does not tell.

    Args:
        model: the provider's name of the model, an inference profile's ARN or a gateway's name included.
    """
    for part in _parts(model.lower()):
        found = _PATTERN.match(part)
        if found:
            return found.lastgroup
    return None


def _parts(name: str) -> list[str]:
    """Return the parts of a name at which a family's name may begin, in order."""
    starts = [0, *(match.end() for match in _SEPARATOR.finditer(name))]
    return [name[start:] for start in starts]
