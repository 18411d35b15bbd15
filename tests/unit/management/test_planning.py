"""Planning: the batches share the samples out, each once, the same for the same seed."""

from __future__ import annotations

import pytest
from entities import a_definition
from hypothesis import given
from hypothesis import strategies as st

from abtest.management.planning import PlannedWave, plan_waves

QUEUES = {"openai_chat": "https://sqs/openai_chat"}


def planned(samples: int, *, looks: int = 1, batch_size: int = 100, seed: int = 7) -> tuple[PlannedWave, ...]:
    return plan_waves(
        workspace="w",
        run_id="run_1",
        definition=a_definition(seed=seed),
        sample_count=samples,
        looks=looks,
        batch_size=batch_size,
        vendors={"local": "openai_chat"},
        queue_urls=QUEUES,
    )


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
        (0, "correct", 84),
        (1, "correct", 83),
        (2, "correct", 83),
    ]


def test_unknown_queue_is_a_mistake__of_the_caller() -> None:
    with pytest.raises(KeyError):
        plan_waves(
            workspace="w",
            run_id="r",
            definition=a_definition(),
            sample_count=1,
            looks=1,
            batch_size=1,
            vendors={"local": "openai_chat"},
            queue_urls={},
        )
