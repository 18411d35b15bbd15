"""What the pages say of judging anew and of the estimate of judges is what the code does."""

from __future__ import annotations

from documents import DOCS, read, sections, table

from abtest.management import judge_estimate
from abtest.management.model import Run
from abtest.management.rejudging import RejudgeRequest

API = sections(DOCS / "api.md")


def test_fields_of_the_request__stand_in_their_table() -> None:
    rows = table(API["POST /v1/runs/{run_id}/rejudge"])

    assert set(rows) == set(RejudgeRequest.model_fields)
    for name, field in RejudgeRequest.model_fields.items():
        if field.is_required():
            assert rows[name][1] == "required"
        elif field.default is False:
            assert rows[name][1] == "`false`"


def test_fields_of_a_run__stand_in_its_example() -> None:
    example = API["GET /v1/runs/{run_id}"]

    internal = {"workspace", "responses_total", "verdicts_total", "reserved_usd"}
    assert {name for name in Run.model_fields if f'"{name}":' not in example} == internal


def test_lines_around_texts__cost_what_the_estimate_counts() -> None:
    page = " ".join(read(DOCS / "costs.md").split())

    assert f"{judge_estimate.BLOCK_TOKENS} tokens for the lines around each of these texts" in page
    assert f"({judge_estimate.BLOCK_TOKENS_MOST} at most)" in page
