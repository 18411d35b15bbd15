"""What the judges of a run that ask a model will ask for, before anything is asked.

A judge reads its own prompt, the sample, and answers that nobody has yet: of those it is known how long they may be,
and how long earlier ones were.

Depends on: the model, the ports, planning, the estimate of tokens. Used by: the estimate.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from abtest.contracts.definition import TestDefinition
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.past_use import PastUse
from abtest.contracts.records import Usage
from abtest.management.model import DatasetSummary, JudgeEstimate
from abtest.management.planning import escalations
from abtest.management.ports import PriceOf, TokenCounter
from abtest.management.token_estimate import (
    CHARACTERS_ERROR,
    CHARACTERS_PER_TOKEN,
    FRAME_TOKENS,
    MESSAGE_TOKENS,
    STAND_IN,
    STAND_IN_ERROR,
    STAND_IN_FACTOR,
    UNKNOWN_FRAME_TOKENS,
)

HISTORY_BASE = "judge"
"""Names judges in the history of a model: what it writes as a judge says nothing about its answers."""
BLOCK_TOKENS = 45
BLOCK_TOKENS_MOST = 70
"""Around each text of a sample: its heading and the lines between which it stands."""
_MESSAGES_OF_A_CALL = 2
_REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """The tokens of all answers of one variant; expected None is not known."""

    expected: int | None
    most: int


@dataclass(frozen=True)
class JudgeWorld:
    """What an estimate of judges needs to know.

    Args:
        dataset: how much text the samples have.
        answers: by variant.
        counter: counts tokens.
        price_of: of one call; see `PriceOf`.
        past: what earlier runs say of a judge, by its facts.
        schema_text: what a judge sends beside its messages.
    """

    dataset: DatasetSummary
    answers: Mapping[str, AnswerTokens]
    counter: TokenCounter
    price_of: PriceOf
    past: Callable[[JudgeFacts], PastUse | None]
    schema_text: Callable[[JudgeFacts], str]


@dataclass(frozen=True, slots=True)
class _Read:
    """Tokens that all calls of a judge read.

    Args:
        least: without the answers.
        expected: None where the answers' length is not known.
        most: an upper bound.
        words: how they were counted.
    """

    least: float
    expected: float | None
    most: float
    words: str


def recorded_tokens(recording: DatasetSummary) -> AnswerTokens:
    """Return the tokens of recorded answers, as far as the size of the recording tells.

    Args:
        recording: its rows have identifiers as well, so that the size is an upper bound of the text.
    """
    tokens = recording.total_bytes / CHARACTERS_PER_TOKEN
    return AnswerTokens(round(tokens), math.ceil(tokens * (1 + CHARACTERS_ERROR)))


def estimate_judges(
    definition: TestDefinition, facts: Mapping[str, JudgeFacts], world: JudgeWorld
) -> tuple[tuple[JudgeEstimate, ...], tuple[int, ...]]:
    """Return the estimate of each judge that asks a model, and for each the fewest tokens it reads.

    Args:
        definition: of the test.
        facts: of all its judges.
        world: see `JudgeWorld`.
    """
    escalated = escalations(definition, facts)
    found = [
        _of_judge(fact, definition, world, only_disagreements=name in escalated)
        for name, fact in facts.items()
        if fact.models
    ]
    return tuple(estimate for estimate, _ in found), tuple(least for _, least in found)


def _of_judge(
    fact: JudgeFacts, definition: TestDefinition, world: JudgeWorld, *, only_disagreements: bool
) -> tuple[JudgeEstimate, int]:
    asked = fact.models[0]
    pinned = _pinned(definition, fact)
    judged = len(definition.treatments if fact.pairwise else definition.variants)
    calls = fact.calls_per_answer * (world.dataset.rows * judged + len(pinned))
    read = _read(fact, definition, world, pinned, calls)
    use = world.past(fact)
    written = None if use is None else round(min(use.output_tokens, asked.parameters.max_tokens) * calls)
    most = calls * asked.parameters.max_tokens
    known = not only_disagreements and read.expected is not None
    cost_most, source = _cost(fact, calls, math.ceil(read.most), most, world.price_of)
    cost = None
    if known and read.expected is not None and written is not None:
        cost, _ = _cost(fact, calls, round(read.expected), written, world.price_of)
    estimate = JudgeEstimate(
        judge=fact.name,
        provider=asked.provider,
        model=asked.model,
        calls=calls,
        only_disagreements=only_disagreements,
        input_tokens=math.ceil(read.most),
        input_tokens_expected=round(read.expected) if known and read.expected is not None else None,
        input_counted_by=read.words,
        output_tokens_max=most,
        output_tokens_expected=None if only_disagreements else written,
        output_known_from=None if use is None or only_disagreements else _known_from(use),
        cost_usd_max=cost_most,
        cost_usd_expected=cost,
        price_source=source,
    )
    return estimate, round(read.least)


def _read(fact: JudgeFacts, definition: TestDefinition, world: JudgeWorld, pinned: Sequence[str], calls: int) -> _Read:
    control = definition.control
    pairs = [(control, treatment) for treatment in definition.treatments]
    shown = pairs if fact.pairwise else [(variant,) for variant in definition.variants]
    answers = [world.answers[variant] for group in shown for variant in group]
    own = world.counter.encoding_of(fact.models[0].model)
    encoding = own or STAND_IN
    # Providers put the schema of a reply into the prompt, and charge for it.
    fixed = sum(world.counter.count(encoding, text) for text in (fact.fixed_text, world.schema_text(fact)))
    sample, error, words = _sample_tokens(fact, world.dataset, encoding)
    blocks = _blocks(fact, world.dataset)
    each = fact.calls_per_answer
    own_text = calls * fixed + each * sum(world.counter.count(encoding, example) for example in pinned)
    factor, doubt = (1.0, 0.0) if own else (STAND_IN_FACTOR, STAND_IN_ERROR)
    known = factor * (own_text + each * len(shown) * (sample + BLOCK_TOKENS * blocks))
    doubtful = each * len(shown) * (sample * error + (BLOCK_TOKENS_MOST - BLOCK_TOKENS) * blocks)
    frame = calls * (FRAME_TOKENS + _MESSAGES_OF_A_CALL * MESSAGE_TOKENS)
    expected = None
    if all(answer.expected is not None for answer in answers):
        expected = known + frame + each * sum(answer.expected or 0 for answer in answers)
    most = known * (1 + doubt) + factor * doubtful + each * sum(answer.most for answer in answers)
    how = f"tokenizer {encoding}" if own else f"tokenizer {encoding} as a stand-in"
    return _Read(known + frame, expected, most + frame + calls * UNKNOWN_FRAME_TOKENS, f"{how}{words}")


def _blocks(fact: JudgeFacts, dataset: DatasetSummary) -> int:
    """Return how many texts all samples have that stand apart in a judge's prompt."""
    references = dataset.references if fact.reference != "none" else 0
    return dataset.rows + dataset.turns + dataset.documents + references + dataset.expected_outcomes + dataset.rubrics


def _sample_tokens(fact: JudgeFacts, dataset: DatasetSummary, encoding: str) -> tuple[float, float, str]:
    """Return the tokens of all samples as a judge reads them, their error as a share, and how they were counted."""
    unread = set() if fact.reference != "none" else {_REFERENCE}
    counted = dataset.input_tokens.get(encoding)
    if counted is None:
        parts = {**dataset.input_characters, **dataset.part_characters}
        characters = sum(n for name, n in parts.items() if name not in unread)
        return characters / CHARACTERS_PER_TOKEN, CHARACTERS_ERROR, f", samples by characters / {CHARACTERS_PER_TOKEN}"
    tokens = sum(counted.by_input.values())
    tokens += sum(n for name, n in counted.by_part.items() if name not in unread)
    return tokens, counted.error, ""


def _pinned(definition: TestDefinition, fact: JudgeFacts) -> list[str]:
    examples = definition.judges[fact.name].parameters.get("pinned_examples")
    return [json.dumps(example, ensure_ascii=False) for example in examples] if isinstance(examples, list) else []


def _cost(
    fact: JudgeFacts, calls: int, input_tokens: int, output_tokens: int, price_of: PriceOf
) -> tuple[Decimal | None, str | None]:
    asked = fact.models[0]
    each_reads, each_writes = (math.ceil(n / max(1, calls)) for n in (input_tokens, output_tokens))
    usage = Usage(input_tokens=each_reads, output_tokens=each_writes)
    each, source = price_of(asked.provider, asked.model, usage, False)
    return (None, source) if each is None else (each * calls, source)


def _known_from(use: PastUse) -> str:
    asked = "of this judge" if use.same_prompt else "of this model in other judges"
    return f"{use.calls:,} calls of {use.runs} run{'' if use.runs == 1 else 's'} {asked}"
