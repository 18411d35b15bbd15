"""Imports become labels: a person's last label of an item counts, and people who disagree are counted and settled.

The rule that settles an item on which people disagree: of 0 and 1, and of preferences, the label that most people
gave; where none has most, the item is left out. On a scale it is the median.

Depends on: the model. Used by: `abtest.runtime.labelling`, `abtest.runtime.label_analysis`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from abtest.evaluation.labels.checking import label_value
from abtest.evaluation.labels.model import Label, LabelImport, LabelKind, LabellingSheet

SETTLING: Mapping[LabelKind, str] = {
    "binary": "the label that most people gave; none with most leaves the item out",
    "preference": "the label that most people gave; none with most leaves the item out",
    "scale": "the median of people's labels",
}


@dataclass(frozen=True)
class SheetLabels:
    """All labels of one sheet.

    Args:
        by_item: item to labeller to their last label.
        replaced: labels that a later one of the same person replaced.
        changed: of those, the ones that said something else.
    """

    by_item: Mapping[str, Mapping[str, Label]]
    replaced: int = 0
    changed: int = 0

    @property
    def labellers(self) -> tuple[str, ...]:
        """Who labelled, sorted."""
        return tuple(sorted({labeller for labels in self.by_item.values() for labeller in labels}))


@dataclass(frozen=True)
class SettledLabels:
    """One value for each labelled item.

    Args:
        values: item to its value beside the judge's score, see `label_value`.
        several: items that two or more people labelled.
        conflicts: of those, items on which they did not all say the same.
        left_out: of those, items that no value could be given.
    """

    values: Mapping[str, float]
    several: int
    conflicts: int
    left_out: int


def sheet_labels(imports: Iterable[LabelImport]) -> SheetLabels:
    """Return the labels of a sheet, later imports replacing a person's earlier labels.

    Args:
        imports: of the sheet, in any order.
    """
    kept: dict[str, dict[str, Label]] = {}
    replaced = changed = 0
    for one in sorted(imports, key=lambda one: (one.imported_at, one.import_id)):
        for label in one.labels:
            of_item = kept.setdefault(label.item, {})
            before = of_item.get(one.labeller)
            if before is not None:
                replaced += 1
                changed += before.label != label.label
            of_item[one.labeller] = label
    return SheetLabels(kept, replaced, changed)


def settled(sheet: LabellingSheet, labels: SheetLabels) -> SettledLabels:
    """Return one value for each item, by the rule of its kind.

    Args:
        sheet: whose key says what a label means.
        labels: of the sheet.
    """
    values: dict[str, float] = {}
    several = conflicts = left_out = 0
    for item, given in item_values(sheet, labels).items():
        said = list(given.values())
        several += len(said) > 1
        conflicts += len(set(said)) > 1
        value = median(said) if sheet.question.kind == "scale" else _most(said)
        if value is None:
            left_out += 1
        else:
            values[item] = value
    return SettledLabels(values, several, conflicts, left_out)


def item_values(sheet: LabellingSheet, labels: SheetLabels) -> dict[str, dict[str, float]]:
    """Return item to labeller to the label's value, items in the order of the sheet."""
    return {
        key.item: {who: label_value(label.label, key) for who, label in labels.by_item[key.item].items()}
        for key in sheet.keys
        if key.item in labels.by_item
    }


def _most(said: list[float]) -> float | None:
    (value, count), *others = Counter(said).most_common()
    return None if others and others[0][1] == count else value
