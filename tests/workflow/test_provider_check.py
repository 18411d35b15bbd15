"""A live check and a health record on the embedded AWS: the route, the function, the shared document."""

from __future__ import annotations

import pytest
from harness.platform import MockProvider, Platform

pytestmark = pytest.mark.workflow


def test_check__goes_to_its_function_and_into_the_record(platform: Platform, mock: MockProvider) -> None:
    good = platform.call("POST", "/v1/providers/mock/check", json={"model": "echo-1"})
    assert (good["ok"], good["provider"], good["most_tokens"]) == (True, "mock", 1)
    assert mock.calls()["total"] == 1

    mock.behave(status=401, error_code="invalid_api_key")
    bad = platform.call("POST", "/v1/providers/mock/check", json={"model": "echo-1"})
    assert (bad["ok"], bad["reason"], bad["status"]) == (False, "auth", 401)

    found = platform.call("GET", "/v1/providers/mock/health", params={"model": "echo-1"})
    assert found["attempts"] >= 2
    assert found["failed"]["auth"] >= 1
    assert found["last_error"]["reason"] == "auth"
    assert found["circuit"]["state"] == "closed"
