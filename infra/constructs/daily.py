"""The daily schedule of the portfolio report.

Depends on: aws-cdk-lib. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

SCHEDULE = "cron(30 1 * * ? *)"
RETRIES = 3


class Daily(Construct):
    """Invokes a function once a day, shortly after the day's end in UTC.

    Args:
        scope: the stack.
        construct_id: its name there.
        handler: the function.
        failures: gets the event when the function could not be invoked.
        key: encrypts that queue.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: lambda_.IFunction,
        failures: sqs.IQueue,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            description="Invokes the daily report.",
        )
        for actions, resource in (
            (["lambda:InvokeFunction"], handler.function_arn),
            (["sqs:SendMessage"], failures.queue_arn),
            (["kms:Decrypt", "kms:GenerateDataKey"], key.key_arn),
        ):
            self.role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        self.schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Portfolio report of the day before.",
            schedule_expression=SCHEDULE,
            schedule_expression_timezone="UTC",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(
                mode="FLEXIBLE", maximum_window_in_minutes=15
            ),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=handler.function_arn,
                role_arn=self.role.role_arn,
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=failures.queue_arn),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=RETRIES, maximum_event_age_in_seconds=Duration.hours(6).to_seconds()
                ),
            ),
        )
        # AWS checks the role when the schedule is made: its policy has to be there first.
        self.schedule.node.add_dependency(self.role)
