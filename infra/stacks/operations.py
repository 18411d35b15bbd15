"""The stack that watches: alarms to a topic, a dashboard. Every alarm names its runbook.

Depends on: `infra.constructs.alarms`, `infra.constructs.dashboard`. Used by: `infra.app`.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.constructs.alarms import Alarms
from infra.constructs.dashboard import dashboard
from infra.resources import StatefulResources
from infra.stacks.service import ServiceStack


class OperationsStack(Stack):
    """Alarms and dashboard of one environment.

    Args:
        scope: the app.
        config: the environment.
        stateful: table and key.
        service: what is watched.
    """

    def __init__(
        self, scope: Construct, *, config: EnvironmentConfig, stateful: StatefulResources, service: ServiceStack
    ) -> None:
        name = config.stack_name("operations")
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=f"A/B testing for LLMs, {config.name}: alarms and dashboard.",
            termination_protection=config.retain_data,
        )
        self.topic = sns.Topic(self, "Alarms", display_name=name, master_key=stateful.key, enforce_ssl=config.tls_only)
        if config.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(config.alarm_email))
        self.alarms = Alarms(self, "Alarm", config=config, topic=self.topic, service=service)
        self.dashboard = dashboard(self, config=config, service=service, stateful=stateful)
        CfnOutput(self, "AlarmTopicArn", value=self.topic.topic_arn)
        CfnOutput(self, "DashboardName", value=self.dashboard.ref)
