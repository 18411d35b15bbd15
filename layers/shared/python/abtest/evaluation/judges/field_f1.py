"""How many fields of the reference does the answer's JSON get right?

Measures: the F1 of fields between the answer's JSON and the reference's object or list: twice the equal fields over the
fields of both; or their precision or recall. A field is a leaf at any depth: text, number, truth value, null, an empty
object or list. It is right when the answer has an equal one at the same path. 1 equals 1.0, within the tolerance;
`true` does not equal 1, `"1"` does not equal 1, and null does not equal an absent field. White space around texts is
ignored; the names of fields must be the same.

Lists: as a `sequence`, items are compared place by place. As a `set`, order does not matter: equal items are paired
first, then objects and lists in pairs, those with the most equal fields first.

An answer without JSON scores 0 in every measure.

When it misleads: every leaf counts the same, so a long list outweighs the one field that matters, and an easy field
that is always right lifts every score. As a sequence, one item left out at the front makes all after it wrong. `recall`
does not punish invented fields, `precision` does not punish omitted ones. With `extract: first` a first draft counts
although a better object follows, and a footnote such as `[1]` is a list. Scores are shares: their mean is the mean of
the answers' F1, not the F1 of all fields together.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.json_fields import Difference, FieldCounts, Rules, compare_fields
from abtest.evaluation.json_values import NOTHING, first_json, reference_json, whole_json
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer
from abtest.evaluation.text import shown

_SHOWN_FIELDS = 5
Tolerance = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Parameters(JudgeParameters):
    """Options of `field_f1`."""

    measure: Literal["f1", "precision", "recall"] = Field(default="f1", description="What the score is.")
    extract: Literal["whole", "first"] = Field(
        default="whole",
        description="Whether all of the answer is JSON, or the first object (or list, as the reference is) counts.",
    )
    lists: Literal["sequence", "set"] = Field(default="sequence", description="Whether the order of lists matters.")
    case_sensitive: bool = Field(default=True, description="Whether texts are compared with case.")
    tolerance_abs: Tolerance = Field(default=Decimal(0), description="Allowed distance of a number, in its own unit.")
    tolerance_rel: Tolerance = Field(default=Decimal(0), description="Allowed distance as a share of the reference.")


def _reference(sample: Sample) -> Any:
    reference = reference_json(sample)
    if not isinstance(reference, dict | list):
        raise UnjudgeableError(f"the reference of the sample {sample.id!r} is not a JSON object or list")
    return reference


def _value(answer: str, extract: str, wanted: Any) -> Any:
    if extract == "whole":
        return whole_json(answer)
    return first_json(answer, "[" if isinstance(wanted, list) else "{")


def _reason(found: FieldCounts) -> str:
    share = f"{found.equal} of {found.wanted} fields right, {found.given} given"
    return "; ".join([share, *_named(found.differences)])


def _named(differences: Sequence[Difference]) -> list[str]:
    sentences = []
    for kind in ("wrong", "missing", "extra"):
        paths = [shown(path)[1:-1] for what, path in differences if what == kind]
        more = f" and {len(paths) - _SHOWN_FIELDS:,} more" if len(paths) > _SHOWN_FIELDS else ""
        if paths:
            sentences.append(f"{kind}: {', '.join(paths[:_SHOWN_FIELDS])}{more}")
    return sentences


def _compile(parameters: Parameters) -> Scorer:
    rules = Rules(
        lists=parameters.lists,
        case_sensitive=parameters.case_sensitive,
        tolerance_abs=parameters.tolerance_abs,
        tolerance_rel=parameters.tolerance_rel,
    )

    def score(sample: Sample, answer: str) -> Score:
        wanted = _reference(sample)
        given = _value(answer, parameters.extract, wanted)
        if given is NOTHING:
            what = "is not JSON" if parameters.extract == "whole" else "holds no JSON"
            return Score(0.0, f"{shown(answer)} {what}")
        found = compare_fields(wanted, given, rules)
        value = {"f1": found.f1, "precision": found.precision, "recall": found.recall}[parameters.measure]
        return Score(value, _reason(found) if found.differences else None)

    return score


JUDGE = JudgeType(
    name="field_f1",
    summary="Share of fields of the reference's JSON that the answer's JSON gets right: F1, precision or recall.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda _: True,
    binary=False,
)
