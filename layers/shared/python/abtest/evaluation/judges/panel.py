"""What do several judges say together?

Measures: one score made of the scores of other judges of the test: their mean, median, majority, weighted mean, or the
most likely truth given how reliable each has shown itself (Dawid-Skene). The members stay metrics of their own, and how
far they agree is told.

When it misleads: judges of one family share their biases, and their agreement is then no evidence. A mean hides that
one of them always says the same; a majority follows two bad judges against a good one.

Source: A. Dawid, A. Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, JRSS C 1979.
P. Verga and others, Replacing Judges with Juries, 2024 (panels of smaller models).

Depends on: `abtest.contracts.judging`, `abtest.evaluation.versions`. Used by: the registry, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from abtest.contracts.definition import Name
from abtest.contracts.judging import JudgeFacts, MetricFacts, ReferenceUse
from abtest.core.errors import InputIssue
from abtest.core.registry import unknown_name
from abtest.evaluation.model import JudgeParameters, PanelType
from abtest.evaluation.versions import version_of

Consensus = Literal["mean", "median", "majority", "weighted", "dawid_skene"]
_FORMAT = 1
"""Changes when members' scores are joined in another way, so that the versions of all panels do too."""
_BY_CATEGORY = ("majority", "dawid_skene")
_FEW_CALLS = 2
"""A preference averaged over this many calls still takes few values."""
_STRENGTH: Mapping[ReferenceUse, int] = {"none": 0, "used": 1, "needed": 2}


class Parameters(JudgeParameters):
    """Options of `panel`."""

    members: tuple[Name, ...] = Field(min_length=2, max_length=19, description="Names of other judges of the test.")
    consensus: Consensus = Field(default="mean", description="How the members' scores are made one.")
    weights: dict[Name, Annotated[float, Field(gt=0, le=1_000)]] = Field(
        default_factory=dict, description="Member to its weight, of `weighted`; one that is not named weighs 1."
    )
    agree_within: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="The largest distance of scores that still is agreement."
    )
    on_disagreement: Literal["keep", "abstain", "escalate"] = Field(
        default="keep",
        description="Whether a disagreement is joined all the same, left out, or asked of another judge.",
    )
    escalate_to: Name | None = Field(default=None, description="The judge that is asked where the members disagree.")

    @field_validator("members")
    @classmethod
    def _members_differ(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(members)) < len(members):
            raise ValueError("a member is named twice; to let it count more, use weights")
        return members

    @model_validator(mode="after")
    def _options_fit(self) -> Parameters:
        if self.weights and self.consensus != "weighted":
            raise ValueError(f"weights do nothing for {self.consensus!r}; write consensus: weighted, or leave them out")
        if not self.weights and self.consensus == "weighted":
            raise ValueError("the consensus 'weighted' needs weights; without them it is the mean")
        if self.on_disagreement == "escalate" and self.escalate_to is None:
            raise ValueError("say in escalate_to which judge is asked where the members disagree")
        if self.on_disagreement != "escalate" and self.escalate_to is not None:
            raise ValueError("escalate_to does nothing without on_disagreement: escalate")
        return self


def _issues(parameters: Parameters, judges: Mapping[str, JudgeFacts]) -> list[InputIssue]:
    named = [*((f"members.{index}", name) for index, name in enumerate(parameters.members))]
    if parameters.escalate_to is not None:
        named.append(("escalate_to", parameters.escalate_to))
    issues = [issue for path, name in named for issue in _judge_issues(path, name, judges)]
    issues += [
        InputIssue(f"weights.{name}", "this is no member of the panel", name, ", ".join(parameters.members))
        for name in parameters.weights
        if name not in parameters.members
    ]
    issues += _escalation_issues(parameters, judges)
    known = [judges[name] for _, name in named if name in judges and judges[name].kind != "panel"]
    return issues + list(_kinship_issues(known)) + list(_category_issues(parameters, judges))


def _judge_issues(path: str, name: str, judges: Mapping[str, JudgeFacts]) -> Iterator[InputIssue]:
    if name not in judges:
        others = [other for other, facts in judges.items() if facts.kind != "panel"]
        yield InputIssue(path, f"the test has no such judge: {unknown_name(name, others)}", name, ", ".join(others))
    elif judges[name].kind == "panel":
        message = "a panel cannot be part of a panel; name its members instead"
        yield InputIssue(path, message, name)


def _escalation_issues(parameters: Parameters, judges: Mapping[str, JudgeFacts]) -> Iterator[InputIssue]:
    name = parameters.escalate_to
    if name is None:
        return
    if name in parameters.members:
        message = "this judge is a member, so that it has been asked already; name another one"
        yield InputIssue("escalate_to", message, name)
    elif name in judges and judges[name].kind == "code":
        message = "what a judge in code says costs nothing and needs no escalation; name one that asks a model"
        yield InputIssue("escalate_to", message, name)


def _kinship_issues(judges: Sequence[JudgeFacts]) -> Iterator[InputIssue]:
    """Yield what keeps scores from being joined: a preference is no score, and scales differ."""
    if len({judge.pairwise for judge in judges}) > 1:
        told = ", ".join(f"{judge.name} {'compares' if judge.pairwise else 'scores'}" for judge in judges)
        yield InputIssue("members", f"some judges compare two answers and some score one ({told}); take one kind")
    elif len({judge.metrics[0].scale for judge in judges}) > 1:
        told = ", ".join(
            f"{judge.name} {judge.metrics[0].scale[0]:g} to {judge.metrics[0].scale[1]:g}" for judge in judges
        )
        yield InputIssue("members", f"the judges score on different scales ({told}); give them one scale")


def _category_issues(parameters: Parameters, judges: Mapping[str, JudgeFacts]) -> Iterator[InputIssue]:
    if parameters.consensus not in _BY_CATEGORY:
        return
    for index, name in enumerate(parameters.members):
        if name in judges and judges[name].kind != "panel" and not _gives_categories(judges[name]):
            message = (
                f"the consensus {parameters.consensus!r} counts equal scores, and this judge's are means or shares, "
                "which are hardly ever equal; take judges of one dimension without repeats, or the mean or the median"
            )
            yield InputIssue(f"members.{index}", message, name)


def _gives_categories(judge: JudgeFacts) -> bool:
    """Return whether a judge's scores are a few values that two judges can agree on."""
    if judge.metrics[0].binary:
        return True
    if judge.pairwise:
        return judge.calls_per_answer <= _FEW_CALLS
    return judge.kind == "model" and len(judge.metrics) == 1 and judge.calls_per_answer == 1


def _facts(name: str, parameters: Parameters, judges: Mapping[str, JudgeFacts]) -> JudgeFacts:
    members = [judges[member] for member in parameters.members]
    strong = [judges[parameters.escalate_to]] if parameters.escalate_to is not None else []
    scale = members[0].metrics[0].scale
    options = parameters.model_dump(mode="json", exclude={"members", "weights", "escalate_to"})
    return JudgeFacts(
        name=name,
        type="panel",
        kind="panel",
        pairwise=members[0].pairwise,
        reference=max((judge.reference for judge in [*members, *strong]), key=_STRENGTH.__getitem__),
        metrics=(
            MetricFacts(name=name, scale=scale),
            *(
                MetricFacts(name=f"{name}.{dimension}", dimension=dimension, scale=scale)
                for dimension in _common_dimensions(members)
            ),
        ),
        version=version_of(
            {
                "format": _FORMAT,
                "members": sorted([judge.version, parameters.weights.get(judge.name, 1.0)] for judge in members),
                "escalate_to": [judge.version for judge in strong],
                **options,
            }
        ),
        members=parameters.members,
        consensus=parameters.consensus,
        escalate_to=parameters.escalate_to,
    )


def _common_dimensions(members: Sequence[JudgeFacts]) -> list[str]:
    """Return the dimensions that every member scores, in the first one's order."""
    each = [[metric.dimension for metric in judge.metrics if metric.dimension is not None] for judge in members]
    return [name for name in each[0] if all(name in names for names in each)]


JUDGE = PanelType(
    name="panel",
    summary="Several judges of the test made one, with what happens where they disagree.",
    Parameters=Parameters,
    facts=_facts,
    issues=_issues,
)
