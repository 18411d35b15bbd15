"""Tokens of a dataset, counted when it is frozen: exact where it is small, else from a part, with an error."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from abtest.management.datasets import freeze_rows
from abtest.management.model import InputTokens
from abtest.management.token_counts import ERROR_OF_ONE, MOST_CHARACTERS, MOST_ROWS, count_texts, rows_to_count
from abtest.runtime.catalogue import Tokenizers

COUNTER = Tokenizers()


def words(text: str) -> int:
    return len(text.split())


def counted(rows: list[dict[str, str]]) -> tuple[dict[str, int], float]:
    names = dict.fromkeys(name for row in rows for name in row)
    characters = {name: sum(len(row.get(name, "")) for row in rows) for name in names}
    return count_texts(rows_to_count(rows), characters, words)


def test_few_rows_are_counted_whole__without_an_error() -> None:
    rows = [{"a": "one two three", "b": "four"}, {"a": "five"}]

    assert counted(rows) == ({"a": 4, "b": 1}, 0.0)


def test_many_rows_are_counted_in_part__evenly_and_within_the_stated_error() -> None:
    draw = random.Random(1)
    # The second half is another sort of text: a count of the first rows alone would be far off.
    rows = [
        {"a": " ".join(draw.choice(["a", "bb", "ccc"]) * (1 if n < 10_000 else 3) for _ in range(draw.randrange(1, 9)))}
        for n in range(20_000)
    ]

    found, error = counted(rows)

    real = sum(words(row["a"]) for row in rows)
    assert len(rows_to_count(rows)) <= MOST_ROWS
    assert 0 < error < 0.1
    assert found["a"] == pytest.approx(real, rel=error)


def test_long_texts_are_read_in_part__from_the_middle() -> None:
    text = "x " * MOST_CHARACTERS
    reads: list[str] = []

    def watched(part: str) -> int:
        reads.append(part)
        return words(part)

    found, error = count_texts([{"a": text}], {"a": len(text)}, watched)

    assert [len(part) for part in reads] == [MOST_CHARACTERS]
    assert found["a"] == pytest.approx(MOST_CHARACTERS, rel=0.001)
    assert error == ERROR_OF_ONE


def test_an_input_that_no_counted_row_has_is_counted__by_the_ratio_of_the_others() -> None:
    found, _ = count_texts([{"a": "one two"}], {"a": 7, "rare": 70}, words)

    assert found == {"a": 2, "rare": 20}


@pytest.mark.parametrize("rows", [[], [{}], [{"a": ""}]])
def test_no_text_has_no_tokens(rows: list[dict[str, str]]) -> None:
    found, error = counted(rows)

    assert (sum(found.values()), error) == (0, 0.0)


def freeze(inputs: list[dict[str, Any]], **changes: Any) -> dict[str, InputTokens]:
    lines = [json.dumps({"id": f"r{n}", "inputs": row}).encode() for n, row in enumerate(inputs)]
    return freeze_rows(lines, "samples", **changes).summary.input_tokens


def test_a_frozen_dataset_knows_its_tokens__in_every_public_encoding() -> None:
    found = freeze([{"text": "hello world", "record": {"n": 1}}, {"text": "hello"}], counter=COUNTER)

    assert set(found) == set(COUNTER.encodings)
    expected = {"text": 3, "record": COUNTER.count("o200k_base", '{"n": 1}')}
    assert found["o200k_base"] == InputTokens(by_input=expected, error=0.0)


def test_a_dataset_is_frozen_alike__whether_its_tokens_are_counted_or_not() -> None:
    lines = [b'{"id": "a", "inputs": {"t": "hello"}}']

    assert freeze_rows(lines, "samples").version == freeze_rows(lines, "samples", COUNTER).version
    assert freeze_rows(lines, "samples").summary.input_tokens == {}
    assert freeze([{}], counter=COUNTER) == {}
