"""What a reply means that is no answer: errors of OpenAI, of Azure, of compatible servers, and bodies of no API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_support import body, names, reason_of

from abtest.providers.advice import WHAT_TO_DO
from abtest.providers.model import Answer, CallFailure
from abtest.providers.vendors.openai_chat import CODEC

VENDOR = "openai_chat"
FAILURES: dict[str, tuple[int, str, bool]] = {
    "error_key": (401, "auth", False),
    "error_scope": (403, "permission", False),
    "error_quota": (429, "quota", False),
    "error_rate_limit": (429, "rate_limited", True),
    "error_too_large_for_limit": (429, "context_length", False),
    "error_server": (500, "server_error", True),
    "error_overloaded": (503, "overloaded", True),
    "error_slow_down": (503, "overloaded", True),
    "error_context_length": (400, "context_length", False),
    "error_string_too_long": (400, "context_length", False),
    "error_model": (404, "model_not_found", False),
    "error_model_deprecated": (404, "model_retired", False),
    "error_model_of_other_api": (404, "model_not_found", False),
    "error_model_access": (403, "permission", False),
    "error_region": (403, "permission", False),
    "error_parameter": (400, "bad_request", False),
    "error_temperature": (400, "bad_request", False),
    "error_url": (404, "not_found", False),
    "error_azure_deployment": (404, "model_not_found", False),
    "error_azure_path": (404, "not_found", False),
    "error_azure_key": (401, "auth", False),
    "error_azure_gateway": (401, "auth", False),
    "error_azure_rate": (429, "rate_limited", True),
    "error_azure_capacity": (429, "overloaded", True),
    "error_azure_blocked": (403, "permission", False),
    "error_vllm_context": (400, "context_length", False),
    "error_vllm_prompt": (400, "context_length", False),
    "error_vllm_model": (404, "model_not_found", False),
    "error_vllm_model_flat": (404, "model_not_found", False),
    "error_vllm_key": (401, "auth", False),
    "error_ollama_model": (404, "model_not_found", False),
    "error_ollama_plain": (404, "model_not_found", False),
    "error_ollama_busy": (503, "overloaded", True),
    "error_llama_context": (400, "context_length", False),
    "error_llama_loading": (503, "overloaded", True),
    "error_llama_key": (401, "auth", False),
    "error_tgi_busy": (429, "overloaded", True),
    "error_tgi_length": (422, "context_length", False),
    "error_groq_retired": (400, "model_retired", False),
    "error_deepseek_balance": (402, "quota", False),
    "error_deepseek_model": (400, "model_not_found", False),
    "error_xai_key": (400, "auth", False),
    "error_google_key": (400, "auth", False),
    "error_openrouter_wrapped": (400, "context_length", False),
    "error_fastapi_path": (404, "not_found", False),
    "error_fastapi_body": (422, "bad_request", False),
    "within_rate_limit": (200, "rate_limited", True),
    "within_word": (200, "context_length", False),
    "within_plain": (200, "malformed", False),
    "within_flat": (200, "model_not_found", False),
    "within_choice": (200, "server_error", False),
    "other_response": (200, "mismatched", False),
    "other_chunk": (200, "mismatched", False),
    "other_models": (200, "mismatched", False),
    "other_anthropic": (200, "mismatched", False),
}
FLAGGED = {"error_flagged", "error_azure_filter"}
ENDED_BY_LIMIT = "error_ended_by_limit"


def test_each_failure_has_its_reason__none_forgotten():
    failures = {name for name in names(VENDOR) if name.startswith(("error_", "within_", "other_"))}
    assert {*FAILURES, *FLAGGED, ENDED_BY_LIMIT} == failures


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_classified__every_form(name: str):
    status, reason, retryable = FAILURES[name]
    parsed = CODEC.parse(status, {}, body(VENDOR, name))
    assert reason_of(parsed) == (reason, retryable)
    assert reason in WHAT_TO_DO


@pytest.mark.parametrize("name", sorted(FLAGGED))
def test_a_filter_that_stops_the_prompt_is_an_outcome__status_400(name: str):
    parsed = CODEC.parse(400, {"apim-request-id": "az-1"}, body(VENDOR, name))
    assert parsed == Answer(outcome="filtered", text="", finish_reason="content_filter", provider_request_id="az-1")


def test_a_limit_that_ends_the_answer_before_it_begins_is_an_outcome__status_400():
    parsed = CODEC.parse(400, {}, body(VENDOR, ENDED_BY_LIMIT))
    assert parsed == Answer(outcome="truncated", text="", finish_reason="length")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b'"text"', "malformed"),
        (b"{}", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b"9" * 5_000, "malformed"),
        (b'{"object": "chat.completion"}', "malformed"),
        (b'{"choices": []}', "malformed"),
        (b'{"choices": null}', "malformed"),
        (b'{"choices": [null]}', "malformed"),
        (b'{"choices": [{}]}', "malformed"),
        (b'{"choices": [{"message": "text"}]}', "malformed"),
        (b'{"error": {"message": "oops"}}', "malformed"),
        (b'{"choices": [{"message": {"con', "malformed"),
        (b"<html>busy</html>", "html_page"),
        (b"\n<!DOCTYPE html><title>x", "html_page"),
        (b'<?xml version="1.0"?><html xmlns="x">\xe9</html>', "html_page"),
        (b"<xml/>", "malformed"),
        (b'{"choices": [{"message": {"content": "\xe9"}}]}', "invalid_utf8"),
        (b"\xff\xfe", "invalid_utf8"),
        (b'{"text": "Paris"}', "mismatched"),
    ],
)
def test_a_body_without_an_answer_has_its_reason_and_is_not_retried__status_200(raw: bytes, reason: str):
    assert reason_of(CODEC.parse(200, {}, raw)) == (reason, False)


@pytest.mark.parametrize(
    ("status", "raw", "reason", "retryable"),
    [
        (204, b"", "malformed", False),
        (301, b"", "not_found", False),
        (400, b"not json", "bad_request", False),
        (400, b'{"error": ""}', "bad_request", False),
        (400, b'{"error": [1]}', "bad_request", False),
        (400, b'{"detail": null}', "bad_request", False),
        (402, b"{}", "quota", False),
        (404, b"404 page not found", "not_found", False),
        (404, b"<html>", "html_page", False),
        (405, b"", "bad_request", False),
        (408, b"", "timeout", True),
        (409, b"{}", "server_error", True),
        (410, b"{}", "model_retired", False),
        (413, b"", "bad_request", False),
        (429, b"slow down", "rate_limited", True),
        (500, b"\xff", "server_error", True),
        (502, b"<html><body>Bad gateway", "html_page", True),
        (503, b"", "overloaded", True),
        (529, b"", "overloaded", True),
    ],
)
def test_the_status_says_what_it_can__no_error_body(status: int, raw: bytes, reason: str, retryable: bool):
    assert reason_of(CODEC.parse(status, {}, raw)) == (reason, retryable)


def test_details_name_type_code_and_parameter_and_nothing_else__error_body():
    error = {
        "message": "your key sk-123",
        "type": "invalid",
        "code": "unsupported_value",
        "param": "messages[0].content",
    }
    failure = CODEC.parse(400, {}, json.dumps({"error": error}).encode())
    assert isinstance(failure, CallFailure)
    assert failure.detail == "HTTP 400, type invalid, code unsupported_value, param messages[0].content"


@pytest.mark.parametrize("code", ["the prompt was: hello", "sk-proj-8f2a91c7", "x" * 65, "1", "https://a.b/c", 400, {}])
def test_details_leave_out_what_is_no_word__text_or_key_as_code(code: Any):
    failure = CODEC.parse(400, {}, json.dumps({"error": {"code": code}}).encode())
    assert isinstance(failure, CallFailure)
    assert failure.detail == "HTTP 400"
