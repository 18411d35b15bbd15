"""Settings: each function reads its own variables, all with one prefix, and says what it lacks."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from abtest.runtime.settings import SETTINGS, CommonSettings, ObservabilitySettings

FUNCTIONS = Path(__file__).parents[3] / "functions"
VALUES = {
    "environment": "local",
    "service_name": "x",
    "table_name": "table",
    "bucket_name": "bucket",
    "queue_urls": '{"replay": "https://sqs/replay"}',
    "state_machine_arn": "arn:aws:states:us-east-1:123456789012:stateMachine:m",
    "user_pool_client_id": "client",
    "issuer": "https://issuer",
    "secrets_prefix": "abtest/local/providers/",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VALUES.items():
        monkeypatch.setenv(f"ABTEST_{name.upper()}", value)


def test_every_function_has_a_class__and_every_class_a_function() -> None:
    assert set(SETTINGS) == {folder.name for folder in FUNCTIONS.iterdir() if (folder / "handler.py").exists()}


@pytest.mark.parametrize("function", sorted(SETTINGS))
def test_variables_are_read__with_the_prefix(function: str, environment: None) -> None:
    settings = SETTINGS[function]()

    for name in type(settings).model_fields.keys() & VALUES.keys() - {"queue_urls"}:
        assert getattr(settings, name) == VALUES[name]
    assert type(settings).model_config["env_prefix"] == "ABTEST_"
    assert type(settings).model_config["frozen"] is True


@pytest.mark.parametrize("function", sorted(SETTINGS))
def test_missing_variable_is_named(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VALUES:
        monkeypatch.delenv(f"ABTEST_{name.upper()}", raising=False)

    with pytest.raises(ValidationError, match="table_name"):
        SETTINGS[function]()


def test_json_and_money_are_read__from_text(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABTEST_WORKSPACE_BUDGET_USD", "12.50")
    monkeypatch.setenv("ABTEST_BATCH_SIZE", "7")

    settings = SETTINGS["plan_run"]()

    assert settings.model_dump(include={"queue_urls", "workspace_budget_usd", "batch_size"}) == {
        "queue_urls": {"replay": "https://sqs/replay"},
        "workspace_budget_usd": Decimal("12.50"),
        "batch_size": 7,
    }


def test_process_that_is_no_function_has_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABTEST_SERVICE_NAME", raising=False)

    assert ObservabilitySettings().service_name == "abtest"
    assert issubclass(CommonSettings, ObservabilitySettings)
