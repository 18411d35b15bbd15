"""What did somebody else say?

Measures: nothing itself; it reads scores or preferences that another tool, a person's program or a study gave.

When it misleads: nobody here knows what was judged. Scores must be of the very answers of the run: of recorded answers,
or of a run that is judged anew. An answer that was asked for again is another answer.

Depends on: `abtest.evaluation.imported`. Used by: the registry, by name.
"""

from __future__ import annotations

from abtest.contracts.judging import JudgeFacts, MetricFacts
from abtest.contracts.records import Sample
from abtest.core.errors import UnjudgeableError
from abtest.core.hashing import content_hash
from abtest.evaluation.imported import TYPE, ImportedParameters
from abtest.evaluation.model import JudgeType, Score, Scorer

_FORMAT = 1
"""Changes when the same rows come to mean another score."""


def _facts(name: str, parameters: ImportedParameters) -> JudgeFacts:
    content = {"type": TYPE, "format": _FORMAT, **parameters.model_dump(mode="json")}
    metrics = [MetricFacts(name=name, binary=parameters.binary, scale=parameters.scale)]
    metrics += [
        MetricFacts(name=f"{name}.{dimension}", dimension=dimension, binary=parameters.binary, scale=parameters.scale)
        for dimension in parameters.dimensions
    ]
    return JudgeFacts(
        name=name,
        type=TYPE,
        kind="code",
        pairwise=parameters.preferences,
        metrics=tuple(metrics),
        version=content_hash(content)[:16],
        imported=parameters.scores.version,
    )


def _compile(_: ImportedParameters) -> Scorer:
    def score(_sample: Sample, _answer: str) -> Score:
        raise UnjudgeableError("its scores were given elsewhere, and none is computed here")

    return score


JUDGE = JudgeType(
    name=TYPE,
    summary="Scores or preferences that were given elsewhere: by another tool, by your own program, by a study.",
    Parameters=ImportedParameters,
    compile=_compile,
    needs_reference=lambda _: False,
    binary=False,
    facts=_facts,
)
