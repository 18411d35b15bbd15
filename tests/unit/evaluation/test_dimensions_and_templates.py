from __future__ import annotations

import json
from pathlib import Path

import pytest

from abtest.core.hashing import content_hash
from abtest.core.templating import render, variables
from abtest.evaluation import dimensions, templates
from abtest.evaluation.asking.options import AnchoredDimensionOptions
from abtest.evaluation.prompt_templates import VARIABLES, built_in, check_part, latest
from abtest.evaluation.registry import describe_dimensions, describe_templates, dimension_names, load_dimension

NAMES = (
    "accuracy", "coherence", "completeness", "conciseness", "faithfulness", "harmlessness", "helpfulness",
    "instruction_following", "relevance", "style",
)  # fmt: skip


def test_built_in_dimensions__are_the_files() -> None:
    assert dimension_names() == NAMES
    assert {path.stem for path in Path(dimensions.__file__).parent.glob("[a-z]*.py")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_dimension_has_a_question_and_an_anchor__for_every_point(name: str) -> None:
    one = load_dimension(name)
    assert one.name == name
    assert "?" in one.question
    assert one.scale == (1, 5)
    assert list(one.anchors) == [1, 2, 3, 4, 5]
    assert len(set(one.anchors.values())) == 5
    assert all(text.endswith(".") and len(text) >= 30 for text in one.anchors.values())
    # What a person would write of it is what a person may write.
    AnchoredDimensionOptions(question=one.question, anchors=dict(one.anchors))


def test_anchors_tell_dimensions_apart__none_is_shared() -> None:
    anchors = [text for name in NAMES for text in load_dimension(name).anchors.values()]
    assert len(set(anchors)) == len(anchors)


def test_dimensions_are_described__as_json() -> None:
    described = {one["name"]: one for one in describe_dimensions()}
    assert set(described) == set(NAMES)
    assert described["faithfulness"]["reads"] == ["documents"]
    assert list(described["style"]["anchors"]) == ["1", "2", "3", "4", "5"]
    json.dumps(described)


def test_unknown_dimension__suggests_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean 'faithfulness'"):
        load_dimension("faithfullness")


def test_every_file_is_a_part_of_a_template__and_ships_with_the_package() -> None:
    files = {path.name for path in Path(templates.__file__).parent.glob("*.j2")}
    parts = {
        f"{one.name}.v{one.version}.{part}.j2"
        for one in built_in()
        for part in ("system", "user")
        if getattr(one, part)
    }
    assert files == parts
    assert {one.name for one in built_in()} == {"rubric", "pairwise", "frame", "repair"}


def test_templates_are_described__with_text_and_hash() -> None:
    described = {one["name"]: one for one in describe_templates()}
    rubric = described["rubric"]
    assert (rubric["version"], rubric["latest"]) == (1, True)
    assert rubric["sha256"] == content_hash({"system": rubric["system"], "user": rubric["user"]})
    assert "answer" in rubric["variables"]
    assert described["repair"]["system"] is None
    assert described["frame"]["variables"] == []
    json.dumps(list(described.values()))


RELEASED = {
    ("frame", 1): "2ea1f43199973b3dfedc5504545a9b22b01ff81aa624947814350de9022509d0",
    ("pairwise", 1): "3609dce24df1436adc9875d7c23e64710747a3d51061aa7bf3063adfd3343cdb",
    ("repair", 1): "aaa4cd65d8c6e6fa593c4e614406a351cbfdc4ebaf1242447545f96de0e64291",
    ("rubric", 1): "26198c5220f5cec77c68f5c25ee644127533ed262831e6fd8fedefd9c4230db5",
}
"""A released version never changes: other words are a new version, or every judge would shift in silence."""


def test_released_versions__are_what_they_were() -> None:
    assert {(one.name, one.version): one.sha256 for one in built_in()} == RELEASED


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_built_in_templates_use_only__what_overrides_may_use(name: str) -> None:
    template = latest(name)
    used = variables(template.system) | variables(template.user)
    assert used <= set(VARIABLES[name])
    # Each is of use: none is offered that the built-in prompt has no need of, but for the inputs one by one.
    assert set(VARIABLES[name]) - used == {"inputs"}
    check_part(name, template.system)
    check_part(name, template.user)


def test_latest_version_is_used__and_an_unknown_name_is_an_error() -> None:
    assert latest("rubric").version == max(one.version for one in built_in() if one.name == "rubric")
    with pytest.raises(KeyError):
        latest("nothing")


def test_frame_says_what_is_data__in_the_words_of_the_blocks() -> None:
    rules = render(latest("frame").system, {})
    assert '"=== BEGIN name tag ==="' in rules
    assert '"=== END name tag ==="' in rules
