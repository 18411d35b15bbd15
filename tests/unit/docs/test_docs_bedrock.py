"""The page of Amazon Bedrock says what its codec does: options, parameters, refusals, outcomes, failures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
from documents import DOCS, sections, table

from abtest.contracts.definition import Parameters
from abtest.contracts.records import FailureReason
from abtest.providers.capabilities import check_registration
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import ModelProvider
from abtest.providers.registry import codec_of
from abtest.providers.vendors import _bedrock_errors, bedrock

CODEC = codec_of("bedrock")


def page() -> Mapping[str, str]:
    return sections(DOCS / "vendors/bedrock.md")


def words(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


def test_options__are_the_codecs() -> None:
    fields = bedrock.BedrockOptions.model_fields
    rows = table(page()["Options"])
    assert list(rows) == list(fields)
    for name, (_, _, default, _) in rows.items():
        field = fields[name]
        stated = {"required": "required", "empty": {}}.get(default, default.strip("`"))
        assert stated == ("required" if field.is_required() else field.get_default(call_default_factory=True))


def test_parameters__are_the_codecs() -> None:
    assert isinstance(CODEC, HttpCodec)
    assert set(table(page()["Parameters"])) == CODEC.capabilities.parameters


def test_refusals__are_of_parameters() -> None:
    assert set(table(page()["What is refused"])) <= set(Parameters.model_fields)


def test_outcomes__are_the_codecs() -> None:
    rows = table(page()["Outcomes"])
    named = {stop: outcome for outcome, cells in rows.items() for stop in words(cells[1]) - {"stopReason"}}
    assert named == bedrock._OUTCOMES


@pytest.mark.parametrize("name", sorted(_bedrock_errors._REASONS))
def test_failures__are_under_the_reason_of_the_codec(name: str) -> None:
    rows = table(page()["Errors"])
    assert set(rows) <= set(FailureReason.__args__)
    assert set(_bedrock_errors._NAMED) <= set(rows)
    under = {reason for reason, cells in rows.items() if name in words(cells[1])}
    assert under <= {_bedrock_errors._REASONS[name]}


def test_partitions_outside_of_the_isolated_ones__are_named() -> None:
    for domain in ("amazonaws.com.cn", "amazonaws.eu"):
        assert domain in bedrock._OTHER_DOMAINS.values()
        assert f"`{domain}`" in page()["Address"]


def test_registrations__can_work() -> None:
    bodies = [json.loads(body) for body in re.findall(r"```json\n(.*?)```", page()["Registration"], re.DOTALL)]
    assert len(bodies) == 2
    for body in bodies:
        check_registration(ModelProvider.model_validate({"id": "aws", **body}))
