"""Planning: the batches share the samples out, each once, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from entities import a_definition
from hypothesis import given
from hypothesis import strategies as st

from abtest.contracts.judging import AskedModel, JudgeFacts, MetricFacts
from abtest.management.planning import PlannedWave, RunToPlan, escalations, plan_judging, plan_waves

QUEUES = {"openai_chat": "https://sqs/openai_chat", "anthropic": "https://sqs/anthropic"}
VENDORS = {"local": "openai_chat", "claude": "anthropic"}


def in_code(name: str) -> JudgeFacts:
    return JudgeFacts(name=name, type="exact_match", kind="code", metrics=(MetricFacts(name=name),), version="v")


def asking(name: str, provider: str = "claude", *, pairwise: bool = False) -> JudgeFacts:
    return JudgeFacts(
        name=name,
        type="pairwise" if pairwise else "rubric",
        kind="model",
        pairwise=pairwise,
        metrics=(MetricFacts(name=name), MetricFacts(name=f"{name}.style", dimension="style")),
        models=(AskedModel(provider=provider, model="m"),),
        version="v",
    )


def panel(name: str, *members: str, escalate_to: str | None = None) -> JudgeFacts:
    return JudgeFacts(
        name=name,
        type="panel",
        kind="panel",
        metrics=(MetricFacts(name=name),),
        version="v",
        members=members,
        escalate_to=escalate_to,
    )


def run_to_plan(*judges: JudgeFacts, **changes: Any) -> RunToPlan:
    return RunToPlan(
        workspace="w",
        run_id="run_1",
        definition=a_definition(**changes),
        judges={facts.name: facts for facts in judges or (in_code("correct"),)},
        vendors=VENDORS,
        queue_urls=QUEUES,
    )


def planned(samples: int, *, looks: int = 1, batch_size: int = 100, seed: int = 7) -> tuple[PlannedWave, ...]:
    return plan_waves(run_to_plan(seed=seed), sample_count=samples, looks=looks, batch_size=batch_size)


@given(samples=st.integers(1, 500), looks=st.integers(1, 6), batch_size=st.integers(1, 120), seed=st.integers(0, 99))
def test_batches_partition_the_samples__for_any_plan(samples: int, looks: int, batch_size: int, seed: int) -> None:
    waves = planned(samples, looks=looks, batch_size=batch_size, seed=seed)

    indices = [index for wave in waves for batch in wave.batches for index in batch]
    sizes = [len(batch) for wave in waves for batch in wave.batches]
    of_waves = [sum(map(len, wave.batches)) for wave in waves]
    assert sorted(indices) == list(range(samples))
    assert min(sizes) >= 1
    assert max(sizes) <= batch_size
    assert len(waves) == min(looks, samples)
    assert max(of_waves) - min(of_waves) <= 1
    assert [wave.wave for wave in waves] == list(range(len(waves)))


@given(samples=st.integers(1, 300), batch_size=st.integers(1, 120), seed=st.integers(0, 2**31 - 1))
def test_plan_is_the_same__for_the_same_seed(samples: int, batch_size: int, seed: int) -> None:
    assert planned(samples, batch_size=batch_size, seed=seed) == planned(samples, batch_size=batch_size, seed=seed)


def test_samples_are_shuffled__differently_by_another_seed() -> None:
    one, other = planned(50, seed=1)[0].batches, planned(50, seed=2)[0].batches

    assert one != other
    assert one[0] != tuple(range(50))


def test_no_wave_looks_like_another_part_of_the_dataset() -> None:
    # The halves of an ordered dataset are mixed: each wave has its share of both.
    first, second = planned(1_000, looks=2)
    late = [index >= 500 for batch in first.batches for index in batch]

    assert 200 < sum(late) < 300
    assert sum(map(len, second.batches)) == 500


def test_manifests_have_a_line__for_each_batch_and_variant_or_judge() -> None:
    (wave,) = planned(250, batch_size=100)

    assert [(item.batch, item.variant, item.size) for item in wave.generate] == [
        (0, "terse", 84),
        (0, "wordy", 84),
        (1, "terse", 83),
        (1, "wordy", 83),
        (2, "terse", 83),
        (2, "wordy", 83),
    ]
    assert {(item.vendor, item.queue_url) for item in wave.generate} == {("openai_chat", "https://sqs/openai_chat")}
    assert [(item.batch, item.judge, item.size) for item in wave.judge] == [
        (0, "correct", 168),
        (1, "correct", 166),
        (2, "correct", 166),
    ]
    assert wave.ask == wave.escalate == ()


def test_each_kind_of_judge_has_its_manifest__and_a_panel_none() -> None:
    judges = in_code("correct"), asking("helpful"), asking("better", "local", pairwise=True), panel("both", "helpful")
    (wave,) = plan_waves(run_to_plan(*judges), sample_count=30, looks=1, batch_size=20)

    assert [(item.batch, item.judge, item.size) for item in wave.judge] == [(0, "correct", 30), (1, "correct", 30)]
    # A judge of pairs gives a verdict a treatment, others one a variant.
    assert [(item.batch, item.judge, item.size, item.vendor, item.queue_url) for item in wave.ask] == [
        (0, "helpful", 30, "anthropic", "https://sqs/anthropic"),
        (0, "better", 15, "openai_chat", "https://sqs/openai_chat"),
        (1, "helpful", 30, "anthropic", "https://sqs/anthropic"),
        (1, "better", 15, "openai_chat", "https://sqs/openai_chat"),
    ]
    assert {(item.fallback, item.panels) for item in wave.ask} == {(0, ())}
    assert wave.escalate == ()


def test_judge_that_waits_for_disagreements_has_a_manifest_of_its_own() -> None:
    judges = asking("a"), asking("b"), asking("strong"), panel("one", "a", "b", escalate_to="strong")
    (wave,) = plan_waves(run_to_plan(*judges), sample_count=10, looks=1, batch_size=10)

    assert [item.judge for item in wave.ask] == ["a", "b"]
    assert [(item.judge, item.panels, item.size) for item in wave.escalate] == [("strong", ("one",), 20)]


@pytest.mark.parametrize(
    ("more", "changes", "expected"),
    [
        ((panel("two", "b", "c", escalate_to="strong"),), {}, {"strong": ("one", "two")}),
        ((panel("two", "a", "strong"),), {}, {}),
        ((), {"primary_metric": "strong"}, {}),
        ((), {"guardrails": {"g": {"metric": "strong.style", "margin": 0.1}}}, {}),
    ],
)
def test_judge_that_something_else_rests_on_is_asked_about_everything(
    more: tuple[JudgeFacts, ...], changes: dict[str, Any], expected: dict[str, tuple[str, ...]]
) -> None:
    judges = asking("a"), asking("b"), asking("c"), asking("strong"), panel("one", "a", "b", escalate_to="strong")
    plan = run_to_plan(*judges, *more, **changes)

    assert escalations(plan.definition, plan.judges) == expected


def test_judge_in_code_waits_for_nobody() -> None:
    plan = run_to_plan(asking("a"), asking("b"), in_code("exact"), panel("one", "a", "b", escalate_to="exact"))

    assert escalations(plan.definition, plan.judges) == {}


def test_answers_that_are_there_are_judged_as_they_are_cut__and_not_asked_for() -> None:
    waves = plan_judging(run_to_plan(asking("helpful")), [[3, 2], [4]])

    assert [wave.batches for wave in waves] == [((0, 1, 2), (3, 4)), ((5, 6, 7, 8),)]
    assert [wave.generate for wave in waves] == [(), ()]
    assert [[item.size for item in wave.ask] for wave in waves] == [[6, 4], [8]]


def test_unknown_queue_is_a_mistake__of_the_caller() -> None:
    with pytest.raises(KeyError):
        plan_waves(replace(run_to_plan(), queue_urls={}), sample_count=1, looks=1, batch_size=1)
