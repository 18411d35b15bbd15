"""What the codecs share: decoding whatever comes, words that may be shown, counts that can be."""

from __future__ import annotations

from typing import Any

import pytest

from abtest.providers.model import CallFailure
from abtest.providers.vendors import _json


def test_a_document_is_any_json_value__with_and_without_a_byte_order_mark():
    assert _json.decoded(200, b'\xef\xbb\xbf{"a": [1]}') == {"a": [1]}
    assert _json.decoded(200, b"null") is None
    assert _json.decoded(500, b"[]") == []


@pytest.mark.parametrize(
    ("status", "body", "reason", "retryable"),
    [
        (200, b"", "malformed", False),
        (200, b" \n", "malformed", False),
        (200, b'{"a": ', "malformed", False),
        (200, b'{"a": "\xff"}', "invalid_utf8", False),
        (200, b"[" * 200_000, "malformed", False),
        (204, b"", "malformed", False),
        (200, b"<!doctype HTML>", "html_page", False),
        (200, b"\xef\xbb\xbf <HTML lang=en>\xff", "html_page", False),
        (302, b"<html>", "html_page", False),
        (403, b"<html>", "html_page", False),
        (429, b"<html>", "html_page", True),
        (502, b"<!-- a proxy --><head>", "html_page", True),
    ],
)
def test_a_body_that_is_no_json_has_its_reason__every_kind(status: int, body: bytes, reason: str, retryable: bool):
    failure = _json.decoded(status, body)
    assert isinstance(failure, CallFailure)
    assert (failure.failure_reason, failure.retryable, failure.status) == (reason, retryable, status)


@pytest.mark.parametrize("body", [b"", b"busy", b"\xff", b"<xml/>", b"an <html> in a sentence"])
def test_an_error_status_speaks_for_itself__body_that_is_no_json(body: bytes):
    assert _json.decoded(503, body) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("invalid_request_error", True),
        ("messages[12].content", True),
        ("ValidationException", True),
        ("a", True),
        ("", False),
        ("two words", False),
        ("x" * 64, True),
        ("x" * 65, False),
        ("sk-12345", False),
        ("1st", False),
        ("überlauf", False),
        ("word\n", False),
        (404, False),
        (None, False),
    ],
)
def test_a_word_is_shown_or_not__whatever_a_server_puts_there(value: Any, shown: bool):
    assert _json.shown_word(value) == (value if shown else None)


def test_words_are_listed_in_the_order_asked_for__missing_ones_left_out():
    facts = {"code": "unsupported_value", "type": "invalid_request_error", "param": "a b"}
    shown = _json.shown_words(facts, ("type", "code", "param", "other"))
    assert _json.listed(shown) == "type invalid_request_error, code unsupported_value"


@pytest.mark.parametrize(
    ("raw", "count", "or_zero"),
    [
        ({"n": 5}, 5, 5),
        ({"n": 0}, 0, 0),
        ({"n": -1}, None, None),
        ({"n": True}, None, None),
        ({"n": 1.0}, None, None),
        ({"n": "5"}, None, None),
        ({"n": 2**53}, None, None),
        ({"n": None}, None, 0),
        ({}, None, 0),
        (None, None, 0),
        ([], None, 0),
    ],
)
def test_a_count_is_one_or_unknown__every_value(raw: Any, count: int | None, or_zero: int | None):
    assert _json.count(raw, "n") == count
    assert _json.count_or_zero(raw, "n") == or_zero


def test_a_body_is_written_compactly_and_as_utf8__half_a_surrogate_pair():
    assert _json.encoded({"a": "é\ud800", "b": [1]}) == '{"a":"é?","b":[1]}'.encode()


@pytest.mark.parametrize(("key", "clean"), [(" k\n", "k"), ("k", "k"), ("", None), (" \n", None), (None, None)])
def test_a_key_is_cleaned__white_space_around_it(key: str | None, clean: str | None):
    assert _json.clean_key(key) == clean


@pytest.mark.parametrize(("value", "expected"), [("x" * 200, "x" * 128), ("a\ud800", "a?"), ("", None), (5, None)])
def test_a_name_is_kept_short__ids_and_models(value: Any, expected: str | None):
    assert _json.word(value) == expected


def test_messages_are_looked_into_only__known_phrases():
    message = _json.message_of("The Context Window is full" + "x" * 10_000)
    assert len(message) == 4_000
    assert _json.says_any(message, ("too long", "context window"))
    assert not _json.says_any(_json.message_of(None), ("context window",))
