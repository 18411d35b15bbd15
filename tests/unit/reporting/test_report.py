from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeMetric
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Verdict
from abtest.reporting.charts import interval_bar
from abtest.reporting.report import PartialRun, render_partial_report, render_report
from abtest.reporting.rows import PairedRow, most_telling, pair_rows
from tests.unit.analytics.support import answer, binary, plan_of, statistics_of

VOID = {"meta", "input", "line", "circle", "br", "wbr"}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>&\x00\x1b"


class Page(HTMLParser):
    """Reads a page: its words, its tags, and whether every tag is closed where it should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rows_of(plan: AnalysisPlan, scores: dict[str, list[float | None]], text: str = "x") -> list[PairedRow]:
    count = len(next(iter(scores.values())))
    samples = [Sample(id=f"s{i}", inputs={"question": f"{text} {i}"}, reference={"n": i}) for i in range(count)]
    responses: dict[str, list[ModelResponse]] = {
        v: [answer(s.id, v, text=f"{text} of {v}") for s in samples] for v in plan.variants
    }
    verdicts = [
        Verdict(
            sample_id=sample.id,
            variant=variant,
            judge="correct",
            status="invalid" if score is None else "scored",
            score=score,
            reason=None if score else f"{text} is wrong",
        )
        for variant, given in scores.items()
        for sample, score in zip(samples, given, strict=True)
    ]
    return list(pair_rows(samples, responses, verdicts))


def analysis_of(plan: AnalysisPlan, scores: dict[str, list[float | None]]) -> AnalysisResult:
    return analyse(plan, statistics_of(plan, scores))


def test_report_says_the_verdict_first__then_what_it_rests_on() -> None:
    plan = plan_of(dataset_version="ab" * 32, seed=7, cap_usd=Decimal("0.50"), versions={"abtest": "0.1.0"})
    scores = binary(both=10, only_a=4, only_b=66, neither=20)
    text = Page(render_report(analysis_of(plan, scores), rows_of(plan, scores))).text
    order = [
        "Ship few_shot",
        "few_shot is better than terse on correct",
        "+62.0 points (95 % interval +50.8 to +73.2; exact McNemar p = 1.7e-15; 100 paired samples).",
        "100 of 100",
        "of a cap of $0.50",
        "Difference from terse",
        "Variants",
        "Calls, tokens and cost",
        "Tests",
        "Samples side by side",
        "Methods",
        "Exact McNemar test",
        "ab" * 32,
        "Prices configured",
        "abtest 0.1.0",
    ]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("scores", "badge"),
    [
        (binary(only_b=20, neither=5), "Ship few_shot"),
        (binary(only_a=20, neither=5), "Keep terse"),
        (binary(both=10, only_b=3, only_a=2), "Undecided"),
        ({"terse": [], "few_shot": []}, "Undecided"),
        ({"terse": [None, None], "few_shot": [1.0, None]}, "Undecided"),
    ],
)
def test_badge_says_the_decision_in_a_word__for_every_outcome(scores: dict[str, Any], badge: str) -> None:
    plan = plan_of()
    html = render_report(analysis_of(plan, scores), rows_of(plan, scores))
    page = Page(html)
    assert page.open == []
    assert badge in page.text
    assert "nan" not in page.text.lower().split()


def test_report_needs_nothing_else__and_forbids_it() -> None:
    plan, scores = plan_of(), binary(both=3, only_b=9)
    html = render_report(analysis_of(plan, scores), rows_of(plan, scores))
    tags = Page(html).tags
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [
        name for _, attributes in tags for name in attributes if name.startswith("on") or name in ("src", "href")
    ]
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|https?://", html)


def test_hostile_text__is_shown_and_never_run() -> None:
    judges = (JudgeMetric(name="correct", type="exact_match", binary=True),)
    plan = plan_of(test_name=HOSTILE, description=HOSTILE, judges=judges, models={"terse": HOSTILE})
    scores = binary(both=2, only_b=3, neither=1)
    html = render_report(analysis_of(plan, scores), rows_of(plan, scores, HOSTILE))
    page = Page(html)
    assert "<script" not in html
    assert "<img" not in html
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>&␀␛ of few_shot" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", html)


def test_disagreements_come_first__then_missing_scores_then_the_rest() -> None:
    plan = plan_of()
    scores = {"terse": [1.0, 1.0, None, 0.0], "few_shot": [1.0, 0.0, 1.0, 1.0]}
    shown = most_telling(rows_of(plan, scores), "correct", plan.variants, limit=3)
    assert [row.sample.id for row in shown.rows] == ["s1", "s3", "s2"]
    assert shown.total == 4


def test_long_run_shows_two_hundred_rows__and_says_of_how_many() -> None:
    plan, scores = plan_of(), binary(both=150, only_b=30, neither=70)
    page = Page(render_report(analysis_of(plan, scores), iter(rows_of(plan, scores))))
    assert "Showing 200 of 250 samples" in page.text
    assert len([1 for tag, _ in page.tags if tag == "article"]) == 200
    assert "Differ 30" in page.text


def test_long_answer_is_cut_in_the_page__and_says_so() -> None:
    plan, scores = plan_of(), binary(both=1, only_b=2)
    html = render_report(analysis_of(plan, scores), rows_of(plan, scores, "x" * 20_000))
    assert "more characters in samples.csv" in html
    assert len(html) < 150_000


def test_unknown_price__is_not_shown_as_nothing() -> None:
    plan = plan_of()
    samples = [Sample(id="s0"), Sample(id="s1")]
    responses = {v: [answer(s.id, v, cost_usd=None) for s in samples] for v in plan.variants}
    from abtest.analytics.data.accumulate import RunStatistics

    result = analyse(plan, RunStatistics.of_batch(plan, samples, responses, []))
    text = Page(render_report(result, list(pair_rows(samples, responses, [])))).text
    assert "Spent unknown" in text
    assert "4 answers have no known price" in text
    assert "$0 " not in text


def test_three_variants__stand_side_by_side() -> None:
    plan = plan_of(("terse", "few_shot", "chain"))
    scores = binary(both=10, only_b=20, neither=5) | {"chain": [1.0] * 5 + [0.0] * 30}
    text = Page(render_report(analysis_of(plan, scores), rows_of(plan, scores))).text
    assert "Paired, few_shot" in text
    assert "Paired, chain" in text
    assert "Holm" in text


def test_bar_stays_inside_its_axis__and_knows_which_side_is_better() -> None:
    result = analysis_of(plan_of(), binary(both=10, only_a=4, only_b=66, neither=20))
    bar = interval_bar(result.primary("few_shot"))
    assert bar.low is not None
    assert bar.point is not None
    assert bar.high is not None
    assert 50 < bar.low < bar.point < bar.high <= 94
    assert (bar.tone, bar.word, bar.left, bar.right) == ("better", "better", "worse", "better")
    latency = next(interval_bar(c) for c in result.comparisons if c.metric == "latency_ms")
    assert (latency.left, latency.right, latency.tone, latency.word) == ("better", "worse", "none", "same")
    assert latency.note == "no pair differs, so no interval"


def partial(**given: Any) -> PartialRun:
    return PartialRun(**{"plan": plan_of(finished_at="2026-01-31T12:00:00.000Z"), "status": "FAILED"} | given)


def test_partial_report_tells_what_was_done__without_verdict_or_p_value() -> None:
    scores = binary(both=2, only_b=40)
    run = partial(
        samples=100,
        error_message='The provider "local" refused the key.',
        what_to_do="Store a valid key and start again.",
        spent_usd=Decimal("0.042"),
    )
    page = Page(render_partial_report(run, iter(rows_of(run.plan, scores))))
    assert page.open == []
    for words in (
        "This run failed before it finished.",
        'The provider "local" refused the key.',
        "What to do: Store a valid key and start again.",
        "There is no verdict",
        "42 of 100",
        "$0.042",
        "2026-01-31 12:00 UTC",
    ):
        assert words in page.text
    for words in ("McNemar", "p =", "interval", "better than", "significant", "points"):
        assert words not in page.text


def test_partial_report_of_a_cancelled_run__needs_no_error() -> None:
    page = Page(render_partial_report(partial(status="CANCELLED"), []))
    assert "This run was cancelled before it finished." in page.text
    assert "There are no samples to show." in page.text
    assert "Spent unknown" in page.text


def test_partial_report_counts__failures_ledger_and_cost() -> None:
    samples = [Sample(id="s0"), Sample(id="s1")]
    failed = ModelResponse(sample_id="s1", variant="terse", outcome="failed", failure_reason="timeout")
    responses = {"terse": [answer("s0", "terse", from_ledger=True), failed], "few_shot": [answer("s0", "few_shot")]}

    def passing() -> Iterator[PairedRow]:
        yield from pair_rows(samples, responses, [])

    text = Page(render_partial_report(partial(), passing())).text
    assert "Responses 2 1" in text
    assert "Failed 1 0" in text
    assert "From ledger 1 0" in text
    assert "Cost $0.00100 $0.00100" in text
    assert "The call failed: timed out" in text
    assert "No response" in text
