from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from abtest.analytics.data.scores import Column, SampleScores
from abtest.analytics.engine import analyse_scores
from abtest.analytics.model import AnalysisPlan, AnalysisResult, Coverage, GuardrailPlan, GuardrailResult, JudgeMetric
from abtest.analytics.plan import DesignPlan, LookPosition
from abtest.contracts.metrics import RESERVED_METRICS

N = 300
RANDOM = np.random.default_rng(20260101)
BASE = RANDOM.normal(size=N)
NOISE = stats.zscore(RANDOM.normal(size=N))


def analysed(
    quality: Any, guardrail: dict[str, Any], values: dict[str, Any], *, cluster: Column | None = None, **more: Any
) -> AnalysisResult:
    """Analyse two variants whose quality and one more metric are given as (control, treatment)."""
    metric = guardrail["metric"]
    own = () if metric in RESERVED_METRICS else (metric,)
    judges = tuple(JudgeMetric(name=name, type="rubric", binary=False) for name in ("quality", *own))
    plan = AnalysisPlan(
        test_name="t",
        control="a",
        variants=("a", "b"),
        judges=judges,
        primary_metric="quality",
        guardrails=(GuardrailPlan(name="guard", **guardrail),),
        **more,
    )
    columns = {"quality": quality, **values}
    scores = SampleScores(
        N, {(v, m): np.asarray(pair[i], float) for m, pair in columns.items() for i, v in enumerate("ab")}, cluster
    )
    coverage = Coverage(asked=N, paired={"b": N}, variants=())
    look = LookPosition(number=plan.design.looks, asked=(N // 2, N)[-plan.design.looks :], planned=N)
    return analyse_scores(plan, scores, coverage, look)


def only(result: AnalysisResult) -> GuardrailResult:
    (guardrail,) = result.guardrails
    return guardrail


BETTER = (BASE, BASE + 1 + NOISE)
SAME = (BASE, BASE + NOISE)
LATENCY = np.exp(RANDOM.normal(5, 0.3, N))


@pytest.mark.parametrize(
    ("slower", "verdict", "outcome"),
    [(0.0, "holds", "ship_treatment"), (19.5, "unclear", "undecided"), (60.0, "broken", "keep_control")],
)
def test_better_treatment__ships_only_when_the_guardrail_holds(slower: float, verdict: str, outcome: str) -> None:
    latency = (LATENCY, LATENCY + slower + 10 * NOISE)
    result = analysed(BETTER, {"metric": "latency_ms", "margin": 20.0}, {"latency_ms": latency})
    found = only(result)
    assert (found.verdict, result.decision.outcome) == (verdict, outcome)
    assert "is better than" in result.decision.sentence
    if verdict != "holds":
        assert any("Guardrail guard" in reason for reason in result.decision.reasons)


def test_mean_with_a_margin__equals_the_one_sided_t_test() -> None:
    latency = (LATENCY, LATENCY + 12 + 10 * NOISE)
    found = only(analysed(BETTER, {"metric": "latency_ms", "margin": 20.0}, {"latency_ms": latency}))
    d = latency[1] - latency[0]
    oracle = stats.ttest_1samp(d, 20.0, alternative="less")
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert found.loss_high == pytest.approx(oracle.confidence_interval(0.95).high, rel=1e-9)
    assert found.loss == pytest.approx(d.mean())


def test_relative_margin__is_tested_on_the_contrast() -> None:
    latency = (LATENCY, LATENCY * 1.05 + 5 * NOISE)
    found = only(analysed(BETTER, {"metric": "latency_ms", "margin_relative": 0.1}, {"latency_ms": latency}))
    oracle = stats.ttest_1samp(latency[1] - 1.1 * latency[0], 0.0, alternative="less")
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert found.margin == pytest.approx(0.1 * latency[0].mean())


def test_metric_of_which_more_is_better__loses_downwards() -> None:
    tone = (BASE, BASE - 0.02 + 0.1 * NOISE)
    found = only(analysed(BETTER, {"metric": "tone", "margin": 0.1}, {"tone": tone}))
    oracle = stats.ttest_1samp(tone[1] - tone[0], -0.1, alternative="greater")
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-8)
    assert found.loss == pytest.approx(-(tone[1] - tone[0]).mean())
    assert found.verdict == "holds"


def test_no_errors_on_either_side__is_shown_to_hold() -> None:
    zero = np.zeros(N)
    found = only(analysed(BETTER, {"metric": "error_rate", "margin": 0.02}, {"error_rate": (zero, zero)}))
    assert (found.verdict, found.loss, found.status) == ("holds", 0.0, "ok")
    assert 0 < (found.loss_high or 0) < 0.02


def test_more_errors_than_the_margin__breaks_it() -> None:
    errors = (np.zeros(N), (np.arange(N) % 8 == 0).astype(float))
    result = analysed(BETTER, {"metric": "error_rate", "margin": 0.02}, {"error_rate": errors})
    assert only(result).verdict == "broken"
    assert result.decision.outcome == "keep_control"
    assert any("is broken" in reason for reason in result.decision.reasons)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "holds"), (2.0, "broken")])
def test_tail_of_latency__is_compared_by_its_quantile(factor: float, verdict: str) -> None:
    tail = np.quantile(LATENCY, 0.9)
    slow = np.where(tail < LATENCY, LATENCY * factor, LATENCY) + NOISE
    latency = {"latency_ms": (LATENCY, slow)}
    found = only(analysed(BETTER, {"metric": "latency_ms", "statistic": "p95", "margin": 40.0}, latency))
    assert found.verdict == verdict
    assert found.value_control == pytest.approx(np.quantile(LATENCY, 0.95))
    assert found.loss == pytest.approx(np.quantile(slow, 0.95) - np.quantile(LATENCY, 0.95), rel=1e-6)


def test_margin_on_the_primary_metric__says_no_worse() -> None:
    unrelated = {"latency_ms": (LATENCY, LATENCY + NOISE)}
    guardrail = {"metric": "latency_ms", "margin": 20.0}
    with_margin = analysed(SAME, guardrail, unrelated, primary_margin=0.5)
    assert with_margin.decision.outcome == "no_worse"
    assert "no worse than a on quality by the declared margin of 0.5" in with_margin.decision.sentence
    assert analysed(SAME, guardrail, unrelated).decision.outcome == "undecided"
    assert analysed(SAME, guardrail, unrelated, primary_margin=0.01).decision.outcome == "undecided"


def test_undecided__says_how_many_samples_would_decide() -> None:
    small = (BASE, BASE + 0.05 + NOISE)
    result = analysed(small, {"metric": "latency_ms", "margin": 20.0}, {"latency_ms": (LATENCY, LATENCY + NOISE)})
    comparison = result.primary("b")
    assert result.decision.outcome == "undecided"
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert comparison.effect is not None
    assert comparison.se is not None
    expected = N * (z * comparison.se / comparison.effect) ** 2
    assert comparison.samples_to_decide == pytest.approx(expected, abs=1)
    assert any("paired samples" in r and "four times in five" in r for r in result.decision.reasons)


@pytest.mark.parametrize("kind", ["group_sequential", "always_valid"])
def test_sequential_design__widens_the_bound(kind: str) -> None:
    latency = {"latency_ms": (LATENCY, LATENCY + 12 + 10 * NOISE)}
    guardrail = {"metric": "latency_ms", "margin": 20.0}
    fixed = only(analysed(BETTER, guardrail, latency))
    design = DesignPlan.model_validate({"kind": kind, "looks": 2})
    looked = analysed(BETTER, guardrail, latency, design=design)
    assert fixed.loss_high is not None
    assert (only(looked).loss_high or 0) > fixed.loss_high
    assert looked.slices == ()
    assert all(c.sensitivity is None for c in looked.comparisons)


def test_clustered_samples__give_a_clustered_bound() -> None:
    shift = np.repeat(RANDOM.normal(0, 20, 30), 10)
    latency = {"latency_ms": (LATENCY, LATENCY + shift + NOISE)}
    guardrail = {"metric": "latency_ms", "margin": 20.0}
    cluster = Column.of([f"c{i // 10}" for i in range(N)])
    alone = only(analysed(BETTER, guardrail, latency))
    together = only(analysed(BETTER, guardrail, latency, cluster=cluster))
    assert together.loss == pytest.approx(alone.loss)
    assert (together.loss_high or 0) > (alone.loss_high or 0)


def test_metric_nobody_measured__is_unclear_and_says_why() -> None:
    gone = np.full(N, np.nan)
    result = analysed(BETTER, {"metric": "cost_usd", "margin": 0.1}, {"cost_usd": (gone, gone)})
    found = only(result)
    assert (found.status, found.verdict, found.p_value) == ("no_data", "unclear", None)
    assert result.decision.outcome == "undecided"
    assert any("cannot be shown to hold" in reason for reason in result.decision.reasons)


def test_scores_missing_on_one_side__block_a_result_they_could_turn() -> None:
    treatment = np.where(np.arange(N) % 5 == 0, np.nan, BASE + 0.3 + NOISE)
    guardrail = {"metric": "latency_ms", "margin": 20.0}
    result = analysed((BASE, treatment), guardrail, {"latency_ms": (LATENCY, LATENCY + NOISE)})
    assert result.primary("b").p_value is not None
    assert result.decision.outcome == "undecided"
    assert any("could reverse the result" in reason for reason in result.decision.reasons)


def test_scores_missing_alike__block_nothing() -> None:
    gone = np.arange(N) % 5 == 0
    quality = (np.where(gone, np.nan, BASE), np.where(gone, np.nan, BASE + 1 + NOISE))
    guardrail = {"metric": "latency_ms", "margin": 20.0}
    result = analysed(quality, guardrail, {"latency_ms": (LATENCY, LATENCY + NOISE)})
    assert result.decision.outcome == "ship_treatment"


@pytest.mark.parametrize(("more", "verdict"), [(12.0, "holds"), (60.0, "broken"), (50.0, "unclear")])
def test_same_loss_in_every_pair__rests_on_the_sign_test(more: float, verdict: str) -> None:
    tokens = {"input_tokens": (100 + np.arange(N), 100 + np.arange(N) + more)}
    found = only(analysed(BETTER, {"metric": "input_tokens", "margin": 50.0}, tokens))
    assert (found.verdict, found.loss) == (verdict, more)
    if verdict == "holds":
        assert found.p_value == pytest.approx(0.5**N)


def test_same_loss_in_a_handful_of_pairs__is_not_enough() -> None:
    tokens = np.where(np.arange(N) < 4, 100.0, np.nan)
    result = analysed(BETTER, {"metric": "input_tokens", "margin": 50.0}, {"input_tokens": (tokens, tokens + 12)})
    found = only(result)
    assert any("no bound from 4 pairs yet" in reason for reason in result.decision.reasons)
    assert (found.n, found.verdict, found.p_value, found.loss_high) == (4, "unclear", 0.5**4, None)
