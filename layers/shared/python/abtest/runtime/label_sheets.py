"""Makes labelling sheets: which answers people are asked about, hidden and kept in three formats.

Depends on: `abtest.evaluation.labels`, `abtest.reporting.label_page`, `abtest.runtime.label_store`.
Used by: `functions/api`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.records import ModelResponse, Sample
from abtest.core.errors import ConflictError, InputIssue, InvalidInputError
from abtest.core.ids import new_id
from abtest.evaluation.labels.blinding import hidden_keys, sheet_items
from abtest.evaluation.labels.choice import (
    Chosen,
    JudgedSample,
    choose_at_random,
    choose_by_disagreement,
    judged_samples,
)
from abtest.evaluation.labels.formats import sheet_csv, sheet_jsonl
from abtest.evaluation.labels.model import MOST_ITEMS, Choice, ItemKey, LabellingSheet, LabelQuestion, SheetItem
from abtest.evaluation.labels.questions import question_of
from abtest.management.model import RunFrozen
from abtest.runtime.label_store import PARALLEL_READS, LabellingPorts, LabelStore, completed, configured
from abtest.runtime.steps.bodies import RunBodies

MOST_SEED = 2**31 - 1
MOST_CHARACTERS = 20_000_000
"""Of all samples and answers of one sheet: a browser still opens its page, and the function has room for it."""
Place = tuple[int, int]


class SheetBody(BaseModel):
    """Body of `POST /v1/runs/{run_id}/labelling-sheets`.

    Args:
        items: wanted; a sample drawn at random comes with all its answers, so there may be a few more.
        seed: of the choice; None draws one, which the answer tells.
    """

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(min_length=1, max_length=200)
    items: int = Field(default=50, ge=1, le=MOST_ITEMS)
    choose: Choice = "random"
    seed: int | None = Field(default=None, ge=0, le=MOST_SEED)


@dataclass(frozen=True)
class Drawn:
    """What chance gives a new sheet; the caller draws it.

    Args:
        seed: of the choice, where the request names none.
        blinding: secret that hides who answered; at least 128 random bits.
    """

    seed: int
    blinding: str


def make_sheet(
    body: SheetBody, run_id: str, *, workspace: str, created_by: str, ports: LabellingPorts, drawn: Drawn
) -> LabellingSheet:
    """Make and keep a sheet of a completed run.

    Args:
        body: what a client asked for.
        workspace: the caller's; other runs do not exist for them.
        drawn: what chance gives it.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is not completed, or nothing is left to label.
        InvalidInputError: it has no such metric or nothing to choose by, or the sheet would be too large.
    """
    run = completed(ports.runs, workspace, run_id)
    store, bodies = LabelStore(ports.objects, workspace, run_id), RunBodies(ports.objects, workspace, run_id)
    frozen = bodies.frozen()
    question = question_of(configured(frozen), body.metric)
    earlier = [s for s in store.sheets() if s.question.metric == body.metric and s.choose == body.choose]
    judged = list(_judged(bodies, frozen, question))
    seed = drawn.seed if body.seed is None else body.seed
    chosen = _chosen(body, seed, [sample for _, sample in judged], earlier)
    keys = hidden_keys(chosen, kind=question.kind, control=frozen.definition.control, blinding=drawn.blinding)
    sheet = LabellingSheet(
        sheet_id=new_id("sheet"),
        run_id=run.run_id,
        question=question,
        choose=body.choose,
        seed=seed,
        blinding=drawn.blinding,
        population=len(judged),
        samples=len({key.sample_id for key in keys}),
        created_at=ports.clock.now(),
        created_by=created_by,
        keys=keys,
    )
    places = {sample.id: place for place, sample in judged}
    store.write_sheet(sheet, _files(sheet, _items(bodies, keys, places)))
    return sheet


def _judged(bodies: RunBodies, frozen: RunFrozen, question: LabelQuestion) -> Iterator[tuple[Place, JudgedSample]]:
    """Return every sample that can be labelled, with the wave and batch it is in."""
    places = [(wave, batch) for wave, count in enumerate(frozen.batches_by_wave) for batch in range(count)]

    def read(place: Place) -> list[JudgedSample]:
        verdicts = [v for judge in question.peers for v in bodies.verdicts_so_far(place[0], judge, place[1])]
        return judged_samples(verdicts, question, control=frozen.definition.control)

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        for place, samples in zip(places, pool.map(read, places), strict=True):
            yield from ((place, sample) for sample in samples)


def _chosen(
    body: SheetBody, seed: int, judged: Sequence[JudgedSample], earlier: Sequence[LabellingSheet]
) -> list[Chosen]:
    if not judged:
        raise ConflictError(f"No sample of this run has a comparison on {body.metric!r}; there is nothing to label.")
    keys = [key for sheet in earlier for key in sheet.keys]
    if body.choose == "random":
        chosen = choose_at_random(judged, items=body.items, seed=seed, taken={key.sample_id for key in keys})
    else:
        if not any(spread > 0 for sample in judged for spread in sample.disagreement.values()):
            issue = InputIssue("choose", "no votes, orders or judges disagree on this metric", "disagreement", "random")
            raise InvalidInputError("There is nothing to choose by.", [issue])
        taken = {(key.sample_id, key.variant) for key in keys}
        chosen = choose_by_disagreement(judged, items=body.items, seed=seed, taken=taken)
    if not chosen:
        raise ConflictError(f"Earlier sheets ({len(earlier)}) ask about everything there is; import labels on them.")
    return chosen


def _items(bodies: RunBodies, keys: Sequence[ItemKey], places: dict[str, Place]) -> list[SheetItem]:
    """Read what the chosen items show, batch by batch."""
    wanted: dict[Place, set[str]] = {}
    for key in keys:
        needed = {key.variant, *([key.against] if key.against else [])}
        wanted.setdefault(places[key.sample_id], set()).update(needed)

    def read(place: Place) -> tuple[list[Sample], list[ModelResponse]]:
        wave, batch = place
        return bodies.samples(wave, batch), [r for v in wanted[place] for r in bodies.responses(wave, v, batch)]

    shown = {key.sample_id for key in keys}
    samples: dict[str, Sample] = {}
    responses: dict[tuple[str, str], ModelResponse] = {}
    size = 0
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        for some, answers in pool.map(read, wanted):
            samples.update({sample.id: sample for sample in some if sample.id in shown})
            responses.update({(r.sample_id, r.variant): r for r in answers if r.sample_id in shown})
            size += sum(len(sample.model_dump_json()) for sample in some if sample.id in shown)
            size += sum(len(r.text or "") for r in answers if r.sample_id in shown)
            if size > MOST_CHARACTERS:
                raise _too_large(len(keys))
    return sheet_items(keys, samples, responses)


def _too_large(items: int) -> InvalidInputError:
    allowed = f"sheets of up to {MOST_CHARACTERS:,} characters"
    issue = InputIssue("items", "the texts of so many items are too long for one sheet", str(items), allowed)
    return InvalidInputError("The sheet would be too large; ask for fewer items.", [issue])


def _files(sheet: LabellingSheet, items: Sequence[SheetItem]) -> list[tuple[str, bytes]]:
    from abtest.reporting.label_page import render_label_page

    page = render_label_page(sheet.sheet_id, sheet.question, items)
    return [
        ("csv", sheet_csv(sheet.sheet_id, sheet.question, items)),
        ("jsonl", sheet_jsonl(sheet.sheet_id, sheet.question, items)),
        ("html", page.encode("utf-8", "replace")),
    ]
