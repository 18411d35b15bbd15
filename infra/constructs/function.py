"""A function of ours: code from its folder, its own role, its own encrypted log, traces.

Depends on: aws-cdk-lib, `infra.functions`. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.functions import FunctionSpec
from infra.grants import Grant
from infra.paths import BYTECODE, FUNCTIONS
from infra.resources import ServiceResources

HANDLER = "handler.lambda_handler"
RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


class PlatformFunction(Construct):
    """One function.

    Args:
        scope: the stack.
        spec: the function's row.
        config: the environment.
        layers: what it imports.
        log_group: where it logs.
        failures: queue for events that failed every retry, for functions that are invoked asynchronously.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        spec: FunctionSpec,
        config: EnvironmentConfig,
        layers: Sequence[lambda_.ILayerVersion],
        log_group: logs.LogGroup,
        failures: sqs.IQueue | None = None,
    ) -> None:
        super().__init__(scope, construct_name(spec.folder))
        self.spec = spec
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"What functions/{spec.folder} may do.",
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
            )
        )
        self.timeout_s = spec.timeout_s or config.worker_timeout_s
        self.function = lambda_.Function(
            self,
            "Function",
            description=spec.summary,
            code=lambda_.Code.from_asset(str(FUNCTIONS / spec.folder), exclude=list(BYTECODE)),
            handler=HANDLER,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            memory_size=spec.memory_mb,
            timeout=Duration.seconds(self.timeout_s),
            layers=list(layers),
            role=self.role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            dead_letter_queue=failures,
            retry_attempts=2 if failures else None,
        )

    def grant(self, grants: Sequence[Grant], resources: ServiceResources) -> None:
        """Give the function's role some rights."""
        for grant in grants:
            self.role.add_to_principal_policy(
                iam.PolicyStatement(actions=list(grant.actions), resources=list(grant.resources(resources)))
            )


def construct_name(folder: str) -> str:
    """Return the construct name of a function: `call_provider` is `CallProvider`."""
    return "".join(part.capitalize() for part in folder.split("_"))
