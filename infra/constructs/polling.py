"""The schedule by which the jobs at the vendors' batch interfaces are looked at.

Depends on: aws-cdk-lib. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

SCHEDULE = "rate(1 minute)"


class Polling(Construct):
    """Invokes a function each minute. An invocation that fails is not repeated: the next one does its work.

    Args:
        scope: the stack.
        construct_id: its name there.
        handler: the function.
    """

    def __init__(self, scope: Construct, construct_id: str, *, handler: lambda_.IFunction) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="Invokes the poller of batch interfaces.",
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[handler.function_arn])
        )
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Looks after the jobs at the vendors' batch interfaces.",
            schedule_expression=SCHEDULE,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=handler.function_arn,
                role_arn=self.role.role_arn,
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=0, maximum_event_age_in_seconds=Duration.minutes(1).to_seconds()
                ),
            ),
        )
        # AWS checks the role when the schedule is made: its policy has to be there first.
        self.schedule.node.add_dependency(self.role)
