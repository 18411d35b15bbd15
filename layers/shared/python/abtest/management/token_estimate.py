"""How many tokens one variant will read and write, counted before anything is asked.

The best that is known is taken: the model's own tokenizer, else a public one as a stand-in, else characters; and
whatever it is, what earlier runs of the model really used corrects it.

Depends on: templates, the model, the ports. Used by: the estimate.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from abtest.contracts.definition import Variant
from abtest.contracts.past_use import PastUse
from abtest.core.hashing import content_hash
from abtest.management import templates
from abtest.management.model import DatasetSummary
from abtest.management.ports import TokenCounter

STAND_IN = "o200k_base"
"""Counts for models whose tokenizer is not public."""
STAND_IN_FACTOR = 1.35
STAND_IN_ERROR = 0.7
"""Tokens of Claude 3 and 4.7, Llama 3 and Qwen 3 lie between 0.82 and 2.25 times the stand-in's, in 19 sorts of text:
prose in 13 languages, code, JSON, CSV, Markdown, HTML (Hindi in Qwen 3 above that, with 3.1)."""
CHARACTERS_PER_TOKEN = 3
CHARACTERS_ERROR = 0.5
"""Of text in Latin scripts, code and JSON; other scripts have up to one token for each character, and more."""
FRAME_TOKENS = 3
MESSAGE_TOKENS = 4
"""A chat's frame, of a call and of each message; source: OpenAI's guide to counting tokens of its chat models."""
UNKNOWN_FRAME_TOKENS = 32
"""The most a call's frame may have where it is not known, such as a system prompt that a server adds."""
JOINT_ERROR_TOKENS = 0.5
FRAME_ERROR_TOKENS = 4
LEAST_ERROR = 0.02
"""Of a correction by earlier runs, however little they differed."""
LONE_RUN_ERROR = 0.05
"""Of a correction by one run of the same prompt, which shows no spread."""
MESSAGES = "messages"
"""The part of a dataset that goes out with every prompt: the earlier turns of its conversations."""
_FILLER = "x"

Past = Callable[[str, str], PastUse | None]
"""What earlier runs say, by how this one is counted and what names its prompt."""


@dataclass(frozen=True, slots=True)
class TokenEstimate:
    """The tokens of one variant over all its calls; see `VariantEstimate` for what the fields mean."""

    input_base: str
    input_base_tokens: float
    input_expected: int
    input_most: int
    input_counted_by: str
    input_error: float
    output_most: int
    output_expected: int | None
    output_known_from: str | None
    output_error: float | None
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class _Count:
    """Tokens counted beforehand.

    Args:
        base: names the way, for the history.
        words: names it for a person.
        expected, most: in all calls.
    """

    base: str
    words: str
    expected: float
    most: float


def estimate_tokens(
    variant: Variant, dataset: DatasetSummary, counter: TokenCounter, past: Past
) -> TokenEstimate | None:
    """Return the tokens of a variant, or None when it asks nothing.

    Args:
        variant: what is asked, and of which model.
        dataset: how much text its samples have.
        counter: counts what is the same in all calls.
        past: see `Past`.
    """
    parts = _parts(variant)
    if not parts:
        return None
    count = _counted(variant.model, parts, dataset, counter)
    use = past(count.base, prompt_name(variant))
    expected, most, words = _corrected(count, use)
    output, output_error, known_from = _output(variant, dataset.rows, use)
    return TokenEstimate(
        input_base=count.base,
        input_base_tokens=round(count.expected, 1),
        input_expected=round(expected),
        input_most=math.ceil(most),
        input_counted_by=words,
        input_error=round(most / expected - 1, 3),
        output_most=dataset.rows * variant.parameters.max_tokens,
        output_expected=output,
        output_known_from=known_from,
        output_error=output_error,
        latency_ms=None if use is None else use.latency_ms,
    )


def prompt_name(variant: Variant) -> str:
    """Return a name that variants share exactly when they ask with the same prompt and parameters."""
    return content_hash(variant.model_dump(mode="json", include={"prompt", "parameters"}, exclude_none=True))[:16]


def _parts(variant: Variant) -> list[templates.Outline]:
    if variant.prompt is None:
        return []
    parts = [templates.outline(source, _FILLER) for source in variant.prompt.parts().values()]
    schema = variant.parameters.output_schema
    # Providers put the schema of an answer into the prompt, and charge for it.
    return parts if schema is None else [*parts, templates.Outline(json.dumps(schema), 0, {})]


def _counted(model: str, parts: list[templates.Outline], dataset: DatasetSummary, counter: TokenCounter) -> _Count:
    own = counter.encoding_of(model)
    encoding = own or STAND_IN
    inputs = dataset.input_tokens.get(encoding)
    frame = dataset.rows * (FRAME_TOKENS + MESSAGE_TOKENS * len(parts)) + MESSAGE_TOKENS * dataset.turns
    most_frame = dataset.rows * UNKNOWN_FRAME_TOKENS + frame
    if inputs is None and (dataset.turns or any(part.insertions for part in parts)):
        tokens = _characters(parts, dataset) / CHARACTERS_PER_TOKEN
        words = f"characters / {CHARACTERS_PER_TOKEN}"
        return _Count("characters", words, tokens + frame, tokens * (1 + CHARACTERS_ERROR) + most_frame)
    own_text = sum(counter.count(encoding, part.text) - part.fillers for part in parts) * dataset.rows
    by_input, by_part = ({}, {}) if inputs is None else (inputs.by_input, inputs.by_part)
    inserted = sum(by_input.get(name, 0) * n for part in parts for name, n in part.insertions.items())
    inserted += by_part.get(MESSAGES, 0)
    sampling = 0.0 if inputs is None else inputs.error * inserted
    tokens = max(0, own_text) + inserted
    if own is None:
        expected = STAND_IN_FACTOR * tokens
        most = expected * (1 + STAND_IN_ERROR) + STAND_IN_FACTOR * sampling + most_frame
        return _Count(f"stand-in {encoding}", f"tokenizer {encoding} as a stand-in", expected + frame, most)
    joints = sum(part.fillers for part in parts)
    error = sampling + dataset.rows * (JOINT_ERROR_TOKENS * joints + FRAME_ERROR_TOKENS)
    return _Count(encoding, f"tokenizer {encoding}", tokens + frame, tokens + frame + error)


def _characters(parts: list[templates.Outline], dataset: DatasetSummary) -> int:
    own = sum(max(0, len(part.text) - len(_FILLER) * part.fillers) for part in parts)
    used = [(name, n) for part in parts for name, n in part.insertions.items()]
    inserted = sum(dataset.input_characters.get(name, 0) * n for name, n in used)
    return own * dataset.rows + inserted + dataset.part_characters.get(MESSAGES, 0)


def _corrected(count: _Count, use: PastUse | None) -> tuple[float, float, str]:
    """Return expectation, upper bound and how they were counted, with what earlier runs say."""
    if use is None or use.input_ratio <= 0:
        return count.expected, count.most, count.words
    expected = count.expected * use.input_ratio
    if use.input_spread is not None:
        error = max(LEAST_ERROR, use.input_spread)
    else:
        # One run of another prompt shows how this model counts, and not how much prompts differ.
        error = LONE_RUN_ERROR if use.same_prompt else count.most / count.expected - 1
    return expected, expected * (1 + error), f"{count.words}, calibrated from {_calls(use)}"


def _output(variant: Variant, rows: int, use: PastUse | None) -> tuple[int | None, float | None, str | None]:
    if use is None:
        return None, None, None
    each = min(use.output_tokens, variant.parameters.max_tokens)
    lone = LONE_RUN_ERROR if use.same_prompt else 1.0
    error = lone if use.output_spread is None else max(LEAST_ERROR, use.output_spread)
    asked = "with this prompt" if use.same_prompt else "of this model with other prompts"
    return round(each * rows), round(error, 3), f"{_calls(use)} {asked}"


def _calls(use: PastUse) -> str:
    return f"{use.calls:,} calls of {use.runs} run{'' if use.runs == 1 else 's'}"
