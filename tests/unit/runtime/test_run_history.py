"""What a run teaches the next estimate, from the first estimate over the answers to the second one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body
from judge_facts import asked, by_name, rubric

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.adapters.provider_facts import provider_facts
from abtest.analytics.data.accumulate import RunStatistics
from abtest.analytics.judge_model import JudgeCost, JudgeQuality
from abtest.analytics.model import AnalysisPlan, AnalysisResult, JudgeMetric
from abtest.analytics.service import analyse
from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.records import Attempt, ModelResponse, Sample, Usage
from abtest.management.datasets import FrozenRows, freeze_rows
from abtest.management.estimate import EstimatePorts, estimate_run
from abtest.management.model import Estimate, RunFrozen, VariantEstimate
from abtest.providers.registration import ModelPrice, ModelProvider
from abtest.runtime.catalogue import ModelHistory, Tokenizers, price_book
from abtest.runtime.steps.run_history import remember_use

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PRICE = ModelPrice(input_usd_per_million=Decimal(1), output_usd_per_million=Decimal(4))
PROVIDER = ModelProvider(id="local", vendor="openai_chat", base_url="http://127.0.0.1:1/v1", prices={"small": PRICE})
ROWS = 40


def dataset() -> FrozenRows:
    lines = [json.dumps({"id": f"s{n}", "inputs": {"country": f"Land number {n}"}}).encode() for n in range(ROWS)]
    return freeze_rows(lines, "samples", Tokenizers())


QUALITY = rubric("quality", models=(asked(model="small"),), version="v1")


def estimated(
    state: MemorySharedState, workspace: str = "team", judges: tuple[JudgeFacts, ...] = (), **changes: Any
) -> Estimate:
    known = {"local": provider_facts(PROVIDER)}
    ports = EstimatePorts(
        providers=known,
        price_of=price_book(lambda: NOW)(known),
        counter=Tokenizers(),
        history=ModelHistory(state, workspace),
    )
    written = {"judges": {fact.name: {"type": fact.type} for fact in judges}} if judges else {}
    definition = TestDefinition.model_validate(definition_body(**written, **changes))
    return estimate_run(
        definition, dataset().summary, ports, judges=by_name(*judges), recordings={}, detectable_effect=None
    )


def frozen(estimate: Estimate | None) -> RunFrozen:
    return RunFrozen(
        run_id="run_1",
        test_id="test_1",
        definition=TestDefinition.model_validate(definition_body()),
        dataset=dataset().summary,
        providers={"local": PROVIDER.model_dump(mode="json")},
        started_at=NOW,
        batches_by_wave=(1,),
        estimate=estimate,
    )


def analysed(input_tokens: int, output_tokens: int) -> AnalysisResult:
    plan = AnalysisPlan(
        test_name="capitals",
        control="terse",
        variants=("terse", "wordy"),
        judges=(JudgeMetric(name="correct", type="exact_match", binary=True),),
        primary_metric="correct",
    )
    samples = [Sample(id=f"s{n}") for n in range(ROWS)]
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    # Every fourth call fails: the others alone tell how many tokens a call has.
    rows = {
        variant: [
            ModelResponse(
                sample_id=sample.id,
                variant=variant,
                outcome="answered" if n % 4 else "failed",
                failure_reason=None if n % 4 else "timeout",
                usage=usage if n % 4 else None,
                latency_ms=1_500.0 if n % 4 else None,
                attempts=(Attempt(status=200, latency_ms=1_500.0),),
            )
            for n, sample in enumerate(samples)
        ]
        for variant in plan.variants
    }
    return analyse(plan, RunStatistics.of_batch(plan, samples, rows, []))


def terse(estimate: Estimate) -> VariantEstimate:
    return estimate.by_variant[0]


def test_the_next_estimate_is_what_the_run_used__within_a_few_per_cent() -> None:
    state = MemorySharedState()
    first = estimated(state)

    remember_use(state, "team", frozen(first), analysed(input_tokens=31, output_tokens=7))
    second = estimated(state)

    assert terse(first).output_tokens_expected is None
    assert terse(second).input_tokens_expected == 31 * ROWS
    assert terse(second).output_tokens_expected == 7 * ROWS
    assert terse(second).input_error == pytest.approx(0.05, abs=0.001)
    assert terse(second).cost_usd_expected == Decimal("0.00005900") * ROWS
    assert "calibrated from 30 calls of 1 run" in str(terse(second).input_counted_by)
    assert second.duration_bound == "50 calls in flight at local, 1.5 s each (as in earlier runs)"


def test_another_prompt_of_the_model_learns_from_it__but_trusts_it_less() -> None:
    state = MemorySharedState()
    remember_use(state, "team", frozen(estimated(state)), analysed(input_tokens=31, output_tokens=7))

    variants = definition_body()["variants"]
    variants["terse"]["prompt"] = {"user": "Name the largest city of {{ country }}, please."}
    other = terse(estimated(state, variants=variants))

    assert "calibrated from 60 calls of 1 run" in str(other.input_counted_by)
    assert other.input_error is not None
    assert other.input_error > 0.05
    assert other.output_known_from == "60 calls of 1 run of this model with other prompts"


def test_a_repeated_report_changes_nothing() -> None:
    state = MemorySharedState()
    first = frozen(estimated(state))
    for _ in range(3):
        remember_use(state, "team", first, analysed(input_tokens=31, output_tokens=7))

    assert "of 1 run" in str(terse(estimated(state)).input_counted_by)


def test_another_workspace_learns_nothing() -> None:
    state = MemorySharedState()
    remember_use(state, "team", frozen(estimated(state)), analysed(input_tokens=31, output_tokens=7))

    assert estimated(state, workspace="other") == estimated(MemorySharedState())


def test_a_run_of_an_earlier_version_teaches_nothing__it_has_no_estimate() -> None:
    state = MemorySharedState()
    bare = terse(estimated(state)).model_copy(update={"input_base": None, "input_base_tokens": None})
    old = estimated(state).model_copy(update={"by_variant": (bare,)})

    remember_use(state, "team", frozen(None), analysed(input_tokens=31, output_tokens=7))
    remember_use(state, "team", frozen(old), analysed(input_tokens=31, output_tokens=7))

    assert estimated(state) == estimated(MemorySharedState())


def test_a_run_without_an_answer_teaches_nothing() -> None:
    state = MemorySharedState()
    nothing = analysed(1, 1).model_copy(update={"performance": ()})

    remember_use(state, "team", frozen(estimated(state)), nothing)

    assert estimated(state) == estimated(MemorySharedState())


def judged(**changes: Any) -> AnalysisResult:
    facts: dict[str, Any] = {
        "judge": "quality",
        "type": "rubric",
        "kind": "model",
        "version": "v1",
        "cost": JudgeCost(calls=60, input_tokens=9_000, output_tokens=2_400),
    }
    return analysed(31, 7).model_copy(update={"judges": (JudgeQuality(**{**facts, **changes}),)})


def test_the_next_verdicts_are_as_long_as_those_of_the_run_were() -> None:
    state = MemorySharedState()
    remember_use(state, "team", frozen(estimated(state, judges=(QUALITY,))), judged())

    (judge,) = estimated(state, judges=(QUALITY,)).by_judge
    other = QUALITY.model_copy(update={"version": "v2"})
    (of_other,) = estimated(state, judges=(other,)).by_judge

    assert judge.output_tokens_expected == judge.calls * 40
    assert judge.output_known_from == "60 calls of 1 run of this judge"
    assert judge.input_tokens_expected is not None
    assert judge.cost_usd_expected is not None
    assert of_other.output_known_from == "60 calls of 1 run of this model in other judges"


def test_what_a_model_writes_as_a_judge_says_nothing_about_its_answers() -> None:
    state = MemorySharedState()
    silent = judged().model_copy(update={"performance": ()})
    remember_use(state, "team", frozen(estimated(state, judges=(QUALITY,))), silent)

    assert terse(estimated(state)) == terse(estimated(MemorySharedState()))


@pytest.mark.parametrize("changes", [{"fallbacks": {"1": 3}}, {"cost": None}, {"cost": JudgeCost(calls=0)}])
def test_a_judge_teaches_nothing__where_another_model_stood_in_or_none_was_asked(changes: dict[str, Any]) -> None:
    state = MemorySharedState()
    remember_use(state, "team", frozen(estimated(state, judges=(QUALITY,))), judged(**changes))

    assert estimated(state, judges=(QUALITY,)).by_judge[0].output_tokens_expected is None
