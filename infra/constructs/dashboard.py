"""The dashboard: what people wait for above, what it stands on below.

Written as the JSON CloudWatch takes; the CDK's widgets would make hundreds of calls for the same text.

Depends on: aws-cdk-lib. Used by: `infra.stacks.operations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from infra.config import EnvironmentConfig
from infra.resources import StatefulResources

if TYPE_CHECKING:
    from infra.stacks.service import ServiceStack

Metric = list[Any]
WIDTH, HEIGHT, COLUMNS = 8, 6, 3


def dashboard(
    stack: Stack, *, config: EnvironmentConfig, service: ServiceStack, stateful: StatefulResources
) -> cloudwatch.CfnDashboard:
    """Return the dashboard of an environment.

    Args:
        stack: where it belongs.
        config: the environment.
        service: what it shows.
        stateful: the table.
    """
    graphs = [*_people(service), *_work(service), *_ground(service, stateful)]
    widgets = [_widget(index, title, metrics, stack.region) for index, (title, metrics) in enumerate(graphs)]
    return cloudwatch.CfnDashboard(
        stack,
        "Dashboard",
        dashboard_name=f"abtest-{config.name}",
        dashboard_body=stack.to_json_string({"start": "-PT6H", "widgets": widgets}),
    )


def _widget(index: int, title: str, metrics: list[Metric], region: str) -> dict[str, Any]:
    return {
        "type": "metric",
        "x": index % COLUMNS * WIDTH,
        "y": index // COLUMNS * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {"title": title, "metrics": metrics, "region": region, "period": 300, "view": "timeSeries"},
    }


def _people(service: ServiceStack) -> list[tuple[str, list[Metric]]]:
    api = ["ApiId", service.api.api.api_id]
    machine = ["StateMachineArn", service.lifecycle.machine.state_machine_arn]
    return [
        (
            "API requests and errors",
            [
                ["AWS/ApiGateway", "Count", *api, {"stat": "Sum"}],
                ["AWS/ApiGateway", "4xx", *api, {"stat": "Sum"}],
                ["AWS/ApiGateway", "5xx", *api, {"stat": "Sum"}],
            ],
        ),
        (
            "API latency (ms)",
            [["AWS/ApiGateway", "Latency", *api, {"stat": stat, "label": stat}] for stat in ("p50", "p95", "p99")],
        ),
        (
            "Runs",
            [
                ["AWS/States", f"Executions{outcome}", *machine, {"stat": "Sum"}]
                for outcome in ("Started", "Succeeded", "Failed", "TimedOut")
            ],
        ),
    ]


def _work(service: ServiceStack) -> list[tuple[str, list[Metric]]]:
    def each(metric: str, queues: Mapping[str, sqs.Queue]) -> list[Metric]:
        return [
            ["AWS/SQS", metric, "QueueName", queue.queue_name, {"stat": "Maximum", "label": vendor}]
            for vendor, queue in queues.items()
        ]

    waiting, dead = service.provider_queues.queues, service.provider_queues.dead_letter_queues
    return [
        ("Batches waiting", each("ApproximateNumberOfMessagesVisible", waiting)),
        ("Oldest batch (s)", each("ApproximateAgeOfOldestMessage", waiting)),
        ("Dead letters", each("ApproximateNumberOfMessagesVisible", dead)),
        (
            # The platform's own metrics carry the function's name only.
            "Responses and verdicts of models, all environments of this account",
            [
                ["LlmAbTest", metric, "service", "call_provider", {"stat": "Sum"}]
                for metric in ("Responses", "ResponsesFailed", "Verdicts", "VerdictsNotScored")
            ],
        ),
    ]


def _ground(service: ServiceStack, stateful: StatefulResources) -> list[tuple[str, list[Metric]]]:
    def each(metric: str, stat: str) -> list[Metric]:
        return [
            ["AWS/Lambda", metric, "FunctionName", f.function.function_name, {"stat": stat, "label": folder}]
            for folder, f in service.functions.items()
        ]

    table = ["TableName", stateful.table.table_name]
    return [
        ("Function errors", each("Errors", "Sum")),
        ("Function duration p95 (ms)", each("Duration", "p95")),
        (
            "Table: consumed units",
            [
                ["AWS/DynamoDB", "ConsumedReadCapacityUnits", *table, {"stat": "Sum"}],
                ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", *table, {"stat": "Sum"}],
            ],
        ),
    ]
