"""The ledger's keys: what makes two requests the same question, and who may find the answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_fakes import PROVIDER, request

from abtest.contracts.definition import Parameters
from abtest.providers.ledger_key import read_keys, request_key, write_key
from abtest.providers.model import ChatMessage

BASE = request(1, prompt="question")
KEY = request_key(BASE, PROVIDER)


@pytest.mark.parametrize("changes", [{"sample_id": "other"}, {"variant": "b"}])
def test_who_asks_does_not_matter__same_question(changes: dict[str, Any]):
    assert request_key(BASE.model_copy(update=changes), PROVIDER) == KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "large"},
        {"messages": (ChatMessage(role="user", content="question "),)},
        {"messages": (ChatMessage(role="system", content="question"),)},
        {"messages": (*BASE.messages, *BASE.messages)},
        {"parameters": Parameters(temperature=0)},
        {"parameters": Parameters(max_tokens=513)},
        {"parameters": Parameters(stop=("x",))},
        {"repeat_index": 1},
    ],
)
def test_what_is_asked_matters__another_question(changes: dict[str, Any]):
    assert request_key(BASE.model_copy(update=changes), PROVIDER) != KEY


@pytest.mark.parametrize("changes", [{"id": "other"}, {"vendor": "other"}, {"base_url": "http://127.0.0.1:8/v1"}])
def test_who_is_asked_matters__another_provider(changes: dict[str, Any]):
    assert request_key(BASE, PROVIDER.model_copy(update=changes)) != KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"max_in_flight": 99},
        {"timeout_s": 7},
        {"secret_name": None},
        {"prices": {}},
        {"base_url": "http://127.0.0.1:9/v1/"},
    ],
)
def test_how_it_is_asked_does_not_matter__same_provider(changes: dict[str, Any]):
    assert request_key(BASE, PROVIDER.model_copy(update=changes)) == KEY


def test_a_key_is_64_hexadecimal_digits__any_request():
    assert len(KEY) == 64
    assert int(KEY, 16) >= 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_boundaries_between_messages_matter__same_text(first: str, second: str):
    def key(*contents: str) -> str:
        messages = tuple(ChatMessage(role="user", content=content) for content in contents)
        return request_key(BASE.model_copy(update={"messages": messages}), PROVIDER)

    assert key(first, second) != key(first + second)


def test_names_in_the_ledger__each_cache_mode():
    assert write_key(BASE, KEY, "run_1", "on") == KEY
    assert write_key(BASE, KEY, "run_1", "read") == f"run_1#{KEY}"
    assert read_keys(BASE, KEY, "run_1", "on") == (KEY,)
    assert read_keys(BASE, KEY, "run_1", "read") == (f"run_1#{KEY}", KEY)
    off = write_key(BASE, KEY, "run_1", "off")
    assert read_keys(BASE, KEY, "run_1", "off") == (off,)
    assert off.startswith("run_1#")
    assert KEY not in off


def test_every_sample_of_every_variant_has_its_own_name__cache_off():
    asked = [BASE.model_copy(update={"sample_id": sample, "variant": variant}) for sample in "xy" for variant in "ab"]
    assert len({write_key(one, KEY, "run_1", "off") for one in asked}) == 4


def test_names_stay_short__long_sample_id():
    long = BASE.model_copy(update={"sample_id": "x" * 256})
    assert len(write_key(long, KEY, "run_" + "0" * 26, "off")) < 128
