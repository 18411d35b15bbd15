"""Does the answer have a length between two bounds?

Measures: the number of words, characters, sentences or tokens of the answer, against a lower bound, an upper bound or
both; the bounds themselves are allowed. White space around the answer does not count.

- A word is a run without white space that holds a letter or a digit (`well-known` is one, `-` is none). In Chinese and
  Japanese, which write no spaces, every character counts as a word.
- A character is a code point in Unicode normal form C.
- A sentence ends at `.`, `!`, `?`, `…` before white space, at the full stops of scripts that have their own, and at
  every end of a line; it must hold a letter or a digit. A full stop or an ellipsis before a small letter ends
  nothing (`e.g. this`), and the number of a list item is not a sentence.
- Tokens are what the provider counted for the answer, without reasoning. A provider that reports none makes the
  verdict `invalid`. Variants with different tokenizers count the same text differently.

When it misleads: Thai, Lao and Khmer write no spaces and are counted as one word a phrase; `Dr. Smith` is counted as
the end of a sentence, and so is every line of a text with hard line breaks. An emoji can be several characters. A
refused answer is the empty one, of length 0: with only an upper bound it passes. A length says nothing about what the
words say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from pydantic import Field, model_validator

from abtest.contracts.records import ModelResponse, Sample
from abtest.evaluation.model import JudgeParameters, JudgeType, ResponseScorer, Score, Scorer, verdict_of
from abtest.evaluation.response_facts import output_tokens
from abtest.evaluation.text import composed

Unit = Literal["words", "characters", "sentences", "tokens"]

# Han with its extensions, Hiragana, Katakana, in the order of their code points.
_UNSPACED = "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_][^\s{_UNSPACED}]*")
_ALPHANUMERIC = re.compile(r"[^\W_]")
_LINE_ENDS = "\n\r\u2028\u2029"
# Every run is one match, and what it means is decided outside: a pattern that looked on would take quadratic time.
_SENTENCE_END = re.compile(rf"(?P<marks>[.!?…。！？｡।॥؟۔።{_LINE_ENDS}]++)[\"'”’»)\]」』]*+")
_NEEDS_SPACE = ".!?…"
_LIST_NUMBER = re.compile(r"[ \t]*\d{1,3}")


class Parameters(JudgeParameters):
    """Options of `length`."""

    unit: Unit = Field(default="words", description="What is counted.")
    at_least: int | None = Field(default=None, ge=0, description="The smallest length that passes.")
    at_most: int | None = Field(default=None, ge=0, description="The largest length that passes.")

    @model_validator(mode="after")
    def _bounds_work(self) -> Parameters:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a length needs a bound; give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"no length is at least {self.at_least} and at most {self.at_most}; swap the bounds")
        return self


def word_count(text: str) -> int:
    """Return the number of words of a text."""
    if not text.isascii() and _UNSPACED_CHARACTER.search(text):
        return len(_WORD.findall(text))
    # The same count in half the time: almost every run is a word, and most are nothing but letters.
    runs = text.split()
    return len(runs) - sum(1 for run in runs if not run.isalnum() and _ALPHANUMERIC.search(run) is None)


def character_count(text: str) -> int:
    """Return the number of code points of a text, in normal form C and without white space around it."""
    return len(composed(text).strip())


def sentence_count(text: str) -> int:
    """Return the number of sentences of a text."""
    count = start = 0
    for found in _SENTENCE_END.finditer(text):
        if found["marks"].strip(_NEEDS_SPACE) or _ends(text, start, found):
            count += _ALPHANUMERIC.search(text, start, found.start()) is not None
            start = found.end()
        elif _is_list_number(text, start, found):
            start = found.end()
    return count + (_ALPHANUMERIC.search(text, start) is not None)


def _ends(text: str, start: int, found: re.Match[str]) -> bool:
    """Return whether marks that need white space after them end a sentence."""
    follows = text[found.end() : found.end() + 1]
    if follows and not follows.isspace():
        return False
    # A line break ends a sentence by itself, so one blank or tab is all there is to skip.
    goes_on = text[found.end() + 1 : found.end() + 2].islower() and not found["marks"].strip(".…")
    return not goes_on and not _is_list_number(text, start, found)


def _is_list_number(text: str, start: int, found: re.Match[str]) -> bool:
    """Return whether a full stop is that of a list item: `1.` at the beginning of a line, and text after it."""
    return (
        found[0] == "."
        and text[found.end() : found.end() + 1] in (" ", "\t")
        and (start == 0 or text[start - 1] in _LINE_ENDS)
        and _LIST_NUMBER.fullmatch(text, start, found.start()) is not None
    )


_COUNTERS: dict[str, Callable[[str], int]] = {
    "words": word_count,
    "characters": character_count,
    "sentences": sentence_count,
}


def _compile(parameters: Parameters) -> Scorer | ResponseScorer:
    low, high, unit = parameters.at_least, parameters.at_most, parameters.unit

    def verdict(count: int) -> Score:
        found = f"{count:,} {unit.removesuffix('s') if count == 1 else unit}"
        if low is not None and count < low:
            return verdict_of(False, f"{found}, fewer than {low:,}")
        return Score(1.0) if high is None or count <= high else verdict_of(False, f"{found}, more than {high:,}")

    if unit == "tokens":

        def score_tokens(_: Sample, answer: str, response: ModelResponse) -> Score:
            return verdict(output_tokens(response, reasoning=False) if answer else 0)

        return ResponseScorer(score_tokens)
    counted = _COUNTERS[unit]
    return lambda _, answer: verdict(counted(answer))


JUDGE = JudgeType(
    name="length",
    summary="1 when the answer has a number of words, characters, sentences or tokens between two bounds.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: False,
)
