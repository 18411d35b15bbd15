"""Makes small runs for tests: plans, samples, responses and verdicts from lists of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeMetric
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Usage, Verdict

Scores = Mapping[str, Sequence[float | None]]


def plan_of(variants: Sequence[str] = ("terse", "few_shot"), **given: Any) -> AnalysisPlan:
    """Return a plan whose first variant is the control and whose primary metric is the binary `correct`."""
    settings: dict[str, Any] = {
        "test_name": "json-extraction",
        "run_id": "run_1",
        "control": variants[0],
        "variants": tuple(variants),
        "judges": (JudgeMetric(name="correct", type="exact_match", binary=True),),
        "primary_metric": "correct",
    }
    return AnalysisPlan(**settings | given)


def graded_plan(variants: Sequence[str] = ("terse", "few_shot"), **given: Any) -> AnalysisPlan:
    """Return a plan whose primary metric is a score that is not binary."""
    judges = (JudgeMetric(name="quality", type="rubric", binary=False),)
    return plan_of(variants, judges=judges, primary_metric="quality", **given)


def answer(sample_id: str, variant: str, **given: Any) -> ModelResponse:
    """Return an answered response with usage, latency and cost."""
    settings: dict[str, Any] = {
        "sample_id": sample_id,
        "variant": variant,
        "outcome": "answered",
        "text": "x",
        "usage": Usage(input_tokens=10, output_tokens=5),
        "latency_ms": 100.0,
        "cost_usd": Decimal("0.001"),
        "price_source": "configured",
    }
    return ModelResponse(**settings | given)


def statistics_of(
    plan: AnalysisPlan, scores: Scores, clusters: Sequence[str | None] | None = None, start: int = 0
) -> RunStatistics:
    """Return the statistics of one batch; a score None is a failed call."""
    judge = plan.judges[0].name
    count = len(next(iter(scores.values())))
    samples = [Sample(id=f"s{start + i}", cluster=clusters[i] if clusters else None) for i in range(count)]
    responses: dict[str, list[ModelResponse]] = {}
    verdicts = []
    for variant, given in scores.items():
        rows = responses.setdefault(variant, [])
        for sample, score in zip(samples, given, strict=True):
            if score is None:
                rows.append(
                    ModelResponse(sample_id=sample.id, variant=variant, outcome="failed", failure_reason="timeout")
                )
                verdicts.append(Verdict(sample_id=sample.id, variant=variant, judge=judge, status="not_judged"))
            else:
                rows.append(answer(sample.id, variant))
                verdicts.append(
                    Verdict(sample_id=sample.id, variant=variant, judge=judge, status="scored", score=score)
                )
    return RunStatistics.of_batch(plan, samples, responses, verdicts)


def analysed(plan: AnalysisPlan, scores: Scores, clusters: Sequence[str | None] | None = None) -> AnalysisResult:
    """Return the analysis of one batch."""
    return analyse(plan, statistics_of(plan, scores, clusters))


def binary(both: int = 0, only_a: int = 0, only_b: int = 0, neither: int = 0) -> dict[str, list[float | None]]:
    """Return the scores of two variants with these counts."""
    a = [1.0] * both + [1.0] * only_a + [0.0] * only_b + [0.0] * neither
    b = [1.0] * both + [0.0] * only_a + [1.0] * only_b + [0.0] * neither
    return {"terse": list(a), "few_shot": list(b)}
