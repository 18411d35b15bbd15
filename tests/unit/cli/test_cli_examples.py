"""Every example is right, large enough, and its templates render for every sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from abtest.management.templates import render
from abtest_cli.examples import folders
from abtest_cli.preparation import prepare

EXAMPLES = folders()


def test_examples_are_there__by_name() -> None:
    assert {"arithmetic", "capitals", "json-extraction"} <= set(EXAMPLES)


@pytest.mark.parametrize("folder", EXAMPLES.values(), ids=EXAMPLES)
def test_example_can_be_run__as_it_is(folder: Path) -> None:
    prepared = prepare(folder)
    assert prepared.name == folder.name
    assert prepared.warnings == ()
    assert prepared.samples is not None
    assert prepared.samples >= 100
    assert (folder / "README.md").is_file()
    rows = [json.loads(line) for line in (folder / "dataset.jsonl").read_text().splitlines()]
    inputs = {json.dumps(row["inputs"], sort_keys=True) for row in rows}
    assert len(inputs) == len(rows), "each sample is another one"
    for variant in prepared.definition["variants"].values():
        assert variant["parameters"]["temperature"] == 0
        for row in rows:
            prompt = render(variant["prompt"]["user"], row["inputs"])
            assert all(str(value) in prompt for value in row["inputs"].values())
