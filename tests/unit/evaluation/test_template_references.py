"""Definitions that name a template: replaced by the texts, or refused with every reference that cannot be followed."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from abtest.adapters.memory.judge_templates import MemoryTemplateStore
from abtest.core.errors import InvalidInputError
from abtest.evaluation.model import JudgeConfiguration
from abtest.evaluation.prompt_templates import latest
from abtest.evaluation.service import judge_facts
from abtest.evaluation.template_references import (
    JudgeTemplate,
    NewTemplate,
    has_references,
    resolved_templates,
    resolved_trial,
    without_references,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXTS = {"system": "Be strict.", "user": "{{ answer }}"}
RUBRIC = {"type": "rubric", "provider": "p", "model": "m", "dimensions": ["accuracy"]}


def lookup(name: str, version: int | None) -> JudgeTemplate:
    store = MemoryTemplateStore()
    store.add("team", "house", NewTemplate(judge="rubric", **TEXTS), now=NOW, by="ada")
    store.add("team", "duel", NewTemplate(judge="pairwise", **TEXTS), now=NOW, by="ada")
    return store.get("team", name, version)


def definition(**judges: Any) -> dict[str, Any]:
    return {"name": "t", "judges": judges}


def named(**reference: Any) -> dict[str, Any]:
    return {**RUBRIC, "template": reference}


def issues_of(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        resolved_templates(raw, lookup)
    return {issue.path: issue.sentence() for issue in caught.value.issues}


def test_reference__becomes_the_texts() -> None:
    raw = definition(j=named(name="house", version=1), other={"type": "exact_match"})
    before = copy.deepcopy(raw)

    resolved = resolved_templates(raw, lookup)

    assert resolved == definition(j={**RUBRIC, "template": TEXTS}, other={"type": "exact_match"})
    assert raw == before, "what was sent stays as it was"


def test_reference__makes_the_judge_that_its_texts_make() -> None:
    resolved = resolved_templates(definition(j=named(name="house", version=1)), lookup)["judges"]["j"]

    def version(judge: dict[str, Any]) -> str:
        options = {name: value for name, value in judge.items() if name != "type"}
        return judge_facts([JudgeConfiguration(name="j", type="rubric", parameters=options)])["j"].version

    assert version(resolved) == version({**RUBRIC, "template": TEXTS})
    assert version(resolved) != version(RUBRIC)


@pytest.mark.parametrize(
    "raw",
    [
        definition(j={**RUBRIC, "template": TEXTS}),
        definition(j=RUBRIC),
        definition(j={**RUBRIC, "template": "house"}),
        definition(j=["name"]),
        {"judges": ["j"]},
        {"judges": None},
        {},
    ],
)
def test_definition_without_references__stays_as_it_is(raw: dict[str, Any]) -> None:
    assert not has_references(raw)
    assert resolved_templates(raw, lookup) == raw == without_references(raw)


def test_every_reference_that_cannot_be_followed__is_told_at_once() -> None:
    raw = definition(
        a=named(name="hause", version=1),
        b=named(name="house"),
        c=named(name="house", version=7),
        d=named(name="duel", version=1),
        e=named(version=1),
        f=named(name="house", version=True),
        g=named(name="house", version=0, user="x"),
        h=named(name="house", version=1),
    )
    assert has_references(raw)
    found = issues_of(raw)
    assert set(found) == {
        "judges.a.template",
        "judges.b.template.version",
        "judges.c.template",
        "judges.d.template",
        "judges.e.template.name",
        "judges.f.template.version",
        "judges.g.template",
        "judges.g.template.version",
    }
    assert "There is no template 'hause'" in found["judges.a.template"]
    assert "the latest is 1" in found["judges.b.template.version"]
    assert "versions 1 to 1, but no 7" in found["judges.c.template"]
    assert "judges of the type 'pairwise'" in found["judges.d.template"]


def test_without_references__leaves_written_templates() -> None:
    written = {**RUBRIC, "template": TEXTS}
    assert without_references(definition(a=named(name="house", version=1), b=written)) == definition(
        a=RUBRIC, b=written
    )


def test_trial__has_its_judge_and_the_others_resolved() -> None:
    body = {"judge": named(name="house", version=1), "judges": {"o": named(name="house", version=1)}, "answer": "x"}
    expected = {**RUBRIC, "template": TEXTS}
    assert resolved_trial(body, lookup) == {"judge": expected, "judges": {"o": expected}, "answer": "x"}
    assert resolved_trial({"answer": "x"}, lookup) == {"answer": "x"}
    with pytest.raises(InvalidInputError) as caught:
        resolved_trial({"judge": named(name="x", version=1), "judges": {"o": named(name="y", version=1)}}, lookup)
    assert [issue.path for issue in caught.value.issues] == ["judge.template", "judges.o.template"]


def test_hash__is_that_of_a_built_in_template_with_the_same_texts() -> None:
    built_in = latest("rubric")
    assert NewTemplate(judge="rubric", system=built_in.system, user=built_in.user).sha256 == built_in.sha256
