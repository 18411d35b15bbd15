"""What the documents say of judges as instruments is what the analysis says."""

from __future__ import annotations

import re
from typing import get_args

from documents import DOCS, read, sections, table

from abtest.analytics import consensus
from abtest.analytics.data.reasons import REASONS
from abtest.analytics.insights.instrument import FLIPS_OFTEN, INVALID_OFTEN, LENGTH_CORRELATES, LENGTH_MATTERS
from abtest.analytics.judge_measuring import DRIFT_TOLERANCE
from abtest.analytics.judge_metric import OnDisagreement
from abtest.analytics.model import JudgeQuality
from abtest.analytics.panels import load_consensus
from abtest.core import registry
from abtest.reporting.reasons import REASONS as WORDS

PAGE = sections(DOCS / "judge-quality.md")


def test_every_measure_of_a_judge__is_explained() -> None:
    plain = {"judge", "type", "kind", "pairwise", "model", "family", "escalated_only"}
    assert set(JudgeQuality.model_fields) - plain == set(table(PAGE["What is measured"]))


def test_thresholds__are_those_of_the_code() -> None:
    page = read(DOCS / "judge-quality.md")
    assert (DRIFT_TOLERANCE, LENGTH_MATTERS) == (0.1, 0.02)
    for words in (
        f"from {100 * FLIPS_OFTEN:.0f} % flips",
        f"from {100 * INVALID_OFTEN:.0f} % invalid",
        f"a correlation of {LENGTH_CORRELATES:g}",
        "a tenth of the scale",
        "2 points of difference",
    ):
        assert words in page, words


def test_every_consensus__is_explained_with_formula_and_source() -> None:
    assert set(table(PAGE["Panels"])) >= set(registry.names(consensus))
    page = sections(DOCS / "statistics/judges.md")
    for name in registry.names(consensus):
        method = load_consensus(name).method
        assert f"`{method.formula}`" in page[method.name], name
        assert re.split(r"[;,:(]", method.source)[0].strip() in page[method.name], name


def test_every_disagreement__is_explained() -> None:
    for name in get_args(OnDisagreement):
        assert f"`{name}`" in PAGE["Panels"], name


def test_every_reason_for_a_missing_score__has_words() -> None:
    assert set(REASONS) <= set(WORDS)
    for reason in ("judges_disagree", "too_few_judges", "not_escalated", "no_majority"):
        assert WORDS[reason] in PAGE["Panels"], reason
