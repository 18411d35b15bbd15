"""The plan of a test over the API: a request, and perhaps a finished run that fills its gaps.

Depends on: `abtest.analytics.power.pilot`, the run and object ports. Used by: `functions/plan_analysis`.
"""

from __future__ import annotations

from typing import Protocol

from pydantic import Field, ValidationError

from abtest.analytics.model import AnalysisResult
from abtest.analytics.power.answer import PowerPlan
from abtest.analytics.power.pilot import pilot_of_analysis, plan_from_pilot
from abtest.analytics.power.plan import plan_power
from abtest.analytics.power.request import PowerRequest
from abtest.contracts import object_keys
from abtest.core.errors import ConflictError, InputIssue, InvalidInputError
from abtest.management.model import TestStatus
from abtest.management.ports import ObjectStore, RunStore

NAME_LENGTH = 64


class PlanBody(PowerRequest):
    """Body of `POST /v1/analysis/power`: the request, and a finished run that fills its gaps.

    Args:
        pilot_run_id: a completed run of the caller's workspace.
        pilot_treatment: which of its treatments; None is the first.
        pilot_metric: which of its metrics; None is the primary one.
    """

    pilot_run_id: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH)
    pilot_treatment: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH)
    pilot_metric: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH)


class PilotPorts(Protocol):
    """Where pilots are; asked for only when a request names one."""

    @property
    def runs(self) -> RunStore:
        """Runs."""

    @property
    def objects(self) -> ObjectStore:
        """Bodies."""


def plan_of(body: PlanBody, *, workspace: str, ports: PilotPorts) -> PowerPlan:
    """Return the plan of a request.

    Args:
        body: what a client sent.
        workspace: the caller's; other runs do not exist for them.
        ports: where its pilot is.

    Raises:
        InvalidInputError: the request cannot be planned.
        NotFoundError: there is no such run.
        ConflictError: the run has no analysis, or one of another version.
    """
    if body.pilot_run_id is None:
        if body.pilot_treatment is not None or body.pilot_metric is not None:
            issue = InputIssue("pilot_run_id", "a pilot's treatment or metric needs the pilot")
            raise InvalidInputError("The test cannot be planned.", [issue])
        return plan_power(body)
    run = ports.runs.get(workspace, body.pilot_run_id)
    if run.status != TestStatus.COMPLETED:
        raise ConflictError(f"Run {run.run_id} is {run.status}; only a completed run can serve as a pilot.")
    key = object_keys.artifact(workspace, run.run_id, object_keys.ANALYSIS)
    try:
        result = AnalysisResult.model_validate_json(ports.objects.get(key))
    except ValidationError as error:
        raise ConflictError(
            f"The analysis of run {run.run_id} was written by another version of the platform."
        ) from error
    return plan_from_pilot(body, pilot_of_analysis(result, treatment=body.pilot_treatment, metric=body.pilot_metric))
