"""One judge tried on one answer or pair before a test is made of it: what is asked, and what becomes of the replies.

Everything a trial does without a model is here, so that the command line renders a prompt and scores by a judge in
code without any platform.

Depends on: `abtest.evaluation.service`. Used by: `abtest.runtime.judge_trials`, the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from abtest.contracts import definition
from abtest.contracts.definition import Name
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.records import Identifier, ModelResponse, Sample, Usage, Verdict
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.model import JudgeConfiguration, ModelJudge, Question, Reply
from abtest.evaluation.service import check_judges, compile_model_judge, judge_batch, judge_facts
from abtest.evaluation.validation import check_parameters

ANSWER, CONTROL, TREATMENT = "answer", "control", "treatment"
MOST_REPEATS = 3
MOST_QUESTIONS = 24
"""Of all judges of one trial: enough for a panel of four pairwise judges that ask three times in both orders."""
MOST_CHARACTERS = 200_000

Text = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TriedSample(Sample):
    """The sample that is answered; a trial needs no identifier of it."""

    id: Identifier = "sample"


class TriedAnswer(_Part):
    """An answer with what its call took, for judges that look at that."""

    text: Text
    latency_ms: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cost_usd: Decimal | None = Field(default=None, ge=0, allow_inf_nan=False)
    output_tokens: int | None = Field(default=None, ge=0)


def _as_answer(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


GivenAnswer = Annotated[TriedAnswer, BeforeValidator(_as_answer)]
"""An answer: its text alone, or with what its call took."""


class TriedPair(_Part):
    """The two answers that are compared."""

    control: GivenAnswer
    treatment: GivenAnswer


class TrialBody(_Part):
    """Body of `POST /v1/judges/try`.

    Args:
        judge: as a test definition has it.
        name: its name in the test; shown with what it says.
        judges: the other judges that it names: a panel's members, and the one it escalates to.
        sample: what was asked.
        answer: what is judged; either this or `answers`.
        answers: what is compared; a judge of single answers scores both.
        render_only: make the prompts and ask nobody.
        fallback: which of the judge's models is asked: 0 its own, from 1 its fallbacks.
    """

    judge: definition.JudgeConfiguration
    name: Name = "judge"
    judges: dict[Name, definition.JudgeConfiguration] = Field(default_factory=dict, max_length=20)
    sample: TriedSample = TriedSample()
    answer: GivenAnswer | None = None
    answers: TriedPair | None = None
    render_only: bool = False
    fallback: int = Field(default=0, ge=0, le=10)


@dataclass(frozen=True)
class Trial:
    """A trial that can be made.

    Args:
        judges: by name, the tried one among them; those of a panel in its order, and last the one it escalates to.
        tried: name of the judge that is tried.
        sample: the one sample.
        responses: the answers as responses, by the variant that stands for each.
        fallback: which of each judge's models is asked.
    """

    judges: Mapping[str, JudgeConfiguration]
    facts: Mapping[str, JudgeFacts]
    tried: str
    sample: Sample
    responses: Mapping[str, tuple[ModelResponse, ...]]
    fallback: int = 0

    @property
    def control(self) -> str:
        """The variant that stands for the control."""
        return next(iter(self.responses))

    @property
    def asked(self) -> tuple[str, ...]:
        """The judges that say something themselves: of a panel its members, else the tried one."""
        return self.facts[self.tried].members or (self.tried,)


def trial_of(body: TrialBody) -> Trial:
    """Return the trial that a client asks for.

    Raises:
        InvalidInputError: it cannot be made; with every reason.
    """
    issues = list(_answer_issues(body))
    wanted = {body.name: body.judge, **{name: one for name, one in body.judges.items() if name != body.name}}
    judges = {
        name: JudgeConfiguration(name=name, type=one.type, parameters=one.parameters) for name, one in wanted.items()
    }
    if body.name in body.judges:
        issues.append(InputIssue(f"judges.{body.name}", "the judge that is tried has this name", None, "another name"))
    facts = _facts(judges, body.name, issues)
    if facts is not None:
        issues += _limits(facts, judges, body)
    if issues or facts is None:
        raise InvalidInputError("The judge cannot be tried so.", issues)
    return Trial(judges, facts, body.name, body.sample, _responses(body), body.fallback)


def place_of(trial: Trial, name: str) -> str:
    """Return where a judge stands in the body of its trial, for issues."""
    return _place(name, trial.tried)


def compiled(trial: Trial, name: str) -> ModelJudge:
    """Return a judge of the trial that asks a model."""
    return compile_model_judge(trial.judges[name])


def questions_of(trial: Trial, judge: ModelJudge) -> list[Question]:
    """Return what a judge asks in this trial."""
    return judge.questions([trial.sample], trial.responses, control=trial.control)


def verdicts_of(
    trial: Trial, judge: ModelJudge, questions: list[Question], replies: Mapping[str, Reply]
) -> list[Verdict]:
    """Return what a judge says when its questions got these replies."""
    return judge.verdicts([trial.sample], trial.responses, questions, replies, control=trial.control)


def scored_by_code(trial: Trial, name: str) -> list[Verdict]:
    """Return what a judge in code says."""
    return judge_batch(trial.judges[name], [trial.sample], trial.responses)


def _facts(
    judges: Mapping[str, JudgeConfiguration], tried: str, issues: list[InputIssue]
) -> Mapping[str, JudgeFacts] | None:
    """Return what is known of the judges, or None with the reasons among the issues."""
    found = [
        InputIssue(f"{_place(name, tried)}.{issue.path}", issue.message, issue.found, issue.allowed)
        for name, judge in judges.items()
        for issue in check_parameters(judge.type, judge.parameters)
    ]
    if not found:
        for issue in check_judges(list(judges.values())):
            name, _, option = issue.path.partition(".")
            path = f"{_place(name, tried)}.{option}" if name in judges and option else issue.path
            found.append(InputIssue(path, issue.message, issue.found, issue.allowed))
    issues += found
    return None if found else judge_facts(list(judges.values()))


def _place(name: str, tried: str) -> str:
    return "judge" if name == tried else f"judges.{name}"


def _answer_issues(body: TrialBody) -> Iterable[InputIssue]:
    if body.answer is None and body.answers is None:
        yield InputIssue("answer", "nothing to judge", None, "answer, or answers with control and treatment")
    if body.answer is not None and body.answers is not None:
        yield InputIssue("answers", "'answer' stands beside it; one of the two must go")


def _limits(
    facts: Mapping[str, JudgeFacts], judges: Mapping[str, JudgeConfiguration], body: TrialBody
) -> Iterable[InputIssue]:
    tried = facts[body.name]
    used = {body.name, *tried.members, *((tried.escalate_to,) if tried.escalate_to else ())}
    calls = 0
    for name in used:
        place, one = _place(name, body.name), facts[name]
        if one.imported is not None:
            yield InputIssue(f"{place}.type", "it reads scores given elsewhere; there is nothing to try", one.type)
        if one.pairwise and body.answers is None:
            message = "this judge compares two answers: give control and treatment"
            yield InputIssue("answers", message, None, "answers with control and treatment")
        repeats = judges[name].parameters.get("repeats", 1)
        if one.models and repeats > MOST_REPEATS:
            message = "a trial asks a judge a few times only"
            yield InputIssue(f"{place}.repeats", message, str(repeats), f"1 to {MOST_REPEATS}")
        if one.models and body.fallback >= len(one.models):
            message = f"{name!r} has no such fallback"
            yield InputIssue("fallback", message, str(body.fallback), f"0 to {len(one.models) - 1}")
        calls += one.calls_per_answer * (1 if one.pairwise or body.answers is None else 2)
    if calls > MOST_QUESTIONS:
        message = "the judges of this trial ask too often together; try them one by one"
        yield InputIssue("judges", message, f"{calls} calls", f"at most {MOST_QUESTIONS} calls")


def _responses(body: TrialBody) -> dict[str, tuple[ModelResponse, ...]]:
    if body.answers is not None:
        given = {CONTROL: body.answers.control, TREATMENT: body.answers.treatment}
    else:
        given = {ANSWER: body.answer or TriedAnswer(text="")}
    return {variant: (_response(body.sample.id, variant, answer),) for variant, answer in given.items()}


def _response(sample_id: str, variant: str, answer: TriedAnswer) -> ModelResponse:
    return ModelResponse(
        sample_id=sample_id,
        variant=variant,
        outcome="answered",
        text=answer.text,
        usage=None if answer.output_tokens is None else Usage(output_tokens=answer.output_tokens),
        latency_ms=answer.latency_ms,
        cost_usd=answer.cost_usd,
    )
