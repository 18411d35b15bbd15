"""The pages of OpenAI's two vendors say what their codecs do: options, parameters, failures."""

from __future__ import annotations

import re

import pytest
from documents import DOCS, sections, table

from abtest.contracts.definition import Parameters
from abtest.contracts.records import FailureReason
from abtest.providers.ports import HttpCodec
from abtest.providers.registry import codec_of
from abtest.providers.vendors._openai import _STRICT_KEYWORDS
from abtest.providers.vendors._openai_models import refusals_of_model

VENDORS = ("openai_chat", "openai_responses")


@pytest.mark.parametrize("vendor", VENDORS)
def test_options__are_the_codecs(vendor: str) -> None:
    fields = codec_of(vendor).options.model_fields
    rows = table(sections(DOCS / f"vendors/{vendor}.md")["Options"])
    assert list(rows) == list(fields)
    for name, (_, _, default, meaning) in rows.items():
        assert default.strip("`") == ("none" if fields[name].default is None else fields[name].default)
        assert meaning


@pytest.mark.parametrize("vendor", VENDORS)
def test_parameters__are_the_codecs(vendor: str) -> None:
    codec = codec_of(vendor)
    assert isinstance(codec, HttpCodec)
    assert set(table(sections(DOCS / f"vendors/{vendor}.md")["Parameters"])) == codec.capabilities.parameters


def test_failures__are_reasons() -> None:
    rows = table(sections(DOCS / "vendors/openai_chat.md")["Errors"])
    assert set(rows) <= set(FailureReason.__args__)


def test_keywords_of_strict_mode__are_all_named() -> None:
    named = re.findall(r"`([^`]+)`", sections(DOCS / "vendors/openai_chat.md")["Parameters"])
    assert set(named) >= _STRICT_KEYWORDS


LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def levels(cell: str) -> set[str]:
    """Return the levels a cell names: single ones, and ranges such as "`low` to `high`"."""
    named = set(re.findall(r"`(\w+)`", cell))
    for first, last in re.findall(r"`(\w+)` to `(\w+)`", cell):
        named |= set(LEVELS[LEVELS.index(first) : LEVELS.index(last) + 1])
    return named


def test_families__refuse_what_the_table_says() -> None:
    rows = table(sections(DOCS / "vendors/openai_chat.md")["What is refused"])
    models = {name: cells[1:] for name, cells in rows.items() if name != "gpt-6"}
    assert len(models) > 25
    for model, (effort, sampling, stop) in models.items():
        taken = {level for level in LEVELS if not refusals_of_model(Parameters(reasoning_effort=level), model)}
        assert taken == levels(effort), model
        without, with_none, with_low = (
            "temperature" in refusals_of_model(Parameters(temperature=1, reasoning_effort=level), model)
            for level in (None, "none", "low")
        )
        words = {
            (False, False, False): "taken",
            (False, False, True): "taken unless it reasons",
            (True, False, True): "with `reasoning_effort: none`",
            (True, True, True): "refused",
        }
        assert sampling == words[without, with_none, with_low], model
        assert stop == ("refused" if refusals_of_model(Parameters(stop=("x",)), model) else "taken"), model
