"""Sheets hide who answered, whatever format they have; CSV is safe to open, JSONL exact."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from labelled_runs import CONTROL, TREATMENT, answer, response, sample

from abtest.evaluation.labels.blinding import hidden_keys, sheet_items
from abtest.evaluation.labels.formats import as_written, sheet_csv, sheet_jsonl, spreadsheet_safe
from abtest.evaluation.labels.model import ItemKey, LabelQuestion, SheetItem
from abtest.reporting.label_page import render_label_page

SCALE = LabelQuestion(
    metric="helpful.helpfulness",
    kind="scale",
    text="How helpful is the response?",
    scale=(1, 5),
    anchors=((1, "of no use"), (5, "all that is needed")),
    judges=("helpful",),
    peers=("helpful",),
)
PAIRS = LabelQuestion(metric="better", kind="preference", text="Which is better?", judges=("b",), peers=("b",))
FORMATS = {
    "csv": sheet_csv,
    "jsonl": sheet_jsonl,
    "html": lambda *sheet: render_label_page(*sheet).encode(),
}


def keys_of(question: LabelQuestion, blinding: str = "secret", count: int = 30) -> tuple[ItemKey, ...]:
    variants = (TREATMENT,) if question.kind == "preference" else (CONTROL, TREATMENT)
    chosen = [(f"secret-sample-{n}", variant) for n in range(count) for variant in variants]
    return hidden_keys(chosen, kind=question.kind, control=CONTROL, blinding=blinding)


def items_of(question: LabelQuestion, keys: tuple[ItemKey, ...] | None = None) -> list[SheetItem]:
    samples = {one.id: one for one in (sample(n) for n in range(30))}
    responses = {(r.sample_id, r.variant): r for n in range(30) for r in (response(n, CONTROL), response(n, TREATMENT))}
    return sheet_items(keys or keys_of(question), samples, responses)


@pytest.mark.parametrize("question", [SCALE, PAIRS], ids=lambda question: question.kind)
@pytest.mark.parametrize("name", FORMATS)
def test_sheet__names_no_variant_model_judge_or_sample(name: str, question: LabelQuestion) -> None:
    text = FORMATS[name]("sheet_1", question, items_of(question)).decode()
    for word in (CONTROL, TREATMENT, "small", "judge-9000", "secret-sample", "metadata", "secret"):
        assert word not in text, word
    # What people need is there.
    for word in ("Land 7", "City 7", "Hello 7", "Atlas", "The city is named.", "It names one city.", question.text):
        assert word in text, word


def test_keys__come_from_the_secret_alone() -> None:
    keys = keys_of(PAIRS)
    assert keys_of(PAIRS) == keys
    other = keys_of(PAIRS, "another secret")
    assert {key.item for key in keys}.isdisjoint(key.item for key in other)
    assert [key.sample_id for key in keys] != [key.sample_id for key in other]
    assert len({key.item for key in keys}) == len(keys) == 30
    assert {len(key.item) for key in keys} == {len("item_") + 16}


def test_order_in_a_pair__is_drawn_and_evenly() -> None:
    keys = keys_of(PAIRS, count=2_000)
    first = sum(key.treatment_shown == "1" for key in keys)
    # 1,000 expected, standard deviation 22.4: five of them either way.
    assert 888 < first < 1_112
    assert [key.sample_id for key in keys] != sorted(key.sample_id for key in keys)


def test_pair__shows_the_answers_as_its_key_says() -> None:
    keys = keys_of(PAIRS)
    for key, item in zip(keys, items_of(PAIRS, keys), strict=True):
        n = int(key.sample_id.rpartition("-")[2])
        treatment, control = answer(n, TREATMENT), answer(n, CONTROL)
        assert item.responses == ((treatment, control) if key.treatment_shown == "1" else (control, treatment))
        assert (key.variant, key.against) == (TREATMENT, CONTROL)


def test_refused_answer__is_shown_empty_as_judges_saw_it() -> None:
    key = ItemKey(item="item_1", sample_id="secret-sample-1", variant=CONTROL)
    refused = response(1, CONTROL).model_copy(update={"outcome": "refused", "text": "I cannot."})
    (item,) = sheet_items([key], {"secret-sample-1": sample(1)}, {("secret-sample-1", CONTROL): refused})
    assert item.responses == ("",)
    assert "nothing was answered" in render_label_page("sheet_1", SCALE, [item])


def cells(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_csv__has_no_cell_that_a_spreadsheet_would_run() -> None:
    head, *rows = cells(sheet_csv("sheet_1", SCALE, items_of(SCALE)))
    assert all(not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in (head, *rows) for cell in row)
    assert head[:2] == ["sheet", "item"] and head[-2:] == ["label", "note"]
    assert {"input country", "input =cmd", "messages", "documents", "reference", "response"} <= set(head)
    assert [name for name in head if name.startswith("anchor")] == ["anchor 1", "anchor 5"]
    answers = {as_written(row[head.index("response")]) for row in rows}
    assert answers == {answer(n, variant) for n in range(30) for variant in (CONTROL, TREATMENT)}
    assert {row[head.index("label")] for row in rows} == {""}


def test_csv__quotes_every_cell() -> None:
    body = sheet_csv("sheet_1", PAIRS, items_of(PAIRS)).decode("utf-8-sig")
    assert body.startswith('"sheet","item",')
    assert body.endswith('"",""\r\n')


@pytest.mark.parametrize(
    "text", ["", "plain", "=1+1", "'=1", "''", "'", "+49", "-1", "@sum", "\tx", "\rx", "\nx", "＝x", " =x", "it's"]
)
def test_escaping__is_undone_exactly(text: str) -> None:
    safe = spreadsheet_safe(text)
    assert as_written(safe) == text
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))


def test_jsonl__keeps_every_text_exactly() -> None:
    odd = '=1\u2028\x00\ud800 "quoted"\r\n'
    item = SheetItem(item="item_1", inputs={"text": odd, "list": [1, {"a": None}]}, responses=("a", "b"))
    lines = sheet_jsonl("sheet_1", PAIRS, [item]).decode().splitlines()
    assert len(lines) == 1
    row: dict[str, Any] = json.loads(lines[0])
    assert row["inputs"] == {"text": odd, "list": [1, {"a": None}]}
    assert (row["sheet"], row["item"], row["response_1"], row["response_2"]) == ("sheet_1", "item_1", "a", "b")
    assert row["label"] is None and row["allowed"] == "1, 2 or tie"
