"""Tokens of texts, and token sequences as strings, so that they are compared at the speed of strings.

Depends on: nothing. Used by: `abtest.evaluation.judges`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import repeat

UNKNOWN = "\0"
"""The character that stands for every token a reference does not have."""

# Letters, marks and numbers make words; marks too, or the words of Hindi and Thai would fall apart.
_WORD_CATEGORIES = "LMN"

# The symbols that are tokens of their own in mteval-v13a: ASCII punctuation without ' , - and the full stop.
_SYMBOLS = {
    code: f" {chr(code)} " for code in range(ord("!"), 0x7F) if not (chr(code).isalnum() or chr(code) in "',-.")
}
_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])-")
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


class _WordCharacters(dict[int, str]):
    """A translation table that keeps the characters of words and makes all others spaces, filled as they come."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = kept = letter if unicodedata.category(letter)[0] in _WORD_CATEGORIES else " "
        return kept


_WORD_CHARACTERS = _WordCharacters()


def words(text: str) -> list[str]:
    """Return the words of a text: its runs of letters, marks and digits, in every script that has spaces."""
    return text.translate(_WORD_CHARACTERS).split()


def characters(text: str) -> list[str]:
    """Return the letters, marks and digits of a text one by one, for scripts without spaces."""
    return list("".join(words(text)))


def mteval_tokens(text: str) -> list[str]:
    """Return the tokens of a text as the usual BLEU counts them (`13a`).

    Punctuation is a token of its own, except the apostrophe, a full stop or comma between digits, and a dash that
    does not follow a digit.

    Source: NIST, mteval-v13a.pl; sacreBLEU's tokenizer `13a` does the same.
    """
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    text = f" {text} ".translate(_SYMBOLS)
    if "." in text or "," in text:
        text = _BEFORE_NO_DIGIT.sub(r" \1 \2", _AFTER_NO_DIGIT.sub(r"\1 \2 ", text))
    if "-" in text:
        text = _DASH_AFTER_DIGIT.sub(r"\1 - ", text)
    return text.split()


class TokenCodes:
    """The tokens of a reference as one string: each distinct token is a character.

    Args:
        tokens: the reference's tokens, in their order.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._codes = {token: chr(code) for code, token in enumerate(dict.fromkeys(tokens), start=1)}
        self.reference = self.encoded(tokens)
        """The reference's tokens, encoded."""

    def encoded(self, tokens: Sequence[str]) -> str:
        """Return other tokens in the same code; what the reference does not have is `UNKNOWN`."""
        return "".join(map(self._codes.get, tokens, repeat(UNKNOWN)))
