"""The pages of `anthropic` and `gemini` say what their codecs do: options, parameters, refusals, outcomes, failures."""

from __future__ import annotations

import json
import re

import pytest
from documents import DOCS, sections, table

from abtest.contracts.definition import Parameters
from abtest.contracts.records import FailureReason
from abtest.providers.model import Answer
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.vendors import anthropic, gemini

VENDORS = ("anthropic", "gemini")
GOOGLE = ModelProvider(id="google", vendor="gemini")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def part(vendor: str, heading: str) -> str:
    return sections(DOCS / f"vendors/{vendor}.md")[heading]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([A-Za-z_]+)`", cell))


@pytest.mark.parametrize("vendor", VENDORS)
def test_options__are_the_codecs(vendor: str) -> None:
    fields = codec_of(vendor).options.model_fields
    rows = table(part(vendor, "Options"))
    assert list(rows) == list(fields)
    for name, (_, _, default, meaning) in rows.items():
        assert default.strip("`") == ("none" if fields[name].default is None else fields[name].default)
        assert meaning


@pytest.mark.parametrize("vendor", VENDORS)
def test_parameters__are_the_codecs(vendor: str) -> None:
    codec = codec_of(vendor)
    assert isinstance(codec, HttpCodec)
    assert set(table(part(vendor, "Parameters"))) == codec.capabilities.parameters


@pytest.mark.parametrize("vendor", VENDORS)
def test_addresses__begin_with_the_vendors_own(vendor: str) -> None:
    base_url = codec_of(vendor).capabilities.default_base_url
    assert base_url is not None
    assert f"POST {base_url}/" in part(vendor, "Address")


@pytest.mark.parametrize("vendor", VENDORS)
def test_failures__are_reasons(vendor: str) -> None:
    rows = table(part(vendor, "Errors"))
    assert set(rows) <= set(FailureReason.__args__)
    assert len(rows) > 10


def outcome(codec: HttpCodec, document: object) -> str:
    parsed = codec.parse(200, {}, json.dumps(document).encode())
    assert isinstance(parsed, Answer)
    return parsed.outcome


def test_outcomes_of_anthropic__are_the_tables() -> None:
    told = {word: name for name, cells in table(part("anthropic", "Outcomes")).items() for word in words(cells[1])}
    assert set(told) == set(anthropic._OUTCOMES)
    for reason, name in told.items():
        assert outcome(anthropic.CODEC, {"type": "message", "content": [], "stop_reason": reason}) == name, reason


def test_outcomes_of_gemini__are_the_tables() -> None:
    told = {word: name for name, cells in table(part("gemini", "Outcomes")).items() for word in words(cells[1])}
    assert set(told) == gemini._TRUNCATED | gemini._FILTERED | gemini._ENDED
    for reason, name in told.items():
        assert outcome(gemini.CODEC, {"candidates": [{"finishReason": reason}]}) == name, reason


def test_generations_of_gemini__refuse_what_the_table_says() -> None:
    rows = table(part("gemini", "What is refused"))
    models = {model: cells for model, cells in rows.items() if model != "gemini-4"}
    assert len(models) > 12
    for model, (_, sampling, efforts) in models.items():
        refused = gemini.CODEC.refusals(Parameters(temperature=0, top_p=0.5), GOOGLE, model)
        assert set(refused) == ({"temperature", "top_p"} if sampling == "refused" else set()), model
        asks = {effort: Parameters.model_validate({"reasoning_effort": effort}) for effort in EFFORTS}
        taken = {effort for effort in EFFORTS if not gemini.CODEC.refusals(asks[effort], GOOGLE, model)}
        assert taken == words(efforts), model
