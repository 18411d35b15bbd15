r"""Does the answer match a regular expression?

Measures: whether a Python regular expression is found in the answer (`search`) or is all of it (`fullmatch`); with
`group`, whether what that group caught equals the reference, white space around it ignored.

When it misleads: the pattern is usually written while looking at one variant's answers, so it fits that variant's
manner of writing; read the failures of both. `search` returns the first place that matches, not the best one.

Running away: Python's engine has no time limit. A pattern that nests unbounded repeats is refused (see
`compiled_pattern`), and an answer longer than `max_characters` is `invalid` instead of being cut. A pattern such as
`.*a.*b.*c` still takes time polynomial in the length of a line: keep such a pattern anchored or the bound low.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.evaluation.model import JudgeParameters, JudgeType, Score, Scorer, verdict_of
from abtest.evaluation.text import compiled_pattern, composed, reference_texts, shown


class Parameters(JudgeParameters):
    """Options of `regex`."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] = Field(
        description="A regular expression as Python's `re` reads it."
    )
    mode: Literal["search", "fullmatch"] = Field(default="search", description="Whether it may stand anywhere.")
    group: int | str | None = Field(default=None, description="The group to compare with the reference.")
    case_sensitive: bool = Field(default=True, description="Whether `A` differs from `a`.")
    multiline: bool = Field(default=False, description="Whether ^ and $ match at every line.")
    dot_matches_newline: bool = Field(default=False, description="Whether a dot matches the end of a line.")
    max_characters: int = Field(default=10_000, ge=1, le=100_000, description="Longer answers are not judged.")

    @field_validator("pattern")
    @classmethod
    def _pattern_works(cls, pattern: str) -> str:
        compiled_pattern(pattern)
        return pattern

    @field_validator("group")
    @classmethod
    def _group_exists(cls, group: int | str | None, others: ValidationInfo) -> int | str | None:
        if group is None or "pattern" not in others.data:
            return group
        compiled = compiled_pattern(others.data["pattern"])
        if isinstance(group, int) and not 0 <= group <= compiled.groups:
            raise ValueError(f"the pattern has no group {group}; its groups: 0 (all of it) to {compiled.groups}")
        if isinstance(group, str) and group not in compiled.groupindex:
            known = ", ".join(compiled.groupindex) or "none"
            raise ValueError(f"the pattern has no group {group!r}; its named groups: {known}")
        return group

    def flags(self) -> int:
        """Return the flags of `re.compile`."""
        chosen = ((not self.case_sensitive, re.I), (self.multiline, re.M), (self.dot_matches_newline, re.S))
        return int(sum(flag for wanted, flag in chosen if wanted))


def _compile(parameters: Parameters) -> Scorer:
    pattern = compiled_pattern(parameters.pattern, parameters.flags())
    find = pattern.search if parameters.mode == "search" else pattern.fullmatch

    def form(text: str) -> str:
        text = composed(text).strip()
        return text if parameters.case_sensitive else text.casefold()

    def score(sample: Sample, answer: str) -> Score:
        if len(answer) > parameters.max_characters:
            raise UnjudgeableError(
                f"the answer has {len(answer)} characters, more than max_characters = {parameters.max_characters}"
            )
        match = find(answer)
        if match is None:
            return Score(0.0, f"the pattern does not match {shown(answer)}")
        if parameters.group is None:
            return Score(1.0)
        caught = match[parameters.group] or ""
        accepted = reference_texts(sample)
        passed = any(form(caught) == form(text) for text in accepted)
        return verdict_of(passed, f"{shown(caught)} is not {' or '.join(map(shown, accepted))}")

    return score


JUDGE = JudgeType(
    name="regex",
    summary="1 when the answer matches a regular expression, or a group of it equals the reference.",
    Parameters=Parameters,
    compile=_compile,
    needs_reference=lambda parameters: parameters.group is not None,
)
