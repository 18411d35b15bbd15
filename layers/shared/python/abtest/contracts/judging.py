"""What the domains tell each other of judges without importing each other: what a judge measures, and whom it asks.

Depends on: `abtest.contracts.definition`. Used by: evaluation, management, analytics, the workers.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from abtest.contracts.definition import Parameters

JudgeKind = Literal["code", "model", "panel"]
"""`code` scores by itself; `model` asks a model for each verdict; `panel` joins other judges' scores at the end."""
ReferenceUse = Literal["none", "used", "needed"]
"""What a judge does with a sample's reference: nothing, uses it where there is one, or cannot judge without it."""


class JudgingValue(BaseModel):
    """A value of this module: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AskedModel(JudgingValue):
    """A model that a judge asks.

    Args:
        provider: identifier of a registered provider.
        model: the provider's name of the model.
        parameters: what is sent, `output_schema` excepted.
        wished: names of parameters that the judge sets by itself, such as a temperature of 0; they are left out where
            a model refuses them, while those a person wrote are refused when the test is created.
    """

    provider: str
    model: str
    parameters: Parameters = Parameters()
    wished: tuple[str, ...] = ()


class MetricFacts(JudgingValue):
    """One metric that a judge makes.

    Args:
        name: the judge's name, or `JUDGE.DIMENSION` for one dimension of several.
        dimension: None for the judge's overall score.
        binary: every score is 0 or 1.
        scale: lowest and highest score; of a preference 0 and 1.
    """

    name: str
    dimension: str | None = None
    binary: bool = False
    scale: tuple[float, float] = (0.0, 1.0)


class JudgeFacts(JudgingValue):
    """What is known of one judge of a test before it judges.

    Args:
        name: in the test.
        type: which judge it is.
        kind: see `JudgeKind`.
        pairwise: it compares the control's answer with a treatment's; its score is the share of the preference.
        reference: see `ReferenceUse`.
        metrics: what it measures, the overall score first.
        models: whom it asks: the judge's own model, then its declared fallbacks in order; none for other kinds.
        version: names model, templates, dimensions and parameters: two judges of one version are one instrument.
        calls_per_answer: of a rubric judge for each answer, of a pairwise judge for each pair; repairs not counted.
        fixed_text: the prompt of one call without anything of a sample, for an estimate of its tokens.
        members: of a panel, names of judges.
        consensus: of a panel, how it joins them.
        escalate_to: of a panel, the judge that is asked where the members disagree.
        imported: version of the dataset of scores it reads; None for judges that judge.
    """

    name: str
    type: str
    kind: JudgeKind
    pairwise: bool = False
    reference: ReferenceUse = "none"
    metrics: tuple[MetricFacts, ...] = Field(min_length=1)
    models: tuple[AskedModel, ...] = ()
    version: str
    calls_per_answer: int = 0
    fixed_text: str = ""
    members: tuple[str, ...] = ()
    consensus: str | None = None
    escalate_to: str | None = None
    imported: str | None = None
