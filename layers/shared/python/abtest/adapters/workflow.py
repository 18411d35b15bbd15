"""Step Functions: starting executions, handing task results back.

Depends on: boto3. Used by: wiring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from abtest.contracts.steps import RunInput, Step
from abtest.core.errors import StoreUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

_MAX_CAUSE = 32_768
_TASK_IS_OVER = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


class StepFunctionsWorkflow:
    """Implements `Workflow` over one state machine."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def execution_arn(self, run_id: str) -> str:
        """Return the ARN that the execution of a run has or will have."""
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{run_id}"

    def start(self, *, run_id: str, workspace: str) -> str:
        """Start the execution named by the run; a second start of the same run changes nothing.

        Raises:
            StoreUnavailableError: Step Functions did not take it.
        """
        payload = RunInput(workspace=workspace, run_id=run_id).model_dump_json()
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=run_id, input=payload)
        except self._client.exceptions.ExecutionAlreadyExists:
            return self.execution_arn(run_id)
        except (ClientError, BotoCoreError) as error:
            raise StoreUnavailableError(
                f"Step Functions did not start the run: {_code(error)}. Nothing was spent; start it again."
            ) from error
        return self.execution_arn(run_id)


class StepFunctionsTasks:
    """Hands results back to executions that wait with a task token."""

    def __init__(self, client: SFNClient) -> None:
        self._client = client

    def succeed(self, task_token: str, result: Step) -> bool:
        """Report success; False when nobody waits for that token any more."""
        return self._report(
            lambda: self._client.send_task_success(taskToken=task_token, output=result.model_dump_json())
        )

    def fail(self, task_token: str, error: str, cause: str) -> bool:
        """Report failure by name; False when nobody waits for that token any more.

        Args:
            error: the class name of a leaf of `abtest.core.errors`.
            cause: one sentence; never a prompt, an answer or a secret.
        """
        return self._report(
            lambda: self._client.send_task_failure(taskToken=task_token, error=error, cause=cause[:_MAX_CAUSE])
        )

    def _report(self, request: Callable[[], object]) -> bool:
        try:
            request()
        except ClientError as error:
            if _code(error) in _TASK_IS_OVER:
                return False
            raise StoreUnavailableError(f"Step Functions did not take the result: {_code(error)}.") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"Step Functions did not answer: {type(error).__name__}.") from error
        return True


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
