"""Recorded verdicts of published studies, imported as scores, become verdicts that give the figures known for them.

The recordings stand beside the repository in a development tree; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from abtest.contracts.records import ImportedScore, ModelResponse, Sample, Verdict
from abtest.evaluation.imported import imported_verdicts
from abtest.evaluation.model import JudgeConfiguration
from abtest.management.datasets import freeze_rows

DATA = Path(__file__).parents[2].parent / "shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not here")

EXPECTED: dict[str, Any] = json.loads((DATA / "expected.json").read_text(encoding="utf-8")) if DATA.exists() else {}
VICUNA = {
    "llama-13b": "vicuna-13b_20230322-clean-lang__llama-13b_vicuna-13b.jsonl",
    "alpaca-13b": "vicuna-13b_20230322-clean-lang__alpaca-13b_vicuna-13b.jsonl",
    "bard": "vicuna-13b_20230322-clean-lang__bard_vicuna-13b.jsonl",
    "gpt35": "vicuna-13b_20230322-clean-lang__gpt35_vicuna-13b.jsonl",
}


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def judged(rows: Iterable[dict[str, Any]], control: str, treatment: str, **options: Any) -> list[Verdict]:
    """Freeze rows as a dataset of scores, and return what the judge `imported` says by them."""
    frozen = freeze_rows([json.dumps(row).encode() for row in rows], "scores")
    scores = [ImportedScore.model_validate_json(line) for line in frozen.lines]
    samples = [Sample(id=sample_id) for sample_id in dict.fromkeys(row.id for row in scores)]
    responses = {
        variant: [ModelResponse(sample_id=s.id, variant=variant, outcome="answered", text="text") for s in samples]
        for variant in (control, treatment)
    }
    parameters = {"scores": {"version": frozen.version}, **options}
    judge = JudgeConfiguration(name="recorded", type="imported", parameters=parameters)
    return imported_verdicts(judge, samples, responses, scores, control=control)


def pair_rows(row: dict[str, Any], gold: str) -> list[dict[str, Any]]:
    """Return both orders of one pair, the better output being called `gold`; a winner nobody could read is null."""
    names: dict[str | None, str | None] = {gold: "gold", {"1": "2", "2": "1"}[gold]: "other"}
    return [
        {"id": row["id"], "first": names[first], "second": names[second], "winner": names.get(row[order])}
        for first, second, order in (("1", "2", "winner_order12"), ("2", "1", "winner_order21"))
    ]


@pytest.mark.parametrize("judge", sorted(EXPECTED.get("llmbar_natural", {})))
def test_llmbar__accuracy_and_positional_agreement_of_imported_preferences(judge: str) -> None:
    name, strategy = judge.split("/")
    gold = {row["id"]: row["winner"] for row in rows_of(DATA / "llmbar_natural/judgments/gold.jsonl")}
    recorded = [r for r in rows_of(DATA / f"llmbar_natural/judgments/{name}.jsonl") if r["strategy"] == strategy]

    verdicts = judged(
        (line for row in recorded for line in pair_rows(row, gold[row["id"]])), "other", "gold", preferences=True
    )

    votes = [vote for verdict in verdicts for vote in verdict.votes]
    expected = EXPECTED["llmbar_natural"][judge]
    assert len(verdicts) == expected["n"]
    # A vote that could not be read is wrong in the study; here it is missing, and counted.
    accuracy_pct = 100 * math.fsum(vote.score or 0.0 for vote in votes) / len(votes)
    assert accuracy_pct == pytest.approx(expected["accuracy_pct"], abs=1e-6)
    scored = [verdict for verdict in verdicts if verdict.status == "scored"]
    readable = [r for r in recorded if r["winner_order12"] is not None and r["winner_order21"] is not None]
    assert len(scored) == len(readable)
    agreement_pct = 100 * sum(len({vote.score for vote in verdict.votes}) == 1 for verdict in scored) / len(scored)
    published = next(
        figure["published"]
        for figure in json.loads((DATA / "llmbar_natural/published.json").read_text(encoding="utf-8"))["figures"]
        if figure["figure"] == f"Natural/{name}/{strategy} positional agreement %"
    )
    if len(scored) == len(verdicts):
        assert agreement_pct == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize("pair", sorted(EXPECTED.get("vicuna80", {})))
def test_vicuna80__means_wins_and_ties_of_imported_scores(pair: str) -> None:
    control, treatment = pair.split("__vs__")
    expected = EXPECTED["vicuna80"][pair]
    rows = [
        {"id": str(row["id"]), "variant": row[side], "score": row[f"score_{side}"]}
        for row in rows_of(DATA / "vicuna80/judgments/gpt-4-0328" / VICUNA[control])
        for side in ("first", "second")
    ]

    # The judge was asked for 1 to 10, and gave a 0 all the same.
    verdicts = judged(rows, control, treatment, scale=[0, 10])

    by_variant = {
        variant: [v.score for v in verdicts if v.variant == variant and v.score is not None]
        for variant in (control, treatment)
    }
    assert {len(scores) for scores in by_variant.values()} == {expected["n"]}
    for variant, mean in ((control, "mean_a"), (treatment, "mean_b")):
        assert math.fsum(by_variant[variant]) / expected["n"] == pytest.approx(expected[mean], abs=1e-6)
    differences = [b - a for a, b in zip(by_variant[control], by_variant[treatment], strict=True)]
    counts = (sum(d > 0 for d in differences), sum(d < 0 for d in differences), sum(d == 0 for d in differences))
    assert counts == tuple(expected[key] for key in ("wins_b", "losses_b", "ties"))
