"""Templates of judges: versions that never change, the latest of each, workspaces apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from entities import NOW

from abtest.adapters.dynamodb.judge_templates import DynamoTemplateStore
from abtest.adapters.memory.judge_templates import MemoryTemplateStore
from abtest.core.errors import NotFoundError
from abtest.evaluation.template_references import MOST_CHARACTERS, JudgeTemplate, NewTemplate, TemplateStore

TEXTS = NewTemplate(judge="rubric", system="Judge é.", user="{{ answer }}")
OTHER = NewTemplate(judge="rubric", system="Judge well.", user="{{ answer }}")


@pytest.fixture(params=["memory", pytest.param("aws", marks=pytest.mark.aws_fake)])
def templates(request: pytest.FixtureRequest) -> TemplateStore:
    if request.param == "memory":
        return MemoryTemplateStore()
    return DynamoTemplateStore(request.getfixturevalue("table"))


def add(templates: TemplateStore, workspace: str, new: NewTemplate = TEXTS, name: str = "house") -> JudgeTemplate:
    return templates.add(workspace, name, new, now=NOW, by="ada")


def test_template_reads_back__by_version_and_as_the_latest(templates: TemplateStore, workspace: str) -> None:
    first, second = add(templates, workspace), add(templates, workspace, OTHER)

    assert (first.version, second.version) == (1, 2)
    assert (first.system, first.user, first.judge, first.created_by, first.created_at) == (
        "Judge é.",
        "{{ answer }}",
        "rubric",
        "ada",
        NOW,
    )
    assert templates.get(workspace, "house", 1) == first
    assert templates.get(workspace, "house", 2) == second
    assert templates.get(workspace, "house") == second
    assert first.sha256 != second.sha256


def test_same_texts_again_make_no_version(templates: TemplateStore, workspace: str) -> None:
    first = add(templates, workspace)

    again = templates.add(workspace, "house", TEXTS, now=NOW + timedelta(days=1), by="bob")

    assert again == first
    assert templates.get(workspace, "house") == first


def test_earlier_texts_again_make_a_version__the_latest_differs(templates: TemplateStore, workspace: str) -> None:
    add(templates, workspace)
    add(templates, workspace, OTHER)

    assert add(templates, workspace).version == 3


def test_same_texts_for_another_judge_make_a_version(templates: TemplateStore, workspace: str) -> None:
    add(templates, workspace)

    other = add(templates, workspace, TEXTS.model_copy(update={"judge": "pairwise"}))

    assert (other.version, other.judge) == (2, "pairwise")


def test_list_has_the_latest_of_each__by_name_without_texts(templates: TemplateStore, workspace: str) -> None:
    add(templates, workspace, name="strict")
    add(templates, workspace)
    latest = add(templates, workspace, OTHER)

    found = templates.list(workspace)

    assert [(head.name, head.version) for head in found] == [("house", 2), ("strict", 1)]
    assert found[0] == latest.head
    assert not hasattr(found[0], "system")


@pytest.mark.parametrize("name", ["nobody", "x" * 5_000, "é#é"])
def test_unknown_template_is_told__whatever_its_name(templates: TemplateStore, workspace: str, name: str) -> None:
    with pytest.raises(NotFoundError, match="There is no template"):
        templates.get(workspace, name)


@pytest.mark.parametrize("version", [0, -1, 2, 10**2_000])
def test_unknown_version_is_told__with_those_there_are(templates: TemplateStore, workspace: str, version: int) -> None:
    add(templates, workspace)

    with pytest.raises(NotFoundError, match="has the versions 1 to 1"):
        templates.get(workspace, "house", version)


def test_name_that_begins_another_is_not_that_one(templates: TemplateStore, workspace: str) -> None:
    add(templates, workspace, name="house.strict")

    with pytest.raises(NotFoundError):
        templates.get(workspace, "house")
    assert add(templates, workspace, OTHER).version == 1


def test_templates_of_another_workspace_are_unknown(templates: TemplateStore, workspace: str) -> None:
    add(templates, workspace)

    assert templates.list(f"{workspace}-2") == ()
    with pytest.raises(NotFoundError):
        templates.get(f"{workspace}-2", "house")
    assert add(templates, f"{workspace}-2", OTHER).version == 1


def test_writers_at_once_lose_nothing(templates: TemplateStore, workspace: str) -> None:
    texts = [TEXTS.model_copy(update={"system": f"Judge {n}."}) for n in range(3)]

    with ThreadPoolExecutor(3) as pool:
        added = list(pool.map(lambda new: add(templates, workspace, new), texts))

    assert sorted(one.version for one in added) == [1, 2, 3]
    for one in added:
        assert templates.get(workspace, "house", one.version) == one
    assert templates.get(workspace, "house").version == 3


def test_longest_texts_fit__whatever_they_hold(templates: TemplateStore, workspace: str) -> None:
    new = NewTemplate(judge="rubric", system="\u0001" * MOST_CHARACTERS, user="😀" * MOST_CHARACTERS)

    added = add(templates, workspace, new)

    assert templates.get(workspace, "house") == added
