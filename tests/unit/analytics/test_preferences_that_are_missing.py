"""Pairs without a preference: whose answer they lack, and whether that could turn the result."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pytest

from abtest.analytics.comparison.missing import missing_answers
from abtest.analytics.model import AnalysisPlan, AnalysisResult
from abtest.analytics.service import analyse
from abtest.contracts.records import ModelResponse, Sample, Verdict
from tests.unit.analytics.judged import (
    answers_of,
    biased_votes,
    judged_statistics,
    pair_verdict,
    pairwise_plan,
    samples_of,
)

COUNT, LOST = 200, 60


def failed(response: ModelResponse) -> ModelResponse:
    return response.model_copy(update={"outcome": "failed", "failure_reason": "timeout", "text": None})


def answers(plan: AnalysisPlan, samples: Sequence[Sample], failing: Collection[str]) -> dict[str, list[ModelResponse]]:
    """Answers of all variants, of which some fail on the first samples."""
    found = answers_of(plan, samples)
    for variant in failing:
        found[variant] = [failed(one) if i < LOST else one for i, one in enumerate(found[variant])]
    return found


def run(*failing: str, variants: Sequence[str] = ("plain", "polite"), unread: Collection[str] = ()) -> AnalysisResult:
    """A run that prefers each treatment in 7 of 10 pairs, the first samples excepted, where answers fail.

    Args:
        failing: variants whose calls fail on them.
        unread: treatments of which the judge cannot be read on them.
    """
    plan, samples = pairwise_plan(variants), samples_of(COUNT)
    verdicts = []
    for i, sample in enumerate(samples):
        for treatment in plan.treatments:
            name = {"sample_id": sample.id, "variant": treatment, "judge": "preferred", "against": "plain"}
            if i < LOST and (treatment in failing or "plain" in failing):
                verdicts.append(Verdict(**name, status="not_judged"))
            elif i < LOST and treatment in unread:
                verdicts.append(Verdict(**name, status="invalid"))
            else:
                votes = biased_votes(1.0 if i % 10 < 6 else 0.0, flips=False)
                verdicts.append(pair_verdict(sample.id, votes, variant=treatment))
    statistics = judged_statistics(plan, verdicts, samples=samples, responses=answers(plan, samples, failing))
    return analyse(plan, statistics)


def test_treatment_that_often_fails__is_not_taken_for_the_better_one() -> None:
    result = run("polite")
    assert result.primary("polite").decisive_p == pytest.approx(0.0174, abs=0.001)
    assert result.decision.outcome == "undecided"
    assert result.decision.sentence.startswith("No conclusion about polite and plain on preferred, because answers")
    assert "60 samples have an answer of plain only, 0 of polite only" in result.decision.reasons[0]
    assert any("Answers are missing more on one side" in insight.sentence for insight in result.insights)


def test_control_and_treatment_that_fail_alike__block_nothing() -> None:
    result = run("plain", "polite")
    assert result.decision.outcome == "ship_treatment"
    assert result.coverage.paired == {"polite": COUNT - LOST}


def test_pairs_that_the_judge_cannot_be_read_on__are_missing_on_both_sides() -> None:
    result = run(variants=("plain", "polite", "warm"), unread=("polite",))
    assert not any("not missing alike" in reason for reason in result.decision.reasons)
    assert not any("missing more on one side" in insight.sentence for insight in result.insights)


def test_one_treatment_of_several_that_fails__is_told_of_that_one_alone() -> None:
    result = run("polite", variants=("plain", "polite", "warm"))
    assert (result.decision.outcome, result.decision.treatment) == ("ship_treatment", "warm")
    (told,) = (reason for reason in result.decision.reasons if "have an answer of" in reason)
    assert "60 samples have an answer of plain only, 0 of polite only" in told


def test_missing_answers__are_bounded_by_a_lost_pair_each() -> None:
    net = np.asarray([1.0, 1.0, -1.0, 1.0, np.nan, np.nan, np.nan])
    had = np.asarray([True] * 6 + [False])
    own = np.asarray([True] * 4 + [False] * 3)
    found = missing_answers(net, had, own)
    # Two pairs lack the treatment's answer alone; the last one lacks both, and is alike on both sides.
    assert (found.only_control, found.only_treatment) == (2, 0)
    assert found.worst_case_effect == pytest.approx((2.0 - 2.0) / 6)
    assert found.reversible
    nothing = missing_answers(np.full(3, np.nan), np.ones(3, dtype=bool), np.zeros(3, dtype=bool))
    assert (nothing.only_control, nothing.worst_case_effect, nothing.reversible) == (3, None, False)
