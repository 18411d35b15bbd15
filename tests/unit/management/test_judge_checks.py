"""Judges against the providers, variants, samples and scores of their test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from entities import a_definition, a_summary, definition_body
from judge_facts import asked, by_name, code, metrics, pairwise, rubric

from abtest.contracts.definition import Parameters, Variant
from abtest.contracts.judging import AskedModel
from abtest.core.errors import InputIssue
from abtest.evaluation.families import model_family
from abtest.management.judge_checks import (
    asked_model_issues,
    imported_issues,
    imported_warnings,
    model_warnings,
    sample_issues,
    sample_warnings,
)
from abtest.management.model import DatasetSummary, ScoresSummary
from abtest.management.ports import ProviderFacts
from abtest.management.provider_checks import check_judge_providers


def variants(terse: str = "small", wordy: str = "small", provider: str = "local") -> Mapping[str, Variant]:
    body = definition_body()
    body["variants"]["terse"] |= {"provider": provider, "model": terse}
    body["variants"]["wordy"] |= {"provider": provider, "model": wordy}
    return a_definition(variants=body["variants"]).variants


def test_a_judge_that_is_one_of_the_variants_is_refused__whether_first_choice_or_fallback() -> None:
    facts = by_name(
        rubric("first", models=(asked(model="small"),)),
        rubric("later", models=(asked(), asked(model="other"), asked(model="small"))),
    )

    issues = list(asked_model_issues(facts, variants("small", "large")))

    assert [issue.path for issue in issues] == ["judges.first.model", "judges.later.fallbacks.1.model"]
    assert issues[0].message == "the judge is the model of terse itself, and models prefer what they wrote"
    assert issues[0].found == "local/small"
    assert "no variant" in (issues[0].allowed or "")


def test_a_judge_that_is_all_of_the_variants_is_warned_of() -> None:
    facts = by_name(rubric("quality", models=(asked(model="small"),)))

    assert list(asked_model_issues(facts, variants())) == []
    (warning,) = model_warnings(facts, variants(), model_family)
    assert warning.startswith("The judge quality asks local/small, as all variants do")
    assert "lenient" in warning


def test_a_judge_of_the_same_name_at_another_provider_is_akin() -> None:
    facts = by_name(rubric("quality", models=(asked("elsewhere", "small"),)))

    assert list(asked_model_issues(facts, variants("small", "large"))) == []
    assert len(model_warnings(facts, variants("small", "large"), model_family)) == 1


def test_a_judge_of_the_family_of_some_variants_is_warned_of__naming_both() -> None:
    facts = by_name(rubric("quality", models=(asked("openai", "gpt-5"),)))

    (warning,) = model_warnings(facts, variants("gpt-4o-mini", "claude-sonnet-4"), model_family)

    assert warning.startswith("The judge quality (gpt-5) is of the same family as terse and not as the others")
    assert model_warnings(facts, variants("gpt-4o", "gpt-4o-mini"), model_family) == []
    assert model_warnings(facts, variants("claude-sonnet-4", "gemini-2.5-pro"), model_family) == []


def test_models_of_no_known_family_are_akin_to_nobody() -> None:
    facts = by_name(rubric("quality", models=(asked(model="house-model"),)))

    assert model_warnings(facts, variants("in-house", "gpt-4o"), model_family) == []


def test_recorded_answers_cannot_judge() -> None:
    facts = by_name(rubric("quality", models=(asked("replay", "any"),)))

    (issue,) = asked_model_issues(facts, variants())

    assert (issue.path, issue.found) == ("judges.quality.provider", "replay")
    assert "imported" in (issue.allowed or "")
    assert check_judge_providers(facts, {}) == []


def refusing(*parameters: str) -> dict[str, ProviderFacts]:
    def unsupported(_model: str, given: Parameters) -> dict[str, str]:
        return {name: "it thinks for itself" for name in parameters if name in given.given()}

    return {"local": ProviderFacts("openai_chat", 10, {}, unsupported=unsupported)}


def judged_by(model: AskedModel) -> list[InputIssue]:
    return check_judge_providers(by_name(rubric("quality", models=(model,))), refusing("temperature", "seed"))


def test_parameters_that_a_person_wrote_must_be_taken__those_that_the_judge_wishes_need_not() -> None:
    given = Parameters(temperature=0, seed=0)
    written = AskedModel(provider="local", model="m", parameters=given, wished=("seed",))
    wished = AskedModel(provider="local", model="m", parameters=given, wished=("seed", "temperature"))

    (issue,) = judged_by(written)

    assert issue.path == "judges.quality.parameters.temperature"
    assert issue.message == "it cannot be sent to local/m: it thinks for itself"
    assert issue.found == "0.0"
    assert judged_by(wished) == []


def test_providers_of_judges_and_fallbacks_must_be_registered() -> None:
    facts = by_name(rubric("quality", models=(asked("locl"), asked("local"), asked("gone"))))

    issues = check_judge_providers(facts, refusing())

    assert [issue.path for issue in issues] == ["judges.quality.provider", "judges.quality.fallbacks.1.provider"]
    assert "did you mean 'local'?" in issues[0].message
    assert issues[0].allowed == "local"


def test_references_that_all_samples_lack_are_an_error__where_the_judge_needs_them() -> None:
    facts = by_name(code("right", reference="needed"), rubric("quality"))

    issues = list(sample_issues(facts, a_summary(100, references=0)))

    assert [issue.path for issue in issues] == ["judges.right"]
    assert "all 100 samples lack" in issues[0].message
    assert list(sample_issues(facts, a_summary(100, references=1))) == []


def no_documents(_judge: str) -> Sequence[str]:
    return ()


def test_references_that_some_samples_lack_are_told__with_the_first_of_them() -> None:
    dataset = a_summary(100, references=88, without_reference=("s3", "s7"))
    facts = by_name(code("right", reference="needed"), rubric("quality"), code("short"))

    needed, used = sample_warnings(facts, dataset, no_documents)

    assert needed == (
        "right: 12 of 100 samples have no reference (s3, s7, ...); they get no score and count as missing."
    )
    assert used.startswith("quality: 12 of 100 samples have no reference (s3, s7, ...); it judges them without one")


def test_nothing_is_said_of_references__where_all_samples_have_one_or_none_has() -> None:
    facts = by_name(rubric("quality"))

    assert sample_warnings(facts, a_summary(100), no_documents) == []
    assert sample_warnings(facts, a_summary(100, references=0), no_documents) == []


def test_documents_that_a_dimension_rests_on_are_missed() -> None:
    facts = by_name(rubric("quality"), rubric("other"))

    def read(judge: str) -> Sequence[str]:
        return ("faithfulness",) if judge == "quality" else ()

    (warning,) = sample_warnings(facts, a_summary(100, documents=40), read)

    assert warning.startswith("quality: 60 of 100 samples have no documents, which faithfulness rests on")
    assert sample_warnings(facts, a_summary(100, documents=100), read) == []


def imported(**changes: Any) -> DatasetSummary:
    facts: dict[str, Any] = {
        "preferences": False,
        "samples": 100,
        "rows_by_variant": {"old": 100, "new": 100},
        "lowest": 1.0,
        "highest": 5.0,
    }
    return DatasetSummary(rows=200, scores=ScoresSummary(**{**facts, **changes}))


def test_imported_scores_that_fit_are_used_as_they_are() -> None:
    judge = rubric("human", imported="a" * 64)

    assert list(imported_issues(judge, imported(), ["old", "new"], "old")) == []
    assert imported_warnings(judge, imported(), ["old", "new"], 100) == []


@pytest.mark.parametrize(
    ("summary", "path", "words"),
    [
        ({"preferences": True}, "judges.human.scores", "holds preferences"),
        (
            {"rows_by_variant": {"a": 1, "b": 1}},
            "judges.human.scores",
            "nothing scores the control and another variant",
        ),
        ({"highest": 10.0}, "judges.human.scale", "outside the judge's scale"),
        ({"lowest": 0.5}, "judges.human.scale", "outside the judge's scale"),
        ({"dimensions": {"depth": 5}}, "judges.human.dimensions", "no row scores this dimension"),
    ],
)
def test_imported_scores_that_cannot_be_of_this_test_are_refused(
    summary: dict[str, Any], path: str, words: str
) -> None:
    judge = rubric("human", ["style", "depth"] if "dimensions" in summary else (), imported="a" * 64)

    (issue,) = imported_issues(judge, imported(**summary), ["old", "new"], "old")

    assert issue.path == path
    assert words in issue.message
    assert issue.allowed


def test_binary_scores_must_be_zero_or_one() -> None:
    judge = code("human", imported="a" * 64)
    summary = imported(lowest=0.0, highest=1.0, binary=False)

    (issue,) = imported_issues(judge, summary, ["old", "new"], "old")

    assert issue.path == "judges.human.binary"


def test_imported_preferences_need_the_control_and_a_treatment() -> None:
    judge = pairwise("human", imported="a" * 64, metrics=metrics("human"))
    among_others = imported(preferences=True, lowest=0.0, highest=1.0, rows_by_variant={"new": 5, "newer": 5})

    (issue,) = imported_issues(judge, among_others, ["old", "new", "newer"], "old")

    assert "nothing compares the control" in issue.message


def test_imported_rows_that_are_not_used_are_counted__and_so_is_what_is_missing() -> None:
    judge = rubric("human", imported="a" * 64)
    rows = {"old": 100, "odd": 7, "queer": 2}

    strangers, unscored, fewer = imported_warnings(judge, imported(rows_by_variant=rows), ["old", "new"], 120)
    (more,) = imported_warnings(judge, imported(), ["old", "new"], 90)

    assert strangers == "human: 9 rows name what is no variant of this test (odd, queer); they are not used."
    assert unscored == "human: no row scores new; those answers are not judged."
    assert fewer.startswith("human: it names 100 samples, and the dataset has 120")
    assert more.startswith("human: at least 10 of the 100 samples that it names are not in the dataset")


def test_binary_scores_of_repeats_are_refused__their_mean_is_a_share() -> None:
    judge = code("human", imported="a" * 64)
    summary = imported(lowest=0.0, highest=1.0, binary=True, repeats=2)

    (issue,) = imported_issues(judge, summary, ["old", "new"], "old")

    assert issue.path == "judges.human.binary"
    assert issue.allowed == "false"
