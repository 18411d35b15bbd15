"""A judge tried against a real LLM: the small bundled model must be held to the form of a reply by the JSON schema.

What it says is another matter: a model of 135 million parameters is no judge; nothing here asks whether it is right.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from harness.local_llm import MODEL, local_llm

from abtest.adapters.http import HttpxTransport
from abtest.adapters.memory.datasets import MemoryBudgetStore
from abtest.adapters.memory.judge_templates import MemoryTemplateStore
from abtest.adapters.memory.providers import MemoryProviderStore
from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.core.clock import SystemClock
from abtest.evaluation.trial_result import JudgeTrial
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.runtime import judge_trials
from abtest.runtime.judge_trials import try_judge

pytestmark = pytest.mark.e2e

ASKED = {"provider": "local", "model": MODEL, "parameters": {"max_tokens": 120}}
RUBRIC = {"type": "rubric", "dimensions": ["accuracy", "style"], **ASKED}
PAIRWISE = {"type": "pairwise", "dimensions": ["accuracy"], **ASKED}
SAMPLE = {"inputs": {"question": "What is the capital of France?"}, "reference": "Paris"}


class NoSecrets:
    """The local model needs no key."""

    def key(self, secret_name: str, *, fresh: bool = False) -> str:
        raise AssertionError(secret_name)


@dataclass
class Ports:
    """What a trial needs, in memory but for the HTTP."""

    event_loop: asyncio.AbstractEventLoop
    transport: HttpxTransport
    providers: MemoryProviderStore = field(default_factory=MemoryProviderStore)
    shared_state: MemorySharedState = field(default_factory=MemorySharedState)
    templates: MemoryTemplateStore = field(default_factory=MemoryTemplateStore)
    budgets: MemoryBudgetStore = field(default_factory=MemoryBudgetStore)
    secrets: NoSecrets = field(default_factory=NoSecrets)
    clock: SystemClock = field(default_factory=SystemClock)
    settings: Any = field(default_factory=lambda: SimpleNamespace(workspace_budget_usd=Decimal(1)))


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    loop = asyncio.new_event_loop()
    with local_llm(tmp_path_factory.mktemp("llm")) as url:
        transport = loop.run_until_complete(HttpxTransport(4, allow_private=True).__aenter__())
        made = Ports(loop, transport)
        price = ModelPrice(input_usd_per_million=Decimal("0.05"), output_usd_per_million=Decimal("0.20"))
        provider = ModelProvider(id="local", vendor="openai_chat", base_url=url, prices={MODEL: price})
        made.providers.put("team", provider)
        yield made
        loop.run_until_complete(transport.__aexit__(None, None, None))
        loop.close()


@pytest.fixture(autouse=True)
def _time_for_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    # A prompt of 800 tokens took 13 s where four other processes computed on the same two cores.
    monkeypatch.setattr(judge_trials, "LONGEST_TRIAL_S", 150.0)


def tried(ports: Ports, judge: dict[str, Any], **body: Any) -> JudgeTrial:
    result = try_judge("team", {"judge": judge, "sample": SAMPLE, **body}, ports)
    assert result.cost_usd is not None
    assert result.cost_usd > 0
    (shown,) = result.judges
    return shown


def test_rubric__is_held_to_the_form_by_the_schema(ports: Ports) -> None:
    judge = tried(ports, RUBRIC, answer="Paris is the capital of France.")
    (reply,), (verdict,) = judge.replies, judge.verdicts
    assert reply.text is not None
    assert list(json.loads(reply.text)) == ["accuracy", "style"]
    assert verdict.status == "scored", reply.text
    assert set(verdict.dimensions) == {"accuracy", "style"}
    assert all(score in (1, 2, 3, 4, 5) for score in verdict.dimensions.values())
    assert not any(vote.repaired for vote in verdict.votes)


def test_pairwise__gets_a_preference_in_each_order(ports: Ports) -> None:
    judge = tried(ports, PAIRWISE, answers={"control": "Lyon.", "treatment": "Paris."})
    (verdict,) = judge.verdicts
    assert [vote.status for vote in verdict.votes] == ["scored", "scored"], [reply.text for reply in judge.replies]
    assert {vote.order for vote in verdict.votes} == {"control_first", "treatment_first"}
    assert all(vote.score in (0, 0.5, 1) for vote in verdict.votes)


def test_same_question__gets_the_same_answer_at_temperature_0(ports: Ports) -> None:
    first, second = (tried(ports, RUBRIC, answer="Paris.").replies[0].text for _ in range(2))
    assert first == second
