"""Texts from outside as they stand in a judge's prompt: between two lines that the text itself cannot contain.

The lines carry a tag made from a hash of all texts of the prompt. A text that held the tag would have to hold a hash of
itself; should one do so all the same, the next hash is taken. So no text can close its own block, and equal texts give
the equal prompt, by which a repeated call is found in the ledger.

Depends on: `abtest.contracts.records`. Used by: `abtest.evaluation.asking.prompts`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from abtest.contracts.records import Sample

_TAG_DIGITS = 16


class Block:
    """One text from outside with a line before it and a line after it, as a template shows it.

    A template can show it and ask whether it is empty or equals a text; it cannot take the text out of its lines.
    """

    __slots__ = ("_name", "_tag", "_text")

    def __init__(self, name: str, tag: str, text: str) -> None:
        self._name = name
        self._tag = tag
        self._text = text

    def __str__(self) -> str:
        marks = f"{self._name} {self._tag} ==="
        return f"=== BEGIN {marks}\n{self._text}\n=== END {marks}"

    def __repr__(self) -> str:
        return f"Block({self._name!r})"

    def __bool__(self) -> bool:
        return not self._text.isspace() and self._text != ""

    def __eq__(self, other: object) -> bool:
        return self._text == (other._text if isinstance(other, Block) else other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __len__(self) -> int:
        return len(self._text)

    def __format__(self, specification: str) -> str:
        return str(self)


class Blocks(list[Block]):
    """Blocks in their order; shown as a whole they stand below each other."""

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class BlocksByName:
    """Blocks by the name of an input, which may be any word: no method of a mapping stands in its way."""

    __slots__ = ("_tag", "_texts")

    def __init__(self, tag: str, texts: Mapping[str, str]) -> None:
        self._tag = tag
        self._texts = texts

    def __getitem__(self, name: str) -> Block:
        return Block("INPUT", self._tag, self._texts[name])

    def __contains__(self, name: object) -> bool:
        return name in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __str__(self) -> str:
        return str(Blocks(Block("INPUT", self._tag, f"{sound(name)}:\n{text}") for name, text in self._texts.items()))


def tag_of(texts: Sequence[str]) -> str:
    """Return the tag for texts that stand in one prompt: always the same for the same texts, and in none of them."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded))
        digest.update(encoded)
    while True:
        tag = digest.hexdigest()[:_TAG_DIGITS]
        if not any(tag in text for text in texts):
            return tag
        digest.update(b"+")


class SampleTexts:
    """All texts of a sample that a judge may be shown, by the template's variable.

    Args:
        sample: whose texts.
        reference: whether the reference is shown.
    """

    __slots__ = ("documents", "expected_outcome", "inputs", "messages", "question", "reference", "rubric")

    def __init__(self, sample: Sample, *, reference: bool) -> None:
        self.inputs = {name: as_text(value) for name, value in sample.inputs.items()}
        self.question = _question(self.inputs)
        self.messages = tuple((turn.role, sound(turn.content)) for turn in sample.messages)
        self.documents = tuple(
            sound(one.text if one.title is None else f"{one.title}\n\n{one.text}") for one in sample.documents
        )
        self.reference = _reference(sample.reference) if reference else ""
        self.expected_outcome = sound(sample.expected_outcome or "")
        self.rubric = sound(sample.rubric or "")

    def all(self) -> list[str]:
        """Return every text, names of inputs among them: an override of the template may show those too."""
        inputs = (text for pair in self.inputs.items() for text in pair)
        texts = [self.question, self.reference, self.expected_outcome, self.rubric, *inputs]
        return [*texts, *(text for _, text in self.messages), *self.documents]

    def values(self, tag: str) -> dict[str, Any]:
        """Return what a template may use of the sample; what is absent is an empty block or list."""
        return {
            "question": Block("QUESTION", tag, self.question),
            "inputs": BlocksByName(tag, self.inputs),
            "messages": Blocks(
                Block(f"MESSAGE {number} FROM {role.upper()}", tag, text)
                for number, (role, text) in enumerate(self.messages, start=1)
            ),
            "documents": Blocks(
                Block(f"DOCUMENT {number}", tag, text) for number, text in enumerate(self.documents, start=1)
            ),
            "reference": Block("REFERENCE", tag, self.reference),
            "expected_outcome": Block("EXPECTED OUTCOME", tag, self.expected_outcome),
            "rubric": Block("CRITERIA", tag, self.rubric),
        }


def as_text(value: Any) -> str:
    """Return a value of a dataset as text: a text as it is, anything else as JSON."""
    return sound(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _question(inputs: Mapping[str, str]) -> str:
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return "\n\n".join(f"{sound(name)}:\n{text}" for name, text in inputs.items())


def _reference(reference: Any) -> str:
    if reference is None:
        return ""
    if isinstance(reference, list) and reference and all(isinstance(one, str) for one in reference):
        return as_text(reference[0]) if len(reference) == 1 else "\n\nor:\n\n".join(map(as_text, reference))
    return as_text(reference)


def sound(text: str) -> str:
    """Return a text that can be sent: half of a surrogate pair is no character."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
