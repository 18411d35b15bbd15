"""A judge tried over the API: which templates it names, which calls it makes, what they cost the workspace.

A trial goes the way of every call, through the limits, the circuit and the price list. What it leaves behind is its
price in the workspace's budget and what it showed of the provider's health; its answers are kept nowhere. Should the
function die amid a trial, what was reserved stays spent: too much is counted then, and never too little.

Depends on: evaluation, `trial_calls`, the stores of templates and budgets. Used by: `functions/try_judge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from abtest.core.errors import BudgetExceededError, InputIssue, InvalidInputError
from abtest.core.ids import new_id
from abtest.core.money import dollars
from abtest.evaluation.template_references import TemplateStore, resolved_trial
from abtest.evaluation.trial import Trial, TrialBody, compiled, questions_of, trial_of
from abtest.evaluation.trial_consensus import disagrees
from abtest.evaluation.trial_result import Asked, JudgeTrial, TrialResult, judge_trial, result_of
from abtest.management.ports import BudgetStore
from abtest.runtime.provider_check import LiveCheckPorts
from abtest.runtime.trial_calls import Spending, TrialCalls, TrialLimits, calls_of, make_calls

LONGEST_TRIAL_S = 25.0
"""API Gateway waits 30 seconds, and the function 29; a call that takes longer is given up before."""
MOST_PROMPT_CHARACTERS = 1_000_000
"""Of all prompts of a trial together: they come back with the result, which has at most 6 MB."""


class TrialPorts(LiveCheckPorts, Protocol):
    """What a trial needs."""

    @property
    def templates(self) -> TemplateStore:
        """The workspace's templates."""

    @property
    def budgets(self) -> BudgetStore:
        """What the workspace has spent."""

    @property
    def settings(self) -> Any:
        """The function's settings; `workspace_budget_usd` is read."""


def try_judge(workspace: str, raw: Mapping[str, Any], ports: TrialPorts) -> TrialResult:
    """Return what a judge says of an answer or pair, and how it came to it.

    A call that failed is a result: its reply says why, and the verdict is `not_judged`.

    Args:
        workspace: the caller's.
        raw: the body, see `TrialBody`.
        ports: what is outside.

    Raises:
        InvalidInputError: the trial cannot be made; with every reason.
        ProviderConfigurationError: a provider's key cannot be read.
        BudgetExceededError: the workspace's budget does not cover it.
    """
    deadline_s = ports.clock.monotonic_s() + LONGEST_TRIAL_S
    body = TrialBody.model_validate(
        resolved_trial(raw, lambda name, version: ports.templates.get(workspace, name, version))
    )
    trial = trial_of(body)
    session = _Session(workspace, trial, ports, deadline_s)
    if body.render_only:
        return session.rendered()
    return session.run()


class _Session:
    """One trial: first the tried judge or a panel's members, then the judge they escalate to."""

    def __init__(self, workspace: str, trial: Trial, ports: TrialPorts, deadline_s: float) -> None:
        self._workspace, self._trial, self._ports, self._deadline_s = workspace, trial, ports, deadline_s
        self._trial_id = new_id("trial")

    def rendered(self) -> TrialResult:
        """Return the prompts, and ask nobody."""
        trial = self._trial
        asked = self._prompts(trial.asked)
        shown = [judge_trial(trial, name, asked[name], render_only=True) for name in trial.asked if name in asked]
        return result_of(trial, shown, render_only=True)

    def run(self) -> TrialResult:
        """Return what the judges say."""
        shown = self._try(self._trial.asked)
        if disagrees(self._trial, {judge.judge: judge.verdicts for judge in shown}):
            shown += self._try((str(self._trial.facts[self._trial.tried].escalate_to),))
        return result_of(self._trial, shown)

    def _prompts(self, names: Sequence[str]) -> dict[str, Asked]:
        """Return the questions of those judges that ask a model."""
        trial = self._trial
        judges = {name: compiled(trial, name) for name in names if trial.facts[name].kind == "model"}
        asked = {name: Asked(judge, questions_of(trial, judge)) for name, judge in judges.items()}
        characters = sum(
            len(text) for one in asked.values() for question in one.questions for _, text in question.messages
        )
        if characters > MOST_PROMPT_CHARACTERS:
            message = "the prompts are too long to be tried; shorten the sample or the answers"
            allowed = f"{MOST_PROMPT_CHARACTERS:,} characters of all prompts together"
            raise InvalidInputError(
                "The judge cannot be tried so.", [InputIssue("sample", message, f"{characters:,} characters", allowed)]
            )
        return asked

    def _try(self, names: Sequence[str]) -> list[JudgeTrial]:
        prompts = self._prompts(names)
        open_ones = {name: one for name, one in prompts.items() if one.questions}
        asked = {**prompts, **(self._answered(open_ones) if open_ones else {})}
        return [judge_trial(self._trial, name, asked.get(name)) for name in names]

    def _answered(self, prompts: Mapping[str, Asked]) -> dict[str, Asked]:
        calls = calls_of(self._workspace, self._trial, prompts, self._ports)
        spending = Spending()
        # Entered by the loop itself, so it cannot be had for the first time from within.
        transport = self._ports.transport
        limits = TrialLimits(self._trial_id, self._deadline_s, spending, transport)
        held = f"{self._trial_id}-{'-'.join(prompts)}"[:200]
        self._reserve(held, calls)
        try:
            return self._ports.event_loop.run_until_complete(self._ask(calls, limits))
        finally:
            self._ports.budgets.release(self._workspace, held, spending.spent_usd)

    async def _ask(self, calls: Mapping[str, TrialCalls], limits: TrialLimits) -> dict[str, Asked]:
        done = await asyncio.gather(
            *(make_calls(one, limits, self._ports) for one in calls.values()), return_exceptions=True
        )
        # Only when all have ended: a call in flight must not outlive the loop's turn.
        for one in done:
            if isinstance(one, BaseException):
                raise one
        return {name: one for name, one in zip(calls, done, strict=True) if isinstance(one, Asked)}

    def _reserve(self, held: str, calls: Mapping[str, TrialCalls]) -> None:
        most_usd = sum((one.most_usd for one in calls.values()), Decimal(0))
        limit_usd = self._ports.settings.workspace_budget_usd
        try:
            self._ports.budgets.reserve(self._workspace, held, most_usd, limit_usd)
        except BudgetExceededError as error:
            raise BudgetExceededError(
                f"The budget of workspace {self._workspace!r} does not cover this trial, which may cost "
                f"{dollars(most_usd)}. Try with fewer repeats, or ask an administrator for a higher limit.",
                details=error.details,
            ) from error
