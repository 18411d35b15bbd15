"""Makes verdicts of judges for tests: votes in both orders, repeats, dimensions, panels."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.judge_metric import JudgeMetric, PanelPlan
from abtest.analytics.model import AnalysisPlan
from abtest.contracts.records import JudgeUse, ModelResponse, Order, Sample, Verdict, Vote
from tests.unit.analytics.support import answer, plan_of

ORDERS: tuple[Order, Order] = ("control_first", "treatment_first")
PREFERRED = JudgeMetric(
    name="preferred", type="pairwise", binary=False, kind="model", pairwise=True, version="p1", model="local/judge"
)
QUALITY = JudgeMetric(
    name="quality", type="rubric", binary=False, kind="model", scale=(1.0, 5.0), version="r1", model="local/judge"
)


def pairwise_plan(variants: Sequence[str] = ("plain", "polite"), **given: Any) -> AnalysisPlan:
    """Return a plan whose only judge and primary metric is the pairwise `preferred`."""
    return plan_of(variants, **{"judges": (PREFERRED,), "primary_metric": "preferred"} | given)


def panel_of(members: Sequence[str], consensus: str, name: str = "council", **given: Any) -> JudgeMetric:
    """Return the metric of a panel."""
    facts = {key: given.pop(key) for key in ("binary", "pairwise", "scale") if key in given}
    panel = PanelPlan(members=tuple(members), consensus=consensus, **given)
    return JudgeMetric(**{"name": name, "type": "panel", "binary": False, "kind": "panel", "panel": panel} | facts)


def pair_verdict(
    sample_id: str,
    votes: Sequence[tuple[Order | None, float | None]],
    *,
    judge: str = "preferred",
    variant: str = "polite",
    against: str = "plain",
    **given: Any,
) -> Verdict:
    """Return what a pairwise judge says of a pair: invalid where an order has no vote that can be read."""
    made = tuple(
        Vote(order=order, repeat=n, status="scored" if score is not None else "invalid", score=score)
        for n, (order, score) in enumerate(votes)
    )
    means = []
    for order in dict.fromkeys(order for order, _ in votes):
        scores = [score for asked, score in votes if asked == order and score is not None]
        means.append(sum(scores) / len(scores) if scores else None)
    known = [mean for mean in means if mean is not None]
    whole = len(known) == len(means)
    settings: dict[str, Any] = {
        "sample_id": sample_id,
        "variant": variant,
        "judge": judge,
        "against": against,
        "votes": made,
        "status": "scored" if whole else "invalid",
        "score": sum(known) / len(known) if whole and known else None,
        "judge_version": "p1",
        "use": JudgeUse(calls=len(votes), input_tokens=100, output_tokens=20, cost_usd=Decimal("0.002")),
    }
    return Verdict(**settings | given)


def score_verdict(sample_id: str, variant: str, judge: str, score: float | None, **given: Any) -> Verdict:
    """Return what a judge says of one answer; a score None is one that could not be read."""
    status = "scored" if score is not None else "invalid"
    return Verdict(
        **{"sample_id": sample_id, "variant": variant, "judge": judge, "status": status, "score": score} | given
    )


def samples_of(count: int, clusters: Sequence[str | None] | None = None) -> list[Sample]:
    """Return samples `s0`, `s1`, ..."""
    return [Sample(id=f"s{i}", cluster=clusters[i] if clusters else None) for i in range(count)]


def answers_of(plan: AnalysisPlan, samples: Sequence[Sample], **given: Any) -> dict[str, list[ModelResponse]]:
    """Return an answer of every variant to every sample."""
    return {variant: [answer(sample.id, variant, **given) for sample in samples] for variant in plan.variants}


def judged_statistics(
    plan: AnalysisPlan,
    verdicts: Sequence[Verdict],
    *,
    samples: Sequence[Sample],
    responses: Mapping[str, Sequence[ModelResponse]] | None = None,
    batch: int = 37,
) -> RunStatistics:
    """Return the statistics of a run in batches, all answers being there unless others are given."""
    answered = responses if responses is not None else answers_of(plan, samples)
    parts = []
    for start in range(0, len(samples), batch):
        chosen = samples[start : start + batch]
        names = {sample.id for sample in chosen}
        parts.append(
            RunStatistics.of_batch(
                plan,
                chosen,
                {v: [row for row in rows if row.sample_id in names] for v, rows in answered.items()},
                [verdict for verdict in verdicts if verdict.sample_id in names],
            )
        )
    return RunStatistics.merge(parts)


def biased_votes(truth: float, *, flips: bool, to_first: bool = True) -> list[tuple[Order | None, float | None]]:
    """Return votes in both orders: the truth, or whatever stands in the favoured place where the pair flips.

    Args:
        truth: the treatment's share of the preference.
        flips: the judge goes by the place.
        to_first: it favours the first one.
    """
    if not flips:
        return [(order, truth) for order in ORDERS]
    return [("control_first", 0.0 if to_first else 1.0), ("treatment_first", 1.0 if to_first else 0.0)]


def opinions(
    truth: Sequence[float], accuracy: float, seed: int, other: Callable[[float], float] = lambda score: 1 - score
) -> list[float]:
    """Return scores that are the truth so often, and something else otherwise."""
    drawn = random.Random(seed)
    return [score if drawn.random() < accuracy else other(score) for score in truth]
