"""What a judge measures, as the analysis takes it: one value a metric, with the instrument behind it.

Depends on: pydantic, `abtest.contracts.judging`. Used by: `abtest.analytics.plan`, which names it again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from abtest.analytics.status import AnalysisModel
from abtest.contracts.judging import JudgeKind

PREFERENCE_TYPE = "preference"
"""Type of a metric that is the share of a preference, whole or not, read from a file."""
OnDisagreement = Literal["keep", "abstain", "escalate"]


class PanelPlan(AnalysisModel):
    """How a panel joins the scores of its members.

    Args:
        members: names of judges.
        consensus: a module name in `abtest.analytics.consensus`.
        weights: judge to its weight, for `weighted`; a member that is not named has the weight 1.
        agree_within: the largest distance between members' scores that still is agreement.
        on_disagreement: `keep` joins the scores all the same, `abstain` gives none, `escalate` takes another judge's.
        escalate_to: that judge.
    """

    members: tuple[str, ...] = Field(min_length=1)
    consensus: str = "mean"
    weights: dict[str, float] = Field(default_factory=dict)
    agree_within: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    on_disagreement: OnDisagreement = "keep"
    escalate_to: str | None = None


class JudgeMetric(AnalysisModel):
    """One metric of a judge.

    Args:
        name: of the metric: the judge's own, or `JUDGE.DIMENSION`.
        type: which judge it is.
        binary: every score is 0 or 1.
        from_judge: the judge's name; None where it is the metric's.
        dimension: None for the judge's overall score.
        kind: whether code, a model or other judges give the score.
        pairwise: it is the share of the preference between the control's answer and a treatment's.
        scale: lowest and highest score; of a preference 0 and 1.
        version: see `JudgeFacts.version`; None where nobody told.
        model: whom the judge asks first, as provider and model; None for judges that ask nobody.
        family: of that model, such as `gpt`; None where it is not known.
        panel: of a panel, how it joins its members.
        escalated_only: it judges only what a panel disagrees about, which is no fair part of the samples.
    """

    name: str
    type: str
    binary: bool
    lower_is_better: bool = False
    from_judge: str | None = None
    dimension: str | None = None
    kind: JudgeKind = "code"
    pairwise: bool = False
    scale: tuple[float, float] = (0.0, 1.0)
    version: str | None = None
    model: str | None = None
    family: str | None = None
    panel: PanelPlan | None = None
    escalated_only: bool = False

    @property
    def judge(self) -> str:
        """The judge's name."""
        return self.from_judge or self.name

    @property
    def preference(self) -> bool:
        """Whether a score is the share of a preference, from a judge of this run or from a file."""
        return self.pairwise or self.type == PREFERENCE_TYPE
