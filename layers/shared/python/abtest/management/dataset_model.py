"""Datasets as the platform keeps them, and what it knows of their rows.

Depends on: the entity. Used by: `abtest.management.model`, under whose name the rest of the product finds them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from abtest.management.entity import Entity

DatasetKind = Literal["samples", "recording", "scores"]


class InputTokens(Entity):
    """Tokens of a dataset's texts in one encoding, over all rows.

    Args:
        by_input: for each template variable, its tokens.
        error: two standard errors of their sum, as a share of it; 0 when every row was counted whole.
        by_part: the same for what is no template variable, as `DatasetSummary.part_characters`.
    """

    by_input: dict[str, int]
    error: float
    by_part: dict[str, int] = Field(default_factory=dict)


class ScoresSummary(Entity):
    """What a dataset of imported scores holds.

    Args:
        preferences: its rows compare two answers; else each scores one.
        samples: distinct samples that it names.
        rows_by_variant: for each variant, in how many rows it stands.
        dimensions: for each dimension, how many rows score it.
        lowest, highest: over all scores, those of dimensions among them; None where there are none.
        binary: every score is 0 or 1.
        unreadable: rows that say that the judge could not say.
        repeats: how often one judge was asked the same, at most.
    """

    preferences: bool
    samples: int
    rows_by_variant: dict[str, int]
    dimensions: dict[str, int] = Field(default_factory=dict)
    lowest: float | None = None
    highest: float | None = None
    binary: bool = False
    unreadable: int = 0
    repeats: int = 1


class DatasetSummary(Entity):
    """What later checks need to know about a dataset without reading it again.

    Args:
        rows: number of rows.
        input_counts: for each template variable, how many rows carry it: an input, or `documents`, which every row
            carries where one row has any.
        blank_counts: for each template variable, in how many rows it is empty or blank.
        input_characters: for each template variable, its characters over all rows.
        input_tokens: the same in tokens, by encoding, with those of `part_characters`; empty where nobody counted.
        part_characters: of what is no template variable, the characters over all rows: `messages` (sent with every
            prompt), `reference`, `expected_outcome`, `rubric` (for judges); those that no row has are left out.
        references: rows with a reference.
        without_reference: the first few rows without one, by id.
        conversations: rows with messages; `turns` counts those messages.
        documents: rows with documents.
        expected_outcomes: rows with an expected outcome.
        rubrics: rows with a rubric.
        clusters: distinct clusters, a row that names none being its own; None when no row names one.
        total_bytes: size of the canonical rows.
        scores: of a dataset of imported scores; None for other kinds.
    """

    rows: int
    input_counts: dict[str, int] = Field(default_factory=dict)
    blank_counts: dict[str, int] = Field(default_factory=dict)
    input_characters: dict[str, int] = Field(default_factory=dict)
    input_tokens: dict[str, InputTokens] = Field(default_factory=dict)
    part_characters: dict[str, int] = Field(default_factory=dict)
    references: int = 0
    without_reference: tuple[str, ...] = ()
    conversations: int = 0
    turns: int = 0
    documents: int = 0
    expected_outcomes: int = 0
    rubrics: int = 0
    clusters: int | None = None
    total_bytes: int = 0
    scores: ScoresSummary | None = None


class Dataset(Entity):
    """An upload: `awaiting_upload` until its rows are checked and frozen under a version."""

    dataset_id: str
    workspace: str
    name: str
    kind: DatasetKind
    created_at: datetime
    version: str | None = None
    summary: DatasetSummary | None = None

    @property
    def status(self) -> Literal["awaiting_upload", "ready"]:
        """Whether the rows are frozen."""
        return "ready" if self.version else "awaiting_upload"
