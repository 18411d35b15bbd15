"""Is the answer JSON that fits a schema, and does it say what the reference says?

Measures: whether the answer parses as JSON and validates against a JSON Schema (draft 2020-12 unless `$schema` says
otherwise); with `match_reference`, whether it also equals the reference as JSON: the order of keys does not matter,
the order of lists does, 1 equals 1.0, true does not equal 1.

When it misleads: with `extract: whole` an answer in a Markdown fence or with a sentence around it is wrong even if
the object is right; with `first_object` a first draft counts although a better object follows. A schema says that a
value is well formed, not that it is true. `format` (such as e-mail) is not checked. Without a schema of required
fields, `{}` passes.

A schema may only refer to itself (`#/...`): nothing is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator

from abtest.contracts.records import Sample
from abtest.evaluation.json_values import NOTHING, first_json, reference_json, whole_json
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import compiled_pattern, shown


class Parameters(JudgeParameters):
    """Options of `json_schema`."""

    schema_: dict[str, Any] = Field(alias="schema", description="The JSON Schema that the answer must fit.")
    match_reference: bool = Field(default=False, description="Whether the answer must also equal the reference.")
    extract: Literal["whole", "first_object"] = Field(
        default="whole", description="Whether all of the answer is JSON, or the first JSON object in it counts."
    )
    case_sensitive: bool = Field(default=True, description="Whether texts are compared with case, in the reference.")

    @field_validator("schema_")
    @classmethod
    def _schema_works(cls, schema: dict[str, Any]) -> dict[str, Any]:
        from jsonschema.exceptions import SchemaError  # imported late: only tests with this judge pay for it

        for keyword, value in _keywords(schema):
            if keyword in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                raise ValueError(
                    f"the schema refers to {value!r}; only references within the schema (#/...) are allowed"
                )
            if keyword == "pattern" and isinstance(value, str):
                compiled_pattern(value)
            if keyword == "patternProperties" and isinstance(value, dict):
                for pattern in value:
                    compiled_pattern(pattern)
        try:
            _validator_class(schema).check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"this is not a JSON Schema: at {error.json_path}: {error.message}") from error
        return schema


def _keywords(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from _keywords(value)
    elif isinstance(node, list):
        for item in node:
            yield from _keywords(item)


def _validator_class(schema: dict[str, Any]) -> Any:
    from jsonschema.validators import Draft202012Validator, validator_for

    return validator_for(schema, default=Draft202012Validator)


def same_json(one: Any, other: Any, *, case_sensitive: bool = True) -> bool:
    """Return whether two JSON values say the same: key order is free, 1 is 1.0, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) and isinstance(other, str) and not case_sensitive:
        return one.casefold() == other.casefold()
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(value, other[key], case_sensitive=case_sensitive) for key, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same_json(a, b, case_sensitive=case_sensitive) for a, b in zip(one, other, strict=True)
        )
    return bool(one == other)


def _compile(parameters: Parameters) -> Scorer:
    from referencing import Registry

    validator = _validator_class(parameters.schema_)(parameters.schema_, registry=Registry())

    def score(sample: Sample, answer: str) -> Score:
        # First: a sample without a usable reference says nothing of any answer, a bad one included.
        wanted = reference_json(sample) if parameters.match_reference else None
        value = whole_json(answer) if parameters.extract == "whole" else first_json(answer)
        if value is NOTHING:
            what = "is not JSON" if parameters.extract == "whole" else "holds no JSON object"
            return Score(0.0, f"{shown(answer)} {what}")
        error = next(validator.iter_errors(value), None)
        if error is not None:
            return Score(0.0, f"does not fit the schema at {error.json_path}: {error.message}")
        if not parameters.match_reference:
            return Score(1.0)
        passed = same_json(value, wanted, case_sensitive=parameters.case_sensitive)
        return verdict_of(passed, f"{shown(json.dumps(value))} is not {shown(json.dumps(wanted))}")

    return score


JUDGE = JudgeType(
    name="json_schema",
    summary="1 when the answer is JSON that fits a schema and, if asked, equals the reference.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda parameters: parameters.match_reference,
)
