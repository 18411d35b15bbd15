"""`abtest labels`: sheets written, labels sent with their lines, what people say shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fake_platform import BUCKET, FakePlatform, problem

from abtest.analytics.labels.inputs import LabelData, LabelKind, LabelledItems, ScoredComparison
from abtest.analytics.labels.model import LabelCounts
from abtest.analytics.labels.service import analyse_labels
from abtest_cli.main import run_cli

pytestmark = pytest.mark.usefixtures("sign_ins")
SHEET: dict[str, Any] = {
    "sheet_id": "sheet_1",
    "metric": "correct",
    "question": "Does the response pass?",
    "kind": "binary",
    "allowed": "1 (pass) or 0 (fail)",
    "choose": "random",
    "seed": 7,
    "items": 2,
    "samples": 1,
    "population": 40,
}
STANDING: dict[str, Any] = {
    "labelled": 2,
    "items": 2,
    "labellers": [{"labeller": "ada", "labels": 2}],
    "labelled_by_several": 2,
    "conflicts": 1,
    "left_out": 1,
    "settled_by": "the label that most people gave",
    "replaced": 0,
    "changed": 0,
}
BODY = "sheet,item,label,note\nsheet_1,item_a,1,\nsheet_1,item_b,0,odd\nsheet_1,item_c,,\n"


def analysis(kind: LabelKind = "binary", labelled: int = 60) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    truth = [(rng.random(300) < share).astype(float) for share in (0.5, 0.6)]
    judge = [np.where(rng.random(300) < 0.8, one, 1.0) for one in truth]
    human = [np.where(np.arange(300) < labelled, one, np.nan) for one in truth]
    one = ScoredComparison("new", (None,) * 300, judge[0], judge[1], human[0], human[1])
    units = tuple(f"s{n}" for n in range(labelled))
    items = {"random": LabelledItems(judge[1][:labelled], truth[1][:labelled], units)}
    ratings = np.asarray([truth[1][:10], [0.0, *truth[1][1:10]]])
    data = LabelData("run_1", "correct", kind, (0.0, 1.0), "old", (one,), items, ("ada", "[bob]"), ratings)
    counts = LabelCounts(sheets=1, items=120, labelled=2 * labelled, unlabelled_random=3)
    return analyse_labels(data, counts).model_dump(mode="json")


class Labelled(FakePlatform):
    """A platform with people's labels."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[tuple[str, str], httpx.Response] = {}

    def _api(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        return self.answers.get((method, path.partition("?")[0])) or super()._api(method, path, request)

    def _bucket(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"the sheet " + request.url.path.encode())


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> Labelled:
    from abtest_cli import connection

    fake = Labelled()
    downloads = {name: {"url": f"{BUCKET}/sheet.{name}?sig=1"} for name in ("csv", "jsonl", "html")}
    sheets = {"run_id": "run_1", "sheets": [{**SHEET, **STANDING, "notes": []}]}
    kept = {"import_id": "labels_1", "sheet_id": "sheet_1", "labeller": "ada", "labels": 2, "sheet": STANDING}
    runs = "/v1/runs/run_1"
    fake.answers = {
        ("POST", f"{runs}/labelling-sheets"): httpx.Response(201, json={**SHEET, "downloads": downloads}),
        ("POST", f"{runs}/labels"): httpx.Response(201, json={**kept, "replaced": 2, "changed": 1}),
        ("GET", f"{runs}/labels"): httpx.Response(200, json=sheets),
        ("GET", f"{runs}/labels/analysis"): httpx.Response(200, json=analysis()),
    }
    monkeypatch.setattr(connection, "network", fake.transport)
    return fake


def sent(fake: Labelled, method: str, end: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        next(r for r in fake.requests if r.method == method and r.url.path.endswith(end)).content
    )
    return body


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["-o", "sheet.csv"], "csv"),
        (["-o", "page.html"], "html"),
        (["-o", "sheet.JSONL"], "jsonl"),
        (["-o", "sheet"], "csv"),
        (["-o", "sheet.txt", "--format", "html"], "html"),
    ],
)
def test_sheet_is_written__in_the_wanted_format(
    labelled: Labelled, words: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["labels", "sheet", "run_1", "--metric", "correct", "--items", "9", "--seed", "7", *words]) == 0
    wanted = {"metric": "correct", "items": 9, "choose": "random", "seed": 7}
    assert sent(labelled, "POST", "labelling-sheets") == wanted
    assert (tmp_path / words[1]).read_bytes().endswith(f"/sheet.{name}".encode())
    out = capsys.readouterr().out
    assert "2 items of 1 sample, chosen with seed 7" in out
    filled = "labels-sheet_1.jsonl" if name == "html" else f"{words[1]} --labeller NAME"
    assert f"abtest labels import run_1 {filled}" in out
    assert "9 were asked for; there are no more" in out


@pytest.mark.parametrize(("path", "says"), [("kept.csv", "it is there already"), ("nowhere/s.csv", "no such folder")])
def test_sheet_that_cannot_be_written__is_not_made(
    labelled: Labelled, path: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.csv").write_text(BODY)
    assert run_cli(["labels", "sheet", "run_1", "--metric", "correct", "-o", path]) == 2
    assert says in capsys.readouterr().err
    assert (tmp_path / "kept.csv").read_text() == BODY
    assert labelled.requests == []


def test_page_without_labels__is_not_taken_for_a_file_of_labels(
    labelled: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.html").write_text("<!doctype html>\n<title>Labels</title>")
    assert run_cli(["labels", "import", "run_1", "page.html", "--labeller", "ada"]) == 2
    assert "it is the page itself" in " ".join(capsys.readouterr().err.split())
    assert labelled.requests == []


def test_labels_are_sent__and_what_happened_is_said(
    labelled: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filled.csv").write_text(BODY)
    assert run_cli(["labels", "import", "run_1", "filled.csv", "--labeller", " ada "]) == 0
    assert sent(labelled, "POST", "/labels") == {
        "sheet_id": "sheet_1",
        "labeller": "ada",
        "labels": [{"item": "item_a", "label": "1"}, {"item": "item_b", "label": "0", "note": "odd"}],
    }
    out = capsys.readouterr().out
    assert "2 labels by ada were kept; 2 replaced earlier ones of the same person, 1 with another label." in out
    assert "1 rows have no label yet." in out
    assert "People disagree on 1 of 2 items" in out and "1 are left out" in out
    assert run_cli(["labels", "import", "run_1", "filled.csv", "--labeller", "ada", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["import_id"] == "labels_1"


def test_page_names_its_labeller__so_no_option_is_needed(labelled: Labelled, tmp_path: Path) -> None:
    row = {"sheet": "sheet_1", "labeller": "Grace", "item": "item_a", "label": "1", "note": ""}
    (tmp_path / "labels.jsonl").write_text(json.dumps(row) + "\n")
    assert run_cli(["labels", "import", "run_1", "labels.jsonl"]) == 0
    assert sent(labelled, "POST", "/labels")["labeller"] == "Grace"


def test_mistake__is_told_with_the_line_of_the_file(
    labelled: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filled.csv").write_text(BODY)
    issues = [
        {"path": "labels.1.label", "message": "not a label", "found": "7", "allowed": "1 (pass) or 0 (fail)"},
        {"path": "labels.1.item", "message": "labelled twice here, first by labels.0", "found": "item_a"},
        {"path": "labeller", "message": "too long"},
    ]
    answer = problem(422, "invalid_input", "The labels cannot be used; nothing was kept.", issues)
    labelled.answers["POST", "/v1/runs/run_1/labels"] = answer
    assert run_cli(["labels", "import", "run_1", "filled.csv", "--labeller", "ada"]) == 2
    error = capsys.readouterr().err
    assert "line 3, label: not a label (found 7); allowed: 1 (pass) or 0 (fail)" in error
    assert "line 3, item: labelled twice here, first by line 2" in error
    assert "labeller: too long" in error


@pytest.mark.parametrize(
    ("body", "words", "says"),
    [
        (BODY, [], "--labeller NAME"),
        ("sheet,item,label\ns,item_a,\n", ["--labeller", "ada"], "None of the 1 rows has a label"),
        ("item,label\na,1\n", ["--labeller", "ada"], "no column sheet"),
        ("sheet,item,label\n" + "s,i,1\n" * 2_001, ["--labeller", "ada"], "one import takes 2,000"),
    ],
)
def test_file_that_cannot_be_sent__is_refused_before_any_request(
    labelled: Labelled, body: str, words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filled.csv").write_text(body)
    assert run_cli(["labels", "import", "run_1", "filled.csv", *words]) == 2
    assert says in capsys.readouterr().err
    assert labelled.requests == []
    assert run_cli(["labels", "import", "run_1", "absent.csv"]) == 2
    assert "absent.csv cannot be read" in capsys.readouterr().err


def test_labels_are_shown__effect_first(labelled: Labelled, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["labels", "show", "run_1"]) == 0
    out = capsys.readouterr().out
    asked = [r.url.params["metric"] for r in labelled.requests if r.url.path.endswith("/analysis")]
    assert asked == ["correct"]
    assert "sheet_1" in out and "at random" in out and "2 of 2" in out
    assert "'new' against 'old': by people's labels" in out
    for word in (
        "people and judge (PPI++)",
        "(Rogan-Gladen)",
        "judge alone",
        "accuracy",
        "AC1",
        "Krippendorff's alpha",
    ):
        assert word in out, word
    assert "3 items of random sheets have no label yet" in out


def test_labels_as_json__are_everything(labelled: Labelled, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["labels", "show", "run_1", "--metric", "correct", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sheets"][0]["sheet_id"] == "sheet_1"
    assert found["analyses"] == [analysis()]


@pytest.mark.parametrize("kind", ["scale", "preference"])
def test_other_kinds_and_few_labels__are_shown(
    labelled: Labelled, kind: LabelKind, capsys: pytest.CaptureFixture[str]
) -> None:
    for labels in (60, 5, 0):
        answer = httpx.Response(200, json=analysis(kind, labels))
        labelled.answers["GET", "/v1/runs/run_1/labels/analysis"] = answer
        assert run_cli(["labels", "show", "run_1"]) == 0
        out = capsys.readouterr().out
        assert ("people and judge" in out) == (labels == 60)
        assert ("mean distance" in out) == (kind == "scale")


def test_run_nobody_labelled__says_what_to_do(labelled: Labelled, capsys: pytest.CaptureFixture[str]) -> None:
    labelled.answers["GET", "/v1/runs/run_1/labels"] = httpx.Response(200, json={"run_id": "run_1", "sheets": []})
    assert run_cli(["labels", "show", "run_1"]) == 0
    assert "`abtest labels sheet` makes a sheet" in capsys.readouterr().out
