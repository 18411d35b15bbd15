"""What a person should know of an estimate, in sentences.

Depends on: the model. Used by: the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from abtest.contracts.definition import TestDefinition
from abtest.management.model import JudgeEstimate, VariantEstimate


def estimate_notes(
    definition: TestDefinition,
    cost: Decimal | None,
    variants: Sequence[VariantEstimate],
    judges: Sequence[JudgeEstimate],
    encodings: Sequence[str],
) -> tuple[str, ...]:
    """Return what a person should know of an estimate.

    Args:
        definition: of the test.
        cost: the most that everything costs; None is unknown.
        variants: of the estimate.
        judges: of the estimate.
        encodings: those that tokens can be counted in.
    """
    live = [v for v in variants if v.calls]
    notes = [*_of_variants(live, encodings), *_of_judges(judges)]
    unknown = [v.variant for v in variants if v.cost_usd_max is None] + [
        f"the judge {j.judge}" for j in judges if j.cost_usd_max is None
    ]
    cap = definition.budget.cap_usd
    if unknown:
        notes.append(f"The price of {', '.join(unknown)} is unknown, so its cost is too, and a cap cannot stop it.")
    elif cap is not None and cost is not None and cost > cap:
        notes.append(
            f"The upper bound exceeds the cap of ${cap}: the run stops when it has spent that, and keeps what it has."
        )
    return tuple(notes)


def _of_variants(live: Sequence[VariantEstimate], encodings: Sequence[str]) -> list[str]:
    notes = []
    if live:
        notes.append("Most: input with its error, every answer at max_tokens. Answers from the ledger cost nothing.")
    # What earlier runs say of the output, they say of the input too.
    guessed = [v.variant for v in live if v.input_base not in encodings and v.output_tokens_expected is None]
    if guessed:
        notes.append(
            f"The tokenizer of {', '.join(guessed)} is not public; where the samples are in another script than Latin, "
            "the input may be further off than its error, until a run has shown it."
        )
    new = [v.variant for v in live if v.output_tokens_expected is None]
    if new:
        notes.append(f"How long the answers of {', '.join(new)} are is not known before a first run.")
    batch = [v.variant for v in live if v.mode == "batch"]
    if batch:
        notes.append(
            f"{', '.join(batch)}: the provider's batch interface takes up to 24 h, at about half the price of direct "
            "calls."
        )
    return notes


def _of_judges(judges: Sequence[JudgeEstimate]) -> list[str]:
    notes = []
    if judges:
        notes.append(
            "Judges: the most is with every answer at max_tokens. Second attempts at verdicts that cannot be read, and "
            "fallbacks, are not counted."
        )
    escalated = [j.judge for j in judges if j.only_disagreements]
    if escalated:
        notes.append(
            f"{', '.join(escalated)}: asked only where a panel's members disagree, which nobody knows beforehand; what "
            "stands here is the most."
        )
    new = [j.judge for j in judges if j.output_tokens_expected is None and not j.only_disagreements]
    if new:
        notes.append(f"How long the verdicts of {', '.join(new)} are is not known before a first run.")
    return notes
