"""What a request to judge a run anew says, and the definition it makes of the test's.

Depends on: `abtest.contracts`, the model. Used by: the test service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abtest.contracts.definition import TestDefinition, issues_of
from abtest.contracts.judging import JudgeFacts
from abtest.contracts.metrics import RESERVED_METRICS
from abtest.core.errors import ConflictError, InputIssue
from abtest.management.model import Estimate, Run, TestStatus

_CAP_PATH = "budget.cap_usd"


class RejudgeRequest(BaseModel):
    """A request to judge a run's answers anew.

    Args:
        judges: as in a definition; they are checked with it.
        add: keep the run's own judges beside them; without it they take their place.
        primary_metric: what the decision rests on; None keeps the run's where it is still measured, and takes the only
            judge otherwise.
        primary_margin: None keeps the run's where the primary metric stays.
        guardrails: None keeps those whose metric is still measured.
        cap_usd: the most the judges may cost; None keeps the test's cap.
        dry_run: check and estimate only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    judges: dict[str, Any] = Field(min_length=1)
    add: bool = False
    primary_metric: str | None = None
    primary_margin: Any = None
    guardrails: dict[str, Any] | None = None
    cap_usd: Any = None
    dry_run: bool = False


@dataclass(frozen=True)
class Rejudging:
    """A run that judges another one's answers anew, checked and estimated, before it starts.

    Args:
        source: the run whose answers are judged.
        definition: the source's, with the judges and metrics that were asked for.
        warnings: what a person should know.
    """

    source: Run
    definition: TestDefinition
    estimate: Estimate
    warnings: tuple[str, ...]

    @property
    def cap_usd(self) -> Decimal | None:
        """The most it may spend."""
        return self.definition.budget.cap_usd


def read_request(raw: Mapping[str, Any]) -> tuple[RejudgeRequest | None, list[InputIssue]]:
    """Return a request and no issue, or None and every issue of its shape.

    Args:
        raw: decoded JSON.
    """
    try:
        return RejudgeRequest.model_validate(raw), []
    except ValidationError as error:
        return None, issues_of(error)


def check_source(run: Run) -> None:
    """Return when a run's answers can be judged anew.

    Raises:
        ConflictError: it did not complete, so that the answers it lacks are missing for a reason.
    """
    if run.status != TestStatus.COMPLETED:
        raise ConflictError(
            f"Run {run.run_id} is {run.status}; only a completed run can be judged anew, because a sample without an "
            "answer would be missing for a reason. Start the test again: what was answered comes from the ledger."
        )


def clashes(request: RejudgeRequest, before: TestDefinition) -> list[InputIssue]:
    """Return an issue for each judge that would take the place of one that is to be kept beside it.

    Args:
        request: what is asked for.
        before: the run's definition.
    """
    message = "the run has a judge of this name, and both are to be kept: one metric would be two instruments"
    allowed = "another name; or without `add`, so that it takes the place of all"
    taken = [name for name in request.judges if request.add and name in before.judges]
    return [InputIssue(f"judges.{name}", message, name, allowed) for name in taken]


def rejudged_definition(
    request: RejudgeRequest, before: TestDefinition, kept: Mapping[str, JudgeFacts]
) -> tuple[dict[str, Any], list[str]]:
    """Return the definition that a request makes, as it is to be checked, and what a person should know of it.

    Args:
        request: what is asked for.
        before: the run's definition.
        kept: facts of the run's own judges.
    """
    body = before.model_dump(mode="json")
    own = body["judges"] if request.add else {}
    body["judges"] = {**own, **request.judges}
    primary = request.primary_metric or _primary(request, before, kept)
    body["primary_metric"] = primary
    if request.primary_margin is not None or primary != before.primary_metric:
        body["primary_margin"] = request.primary_margin
    if request.cap_usd is not None:
        body["budget"] = {**body["budget"], "cap_usd": request.cap_usd}
    if request.guardrails is not None:
        body["guardrails"] = request.guardrails
        return body, []
    dropped = [name for name, guardrail in before.guardrails.items() if not _measured(guardrail.metric, request, kept)]
    body["guardrails"] = {name: guardrail for name, guardrail in body["guardrails"].items() if name not in dropped}
    warnings = [f"{name}: this guardrail is left out, because nobody measures its metric here." for name in dropped]
    return body, warnings


def request_path(path: str) -> str:
    """Return where a request names what an issue of its definition is about.

    Args:
        path: within the definition.
    """
    return "cap_usd" if path == _CAP_PATH else path


def _primary(request: RejudgeRequest, before: TestDefinition, kept: Mapping[str, JudgeFacts]) -> str | None:
    if _measured(before.primary_metric, request, kept):
        return before.primary_metric
    return next(iter(request.judges)) if len(request.judges) == 1 else None


def _measured(metric: str, request: RejudgeRequest, kept: Mapping[str, JudgeFacts]) -> bool:
    """Return whether a metric of the run before is measured in the new one, as far as names tell."""
    if metric in RESERVED_METRICS or metric in request.judges:
        return True
    of_new = any(metric.startswith(f"{name}.") for name in request.judges)
    return of_new or (request.add and any(metric in {m.name for m in fact.metrics} for fact in kept.values()))
