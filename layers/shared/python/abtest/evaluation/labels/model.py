"""What labelling speaks of: the question to people, a sheet of hidden answers, labels as they come back.

Depends on: pydantic, `abtest.contracts.records`. Used by: `abtest.evaluation.labels.*`, `abtest.reporting.label_page`,
`abtest.runtime.labelling`, the API, the command line.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.records import Document, Turn

LabelKind = Literal["binary", "scale", "preference"]
"""What a label is: 0 or 1; a number on a scale; `1`, `2` or `tie`, the better of two responses."""
Choice = Literal["random", "disagreement"]
"""How items were chosen: evenly at random, which a corrected effect needs; or where judges disagree most."""
MOST_ITEMS = 2_000
"""Items of one sheet, and labels of one import."""
NOTE_CHARACTERS = 2_000
NAME_CHARACTERS = 64
Shown = Literal["1", "2"]


class LabellingValue(BaseModel):
    """A value of this module: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelQuestion(LabellingValue):
    """What people are asked about each item.

    Args:
        metric: which metric of the run their labels stand beside.
        dimension: None for a judge's overall score.
        kind: see `LabelKind`.
        text: the question.
        scale: lowest and highest label; of a preference 0 and 1.
        anchors: (point of the scale, what it means), ascending; none where the judge has none.
        judges: whose verdicts make the metric: one judge, or the members of a panel.
        peers: the judges whose verdicts show disagreement: `judges`, and members of panels together with them.
    """

    metric: str
    dimension: str | None = None
    kind: LabelKind
    text: str
    scale: tuple[float, float] = (0.0, 1.0)
    anchors: tuple[tuple[float, str], ...] = ()
    judges: tuple[str, ...] = Field(min_length=1)
    peers: tuple[str, ...] = Field(min_length=1)


class SheetItem(LabellingValue):
    """What a person sees of one item: nothing that tells who answered.

    Args:
        item: an identifier that says nothing.
        inputs, messages, documents, reference, expected_outcome, rubric: of the sample; its metadata stays away.
        responses: the answer, or both answers of a pair in the order they are shown.
    """

    item: str
    inputs: dict[str, Any] = Field(default_factory=dict)
    messages: tuple[Turn, ...] = ()
    documents: tuple[Document, ...] = ()
    reference: Any = None
    expected_outcome: str | None = None
    rubric: str | None = None
    responses: tuple[str, ...] = Field(min_length=1, max_length=2)


class ItemKey(LabellingValue):
    """What an item hides.

    Args:
        variant: whose answer it is; of a pair the treatment.
        against: of a pair the control.
        treatment_shown: of a pair, which response is the treatment's.
    """

    item: str
    sample_id: str
    variant: str
    against: str | None = None
    treatment_shown: Shown | None = None


class LabellingSheet(LabellingValue):
    """A sheet as it is kept, with the key that nobody is shown.

    Args:
        choose: see `Choice`.
        seed: of the choice; the same seed chooses the same samples.
        blinding: secret from which identifiers and orders are made, so that a known seed tells nothing about them.
        population: samples that could have been chosen.
        samples: samples that were.
        keys: the items in the order of the sheet.
    """

    sheet_id: str
    run_id: str
    question: LabelQuestion
    choose: Choice
    seed: int
    blinding: str = Field(repr=False)
    population: int
    samples: int
    created_at: datetime
    created_by: str
    keys: tuple[ItemKey, ...] = Field(repr=False)


class Label(LabellingValue):
    """What one person says of one item.

    Args:
        label: as it is kept: `0` or `1`; a number; `1`, `2` or `tie`.
        note: what they add.
    """

    item: str
    label: str
    note: str | None = None


class LabelImport(LabellingValue):
    """Labels of one person that came in together.

    Args:
        imported_by: the caller, who need not be the labeller.
    """

    import_id: str
    sheet_id: str
    labeller: str
    imported_at: datetime
    imported_by: str
    labels: tuple[Label, ...] = Field(repr=False)
