"""Labels come back: read from files, checked whole, merged; people who disagree are counted and never guessed for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from entities import NOW

from abtest.core.errors import InvalidInputError
from abtest.evaluation.labels.checking import checked_labels, kept_label, label_value
from abtest.evaluation.labels.formats import sheet_csv, sheet_jsonl
from abtest.evaluation.labels.merging import item_values, settled, sheet_labels
from abtest.evaluation.labels.model import (
    ItemKey,
    Label,
    LabelImport,
    LabellingSheet,
    LabelQuestion,
    SheetItem,
)
from abtest.evaluation.labels.reading import read_labels


def question(kind: str = "scale") -> LabelQuestion:
    scale = (1, 5) if kind == "scale" else (0, 1)
    facts = {"metric": "m", "kind": kind, "text": "?", "scale": scale, "judges": ("m",), "peers": ("m",)}
    return LabelQuestion.model_validate(facts)


def sheet(kind: str = "scale", items: int = 4) -> LabellingSheet:
    pair = {"against": "c", "treatment_shown": "1"} if kind == "preference" else {}
    keys = tuple(ItemKey(item=f"item_{n}", sample_id=f"s{n}", variant="t", **pair) for n in range(items))
    return LabellingSheet(
        sheet_id="sheet_1",
        run_id="run_1",
        question=question(kind),
        choose="random",
        seed=1,
        blinding="secret",
        population=9,
        samples=items,
        created_at=NOW,
        created_by="ada",
        keys=keys,
    )


def came_in(labeller: str, labels: dict[int, str], *, after_s: float = 0) -> LabelImport:
    return LabelImport(
        import_id=f"labels_{labeller}_{after_s}",
        sheet_id="sheet_1",
        labeller=labeller,
        imported_at=NOW + timedelta(seconds=after_s),
        imported_by="ada",
        labels=tuple(Label(item=f"item_{n}", label=label) for n, label in labels.items()),
    )


@pytest.mark.parametrize(
    ("kind", "raw", "kept"),
    [
        ("binary", 1, "1"),
        ("binary", True, "1"),
        ("binary", "FALSE", "0"),
        ("binary", " Pass ", "1"),
        ("binary", "1.0", "1"),
        ("binary", 0.5, None),
        ("binary", 2, None),
        ("preference", 1, "1"),
        ("preference", 2.0, "2"),
        ("preference", "TIE", "tie"),
        ("preference", 0, None),
        ("preference", True, None),
        ("preference", "0.5", None),
        ("scale", "4", "4"),
        ("scale", 3.5, "3.5"),
        ("scale", "5.0", "5"),
        ("scale", 0, None),
        ("scale", 5.01, None),
        ("scale", "high", None),
        ("scale", "4,5", None),
        ("scale", float("nan"), None),
        ("scale", "inf", None),
        ("scale", True, None),
        ("scale", "", None),
    ],
)
def test_label__is_kept_in_one_form_or_refused(kind: str, raw: Any, kept: str | None) -> None:
    assert kept_label(raw, question(kind)) == kept


def test_everything_wrong__is_told_at_once_with_its_path() -> None:
    rows = [("item_0", 4, None), ("item_9", 9, None), ("item_0", 3, None), ("item_1", "x" * 90, " note ")]
    _, issues = checked_labels(sheet(), rows)
    assert [issue.path for issue in issues] == ["labels.1.item", "labels.1.label", "labels.2.item", "labels.3.label"]
    assert "first by labels.0" in issues[2].message
    assert issues[3].allowed == "a number from 1 to 5"
    assert len(issues[3].found or "") < 50


def test_preference__counts_for_the_treatment_wherever_it_was_shown() -> None:
    first = ItemKey(item="i", sample_id="s", variant="t", against="c", treatment_shown="1")
    second = first.model_copy(update={"treatment_shown": "2"})
    assert [label_value(label, first) for label in ("1", "2", "tie")] == [1, 0, 0.5]
    assert [label_value(label, second) for label in ("1", "2", "tie")] == [0, 1, 0.5]


def test_second_label_of_a_person__replaces_the_first_and_is_counted() -> None:
    late, early = came_in("ada", {0: "2", 1: "3"}, after_s=9), came_in("ada", {0: "4", 1: "3", 2: "1"})
    labels = sheet_labels([late, early])
    assert (labels.replaced, labels.changed, labels.labellers) == (2, 1, ("ada",))
    assert {item: given["ada"].label for item, given in labels.by_item.items()} == {
        "item_0": "2",
        "item_1": "3",
        "item_2": "1",
    }


def test_people_who_disagree__are_settled_by_most_votes_or_left_out() -> None:
    labels = sheet_labels(
        [
            came_in("ada", {0: "1", 1: "1", 2: "0", 3: "1"}),
            came_in("bob", {0: "1", 1: "0", 2: "1"}),
            came_in("cy", {2: "1"}),
        ]
    )
    found = settled(sheet("binary"), labels)
    assert found.values == {"item_0": 1, "item_2": 1, "item_3": 1}
    assert (found.several, found.conflicts, found.left_out) == (3, 2, 1)


def test_three_ways__leave_a_preference_out() -> None:
    labels = sheet_labels([came_in("ada", {0: "1"}), came_in("bob", {0: "2"}), came_in("cy", {0: "tie"})])
    found = settled(sheet("preference"), labels)
    assert (found.values, found.conflicts, found.left_out) == ({}, 1, 1)
    assert item_values(sheet("preference"), labels) == {"item_0": {"ada": 1, "bob": 0, "cy": 0.5}}


def test_scale__takes_the_median_and_counts_the_conflict() -> None:
    labels = sheet_labels([came_in("ada", {0: "3", 1: "5"}), came_in("bob", {0: "4"}), came_in("cy", {0: "5"})])
    found = settled(sheet(), labels)
    assert (found.values, found.conflicts, found.left_out) == ({"item_0": 4, "item_1": 5}, 1, 0)


# Files

ITEMS = [SheetItem(item=f"item_{n}", inputs={"q": "=a\n'b"}, responses=(f"'{n}",)) for n in range(3)]


def test_filled_csv__is_read_with_its_lines() -> None:
    body = sheet_csv("sheet_1", question(), ITEMS).decode()
    body = body.replace('"",""\r\n', '"4","\'=why"\r\n', 2)
    found = read_labels(body.encode())
    assert (found.sheet_id, found.labeller, found.unlabelled) == ("sheet_1", None, 1)
    assert [(one.item, one.label, one.note) for one in found.labels] == [
        ("item_0", "4", "=why"),
        ("item_1", "4", "=why"),
    ]
    # The first row holds a line break.
    assert [one.line for one in found.labels] == [3, 5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_spreadsheets_save_it__is_read(delimiter: str, end: str) -> None:
    rows = [["Sheet", "ITEM", "x", "label", "note"], ["sheet_1", "item_0", "a", "1", ""], ["", "", "", "", ""]]
    found = read_labels("".join(delimiter.join(row) + end for row in rows).encode("utf-8-sig"))
    assert [(one.item, one.label, one.note) for one in found.labels] == [("item_0", "1", None)]


def test_filled_jsonl__is_read_and_names_its_labeller() -> None:
    rows = [json.loads(line) for line in sheet_jsonl("sheet_1", question(), ITEMS).splitlines()]
    rows[0] |= {"label": 4, "labeller": "ada", "note": "n"}
    rows[2] |= {"label": " ", "labeller": "ada"}
    found = read_labels("\n".join(json.dumps(row) for row in rows).encode())
    assert (found.labeller, found.unlabelled) == ("ada", 2)
    assert [(one.item, one.label, one.note, one.line) for one in found.labels] == [("item_0", 4, "n", 1)]


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        (b"", ["(header)"]),
        (b"a,b\n1,2\n", ["(header)"]),
        (b"sheet,item,label\n", ["(file)"]),
        (b"sheet,item,label\n,item_0,1\n", ["sheet"]),
        (b"sheet,item,label\na,item_0,1\nb,item_1,1\n", ["sheet"]),
        (b'sheet,item,label\na,"item_0,1\n', ["(line)"]),
        (b"sheet,item,label\na,item_0,\xff\n", ["(file)"]),
        (b'{"sheet": "a"}\n{"sheet": "a", "item": "i", "label": [1]}\n{broken\n', ["item", "label", "(line)"]),
        (b'{"sheet": 1, "item": "i", "label": 1}\n', ["sheet"]),
        (b'{"item": "i", "label": 1, "sheet": "a"}\n[1]\n', ["(line)"]),
    ],
)
def test_file_that_cannot_be_read__says_where(body: bytes, paths: list[str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_labels(body)
    assert [issue.path for issue in caught.value.issues] == paths


def test_two_labellers_in_one_file__are_refused() -> None:
    body = b"sheet,item,label,labeller\na,item_0,1,ada\na,item_1,1,bob\n"
    with pytest.raises(InvalidInputError, match="cannot be read") as caught:
        read_labels(body)
    assert [(issue.path, issue.line) for issue in caught.value.issues] == [("labeller", 3)]


@pytest.mark.parametrize("kind", ["binary", "preference", "scale"])
def test_whole_number_of_any_size__is_no_label_and_no_fault(kind: str) -> None:
    assert kept_label(10**400, question(kind)) is None


def test_header_with_delimiters_in_quoted_names__is_read() -> None:
    head = '"sheet";"item";"input a, b, c, d, e, f";"label"'
    found = read_labels(f'{head}\r\n"sheet_1";"item_0";"x, y";"4"\r\n'.encode())
    assert [(one.item, one.label) for one in found.labels] == [("item_0", "4")]


def test_two_label_columns__are_refused_and_none_is_chosen() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_labels(b"sheet,item,label,Label\nsheet_1,item_0,1,0\n")
    (issue,) = caught.value.issues
    assert (issue.path, issue.found) == ("(header)", "label")
