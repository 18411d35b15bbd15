"""What somebody is woken for; each alarm is a section of docs/operations.md.

Depends on: aws-cdk-lib. Used by: `infra.stacks.operations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.constructs.function import construct_name

if TYPE_CHECKING:
    from infra.stacks.service import ServiceStack

RUNBOOK = "docs/operations.md#{anchor}"
PERIOD_S = 300
THROTTLED = ("api", "plan_analysis", "call_provider")
"""Functions whose throttles matter: people wait for the first two, batches for the last."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One alarm.

    Args:
        name: of the construct.
        what: one sentence for the person who is woken.
        anchor: section of docs/operations.md.
        namespace: of the metric.
        metric: its name.
        dimensions: which thing it measures.
        threshold: value from which the alarm rings.
        statistic: how a period's values become one.
        periods: consecutive bad periods that ring.
        period_s: length of a period in seconds.
    """

    name: str
    what: str
    anchor: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    threshold: float = 1
    statistic: str = "Sum"
    periods: int = 1
    period_s: int = PERIOD_S


class Alarms(Construct):
    """The alarms of one environment.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        topic: gets alarm and all-clear.
        service: what is watched.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: EnvironmentConfig,
        topic: sns.ITopic,
        service: ServiceStack,
    ) -> None:
        super().__init__(scope, construct_id)
        for watch in (*_functions(service), *_queues(service), *_lifecycle(service, config), *_api(service)):
            self._add(watch, topic)

    def _add(self, watch: Watch, topic: sns.ITopic) -> None:
        cloudwatch.CfnAlarm(
            self,
            watch.name,
            alarm_description=f"{watch.what} Runbook: {RUNBOOK.format(anchor=watch.anchor)}",
            namespace=watch.namespace,
            metric_name=watch.metric,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
                for name, value in watch.dimensions.items()
            ],
            # A percentile has a field of its own.
            statistic=None if watch.statistic.startswith("p") else watch.statistic,
            extended_statistic=watch.statistic if watch.statistic.startswith("p") else None,
            period=watch.period_s,
            evaluation_periods=watch.periods,
            threshold=watch.threshold,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[topic.topic_arn],
            ok_actions=[topic.topic_arn],
        )


def _functions(service: ServiceStack) -> list[Watch]:
    watches = [
        Watch(
            name=f"{construct_name(folder)}Errors",
            what=f"functions/{folder} raised an error or ran out of time.",
            anchor="function-errors",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": function.function.function_name},
        )
        for folder, function in service.functions.items()
    ]
    watches += [
        Watch(
            name=f"{construct_name(folder)}Throttles",
            what=f"functions/{folder} was refused a place to run: the account's concurrency is used up.",
            anchor="function-throttles",
            namespace="AWS/Lambda",
            metric="Throttles",
            dimensions={"FunctionName": service.functions[folder].function.function_name},
            periods=2,
        )
        for folder in THROTTLED
    ]
    return watches


def _queues(service: ServiceStack) -> list[Watch]:
    dead = {
        f"{construct_name(vendor)}DeadLetters": (
            f"A batch for vendor {vendor} could neither be processed nor be turned into the failure of its run.",
            queue,
        )
        for vendor, queue in service.provider_queues.dead_letter_queues.items()
    }
    dead["DailyFailures"] = ("The daily report was given up after its retries.", service.daily_failures)
    watches = [
        # The queue itself is emptied at once, too fast for a metric that is sampled: its consumer tells.
        Watch(
            name="BatchesUndeliverable",
            what="No worker could process a batch; its run has failed.",
            anchor="dead-letters",
            namespace="AWS/Lambda",
            metric="Invocations",
            dimensions={"FunctionName": service.functions["dead_letter"].function.function_name},
        ),
    ]
    watches += [
        Watch(
            name=name,
            what=what,
            anchor="dead-letters" if name != "DailyFailures" else "daily-report-failed",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": queue.queue_name},
            statistic="Maximum",
        )
        for name, (what, queue) in dead.items()
    ]
    watches += [
        Watch(
            name=f"{construct_name(vendor)}Waiting",
            what=f"Batches for vendor {vendor} have waited for an hour.",
            anchor="batches-wait-too-long",
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": queue.queue_name},
            statistic="Maximum",
            threshold=3600,
            periods=3,
        )
        for vendor, queue in service.provider_queues.queues.items()
    ]
    return watches


def _lifecycle(service: ServiceStack, config: EnvironmentConfig) -> list[Watch]:
    machine = {"StateMachineArn": service.lifecycle.machine.state_machine_arn}
    return [
        Watch(
            name="RunsFailed",
            what=f"{config.failed_runs_alarm} or more runs failed or were cancelled within 15 minutes.",
            anchor="runs-failed",
            namespace="AWS/States",
            metric="ExecutionsFailed",
            dimensions=machine,
            threshold=config.failed_runs_alarm,
            period_s=900,
        ),
        Watch(
            name="RunsTimedOut",
            what="A run reached the longest time a run may take.",
            anchor="runs-timed-out",
            namespace="AWS/States",
            metric="ExecutionsTimedOut",
            dimensions=machine,
        ),
    ]


def _api(service: ServiceStack) -> list[Watch]:
    api = {"ApiId": service.api.api.api_id}
    return [
        Watch(
            name="ApiServerErrors",
            what="The API answered requests with 5xx.",
            anchor="api-server-errors",
            namespace="AWS/ApiGateway",
            metric="5xx",
            dimensions=api,
            threshold=5,
        ),
        Watch(
            name="ApiSlow",
            what="The slowest hundredth of API requests took two seconds or more for 15 minutes.",
            anchor="api-slow",
            namespace="AWS/ApiGateway",
            metric="Latency",
            dimensions=api,
            statistic="p99",
            threshold=2000,
            periods=3,
        ),
    ]
