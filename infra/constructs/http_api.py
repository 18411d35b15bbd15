"""The HTTP API: three doors, and behind them one function for everything but what needs statistics or keys.

`GET /v1/health` is open; `/v1/*` wants a token of the user pool; `/service/v1/*` wants a request signed with AWS
credentials. Which route a path is, is the API function's business: a new route needs no change here. A route of another
function is written out, which goes before the one that takes every path.

Depends on: aws-cdk-lib. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

import json

from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.resources import StatefulResources

HEALTH_PATH = "/v1/health"
PEOPLE_PATH = "/v1/{proxy+}"
SERVICES_PATH = "/service/v1/{proxy+}"
POWER_PATH = "/v1/analysis/power"
CHECK_PATH = "/v1/providers/{provider_id}/check"
TRY_PATH = "/v1/judges/try"
LABELS_PATH = "/v1/runs/{run_id}/labels/analysis"

ACCESS_LOG_FORMAT = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "source_ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "authorizer_error": "$context.authorizer.error",
    "caller": "$context.authorizer.claims.sub",
}


class Api(Construct):
    """The API and its default stage.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        stateful: the user pool.
        handler: answers every route but those of the functions below.
        planner: answers the plans of tests.
        checker: checks providers by a call.
        trier: tries judges by a few calls.
        labels: analyses people's labels.
        log_group: gets one line for each request.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: EnvironmentConfig,
        stateful: StatefulResources,
        handler: lambda_.IFunction,
        planner: lambda_.IFunction,
        checker: lambda_.IFunction,
        trier: lambda_.IFunction,
        labels: lambda_.IFunction,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = apigw.HttpApi(
            self,
            "Api",
            api_name=f"abtest-{config.name}",
            description="A/B testing for LLMs.",
            create_default_stage=False,
        )
        people = authorizers.HttpJwtAuthorizer(
            "People", stateful.issuer, jwt_audience=[stateful.user_pool_client.user_pool_client_id]
        )
        services = authorizers.HttpIamAuthorizer()
        every = integrations.HttpLambdaIntegration("Function", handler)
        plans = integrations.HttpLambdaIntegration("Planner", planner)
        checks = integrations.HttpLambdaIntegration("Checker", checker)
        trials = integrations.HttpLambdaIntegration("Trier", trier)
        people_say = integrations.HttpLambdaIntegration("Labels", labels)
        for path, method, authorizer, integration in (
            (HEALTH_PATH, apigw.HttpMethod.GET, apigw.HttpNoneAuthorizer(), every),
            (PEOPLE_PATH, apigw.HttpMethod.ANY, people, every),
            (SERVICES_PATH, apigw.HttpMethod.ANY, services, every),
            (POWER_PATH, apigw.HttpMethod.POST, people, plans),
            (f"/service{POWER_PATH}", apigw.HttpMethod.POST, services, plans),
            (CHECK_PATH, apigw.HttpMethod.POST, people, checks),
            (f"/service{CHECK_PATH}", apigw.HttpMethod.POST, services, checks),
            (TRY_PATH, apigw.HttpMethod.POST, people, trials),
            (f"/service{TRY_PATH}", apigw.HttpMethod.POST, services, trials),
            (LABELS_PATH, apigw.HttpMethod.GET, people, people_say),
            (f"/service{LABELS_PATH}", apigw.HttpMethod.GET, services, people_say),
        ):
            self.api.add_routes(path=path, methods=[method], integration=integration, authorizer=authorizer)
        self.stage = apigw.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigw.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=config.api_rate_per_s,
                throttling_burst_limit=config.api_burst,
                detailed_metrics_enabled=True,
            ),
            access_log_settings=apigw.CfnStage.AccessLogSettingsProperty(
                destination_arn=log_group.log_group_arn, format=json.dumps(ACCESS_LOG_FORMAT)
            ),
        )
