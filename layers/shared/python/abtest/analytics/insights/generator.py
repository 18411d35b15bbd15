"""`InsightGenerator`: facts that change what a reader thinks of a result, each with its figure and its test.

An insight is written only where a number backs it; its weight orders them, the most telling first. Each kind of fact
has one function in `FACTS`, which takes the result and yields what it finds.

Depends on: `abtest.analytics.model`, `abtest.analytics.insights.facts`. Used by: `abtest.analytics.service`,
`abtest.analytics.offline`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from abtest.analytics.data.scores import SampleScores
from abtest.analytics.insights import facts, instrument
from abtest.analytics.model import AnalysisResult, Insight

MOST_INSIGHTS = 12

FACTS: tuple[Callable[[AnalysisResult, SampleScores], Iterator[Insight]], ...] = (
    facts.same_answers,
    facts.uneven_coverage,
    facts.answers_cut_short,
    facts.slices_that_differ,
    facts.metrics_that_disagree,
    facts.tests_that_disagree,
    facts.cost_against_quality,
    facts.samples_that_flipped,
    instrument.judges_that_disagree,
    instrument.judges_that_prefer_a_position,
    instrument.judges_that_flip,
    instrument.judges_that_cannot_be_read,
    instrument.judges_that_score_length,
    instrument.panels_that_escalated,
    instrument.judges_that_prefer_length,
)


@dataclass(frozen=True)
class InsightGenerator:
    """Finds what is worth telling beside the decision.

    Args:
        result: the analysis, whole but for its insights.
        scores: what it rests on.
    """

    result: AnalysisResult
    scores: SampleScores

    def insights(self) -> tuple[Insight, ...]:
        """Return the most telling facts first; none where nothing is worth telling."""
        found = [insight for fact in FACTS for insight in fact(self.result, self.scores)]
        return tuple(sorted(found, key=lambda insight: -insight.weight)[:MOST_INSIGHTS])
