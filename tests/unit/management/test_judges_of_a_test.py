"""Judges that ask models, and panels, in whole definitions: what is refused, warned of and estimated."""

from __future__ import annotations

from typing import Any

import pytest
from entities import VERSION, a_dataset, a_summary, definition_body
from management_world import WORKSPACE, World

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.management.model import Test
from abtest.management.validation import parse_definition
from abtest.providers.registration import ModelProvider
from abtest.runtime.catalogue import JudgeRegistry

ANCHORS = {"1": "It is unclear throughout.", "5": "It is clear throughout."}


@pytest.fixture
def world() -> World:
    world = World()
    world.providers.put(WORKSPACE, ModelProvider(id="openai", vendor="openai_chat"))
    return world


def rubric(model: str = "gpt-5", **changes: Any) -> dict[str, Any]:
    return {"type": "rubric", "provider": "openai", "model": model, "dimensions": ["accuracy", "style"], **changes}


def pairwise(**changes: Any) -> dict[str, Any]:
    return {**rubric(), "type": "pairwise", **changes}


def panel(*members: str, **changes: Any) -> dict[str, Any]:
    return {"type": "panel", "members": list(members), "consensus": "mean", **changes}


def body(primary: str, judges: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return definition_body(judges=judges, primary_metric=primary, **changes)


def created(world: World, primary: str, judges: dict[str, Any], **changes: Any) -> Test:
    return world.create(body(primary, judges, **changes))


def issues(world: World, primary: str, judges: dict[str, Any], **changes: Any) -> dict[str, InputIssue]:
    with pytest.raises(InvalidInputError) as caught:
        created(world, primary, judges, **changes)
    return {issue.path: issue for issue in caught.value.issues}


def test_a_dimension_may_decide_and_another_guard(world: World) -> None:
    guardrails = {"style": {"metric": "quality.style", "margin": 0.2}}

    test = created(world, "quality.accuracy", {"quality": rubric()}, guardrails=guardrails)

    assert test.definition.primary_metric == "quality.accuracy"
    assert [judge.calls for judge in test.estimate.by_judge] == [200]
    assert test.estimate.calls == 400


def test_a_pair_is_estimated_in_both_orders(world: World) -> None:
    test = created(world, "better", {"better": pairwise()})

    assert [(judge.judge, judge.calls) for judge in test.estimate.by_judge] == [("better", 200)]
    assert "then the judges: 50 calls in flight at openai" in (test.estimate.duration_bound or "")


def test_the_effect_that_can_be_found_is_told_of_metrics_of_0_and_1_only(world: World) -> None:
    right = {"type": "exact_match"}

    assert created(world, "right", {"right": right}).estimate.detectable_effect == pytest.approx(0.28)
    assert created(world, "quality", {"quality": rubric()}).estimate.detectable_effect is None
    assert created(world, "better", {"better": pairwise()}).estimate.detectable_effect is None


def test_everything_that_is_wrong_with_judges_is_told_at_once(world: World) -> None:
    judges = {
        "quality": rubric(provider="opena"),
        "deep": rubric(dimensions={"depth": {"question": "Is it deep?"}}),
        "hot": rubric(parameters={"temperature": 0.7}),
        "replayed": rubric(provider="replay"),
        "own": {"type": "python"},
        "council": panel("quality", "nobody"),
        "quality.style": {"type": "exact_match"},
    }

    found = issues(world, "deep.depth", judges)

    assert set(found) == {
        "judges.quality.provider",
        "judges.deep.dimensions.depth",
        "judges.hot.parameters.temperature",
        "judges.replayed.provider",
        "judges.own.type",
        "judges.council.members.1",
        "judges.quality.style",
    }
    assert "did you mean 'openai'?" in found["judges.quality.provider"].message
    assert "abtest judge RUN --local" in found["judges.own.type"].message


def test_what_the_judge_wishes_of_a_model_is_no_reason_to_refuse_it(world: World) -> None:
    # The reasoning model takes neither the temperature nor the seed that every judge wishes for.
    assert created(world, "quality", {"quality": rubric()}).warnings == ()


def test_a_judge_that_is_one_of_the_variants_is_refused(world: World) -> None:
    variants = definition_body()["variants"]
    variants["wordy"] |= {"provider": "openai", "model": "gpt-4o"}

    found = issues(world, "quality", {"quality": rubric(model="gpt-4o")}, variants=variants)

    assert set(found) == {"judges.quality.model"}


def test_a_judge_of_a_variants_family_is_warned_of(world: World) -> None:
    variants = definition_body()["variants"]
    variants["wordy"] |= {"provider": "openai", "model": "gpt-4o"}

    (warning,) = created(world, "quality", {"quality": rubric()}, variants=variants).warnings

    assert warning.startswith("The judge quality (gpt-5) is of the same family as wordy")


@pytest.mark.parametrize("kept", [1, 0])
def test_a_pairwise_judge_needs_somebody_to_compare(kept: int) -> None:
    raw = body("better", {"better": pairwise()})
    raw["variants"] = dict(list(raw["variants"].items())[:kept])

    with pytest.raises(InvalidInputError) as caught:
        parse_definition(raw, JudgeRegistry())

    (issue,) = caught.value.issues
    assert issue.path == "variants"
    assert issue.message == (
        "a test compares at least two variants; the judge 'better' compares the control's answer with a treatment's"
    )
    assert issue.allowed == "the control and 1 to 9 others"


def test_documents_that_a_judge_rests_on_are_missed__and_those_it_could_use_are_not(world: World) -> None:
    own = {"clarity": {"question": "Is it clear?", "anchors": ANCHORS}}
    judges = {"grounded": rubric(dimensions=["faithfulness", "accuracy"]), "clear": rubric(dimensions=own)}

    (warning,) = created(world, "grounded", judges).warnings

    assert warning.startswith("grounded: 100 of 100 samples have no documents, which faithfulness rests on")


def test_a_reference_that_is_required_is_missed(world: World) -> None:
    world.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=a_summary(100, references=0)))

    assert set(issues(world, "quality", {"quality": rubric(reference="required")})) == {"judges.quality"}
    assert created(world, "quality", {"quality": rubric(reference="if_present")}).warnings == ()


def test_a_panel_says_nothing_its_members_say(world: World) -> None:
    summary = a_summary(100, references=90, without_reference=("s1",))
    world.datasets.freeze(a_dataset(WORKSPACE, version=VERSION, summary=summary))
    judges = {"a": {"type": "exact_match"}, "b": {"type": "exact_match"}, "both": panel("a", "b")}

    warnings = created(world, "both", judges).warnings

    assert [warning.split(":")[0] for warning in warnings] == ["a", "b"]


def test_a_panel_that_escalates_asks_the_strong_judge_at_most_of_everything(world: World) -> None:
    judges = {
        "a": rubric(),
        "b": rubric(model="gpt-5-mini"),
        "strong": rubric(model="gpt-5-pro"),
        "council": panel("a", "b", on_disagreement="escalate", escalate_to="strong", agree_within=1),
    }

    test = created(world, "council", judges)
    decisive = issues(world, "strong", judges)
    sequential = created(world, "council", judges, design={"kind": "group_sequential", "looks": 2})

    assert [(judge.judge, judge.only_disagreements) for judge in test.estimate.by_judge] == [
        ("a", False),
        ("b", False),
        ("strong", True),
    ]
    assert any(note.startswith("strong: asked only where") for note in test.estimate.notes)
    assert set(decisive) == {"primary_metric"}
    assert sequential.definition.primary_metric == "council"


def test_definitions_that_are_too_long_are_refused__judges_texts_among_them(world: World) -> None:
    examples = [{"name": f"e{n}", "inputs": {"q": "?"}, "answer": "x" * 15_000, "score": 1} for n in range(18)]

    found = issues(world, "quality", {"quality": rubric(pinned_examples=examples)})

    assert any("too long" in issue.message for issue in found.values())
