from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.reporting.exports import analysis_json, samples_csv
from abtest.reporting.portfolio import PortfolioEntry, render_portfolio
from abtest.reporting.rows import PairedRow
from tests.unit.analytics.support import analysed, answer, binary, plan_of

GENERATED = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)


def read(pieces: list[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))


def test_csv_has_one_line__for_every_sample_and_variant() -> None:
    plan = plan_of()
    verdict = Verdict(sample_id="s0", variant="terse", judge="correct", status="scored", score=1.0)
    failed = ModelResponse(sample_id="s0", variant="few_shot", outcome="failed", failure_reason="timeout")
    rows = [
        PairedRow(
            Sample(id="s0", cluster="doc"),
            {"terse": answer("s0", "terse", text='a "b",\nc', from_ledger=True), "few_shot": failed},
            {"terse": {"correct": verdict}},
        ),
        PairedRow(Sample(id="s1")),
    ]
    lines = read(list(samples_csv(rows, plan)))
    assert [(line["sample_id"], line["variant"]) for line in lines] == [
        ("s0", "terse"),
        ("s0", "few_shot"),
        ("s1", "terse"),
        ("s1", "few_shot"),
    ]
    assert lines[0] == {
        "sample_id": "s0",
        "cluster": "doc",
        "variant": "terse",
        "outcome": "answered",
        "failure_reason": "",
        "text": 'a "b",\nc',
        "correct": "1",
        "latency_ms": "100.000",
        "input_tokens": "10",
        "output_tokens": "5",
        "cost_usd": "0.001",
        "from_ledger": "true",
    }
    assert (lines[1]["outcome"], lines[1]["failure_reason"], lines[1]["correct"]) == ("failed", "timeout", "")
    assert lines[2]["failure_reason"] == "no_response"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_text_that_a_spreadsheet_would_run__is_quoted(start: str) -> None:
    row = PairedRow(Sample(id=f"{start}id"), {"terse": answer("x", "terse", text=f"{start}1+1")})
    line = read(list(samples_csv([row], plan_of())))[0]
    assert line["text"] == f"'{start}1+1"
    assert line["sample_id"] == f"'{start}id"


def test_csv_comes_in_pieces__with_one_header() -> None:
    rows = [PairedRow(Sample(id=f"s{i}")) for i in range(1_200)]
    pieces = list(samples_csv(iter(rows), plan_of()))
    assert len(pieces) == 3
    assert len(read(pieces)) == 2_400
    assert len(read(list(samples_csv([], plan_of())))) == 0


def test_analysis_json__is_plain_json() -> None:
    data = json.loads(analysis_json(analysed(plan_of(), binary(both=3, only_b=9))))
    assert data["schema_version"] == "2"
    assert data["decision"]["outcome"] == "ship_treatment"
    assert data["spent_at_least_usd"] == "0.024"


def entry(run_id: str, **given: object) -> PortfolioEntry:
    settings = {"test_name": "json", "run_id": run_id, "status": "COMPLETED", "spent_usd": Decimal("0.1")}
    return PortfolioEntry.model_validate(settings | given)


def test_portfolio_shows_every_run__newest_first_with_totals() -> None:
    entries = [
        entry("run_1", started_at="2026-01-29T10:00:00.000Z", decision="ship_treatment", sentence="b is better."),
        entry("run_2", started_at="2026-01-30T10:00:00.000Z", decision="undecided", effect="−3.0 points"),
        entry("run_3", test_name="other", status="FAILED", spent_usd=None, started_at="2026-01-28T10:00:00.000Z"),
    ]
    html, data = render_portfolio(entries, GENERATED)
    parsed = json.loads(data)
    assert [run["run_id"] for run in parsed["runs"]] == ["run_2", "run_1", "run_3"]
    assert parsed["generated_at"] == "2026-01-31T03:00:00.000Z"
    totals = parsed["totals"]
    assert (totals["runs"], totals["tests"], totals["completed"], totals["failed"]) == (3, 2, 2, 1)
    assert (totals["spent_usd"], totals["spend_unknown"]) == ("0.2", 1)
    for words in ("3 runs of 2 tests", "b is better.", "−3.0 points", "1 failed", "2026-01-30 10:00 UTC"):
        assert words in html


def test_portfolio_escapes_text__and_links_only_web_addresses() -> None:
    hostile = entry("run_1", test_name="<script>x</script>", report_url="javascript:alert(1)", sentence="<b>")
    html, _ = render_portfolio([hostile, entry("run_2", report_url="https://example.com/?a=1&b=2")], GENERATED)
    assert "<script>" not in html
    assert "javascript:" not in html
    assert 'href="https://example.com/?a=1&amp;b=2"' in html


def test_empty_portfolio__says_so() -> None:
    html, data = render_portfolio([], GENERATED)
    assert "No runs yet" in html
    assert json.loads(data)["runs"] == []
