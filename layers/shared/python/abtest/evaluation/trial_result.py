"""What a trial of a judge shows: its prompts, the raw replies, the verdicts, and of a panel what its members make.

Depends on: `abtest.evaluation.trial`. Used by: `abtest.runtime.judge_trials`, the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from abtest.contracts.judging import JudgeKind
from abtest.contracts.records import FailureReason, Order, Outcome, Verdict
from abtest.evaluation.model import ModelJudge, Question, Reply
from abtest.evaluation.trial import Trial, scored_by_code, verdicts_of
from abtest.evaluation.trial_consensus import PanelOpinion, opinions_of


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptMessage(_Shown):
    """One message of a prompt, as the model gets it."""

    role: str
    content: str


class Prompt(_Shown):
    """One question to a judge's model.

    Args:
        question: names it; replies say which question they answer.
        variant: whose answer is judged; of a pair the treatment.
        order: which answer of a pair is shown first.
        repair: it asks a second time, because the first reply could not be read.
    """

    question: str
    variant: str
    order: Order | None
    repeat: int
    repair: bool
    messages: tuple[PromptMessage, ...]


class RawReply(_Shown):
    """What became of one question, before anybody reads it."""

    question: str
    outcome: Outcome
    failure_reason: FailureReason | None
    text: str | None
    served_model: str | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None


class JudgeTrial(_Shown):
    """What one judge said, and how it came to it.

    Args:
        version: of a judge that asks a model: two judges of one version are one instrument.
        provider, model: whom it asked; None of a judge in code.
        scale: lowest and highest score; of a preference 0 and 1.
        verdicts: one for each answer, of a pair one; none where only the prompts were wanted.
        notes: what a person should know.
    """

    judge: str
    type: str
    kind: JudgeKind
    pairwise: bool
    version: str
    provider: str | None = None
    model: str | None = None
    scale: tuple[float, float]
    prompts: tuple[Prompt, ...] = ()
    replies: tuple[RawReply, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


class TrialResult(_Shown):
    """What a trial showed.

    Args:
        judge: the name of the tried judge.
        judges: the tried one; of a panel its members in their order, and the judge it escalated to.
        panel: of a panel, what it says of each answer.
        cost_usd: of all calls; None when the price of any is unknown.
    """

    judge: str
    type: str
    judges: tuple[JudgeTrial, ...]
    panel: tuple[PanelOpinion, ...] = ()
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)


@dataclass(frozen=True)
class Asked:
    """What one judge asked a model in a trial.

    Args:
        judge: compiled.
        questions: of the judge, without repairs.
        repairs: second questions.
        replies: by the question's id; none where nobody was asked.
        notes: what a person should know of it.
    """

    judge: ModelJudge
    questions: Sequence[Question]
    repairs: Sequence[Question] = ()
    replies: Mapping[str, Reply] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def judge_trial(trial: Trial, name: str, asked: Asked | None, *, render_only: bool = False) -> JudgeTrial:
    """Return what one judge of a trial shows.

    Args:
        name: of the judge.
        asked: None of a judge in code, which is scored here.
        render_only: nobody was asked, so there is no verdict.
    """
    facts = trial.facts[name]
    shown = JudgeTrial(
        judge=name,
        type=facts.type,
        kind=facts.kind,
        pairwise=facts.pairwise,
        version=facts.version,
        scale=facts.metrics[0].scale,
    )
    if asked is None:
        return shown.model_copy(update={"verdicts": tuple(scored_by_code(trial, name))})
    model = asked.judge.models[trial.fallback]
    seen = {
        "provider": model.provider,
        "model": model.model,
        "prompts": (*(_prompt(q, False) for q in asked.questions), *(_prompt(q, True) for q in asked.repairs)),
        "notes": asked.notes,
    }
    if not render_only or not asked.questions:
        # Where nothing is asked, the verdict is there already and says why.
        seen["replies"] = tuple(_raw(name, reply) for name, reply in asked.replies.items())
        seen["verdicts"] = tuple(verdicts_of(trial, asked.judge, list(asked.questions), asked.replies))
    return shown.model_copy(update=seen)


def result_of(trial: Trial, judges: Sequence[JudgeTrial], *, render_only: bool = False) -> TrialResult:
    """Return a trial's result from what its judges showed."""
    replies = [reply for judge in judges for reply in judge.replies]
    costs = [reply.cost_usd for reply in replies if reply.outcome != "failed"]
    panel = trial.facts[trial.tried].kind == "panel" and not render_only
    return TrialResult(
        judge=trial.tried,
        type=trial.facts[trial.tried].type,
        judges=tuple(judges),
        panel=opinions_of(trial, {judge.judge: judge.verdicts for judge in judges}) if panel else (),
        calls=len(costs),
        input_tokens=sum(reply.input_tokens or 0 for reply in replies),
        output_tokens=sum(reply.output_tokens or 0 for reply in replies),
        cost_usd=None if any(cost is None for cost in costs) else sum((c for c in costs if c is not None), Decimal(0)),
    )


def _prompt(question: Question, repair: bool) -> Prompt:
    return Prompt(
        question=question.id,
        variant=question.variant,
        order=question.order,
        repeat=question.repeat,
        repair=repair,
        messages=tuple(PromptMessage(role=role, content=content) for role, content in question.messages),
    )


def _raw(question: str, reply: Reply) -> RawReply:
    _, response = reply
    usage = response.usage
    return RawReply(
        question=question,
        outcome=response.outcome,
        failure_reason=response.failure_reason,
        text=response.text,
        served_model=response.served_model,
        latency_ms=response.latency_ms,
        input_tokens=usage.total_input_tokens if usage else None,
        output_tokens=usage.total_output_tokens if usage else None,
        cost_usd=response.cost_usd,
    )
