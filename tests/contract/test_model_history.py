"""Histories of models in every store of shared documents: kept, found again, and long enough."""

from __future__ import annotations

import pytest
from contract_stores import Stores
from entities import FixedClock

from abtest.adapters.dynamodb import keys
from abtest.adapters.dynamodb.shared_state import LIFETIME_S, DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.contracts.past_use import RunUse
from abtest.providers.calibration import MOST_RUNS, history_key, recall, remember
from abtest.providers.registration import ModelProvider

PROVIDER = ModelProvider(id="openai", vendor="openai_chat", secret_name="keys/openai")


def a_use(number: int) -> RunUse:
    return RunUse(
        run_id=f"run_{number}",
        variant="v" * 64,
        prompt="0123456789abcdef",
        base="stand-in o200k_base",
        calls=10_000,
        base_tokens=1_234_567.8,
        input_tokens=1_500_000,
        output_tokens=2_000_000,
        latency_ms=812.5 + number,
    )


def test_a_full_history_is_kept_and_found_again(stores: Stores, workspace: str) -> None:
    key = history_key(workspace, PROVIDER, "gpt-5")
    for number in range(MOST_RUNS + 3):
        remember(stores.shared, key, a_use(number))

    past = recall(stores.shared, key, base="stand-in o200k_base", prompt="0123456789abcdef")

    assert past is not None
    assert (past.runs, past.calls, past.same_prompt) == (MOST_RUNS, MOST_RUNS * 10_000, True)
    assert past.input_ratio == pytest.approx(1_500_000 / 1_234_567.8)
    assert past.latency_ms == pytest.approx(812.5 + 3 + (MOST_RUNS - 1) / 2)


@pytest.mark.aws_fake
def test_a_history_lives_as_long_as_its_store_says(table: Table, workspace: str) -> None:
    clock = FixedClock()
    lifetime_s = 180 * 24 * 3600
    key = history_key(workspace, PROVIDER, "gpt-5")

    remember(DynamoSharedState(table, clock, lifetime_s=lifetime_s), key, a_use(1))
    remember(DynamoSharedState(table, clock), f"{key}#short", a_use(1))

    now_s = int(clock.now().timestamp())
    assert table.get(keys.shared(key))[keys.EXPIRES_AT] == now_s + lifetime_s
    assert table.get(keys.shared(f"{key}#short"))[keys.EXPIRES_AT] == now_s + LIFETIME_S
