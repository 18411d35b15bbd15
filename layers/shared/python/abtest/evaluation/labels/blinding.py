"""Hides who answered: identifiers that say nothing, a shuffled sheet, pairs in a drawn order.

All of it is made from a secret of the sheet and not from its seed: whoever knows the seed and this program could else
work out which answer is whose.

Depends on: `abtest.contracts.records`, the model. Used by: `abtest.runtime.labelling`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence

from abtest.contracts.records import ModelResponse, Sample
from abtest.evaluation.labels.choice import Chosen
from abtest.evaluation.labels.model import ItemKey, LabelKind, SheetItem

_IDENTIFIER_DIGITS = 16


def hidden_keys(chosen: Iterable[Chosen], *, kind: LabelKind, control: str, blinding: str) -> tuple[ItemKey, ...]:
    """Return the key of a sheet: one entry for each item, in the order of the sheet.

    Args:
        chosen: sample and variant of each item.
        kind: a preference shows both answers.
        control: of a pair one side.
        blinding: the sheet's secret.
    """

    def drawn(purpose: str, one: Chosen) -> bytes:
        return hmac.new(blinding.encode(), "\n".join((purpose, *one)).encode(), hashlib.sha256).digest()

    def key(one: Chosen) -> ItemKey:
        item = f"item_{drawn('item', one).hex()[:_IDENTIFIER_DIGITS]}"
        sample_id, variant = one
        if kind != "preference":
            return ItemKey(item=item, sample_id=sample_id, variant=variant)
        shown = drawn("side", one)[0] % 2 == 0
        return ItemKey(
            item=item, sample_id=sample_id, variant=variant, against=control, treatment_shown="1" if shown else "2"
        )

    return tuple(key(one) for one in sorted(chosen, key=lambda one: drawn("order", one)))


def sheet_items(
    keys: Sequence[ItemKey],
    samples: Mapping[str, Sample],
    responses: Mapping[tuple[str, str], ModelResponse],
) -> list[SheetItem]:
    """Return what people see, in the order of the keys.

    Args:
        keys: of the sheet.
        samples: by identifier, all that the keys name.
        responses: by sample and variant, all that the keys name.
    """
    return [_item(key, samples[key.sample_id], responses) for key in keys]


def _item(key: ItemKey, sample: Sample, responses: Mapping[tuple[str, str], ModelResponse]) -> SheetItem:
    order = [key.variant] if key.against is None else [key.variant, key.against]
    if key.treatment_shown == "2":
        order.reverse()
    return SheetItem(
        item=key.item,
        inputs=sample.inputs,
        messages=sample.messages,
        documents=sample.documents,
        reference=sample.reference,
        expected_outcome=sample.expected_outcome,
        rubric=sample.rubric,
        responses=tuple(_text(responses[key.sample_id, variant]) for variant in order),
    )


def _text(response: ModelResponse) -> str:
    """Return the answer that judges saw: a refused or filtered one counts as empty."""
    return "" if response.outcome in ("refused", "filtered") else response.text or ""
