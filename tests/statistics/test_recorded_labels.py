"""Gold labels of a published benchmark beside its recorded judges: the analysis of labels gives the known accuracy.

The recordings stand beside the repository in a development tree; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from abtest.analytics.labels.inputs import LabelData, LabelledItems, ScoredComparison
from abtest.analytics.labels.model import LabelAnalysis, LabelCounts
from abtest.analytics.labels.service import analyse_labels

DATA = Path(__file__).parents[2].parent / "shared/data"
RECORDED = DATA / "llmbar_natural"
pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not here")

EXPECTED: dict[str, Any] = (
    json.loads((DATA / "expected.json").read_text(encoding="utf-8"))["llmbar_natural"] if RECORDED.exists() else {}
)
Values = npt.NDArray[np.float64]


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@cache
def gold() -> dict[str, float]:
    """Return by pair whether people prefer the second output, the treatment here."""
    return {row["id"]: float(row["winner"] == "2") for row in lines(RECORDED / "judgments/gold.jsonl")}


def shares(judge: str) -> dict[str, float]:
    """Return the second output's share of the preference in both orders; NaN where a verdict could not be read."""
    name, strategy = judge.split("/")
    found = {}
    for row in lines(RECORDED / f"judgments/{name}.jsonl"):
        if row["strategy"] == strategy:
            said = [row[order] for order in ("winner_order12", "winner_order21")]
            found[row["id"]] = float("nan") if None in said else sum(winner == "2" for winner in said) / 2
    return found


def analysed(judge: str, labelled: npt.NDArray[np.bool_]) -> LabelAnalysis:
    names = list(gold())
    said, people = shares(judge), np.asarray([gold()[name] for name in names])
    share = np.asarray([said[name] for name in names])
    human = np.where(labelled, people, np.nan)
    both = labelled & ~np.isnan(share)
    zero = np.zeros(len(names))
    units = tuple(name for name, is_both in zip(names, both, strict=True) if is_both)
    one = ScoredComparison("second", (None,) * len(names), zero, share, zero, human)
    items = {"random": LabelledItems(share[both], people[both], units)}
    data = LabelData("run", judge, "preference", (0.0, 1.0), "first", (one,), items)
    return analyse_labels(data, LabelCounts())


@pytest.mark.parametrize("judge", sorted(EXPECTED))
def test_accuracy_against_gold_labels__is_the_published_one(judge: str) -> None:
    found = analysed(judge, np.ones(len(gold()), dtype=bool))
    (agreement,) = found.judge_human
    readable = sum(share == share for share in shares(judge).values())
    assert agreement.items == readable
    assert agreement.accuracy is not None
    if readable == EXPECTED[judge]["n"]:
        assert 100 * agreement.accuracy == pytest.approx(EXPECTED[judge]["accuracy_pct"], abs=1e-9)
    else:
        # The published figure takes an unreadable verdict for wrong; ours leaves the pair out and counts it.
        assert 100 * agreement.accuracy * readable / EXPECTED[judge]["n"] <= EXPECTED[judge]["accuracy_pct"] + 1e-9
    (effect,) = found.effects
    known = [gold()[name] for name, share in shares(judge).items() if share == share]
    assert effect.corrected.value == pytest.approx(sum(known) / len(known))


def test_most_recorded_judges__were_readable_throughout() -> None:
    whole = [judge for judge in EXPECTED if all(share == share for share in shares(judge).values())]
    assert len(whole) > len(EXPECTED) / 2


@pytest.mark.parametrize("judge", [judge for judge in sorted(EXPECTED) if np.isfinite([*shares(judge).values()]).all()])
def test_effect_corrected_by_forty_labels__holds_the_truth(judge: str) -> None:
    truth, rng = np.mean(list(gold().values())), np.random.default_rng(1)
    held = 0
    for _ in range(40):
        picked = np.zeros(len(gold()), dtype=bool)
        picked[rng.choice(len(gold()), 40, replace=False)] = True
        (effect,) = analysed(judge, picked).effects
        assert effect.corrected.ci_low is not None and effect.corrected.ci_high is not None
        held += effect.corrected.ci_low <= truth <= effect.corrected.ci_high
    # The pairs are the whole population here, so that the interval is a wide one.
    assert held >= 38
