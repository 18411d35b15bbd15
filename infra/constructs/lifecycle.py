"""The state machine of a run, with a role that allows exactly what its states do.

The definition is the file in statemachines/; its numbers are put in here because they differ between environments and
Step Functions' own substitution only makes strings.

Depends on: aws-cdk-lib, statemachines/. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.constructs.function import construct_name
from infra.errors import ConfigurationError
from infra.paths import STATE_MACHINE
from infra.resources import StatefulResources

STEPS = ("plan_run", "judge_batch", "take_look", "finish_run", "fail_run")
"""Functions the state machine invokes; each is `${<Name>FunctionArn}` in the definition."""

LONGEST_RUN = Duration.days(7)


class Lifecycle(Construct):
    """The state machine.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        stateful: bucket and key.
        functions: the functions of `STEPS`, by folder.
        queues: the vendors' queues.
        log_group: where failed executions are logged.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: EnvironmentConfig,
        stateful: StatefulResources,
        functions: Mapping[str, lambda_.IFunction],
        queues: Mapping[str, sqs.IQueue],
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description="What the states of a run may do.",
        )
        for statement in _step_statements(stateful, functions, queues):
            self.role.add_to_principal_policy(statement)
        numbers = {
            "GenerateMaxConcurrency": config.generate_max_concurrency,
            "JudgeMaxConcurrency": config.judge_max_concurrency,
        }
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            comment="The life of one run.",
            definition_body=sfn.DefinitionBody.from_string(definition(STATE_MACHINE, numbers)),
            definition_substitutions={
                **{f"{construct_name(step)}FunctionArn": functions[step].function_arn for step in STEPS},
                "DataBucketName": stateful.bucket.bucket_name,
            },
            role=self.role,
            timeout=LONGEST_RUN,
            tracing_enabled=True,
            # Inputs and outputs of states are keys and counts, yet there is no need to copy them into a log.
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ERROR, include_execution_data=False),
        )
        self._allow_distributed_maps()

    def _allow_distributed_maps(self) -> None:
        """Let the machine start its own children.

        The statements name the machine, which needs the role: a policy of its own, attached afterwards, keeps the two
        from waiting for each other.
        """
        stack = Stack.of(self)
        name = self.machine.state_machine_name

        def execution(pattern: str) -> str:
            return f"arn:{stack.partition}:states:{stack.region}:{stack.account}:execution:{pattern}"

        self.map_policy = iam.Policy(
            self,
            "MapPolicy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[execution(f"{name}:*"), execution(f"{name}/*")],
                ),
            ],
        )


def _step_statements(
    stateful: StatefulResources, functions: Mapping[str, lambda_.IFunction], queues: Mapping[str, sqs.IQueue]
) -> list[iam.PolicyStatement]:
    bucket = stateful.bucket
    return [
        iam.PolicyStatement(
            actions=["lambda:InvokeFunction"], resources=[functions[step].function_arn for step in STEPS]
        ),
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn for queue in queues.values()]),
        iam.PolicyStatement(actions=["s3:GetObject"], resources=[bucket.arn_for_objects("runs/*/waves/*/*.jsonl")]),
        iam.PolicyStatement(
            # What the ResultWriter of a Distributed Map does.
            actions=["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
            resources=[bucket.arn_for_objects("runs/*/maps/*")],
        ),
        iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[stateful.key.key_arn]),
    ]


def definition(file: Path, numbers: Mapping[str, int]) -> str:
    """Return the definition as compact JSON with its numbers in place.

    Args:
        file: the definition; a number stands in it as the string `"${Name}"`.
        numbers: by name.

    Raises:
        ConfigurationError: the file is not JSON, or names a number that is not given or is given one it does not name.
    """
    text = file.read_text(encoding="utf-8")
    for name, number in numbers.items():
        marker = f'"${{{name}}}"'
        if marker not in text:
            raise ConfigurationError(
                f"{file} nowhere says {marker}. Put the marker where the number belongs, "
                "or remove the number from infra/constructs/lifecycle.py."
            )
        text = text.replace(marker, str(number))
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError as error:
        raise ConfigurationError(f"{file} is not valid JSON: {error}.") from error
