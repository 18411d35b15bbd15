"""Samples: what is checked of one beyond its fields' types, and what is counted of all.

Depends on: `abtest.contracts`, templates. Used by: the freezing of datasets.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from abtest.contracts.records import Sample
from abtest.core.errors import InputIssue
from abtest.management.model import DatasetSummary, InputTokens
from abtest.management.ports import TokenCounter
from abtest.management.templates import DOCUMENTS, template_values
from abtest.management.token_counts import count_texts, rows_to_count

SHOWN_IDS = 5
_PARTS = ("messages", "reference", "expected_outcome", "rubric")
_ROLES = ("user", "assistant")
_LATER_FIELDS = ("messages", "documents", "expected_outcome", "rubric")
"""Left out of a canonical row that has none, so that datasets of earlier versions keep their names."""

_Text = tuple[str, str]
"""Where a text of a sample stands: ("input", its name) for a template variable, ("part", its name) for the rest."""


def canonical_data(sample: Sample) -> dict[str, Any]:
    """Return a sample as JSON-ready data, the same for samples that say the same."""
    data = sample.model_dump(mode="json")
    return {name: value for name, value in data.items() if name not in _LATER_FIELDS or value not in (None, [])}


def row_issues(sample: Sample, line: int) -> list[InputIssue]:
    """Return what is wrong with a sample's conversation.

    The conversation stands between the prompt's own earlier turns and its last message, which is a user's. So it must
    begin with a user's message, alternate, and end with an assistant's: some providers refuse two messages of one role
    in a row, some join them, and some ignore one, and the variants would not have been asked the same.

    Args:
        sample: its fields are right.
        line: from 1.
    """
    return list(_conversation(sample, line))


def _conversation(sample: Sample, line: int) -> Iterator[InputIssue]:
    for number, turn in enumerate(sample.messages):
        if not turn.content.strip():
            allowed = "text in each message"
            yield InputIssue(f"messages.{number}.content", "the message is blank", None, allowed, line)
    for number, turn in enumerate(sample.messages):
        expected = _ROLES[number % 2]
        if turn.role != expected:
            where = "the first message" if number == 0 else "two messages in a row have the same role; the second"
            message = f"{where} is the {turn.role}'s"
            allowed = (
                "user, assistant, user, assistant, ...: join messages of one role, and move a greeting into `system`"
            )
            yield InputIssue(f"messages.{number}.role", message, turn.role, allowed, line)
            return
    if sample.messages and sample.messages[-1].role == "user":
        message = "the conversation ends with a user's message, and the prompt's own user message follows it"
        allowed = "an assistant's message at the end; put the user's last one into `inputs` and insert it in the prompt"
        yield InputIssue("messages", message, "user", allowed, line)


def joint_issues(samples: Sequence[Sample], lines: Mapping[Hashable, int]) -> list[InputIssue]:
    """Return what is wrong with samples together: `documents` names one thing in all of them.

    Args:
        samples: each right in itself.
        lines: from 1, by the sample's id.
    """
    if not any(sample.documents for sample in samples):
        return []
    message = f"an input cannot be called {DOCUMENTS!r} where samples have documents, which templates use by that name"
    return [
        InputIssue(f"inputs.{DOCUMENTS}", message, None, "another name of the input", lines[sample.id])
        for sample in samples
        if DOCUMENTS in sample.inputs
    ]


def summary_of(samples: Sequence[Sample], total_bytes: int, counter: TokenCounter | None) -> DatasetSummary:
    """Return what later checks need to know of samples.

    Args:
        samples: all of a dataset.
        total_bytes: size of the canonical rows.
        counter: counts tokens; None leaves them uncounted.
    """
    with_documents = any(sample.documents for sample in samples)
    counts: Counter[str] = Counter()
    blanks: Counter[str] = Counter()
    characters: Counter[_Text] = Counter()
    for sample in samples:
        for (kind, name), text in _texts(sample, with_documents).items():
            characters[kind, name] += len(text)
            if kind == "input":
                counts[name] += 1
                blanks[name] += not text.strip()
    clusters = {sample.cluster for sample in samples if sample.cluster is not None}
    alone = sum(sample.cluster is None for sample in samples)
    lacking = [sample.id for sample in samples if sample.reference is None]
    return DatasetSummary(
        rows=len(samples),
        input_counts=dict(counts),
        blank_counts={name: n for name, n in blanks.items() if n},
        input_characters=_of("input", characters),
        input_tokens={} if counter is None else _tokens(samples, with_documents, characters, counter),
        part_characters=_of("part", characters),
        references=len(samples) - len(lacking),
        without_reference=tuple(lacking[:SHOWN_IDS]),
        conversations=sum(bool(sample.messages) for sample in samples),
        turns=sum(len(sample.messages) for sample in samples),
        documents=sum(bool(sample.documents) for sample in samples),
        expected_outcomes=sum(sample.expected_outcome is not None for sample in samples),
        rubrics=sum(sample.rubric is not None for sample in samples),
        clusters=len(clusters) + alone if clusters else None,
        total_bytes=total_bytes,
    )


def _texts(sample: Sample, with_documents: bool) -> dict[_Text, str]:
    texts = {("input", name): _text(value) for name, value in sample.inputs.items()}
    if with_documents:
        texts["input", DOCUMENTS] = str(template_values(sample)[DOCUMENTS])
    parts = ("".join(turn.content for turn in sample.messages) or None, *(getattr(sample, name) for name in _PARTS[1:]))
    texts |= {("part", name): _text(value) for name, value in zip(_PARTS, parts, strict=True) if value is not None}
    return texts


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of(kind: str, figures: Mapping[_Text, int]) -> dict[str, int]:
    return {name: figure for (its_kind, name), figure in figures.items() if its_kind == kind}


def _tokens(
    samples: Sequence[Sample], with_documents: bool, characters: Mapping[_Text, int], counter: TokenCounter
) -> dict[str, InputTokens]:
    if not characters:
        return {}
    texts = [_texts(sample, with_documents) for sample in rows_to_count(samples)]
    found = {}
    for encoding in counter.encodings:
        tokens, error = count_texts(texts, characters, partial(counter.count, encoding))
        found[encoding] = InputTokens(by_input=_of("input", tokens), by_part=_of("part", tokens), error=error)
    return found
