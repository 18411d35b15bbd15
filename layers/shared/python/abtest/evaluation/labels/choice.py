"""Which answers people label: samples drawn evenly, or answers on which judges disagree most.

The draw orders all samples by a keyed hash and takes the first ones: every sample has the same chance, the same seed
draws the same samples on any machine, and a later sheet goes on where an earlier one ended.

Depends on: `abtest.contracts.records`, the model. Used by: `abtest.runtime.labelling`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from abtest.contracts.records import Verdict
from abtest.evaluation.labels.model import LabelQuestion


@dataclass(frozen=True)
class JudgedSample:
    """One sample as far as it can be labelled.

    Args:
        id: of the sample.
        disagreement: by variant whose answer (of a pair: whose comparison with the control) has a score: how far
            votes and judges are apart, as a share of the scale, from 0 to 1.
    """

    id: str
    disagreement: Mapping[str, float]


Chosen = tuple[str, str]
"""Sample and variant; of a pair the treatment."""


def judged_samples(verdicts: Iterable[Verdict], question: LabelQuestion, *, control: str) -> list[JudgedSample]:
    """Return the samples that people can be asked about, in the order of their first verdict.

    A sample counts when the metric has a comparison on it: of a pair any score, else a score of the control and of
    at least one treatment.

    Args:
        verdicts: of the question's judges and their peers, all verdicts on each sample together.
        question: names metric and judges.
        control: the variant that the others are compared with.
    """
    scored: dict[str, set[str]] = {}
    said: dict[tuple[str, str], list[float]] = {}
    for verdict in verdicts:
        score = metric_score(verdict, question.dimension)
        if score is None:
            continue
        if verdict.judge in question.judges:
            scored.setdefault(verdict.sample_id, set()).add(verdict.variant)
        if verdict.judge in question.peers:
            said.setdefault((verdict.sample_id, verdict.variant), []).extend(_votes(verdict, question.dimension, score))
    pairwise = question.kind == "preference"
    width = question.scale[1] - question.scale[0]
    return [
        JudgedSample(sample, {v: _spread(said.get((sample, v), ()), width) for v in sorted(variants)})
        for sample, variants in scored.items()
        if pairwise or (control in variants and len(variants) > 1)
    ]


def metric_score(verdict: Verdict, dimension: str | None) -> float | None:
    """Return a verdict's score on one metric of its judge, or None where it has none."""
    if verdict.status != "scored":
        return None
    return verdict.score if dimension is None else verdict.dimensions.get(dimension)


def choose_at_random(
    judged: Sequence[JudgedSample], *, items: int, seed: int, taken: Collection[str] = ()
) -> list[Chosen]:
    """Return the judged answers of samples drawn evenly, whole samples until there are enough items.

    Args:
        judged: all that can be labelled.
        items: wanted; the last sample may bring a few more.
        seed: of the draw.
        taken: samples that earlier draws took; the draw goes on among the others.

    Returns:
        (sample, variant) pairs; fewer than wanted when the samples run out.
    """
    left = set(taken)
    chosen: list[Chosen] = []
    for sample in sorted((one for one in judged if one.id not in left), key=lambda one: _rank(seed, one.id)):
        if len(chosen) >= items:
            break
        chosen.extend((sample.id, variant) for variant in sample.disagreement)
    return chosen


def choose_by_disagreement(
    judged: Sequence[JudgedSample], *, items: int, seed: int, taken: Collection[Chosen] = ()
) -> list[Chosen]:
    """Return the answers, or pairs, on which votes and judges are furthest apart; those of one mind are never chosen.

    Args:
        judged: all that can be labelled.
        items: wanted.
        seed: decides among those equally far apart.
        taken: what earlier sheets of this kind asked about.
    """
    apart = [
        (-spread, _rank(seed, f"{sample.id}\n{variant}"), (sample.id, variant))
        for sample in judged
        for variant, spread in sample.disagreement.items()
        if spread > 0 and (sample.id, variant) not in taken
    ]
    return [chosen for _, _, chosen in sorted(apart)[:items]]


def _votes(verdict: Verdict, dimension: str | None, score: float) -> list[float]:
    votes = [
        vote.score if dimension is None else vote.dimensions.get(dimension)
        for vote in verdict.votes
        if vote.status == "scored"
    ]
    return [vote for vote in votes if vote is not None] or [score]


def _spread(votes: Collection[float], width: float) -> float:
    return (max(votes) - min(votes)) / width if votes and width > 0 else 0.0


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{name}".encode()).digest()
