"""Scorers that come with the command line: found by name, and honest about what they cannot say."""

from __future__ import annotations

import logging
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from abtest.contracts.records import ModelResponse, Sample
from abtest_cli.answers import Answer
from abtest_cli.errors import UsageError
from abtest_cli.local_judge import load_scorer, score_answers
from abtest_cli.scorers import similarity

needs_model = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the package with the model has builds for Linux on x86_64",
)


def said(reference: Any, answer: str) -> dict[str, Any]:
    return similarity.score({"id": "s", "reference": reference}, answer, {})


@needs_model
def test_texts_of_one_subject_are_near__and_of_two_are_not() -> None:
    near = said("The capital of France is Paris.", "Paris is France's capital city.")["score"]
    far = said("The capital of France is Paris.", "My dog likes bananas.")["score"]
    assert near > 0.9
    assert far < 0.1


@needs_model
def test_similarity_is_no_correctness__a_negation_hardly_counts() -> None:
    assert said("It is true", "It is not true")["score"] == pytest.approx(0.86, abs=0.01)


@needs_model
@pytest.mark.parametrize("reference", ["Paris", ["Rome", "Paris"], {"city": "Paris"}])
def test_an_equal_text_scores_one__the_nearest_reference_counts(reference: Any) -> None:
    answer = "Paris" if not isinstance(reference, dict) else '{"city": "Paris"}'
    assert said(reference, answer)["score"] == pytest.approx(1.0)


@needs_model
@pytest.mark.parametrize("answer", ["", " \n"])
def test_an_answer_without_text_scores_zero__and_says_why(answer: str) -> None:
    assert said("Paris", answer) == {"score": 0.0, "reason": "there is no text to compare"}


@pytest.mark.parametrize("reference", [None, [], [None], " "])
def test_it_cannot_say__where_there_is_no_reference(reference: Any) -> None:
    assert said(reference, "Paris")["score"] is None


@needs_model
def test_other_libraries_stay_silent__once_the_model_is_loaded() -> None:
    said("Paris", "Rome")
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


@needs_model
def test_a_scorer_is_found_by_its_name__and_scores_answers() -> None:
    sample = Sample(id="s1", reference="Paris")
    response = ModelResponse(sample_id="s1", variant="a", outcome="answered", text="Paris")
    found = score_answers(load_scorer(Path("similarity")), [Answer(sample, response)], Path("similarity"), lambda: None)
    assert [row.score for row in found.rows] == [pytest.approx(1.0)]


def test_a_name_nobody_knows_is_told_with_those_that_exist() -> None:
    with pytest.raises(UsageError) as caught:
        load_scorer(Path("similarty"))
    assert "similarity" in (caught.value.issues[0].allowed or "")


def test_a_missing_package_is_told_once__and_is_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    similarity._model.cache_clear()
    similarity._reference.cache_clear()
    sample = Sample(id="s1", reference="Oslo")
    response = ModelResponse(sample_id="s1", variant="a", outcome="answered", text="Oslo")
    with pytest.raises(UsageError, match="wordllama"):
        score_answers(load_scorer(Path("similarity")), [Answer(sample, response)], Path("similarity"), lambda: None)
