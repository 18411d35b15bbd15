"""One local stack and one mock provider for all workflow tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from harness.platform import REPOSITORY, MockProvider, Platform, free_port, mock_provider

from abtest_cli.local.options import LocalOptions
from abtest_cli.local.stack import session


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    options = LocalOptions(home=tmp_path_factory.mktemp("stack"), port=free_port(), llm=False, repository=REPOSITORY)
    with session(options) as stack, closing(Platform(stack)) as platform:
        yield platform


@pytest.fixture(scope="session")
def _mock() -> Iterator[MockProvider]:
    with mock_provider() as provider:
        yield provider


@pytest.fixture
def mock(_mock: MockProvider, platform: Platform) -> MockProvider:
    """A well-behaved mock, registered as the provider `mock`, with its counts at zero."""
    _mock.behave()
    prices = {"echo-1": {"input_usd_per_million": "100", "output_usd_per_million": "200"}}
    body = {"vendor": "openai_chat", "base_url": _mock.base_url, "max_in_flight": 20, "timeout_s": 5, "prices": prices}
    platform.call("PUT", "/v1/providers/mock", json=body)
    return _mock


@pytest.fixture
def tag() -> str:
    """Makes the prompts of a test its own, so that the ledger of another test cannot answer them."""
    return uuid.uuid4().hex[:8]
