"""What earlier runs teach an estimate: whose word counts, how far it is trusted, what is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts.past_use import PastUse, RunUse
from abtest.providers.calibration import MOST_RUNS, history_key, past_use, recall, remember, with_run
from abtest.providers.registration import ModelProvider

PROVIDER = ModelProvider(id="openai", vendor="openai_chat", secret_name="keys/openai")
BASE = "o200k_base"


def a_use(run_id: str = "run_1", **changes: Any) -> RunUse:
    facts: dict[str, Any] = {
        "run_id": run_id,
        "variant": "terse",
        "prompt": "p1",
        "base": BASE,
        "calls": 100,
        "base_tokens": 1_000.0,
        "input_tokens": 1_100,
        "output_tokens": 2_000,
        "latency_ms": 400.0,
    }
    return RunUse(**{**facts, **changes})


def history(*uses: RunUse) -> dict[str, Any] | None:
    document = None
    for use in uses:
        document = with_run(document, use)
    return document


def test_nothing_is_known__of_a_model_that_never_ran():
    assert past_use(None, base=BASE, prompt="p1") is None


def test_a_run_is_recalled__with_its_ratio_and_its_answers():
    state = MemorySharedState()
    key = history_key("team", PROVIDER, "gpt-5")
    remember(state, key, a_use())

    assert recall(state, key, base=BASE, prompt="p1") == PastUse(
        runs=1,
        calls=100,
        same_prompt=True,
        input_ratio=1.1,
        input_spread=None,
        output_tokens=20.0,
        output_spread=None,
        latency_ms=400.0,
    )


def test_runs_of_the_same_prompt_go_first__before_all_others():
    document = history(a_use(), a_use("run_2", prompt="p2", input_tokens=3_000, output_tokens=90_000))

    past = past_use(document, base=BASE, prompt="p1")

    assert past is not None
    assert (past.same_prompt, past.input_ratio, past.output_tokens) == (True, 1.1, 20.0)


def test_runs_of_other_prompts_are_pooled__and_their_spread_is_told():
    document = history(
        a_use(input_tokens=1_000, output_tokens=1_000),
        a_use("run_2", calls=300, base_tokens=3_000.0, input_tokens=4_500, output_tokens=9_000, latency_ms=800.0),
    )

    past = past_use(document, base=BASE, prompt="never asked")

    assert past is not None
    assert (past.runs, past.calls, past.same_prompt) == (2, 400, False)
    assert past.input_ratio == pytest.approx(5_500 / 4_000)
    assert past.input_spread == pytest.approx(1 - 1 / 1.375)
    assert past.output_tokens == pytest.approx(25)
    assert past.output_spread == pytest.approx(0.6)
    assert past.latency_ms == pytest.approx(700)


def test_runs_that_were_counted_otherwise_say_nothing():
    assert past_use(history(a_use(base="characters")), base=BASE, prompt="p1") is None


def test_a_repeated_report_replaces_the_first__of_the_same_run_and_variant():
    document = history(a_use(), a_use("run_2"), a_use(variant="wordy"), a_use(input_tokens=1_300))

    assert document is not None
    assert [(run["run_id"], run["variant"], run["input_tokens"]) for run in document["runs"]] == [
        ("run_2", "terse", 1_100),
        ("run_1", "wordy", 1_100),
        ("run_1", "terse", 1_300),
    ]


def test_old_runs_are_forgotten__beyond_the_newest():
    document = history(*(a_use(f"run_{n}") for n in range(MOST_RUNS + 5)))

    assert document is not None
    assert [run["run_id"] for run in document["runs"]] == [f"run_{n}" for n in range(5, MOST_RUNS + 5)]


@pytest.mark.parametrize("changes", [{"calls": 0}, {"base_tokens": 0.0}])
def test_a_run_without_a_counted_call_teaches_nothing(changes: dict[str, Any]):
    state = MemorySharedState()
    remember(state, "key", a_use(**changes))

    assert state.read("key") is None


@pytest.mark.parametrize("document", [{}, {"runs": []}, {"runs": [{"run_id": "run_1"}]}, {"models": 3}])
def test_a_document_of_another_version_is_no_history(document: dict[str, Any]):
    assert past_use(document, base=BASE, prompt="p1") is None
    assert len(with_run(document, a_use())["runs"]) == 1


def test_latency_is_unknown__where_every_answer_came_from_the_ledger_or_a_batch():
    past = past_use(history(a_use(latency_ms=None)), base=BASE, prompt="p1")

    assert past is not None
    assert past.latency_ms is None


def test_a_history_belongs_to_a_workspace_an_account_and_a_model():
    other_account = PROVIDER.model_copy(update={"secret_name": "keys/other"})
    renamed = PROVIDER.model_copy(update={"id": "openai-2", "max_in_flight": 3})
    key = history_key("team", PROVIDER, "gpt-5")

    assert key == history_key("team", renamed, "gpt-5")
    others = {history_key("other", PROVIDER, "gpt-5"), history_key("team", other_account, "gpt-5")}
    assert key not in others | {history_key("team", PROVIDER, "gpt-5-mini")}
    assert len(history_key("w" * 64, PROVIDER, "m" * 200)) <= 512


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(1, 1e9), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_the_pooled_ratio_lies_among_those_of_the_runs(runs: list[tuple[int, float, int]]):
    uses = [
        a_use(f"run_{n}", calls=calls, base_tokens=base, input_tokens=tokens)
        for n, (calls, base, tokens) in enumerate(runs)
    ]
    past = past_use(history(*uses), base=BASE, prompt="p1")

    ratios = [use.input_tokens / use.base_tokens for use in uses]
    assert past is not None
    assert min(ratios) * (1 - 1e-9) <= past.input_ratio <= max(ratios) * (1 + 1e-9)
