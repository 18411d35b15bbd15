"""People's labels over the API: sheets, imports and what they say, event by event."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import boto3
import pytest
from aws_fakes import BUCKET, REGION
from entities import a_run, a_test
from function_tools import Answer, LambdaContext, call, load_handler
from labelled_runs import CONTROL, JUDGES, TREATMENT, completed_run, judged_of, truth_of

from abtest.contracts import object_keys
from abtest.evaluation.labels.model import LabellingSheet
from abtest.runtime import label_sheets
from abtest.runtime.labelling import LabelRow
from abtest.runtime.wiring import wiring

pytestmark = [pytest.mark.aws_fake, pytest.mark.usefixtures("aws")]


@pytest.fixture
def run_id(workspace: str) -> str:
    """A completed run of 40 samples."""
    return completed_run(wiring("api"), workspace)


@pytest.fixture
def viewer(workspace: str) -> str:
    return f"[viewer workspace.{workspace}]"


@pytest.fixture
def experimenter(workspace: str) -> str:
    return f"[experimenter workspace.{workspace}]"


def good(answer: Answer, status: int = 200) -> dict[str, Any]:
    assert (answer.status, answer.content_type) == (status, "application/json"), answer.body
    body: dict[str, Any] = answer.body
    return body


def refused(answer: Answer, status: int, code: str) -> dict[str, dict[str, str]]:
    """Check that an answer is a problem, and return its issues by path."""
    assert (answer.status, answer.content_type) == (status, "application/problem+json"), answer.body
    assert answer.body["code"] == code
    return {issue["path"]: issue for issue in answer.body["errors"]}


def make(groups: str, run_id: str, **body: Any) -> dict[str, Any]:
    return good(call("POST", f"/v1/runs/{run_id}/labelling-sheets", groups=groups, body=body), 201)


def objects(workspace: str, run_id: str) -> dict[str, bytes]:
    """Return everything kept for the labels of a run, by the end of its key."""
    s3 = boto3.client("s3", region_name=REGION)
    prefix = object_keys.labels(workspace, run_id)
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        one["Key"].removeprefix(f"{prefix}/"): s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        for one in found
    }


def kept_sheet(workspace: str, run_id: str, sheet: dict[str, Any]) -> LabellingSheet:
    return LabellingSheet.model_validate_json(objects(workspace, run_id)[f"sheets/{sheet['sheet_id']}.json"])


def number(sample_id: str) -> int:
    return int(sample_id.rpartition("-")[2])


def true_labels(sheet: LabellingSheet) -> list[dict[str, Any]]:
    """Return what honest people say of every item."""
    metric = sheet.question.metric.partition(".")[0]
    rows = []
    for key in sheet.keys:
        truth = truth_of({"council": "better"}.get(metric, metric), number(key.sample_id), key.variant)
        label: Any = truth
        if key.treatment_shown is not None:
            other = {"1": "2", "2": "1"}[key.treatment_shown]
            label = {1.0: key.treatment_shown, 0.0: other, 0.5: "tie"}[truth]
        rows.append({"item": key.item, "label": label})
    return rows


def send(groups: str, run_id: str, sheet_id: str, labels: list[dict[str, Any]], labeller: str = "ada") -> Answer:
    body = {"sheet_id": sheet_id, "labeller": labeller, "labels": labels}
    return call("POST", f"/v1/runs/{run_id}/labels", groups=groups, body=body)


def analysis(groups: str, run_id: str, metric: str | None = None) -> Answer:
    query = {} if metric is None else {"metric": metric}
    path = f"/v1/runs/{run_id}/labels/analysis"
    return call("GET", path, folder="analyse_labels", groups=groups, query=query)


# Sheets


def test_sheet_is_made__in_three_formats_without_its_key(experimenter: str, workspace: str, run_id: str) -> None:
    sheet = make(experimenter, run_id, metric="helpful.accuracy", items=11, seed=5)
    assert {k: sheet[k] for k in ("metric", "kind", "choose", "seed", "items", "samples", "population")} == {
        "metric": "helpful.accuracy",
        "kind": "scale",
        "choose": "random",
        "seed": 5,
        # Whole samples: both answers of six.
        "items": 12,
        "samples": 6,
        "population": 40,
    }
    assert sheet["allowed"] == "a number from 1 to 5" and sheet["created_by"] == "ada"
    assert set(sheet["downloads"]) == {"csv", "jsonl", "html"}
    kept = objects(workspace, run_id)
    for name, where in sheet["downloads"].items():
        assert f"{sheet['sheet_id']}.{name}" in where["url"]
        shown = kept[f"files/{sheet['sheet_id']}.{name}"].decode("utf-8-sig")
        assert [word for word in (CONTROL, TREATMENT, "small", "judge-9000", "secret-sample") if word in shown] == []
    secret = kept_sheet(workspace, run_id, sheet).blinding
    assert secret not in json.dumps(sheet) and "keys" not in sheet
    assert len(kept[f"files/{sheet['sheet_id']}.jsonl"].splitlines()) == 12


def test_same_seed__chooses_the_same_samples_under_other_names(experimenter: str, workspace: str, run_id: str) -> None:
    other_run = completed_run(wiring("api"), workspace)
    one, other = (
        kept_sheet(workspace, run, make(experimenter, run, metric="helpful", items=20, seed=9))
        for run in (run_id, other_run)
    )
    assert {key.sample_id for key in one.keys} == {key.sample_id for key in other.keys}
    assert {key.item for key in one.keys}.isdisjoint(key.item for key in other.keys)


def test_sheet_of_pairs__shows_each_in_a_drawn_order(experimenter: str, workspace: str, run_id: str) -> None:
    kept = kept_sheet(workspace, run_id, make(experimenter, run_id, metric="better", items=40))
    assert len(kept.keys) == kept.samples == 40
    assert {(key.variant, key.against) for key in kept.keys} == {(TREATMENT, CONTROL)}
    assert set(Counter(key.treatment_shown for key in kept.keys)) == {"1", "2"}


def test_next_sheet__asks_about_other_samples_until_none_are_left(
    experimenter: str, workspace: str, run_id: str
) -> None:
    sheets = [make(experimenter, run_id, metric="better", items=30) for _ in range(2)]
    first, second = ({key.sample_id for key in kept_sheet(workspace, run_id, one).keys} for one in sheets)
    assert (len(first), len(second)) == (30, 10)
    assert first.isdisjoint(second)
    again = call("POST", f"/v1/runs/{run_id}/labelling-sheets", groups=experimenter, body={"metric": "better"})
    refused(again, 409, "conflict")
    # Another metric, or another way to choose, starts anew.
    assert make(experimenter, run_id, metric="council", items=30)["items"] == 30


def test_disagreement__chooses_flips_and_judges_who_differ(experimenter: str, workspace: str, run_id: str) -> None:
    sheet = make(experimenter, run_id, metric="better", items=8, choose="disagreement")
    kept = kept_sheet(workspace, run_id, sheet)
    assert {number(key.sample_id) % 5 for key in kept.keys} == {0}
    body = {"metric": "correct", "choose": "disagreement"}
    nothing = call("POST", f"/v1/runs/{run_id}/labelling-sheets", groups=experimenter, body=body)
    assert set(refused(nothing, 422, "invalid_input")) == {"choose"}


def test_sheets_are_listed__oldest_first(viewer: str, experimenter: str, run_id: str) -> None:
    made = [make(experimenter, run_id, metric=metric, items=4)["sheet_id"] for metric in ("better", "helpful")]
    items = good(call("GET", f"/v1/runs/{run_id}/labelling-sheets", groups=viewer))["items"]
    assert [item["sheet_id"] for item in items] == made
    assert set(items[0]["downloads"]) == {"csv", "jsonl", "html"}


def test_sheet_that_cannot_be__is_refused(experimenter: str, viewer: str, workspace: str, run_id: str) -> None:
    path = f"/v1/runs/{run_id}/labelling-sheets"
    issues = refused(call("POST", path, groups=experimenter, body={"metric": "speed"}), 422, "invalid_input")
    assert "helpful.accuracy" in issues["metric"]["allowed"]
    shapes = {"metric": "better", "items": 0, "choose": "best", "seed": -1, "x": 1}
    assert set(refused(call("POST", path, groups=experimenter, body=shapes), 422, "invalid_input")) == {
        "items",
        "choose",
        "seed",
        "x",
    }
    refused(call("POST", path, groups=viewer, body={"metric": "better"}), 403, "access_denied")
    elsewhere = "[experimenter workspace.elsewhere]"
    refused(call("POST", path, groups=elsewhere, body={"metric": "better"}), 404, "not_found")
    refused(call("GET", path, groups=elsewhere), 404, "not_found")
    wired = wiring("api")
    test = a_test(workspace)
    wired.tests.create(test)
    running = wired.runs.start(a_run(test), None).run_id
    body = {"metric": "correct"}
    refused(call("POST", f"/v1/runs/{running}/labelling-sheets", groups=experimenter, body=body), 409, "conflict")


def test_answers_the_judge_could_not_score__are_not_asked_about(experimenter: str, workspace: str) -> None:
    run_id = completed_run(wiring("api"), workspace, unscored={"better": 30, "correct": 40})
    sheet = make(experimenter, run_id, metric="better", items=40)
    assert (sheet["items"], sheet["population"]) == (10, 10)
    body = {"metric": "correct"}
    nothing = call("POST", f"/v1/runs/{run_id}/labelling-sheets", groups=experimenter, body=body)
    refused(nothing, 409, "conflict")


def test_sheet_of_very_long_texts__is_refused(experimenter: str, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_sheets, "MOST_CHARACTERS", 1_000)
    body = {"metric": "helpful", "items": 40}
    answer = call("POST", f"/v1/runs/{run_id}/labelling-sheets", groups=experimenter, body=body)
    assert set(refused(answer, 422, "invalid_input")) == {"items"}


# Labels


def test_labels_are_kept__and_shown_by_person(experimenter: str, viewer: str, workspace: str, run_id: str) -> None:
    sheet = make(experimenter, run_id, metric="better", items=10)
    labels = true_labels(kept_sheet(workspace, run_id, sheet))
    kept = good(send(experimenter, run_id, sheet["sheet_id"], labels), 201)
    assert (kept["labels"], kept["replaced"], kept["sheet"]["labelled"]) == (10, 0, 10)
    labels[0] = {"item": labels[0]["item"], "label": "tie" if labels[0]["label"] != "tie" else "1", "note": "odd"}
    again = good(send(experimenter, run_id, sheet["sheet_id"], labels[:3]), 201)
    assert (again["labels"], again["replaced"], again["changed"]) == (3, 3, 1)
    turned = {"1": "2", "2": "1", "tie": "1"}
    opposite = [{"item": row["item"], "label": turned[str(row["label"])]} for row in labels[:2]]
    other = good(send(experimenter, run_id, sheet["sheet_id"], opposite, "bob"), 201)
    assert (other["sheet"]["conflicts"], other["sheet"]["left_out"]) == (2, 2)
    (row,) = good(call("GET", f"/v1/runs/{run_id}/labels", groups=viewer))["sheets"]
    assert row["labellers"] == [{"labeller": "ada", "labels": 10}, {"labeller": "bob", "labels": 2}]
    assert row["notes"] == [{"item": labels[0]["item"], "labeller": "ada", "note": "odd"}]
    assert (row["labelled"], row["items"], row["labelled_by_several"], row["replaced"]) == (10, 10, 2, 3)
    assert "keys" not in row and "blinding" not in row


def test_everything_wrong__is_told_at_once_and_nothing_is_kept(
    experimenter: str, viewer: str, workspace: str, run_id: str
) -> None:
    sheet = make(experimenter, run_id, metric="helpful", items=4)
    labels = true_labels(kept_sheet(workspace, run_id, sheet))
    labels[1]["label"] = 9
    labels[2]["item"] = "item_of_another_sheet"
    issues = refused(send(experimenter, run_id, sheet["sheet_id"], labels), 422, "invalid_input")
    assert set(issues) == {"labels.1.label", "labels.2.item"}
    assert issues["labels.1.label"]["allowed"] == "a number from 1 to 5"
    assert not [name for name in objects(workspace, run_id) if name.startswith("imports/")]
    shapes = {"sheet_id": "", "labeller": "  ", "labels": [{"item": "i", "label": None, "mood": 1}]}
    found = refused(call("POST", f"/v1/runs/{run_id}/labels", groups=experimenter, body=shapes), 422, "invalid_input")
    assert {"sheet_id", "labeller", "labels.0.mood"} <= set(found)
    refused(send(experimenter, run_id, "sheet_0", labels[:1]), 404, "not_found")
    refused(send(viewer, run_id, sheet["sheet_id"], labels[:1]), 403, "access_denied")
    refused(send("[experimenter workspace.elsewhere]", run_id, sheet["sheet_id"], labels[:1]), 404, "not_found")


def test_import__keeps_who_sent_it_and_who_labelled(experimenter: str, workspace: str, run_id: str) -> None:
    sheet = make(experimenter, run_id, metric="better", items=2)
    labels = true_labels(kept_sheet(workspace, run_id, sheet))
    send(experimenter, run_id, sheet["sheet_id"], labels, "  Grace ")
    (body,) = [json.loads(body) for name, body in objects(workspace, run_id).items() if name.startswith("imports/")]
    assert (body["labeller"], body["imported_by"], len(body["labels"])) == ("Grace", "ada", 2)


def test_a_label_of_json__keeps_its_type() -> None:
    assert [LabelRow.model_validate({"item": "i", "label": raw}).label for raw in (1, 1.5, True, "1")] == [
        1,
        1.5,
        True,
        "1",
    ]


# What they say


def labelled(groups: str, workspace: str, run_id: str, metric: str, **body: Any) -> LabellingSheet:
    """Make a sheet, label it honestly, and return it."""
    sheet = make(groups, run_id, metric=metric, seed=1, **body)
    kept = kept_sheet(workspace, run_id, sheet)
    good(send(groups, run_id, sheet["sheet_id"], true_labels(kept)), 201)
    return kept


@pytest.mark.parametrize("metric", [name for name in JUDGES if name != "other"])
def test_every_metric__is_corrected_by_people(metric: str, experimenter: str, viewer: str, workspace: str) -> None:
    run_id = completed_run(wiring("api"), workspace, samples=60)
    pairs = metric in ("better", "council")
    labelled(experimenter, workspace, run_id, metric, items=30 if pairs else 60)
    found = good(analysis(viewer, run_id, metric))
    (effect,) = found["effects"]
    assert (effect["status"], effect["labelled"], effect["judged"]) == ("ok", 30, 60)
    base = "better" if pairs else metric
    true = [truth_of(base, n, TREATMENT) - (0 if pairs else truth_of(base, n, CONTROL)) for n in range(60)]
    low, high = effect["corrected"]["ci_low"], effect["corrected"]["ci_high"]
    assert low <= sum(true) / 60 <= high
    assert effect["null"] == (0.5 if pairs else 0.0)
    assert effect["sentence"].startswith("'wordy' against 'terse': by people's labels")
    (agreement,) = found["judge_human"]
    assert (agreement["chosen"], agreement["items"]) == ("random", 30 if pairs else 60)
    assert found["methods"][0]["source"].startswith("Angelopoulos")
    assert (effect["rates"] is not None) == (metric == "correct")


def test_judge_error__is_what_the_judge_gets_wrong(experimenter: str, viewer: str, workspace: str, run_id: str) -> None:
    kept = labelled(experimenter, workspace, run_id, "helpful", items=80)
    found = good(analysis(viewer, run_id))
    (effect,) = found["effects"]
    wrong = [
        judged_of("helpful", n, TREATMENT)
        - judged_of("helpful", n, CONTROL)
        - truth_of("helpful", n, TREATMENT)
        + truth_of("helpful", n, CONTROL)
        for n in {number(key.sample_id) for key in kept.keys}
    ]
    assert effect["judge_error"]["value"] == pytest.approx(sum(wrong) / len(wrong))
    # Everything is labelled: the labels alone are the answer.
    assert effect["corrected"] == effect["labels_alone"]
    assert (effect["labelled"], effect["trust"]) == (40, 0)


def test_clusters__are_the_units(experimenter: str, viewer: str, workspace: str) -> None:
    run_id = completed_run(wiring("api"), workspace, samples=60, clusters=True)
    labelled(experimenter, workspace, run_id, "helpful", items=60)
    (effect,) = good(analysis(viewer, run_id))["effects"]
    assert effect["corrected"]["n"] == 30
    assert effect["corrected"]["units"] < 20 == effect["judge_alone"]["units"]


def test_items_chosen_by_disagreement__correct_no_effect(
    experimenter: str, viewer: str, workspace: str, run_id: str
) -> None:
    labelled(experimenter, workspace, run_id, "better", items=8, choose="disagreement")
    found = good(analysis(viewer, run_id, "better"))
    (effect,) = found["effects"]
    assert (effect["status"], effect["labelled"], effect["corrected"]["value"]) == ("no_labels", 0, None)
    assert [row["chosen"] for row in found["judge_human"]] == ["disagreement"]
    assert any("in no effect" in warning for warning in found["warnings"])
    labelled(experimenter, workspace, run_id, "better", items=20)
    both = good(analysis(viewer, run_id, "better"))
    assert [row["chosen"] for row in both["judge_human"]] == ["random", "disagreement"]
    assert both["effects"][0]["labelled"] == 20


def test_people_are_compared__and_what_is_missing_is_counted(
    experimenter: str, viewer: str, workspace: str, run_id: str
) -> None:
    sheet = make(experimenter, run_id, metric="better", items=30)
    labels = true_labels(kept_sheet(workspace, run_id, sheet))[:25]
    send(experimenter, run_id, sheet["sheet_id"], labels)
    other = [
        {**row, "label": "tie" if row["label"] != "tie" else "1"} if n % 4 == 0 else row for n, row in enumerate(labels)
    ]
    send(experimenter, run_id, sheet["sheet_id"], other[:20], "bob")
    found = good(analysis(viewer, run_id, "better"))
    counts = found["counts"]
    assert (counts["labelled"], counts["several"], counts["unlabelled_random"]) == (25, 20, 5)
    assert (counts["conflicts"], counts["left_out"]) == (5, 5)
    assert found["effects"][0]["labelled"] == 20
    people = found["human_human"]
    assert (people["judges"], people["units"]) == (["ada", "bob"], 20)
    assert people["raw"] == pytest.approx(0.75)
    assert len([warning for warning in found["warnings"] if "no label yet" in warning or "left out" in warning]) == 2


def test_analysis_without_labels__says_what_is_missing(
    experimenter: str, viewer: str, workspace: str, run_id: str
) -> None:
    refused(analysis(viewer, run_id), 409, "conflict")
    make(experimenter, run_id, metric="better", items=5)
    refused(analysis(viewer, run_id), 409, "conflict")
    make(experimenter, run_id, metric="helpful", items=5)
    issues = refused(analysis(viewer, run_id), 422, "invalid_input")
    assert issues["metric"]["allowed"] == "better, helpful"
    assert set(refused(analysis(viewer, run_id, "speed"), 422, "invalid_input")) == {"metric"}
    refused(analysis("[viewer workspace.elsewhere]", run_id, "better"), 404, "not_found")
    refused(analysis("[]", run_id, "better"), 403, "access_denied")


def test_few_labels__tell_no_effect(experimenter: str, viewer: str, workspace: str, run_id: str) -> None:
    labelled(experimenter, workspace, run_id, "better", items=5)
    (effect,) = good(analysis(viewer, run_id))["effects"]
    assert (effect["status"], effect["corrected"]["value"], effect["budget"]) == ("too_few", None, [])
    assert "5 labelled samples, at least 10 are needed" in effect["sentence"]


def test_warm_up_answers__without_a_request() -> None:
    assert load_handler("analyse_labels").lambda_handler({"warm": True}, LambdaContext()) == {"warm": True}
