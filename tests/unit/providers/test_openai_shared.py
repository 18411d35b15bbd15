"""What OpenAI's two codecs share: which models refuse what, and which schemas strict mode takes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openai_support import STRICT_SCHEMA

from abtest.contracts.definition import Parameters
from abtest.providers.registration import ModelProvider
from abtest.providers.vendors._openai import is_strict, refusals_of
from abtest.providers.vendors._openai_models import refusals_of_model

OWN = ModelProvider(id="openai", vendor="openai_chat")


def refused(model: str, **parameters: Any) -> set[str]:
    return set(refusals_of_model(Parameters(**parameters), model))


def efforts(model: str) -> set[str]:
    levels = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    return {level for level in levels if not refused(model, reasoning_effort=level)}


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("gpt-4.1-mini", ""),
        ("gpt-4o-2024-11-20", ""),
        ("gpt-5-chat-latest", ""),
        ("o1", "low medium high"),
        ("o3-mini-2025-01-31", "low medium high"),
        ("o4-mini", "low medium high"),
        ("gpt-5", "minimal low medium high"),
        ("gpt-5-nano-2025-08-07", "minimal low medium high"),
        ("gpt-5-pro", "high"),
        ("gpt-5-codex", "low medium high"),
        ("gpt-5.1", "none low medium high"),
        ("gpt-5.1-codex", "low medium high"),
        ("gpt-5.1-codex-max", "low medium high xhigh"),
        ("gpt-5.2-chat-latest", "medium"),
        ("gpt-5.2-pro", "low medium high xhigh"),
        ("gpt-5.4-mini-2026-03-17", "none low medium high xhigh"),
        ("gpt-5.5", "none low medium high xhigh"),
        ("gpt-5.6-terra", "none low medium high xhigh max"),
        ("gpt-6-astra", "low medium high xhigh max"),
        ("gpt-6.1-sol", "none low medium high xhigh max"),
        ("gpt-9", "none minimal low medium high xhigh max"),
    ],
)
def test_levels_of_reasoning_are_known_by_family__own_models(model: str, taken: str):
    assert efforts(model) == set(taken.split())


@pytest.mark.parametrize(
    ("model", "effort", "sampling_refused"),
    [
        ("gpt-4.1", None, False),
        ("gpt-5-chat-latest", None, False),
        ("o3", None, True),
        ("gpt-5", None, True),
        ("gpt-5.1", None, False),
        ("gpt-5.1", "none", False),
        ("gpt-5.1", "low", True),
        ("gpt-5.1-codex", None, True),
        ("gpt-5.3-chat-latest", None, True),
        ("gpt-5.5", None, True),
        ("gpt-5.5", "none", False),
        ("gpt-6-sol", "none", True),
        ("text-of-tomorrow", None, False),
    ],
)
def test_sampling_parameters_are_refused_where_the_model_reasons__own_models(
    model: str, effort: str | None, sampling_refused: bool
):
    found = refused(model, temperature=0.2, top_p=0.9, reasoning_effort=effort)
    assert found == ({"temperature", "top_p"} if sampling_refused else set())


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        *(("gpt-4.1", False), ("o1", False), ("o3-mini", False), ("o3", True), ("o3-pro", True), ("o4-mini", True)),
        *(("gpt-5-mini", True), ("gpt-5.1", True), ("gpt-5.6-sol", True), ("gpt-6-luna", True)),
    ],
)
def test_stop_strings_are_refused__later_reasoning_models(model: str, expected: bool):
    assert (refused(model, stop=("END",)) == {"stop"}) is expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        *(("gpt-3.5-turbo", True), ("gpt-4", True), ("gpt-4-turbo", True), ("gpt-4o-2024-05-13", True)),
        *(("gpt-4o", False), ("gpt-4o-mini", False), ("gpt-4.1", False), ("gpt-5", False)),
    ],
)
def test_schemas_are_refused__models_older_than_structured_outputs(model: str, expected: bool):
    assert (refused(model, output_schema=STRICT_SCHEMA) == {"output_schema"}) is expected


def test_a_fine_tuned_model_is_of_its_bases_family__name_with_prefix():
    assert refused("ft:gpt-4.1-mini-2025-04-14:acme::A1", reasoning_effort="low") == {"reasoning_effort"}
    assert refused("ft:", reasoning_effort="low") == set()


def test_refusals_say_what_is_taken__words_for_a_person():
    found = refusals_of_model(Parameters(reasoning_effort="minimal", temperature=1, stop=("x",)), "gpt-5.1")
    assert found == {
        "reasoning_effort": "gpt-5.1 takes the levels none, low, medium, high, not minimal",
        "temperature": "the reasoning model gpt-5.1 takes none unless reasoning_effort is none",
        "stop": "the reasoning model gpt-5.1 takes none",
    }


def test_a_schema_must_be_of_an_object__own_host_alone():
    parameters = Parameters(output_schema={"type": "array", "items": {"type": "string"}})
    assert set(refusals_of(parameters, OWN, "gpt-4.1")) == {"output_schema"}
    local = OWN.model_copy(update={"base_url": "http://127.0.0.1:8080/v1"})
    assert refusals_of(parameters, local, "gpt-4.1") == {}


NESTED = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "found": {"anyOf": [{"$ref": "#/$defs/city"}, {"type": "null"}]},
        "others": {"type": "array", "items": {"$ref": "#/$defs/city"}, "minItems": 1},
        "type": {"enum": ["a", "b"]},
    },
    "required": ["type", "others", "found"],
    "additionalProperties": False,
    "$defs": {"city": {**STRICT_SCHEMA, "title": "City"}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**STRICT_SCHEMA, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    "schema",
    [
        STRICT_SCHEMA,
        NESTED,
        {"type": "object", "additionalProperties": False},
        changed(properties={"city": {"type": ["string", "null"], "description": "Where."}}),
    ],
)
def test_strict_mode_is_used__closed_schemas(schema: dict[str, Any]):
    before = copy.deepcopy(schema)
    assert is_strict(schema)
    assert schema == before


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": STRICT_SCHEMA},
        {"anyOf": [STRICT_SCHEMA]},
        changed(anyOf=[STRICT_SCHEMA]),
        changed(additionalProperties=...),
        changed(additionalProperties=True),
        changed(additionalProperties={"type": "string"}),
        changed(required=...),
        changed(required=[]),
        changed(required="city"),
        changed(properties=[]),
        changed(properties={"city": True}),
        changed(properties={"city": {"type": "string", "minLength": 2}}),
        changed(properties={"city": {"type": "object"}}),
        changed(properties={"city": {"type": ["object", "null"]}}),
        changed(properties={"city": {"anyOf": [{"properties": {}}]}}),
        changed(properties={"city": {"anyOf": {}}}),
        changed(properties={"city": {"type": "array", "items": [{"type": "string"}]}}),
        changed(allOf=[{}]),
        changed(patternProperties={}),
        changed(**{"$defs": {"open": {"type": "object"}}}),
        changed(**{"$defs": []}),
    ],
)
def test_strict_mode_is_left_off__schemas_that_it_would_refuse(schema: dict[str, Any]):
    assert not is_strict(schema)


def test_strict_mode_is_judged_without_recursion__deep_schema():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "array", "items": schema}
    assert is_strict(changed(properties={"city": schema}))
