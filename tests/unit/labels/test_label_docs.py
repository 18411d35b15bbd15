"""docs/labels.md says what the code does: formulas, limits, statuses, formats, fields."""

from __future__ import annotations

from pathlib import Path

from abtest.analytics.labels import correction, rates
from abtest.analytics.labels.correction import FEWEST_LABELS
from abtest.analytics.labels.model import CorrectedEffect, JudgeHumanAgreement, LabelAnalysis
from abtest.evaluation.labels.merging import SETTLING
from abtest.evaluation.labels.model import MOST_ITEMS, NAME_CHARACTERS, NOTE_CHARACTERS
from abtest.runtime.label_sheets import MOST_CHARACTERS
from abtest.runtime.label_store import FORMATS

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "labels.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def test_methods__stand_with_formula_and_source() -> None:
    for method in (correction.METHOD, rates.METHOD):
        assert f"`{method.formula}`" in PAGE
    for source in (
        "Angelopoulos, Duchi and Zrnic 2023",
        "Miller 2024",
        "Agresti and Coull (1998)",
        "Lang and Reiczigel",
    ):
        assert source in WORDS


def test_limits__are_those_of_the_code() -> None:
    api = " ".join((DOCS / "api.md").read_text(encoding="utf-8").split())
    assert f"fewer than {FEWEST_LABELS} labelled samples" in WORDS
    assert f"{MOST_CHARACTERS:,} characters" in api
    for limit in (
        f"1 to {MOST_ITEMS:,}, default 50",
        f"1 to {NAME_CHARACTERS} characters",
        f"most {NOTE_CHARACTERS:,}",
    ):
        assert limit in api, limit


def test_formats_and_rules__are_told() -> None:
    assert all(f"| `{name}` |" in PAGE for name in FORMATS)
    assert "the label that most people gave" in WORDS and "where none has most, the item is left out" in WORDS
    assert "the median of what people said" in WORDS
    assert set(SETTLING) == {"binary", "preference", "scale"}


def test_fields_of_the_answer__are_named() -> None:
    unnamed = {"schema_version", "run_id", "metric", "kind", "scale", "control", "alpha"}
    assert [name for name in set(LabelAnalysis.model_fields) - unnamed if f"`{name}`" not in PAGE] == []
    plain = {"treatment", "null", "status", "labelled", "judged", "sentence"}
    assert [name for name in set(CorrectedEffect.model_fields) - plain if f"`{name}`" not in PAGE] == []
    plain = {"chosen", "status", "items", "units", "accuracy_low", "accuracy_high"}
    assert [name for name in set(JudgeHumanAgreement.model_fields) - plain if f"`{name}`" not in PAGE] == []
