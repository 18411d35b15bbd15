"""What a report, a CSV file and a terminal show of judges."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from rich.console import Console

from abtest.analytics.judge_metric import JudgeMetric
from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.analytics.service import RunScores, analyse
from abtest.contracts.records import Document, JudgeUse, Sample, Turn, Vote
from abtest.reporting.exports import samples_csv
from abtest.reporting.judges import agreement_grid, judge_grid, member_grid, panel_sentences, win_rate_grid
from abtest.reporting.report import PartialRun, render_partial_report, render_report
from abtest.reporting.rows import PairedRow, pair_rows, with_panels
from abtest_cli.result_table import show_result
from tests.unit.analytics.judged import (
    PREFERRED,
    QUALITY,
    answers_of,
    biased_votes,
    judged_statistics,
    pair_verdict,
    pairwise_plan,
    panel_of,
    samples_of,
    score_verdict,
)
from tests.unit.analytics.support import analysed, binary, plan_of
from tests.unit.reporting.test_report import Page

COUNT = 40


def run_of(plan: AnalysisPlan, verdicts: list[Any]) -> tuple[AnalysisResult, list[PairedRow]]:
    samples = samples_of(COUNT)
    statistics = judged_statistics(plan, verdicts, samples=samples)
    run = RunScores.of(plan, statistics)
    rows = list(pair_rows(samples, answers_of(plan, samples), verdicts))
    return analyse(plan, statistics, run=run), with_panels(plan, rows, run.scores)


def pairs(variants: tuple[str, ...] = ("plain", "polite")) -> tuple[AnalysisResult, list[PairedRow]]:
    plan = pairwise_plan(variants)
    use = JudgeUse(calls=2, cost_usd=Decimal("0.02"), spent_usd=Decimal("0.02"))
    verdicts = [
        pair_verdict(
            f"s{i}",
            biased_votes((1.0, 0.0, 0.5)[i % 3], flips=i % 10 == 0),
            variant=treatment,
            reason="It is <b>kinder</b>.",
            use=use,
        )
        for i in range(1, COUNT)
        for treatment in variants[1:]
    ]
    verdicts.append(pair_verdict("s0", [("control_first", 1.0), ("treatment_first", None)], variant=variants[1]))
    return run_of(plan, verdicts)


def council() -> tuple[AnalysisResult, list[PairedRow]]:
    judges: list[JudgeMetric] = []
    for name in ("one", "two"):
        judges.append(QUALITY.model_copy(update={"name": name}))
        judges.append(judges[-1].model_copy(update={"name": f"{name}.tone", "from_judge": name, "dimension": "tone"}))
    whole = panel_of(("one", "two"), "mean", scale=(1.0, 5.0))
    tone = whole.model_copy(update={"name": "council.tone", "from_judge": "council", "dimension": "tone"})
    plan = plan_of(("plain", "polite"), judges=(*judges, whole, tone), primary_metric="council")
    verdicts = [
        score_verdict(
            f"s{i}",
            variant,
            judge,
            float(score),
            reason="Right.",
            dimensions={"tone": 2.5},
            votes=(Vote(status="scored", score=float(score)),),
        )
        for i in range(COUNT)
        for variant in plan.variants
        for judge, score in (("one", 2 + i % 3), ("two", 4))
    ]
    return run_of(plan, verdicts)


def test_report_shows_judges__with_flips_win_rates_and_money() -> None:
    result, rows = pairs()
    page = Page(render_report(result, rows))
    assert page.open == []
    for words in (
        "What each judge did",
        "preferred pairwise local/judge p1 39 of 40 1",
        "How often a treatment is preferred to plain",
        "Order flips",
        "of it on judges",
        "share of the preference",
        "1 judge could not score",
    ):
        assert words in page.text, words
    assert result.judges[0].position is not None
    flips = 100 * (result.judges[0].position.flip_rate or 0)
    assert f" {flips:.1f} % (" in page.text


def test_sample__shows_who_was_preferred_and_why_in_both_orders() -> None:
    result, rows = pairs()
    html = render_report(result, rows)
    text = Page(html).text
    assert "It is <b>kinder</b>. (shown first: preferred · shown second: preferred)" in text
    assert "<b>kinder</b>" not in html
    assert "shown first: not read" in text
    assert text.count("not preferred") > 10
    assert "tie" in text


def test_rows__give_the_control_what_is_left_of_the_preference() -> None:
    _, rows = pairs()
    one = next(row for row in rows if row.sample.id == "s1")
    assert (one.score("polite", "preferred"), one.score("plain", "preferred")) == (0.0, 1.0)
    unread = next(row for row in rows if row.sample.id == "s0")
    assert (unread.score("polite", "preferred"), unread.score("plain", "preferred")) == (None, None)
    assert one.spread("preferred") == 1.0


def test_rows_of_several_treatments__give_the_control_the_mean_of_what_is_left() -> None:
    _, rows = pairs(("plain", "polite", "chatty"))
    row = next(row for row in rows if row.sample.id == "s3")
    assert [row.score(v, "preferred") for v in ("plain", "polite", "chatty")] == [0.0, 1.0, 1.0]


def test_csv__has_panels_dimensions_and_shares() -> None:
    result, rows = council()
    lines = list(csv.DictReader(io.StringIO(b"".join(samples_csv(rows, result.plan)).decode())))
    first = lines[0]
    assert (first["one"], first["two"], first["council"]) == ("2", "4", "3")
    assert (first["one.tone"], first["council.tone"]) == ("2.5", "2.5")
    preferred, rows = pairs()
    lines = list(csv.DictReader(io.StringIO(b"".join(samples_csv(rows, preferred.plan)).decode())))
    assert [line["preferred"] for line in lines[:6]] == ["", "", "1", "0", "0.5", "0.5"]


def test_report_shows_panels__members_and_agreement() -> None:
    result, rows = council()
    page = Page(render_report(result, rows))
    assert page.open == []
    for words in (
        "council is the mean of its members over 80 answers",
        "Members of panels, each beside the others",
        "two council 80",
        "always the same score",
        "How far the members agree",
        "council: tone 2.50",
        "one: Right. (tone 2.50)",
    ):
        assert words in page.text, words
    assert member_grid(result) is not None
    assert panel_sentences(result)[0].startswith("council is the mean")


def test_report_of_judges_in_code__has_no_section_of_them() -> None:
    result = analysed(plan_of(), binary(both=10, only_b=20, neither=5))
    assert judge_grid(result) is None
    assert win_rate_grid(result) is None
    assert member_grid(result) is None
    assert agreement_grid(result.agreements) is None
    assert "Judges are instruments" not in render_report(result, [])


def test_columns_without_content__are_left_out() -> None:
    grid = judge_grid(pairs()[0])
    assert grid is not None
    assert "Drift" not in grid.columns
    assert "Same again" not in grid.columns
    assert {"Flips", "First named", "Invalid", "Paid"} <= set(grid.columns)
    assert all(len(cells) == len(grid.columns) - 1 for _, _, cells in grid.rows)


def test_price_that_is_not_known__is_not_shown_as_nothing() -> None:
    use = JudgeUse(calls=2, cost_usd=None)
    verdicts = [pair_verdict(f"s{i}", biased_votes(1.0, flips=False), use=use) for i in range(COUNT)]
    result, rows = run_of(pairwise_plan(), verdicts)
    page = Page(render_report(result, rows))
    assert "Spent unknown" in page.text
    assert "40 verdicts have no known price" in page.text
    assert "answers have no known price" not in page.text


def test_judge_of_disagreements__stands_in_no_table_of_means() -> None:
    strong = QUALITY.model_copy(update={"name": "strong", "escalated_only": True})
    plan = pairwise_plan(judges=(PREFERRED, strong))
    result, rows = run_of(plan, [score_verdict("s0", "plain", "strong", 5.0)])
    text = Page(render_report(result, rows)).text
    assert "strong rubric, disagreements only" in text
    assert "strong mean score" not in text


def test_terminal__shows_the_judges() -> None:
    out = Console(width=160, record=True, file=io.StringIO())
    show_result(out, pairs()[0])
    text = out.export_text()
    for words in ("Judges", "Preferences", "shown first", "of it on judges", "39 of 40"):
        assert words in text, words


def test_unfinished_run__shows_no_panel_it_has_not_joined() -> None:
    result, rows = council()
    unjoined = [PairedRow(row.sample, row.responses, row.verdicts) for row in rows]
    text = Page(render_partial_report(PartialRun(plan=result.plan, status="CANCELLED"), unjoined)).text
    assert "one 2" in text
    assert "council no score" not in text


def test_sample__shows_its_conversation_documents_and_what_is_expected() -> None:
    plan = pairwise_plan()
    sample = Sample(
        id="s0",
        messages=[Turn(role="user", content="Hello there."), Turn(role="assistant", content="Good day.")],
        documents=[Document(title="Atlas", text="Rome lies in Italy.")],
        expected_outcome="A city is named.",
        rubric="It is short.",
    )
    verdicts = [pair_verdict("s0", biased_votes(1.0, flips=False))]
    statistics = judged_statistics(plan, verdicts, samples=[sample])
    rows = list(pair_rows([sample], answers_of(plan, [sample]), verdicts))
    text = Page(render_report(analyse(plan, statistics), rows)).text
    for words in (
        "Earlier, user Hello there. Earlier, assistant Good day. Document 1: Atlas Rome lies in Italy.",
        "What it should come to A city is named. What a good answer has It is short.",
    ):
        assert words in text, words
    assert "No inputs" not in text


def test_row__finds_the_dimension_of_a_judge_whose_name_begins_like_anothers() -> None:
    judged = {
        "tone": score_verdict("s0", "polite", "tone", 3.0, dimensions={"style": 3.0}),
        "tone.of": score_verdict("s0", "polite", "tone.of", 2.0, dimensions={"voice": 2.0}),
    }
    row = PairedRow(samples_of(1)[0], verdicts={"polite": judged})
    assert row.score("polite", "tone.of.voice") == 2.0


def test_win_rate_of_a_judge_of_disagreements__says_so() -> None:
    result, _ = pairs()
    (judge,) = result.judges
    only = result.model_copy(update={"judges": (judge.model_copy(update={"escalated_only": True}),)})
    grid = win_rate_grid(only)
    assert grid is not None
    assert grid.rows[0][:2] == ("preferred", "polite, disagreements only")
