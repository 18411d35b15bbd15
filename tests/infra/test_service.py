"""What runs: functions and their environment, doors of the API, queues, state machine, schedule."""

from __future__ import annotations

import json

import pytest
from pydantic_settings import BaseSettings, SettingsConfigDict
from templates import Environment

from abtest.providers.batches.polling import LEASE_S
from abtest.runtime.settings import PREFIX, SETTINGS, CommonSettings
from infra.constructs.function import construct_name
from infra.errors import FunctionEnvironmentError
from infra.functions import FUNCTIONS, check_rows, render_environment
from infra.paths import FUNCTIONS as FUNCTION_FOLDERS
from infra.paths import vendors

pytestmark = pytest.mark.synth

SPECS = {spec.folder: spec for spec in FUNCTIONS}


def function(environment: Environment, folder: str) -> dict:
    return environment.properties("AWS::Lambda::Function")[f"Functions{construct_name(folder)}Function"]


def schedule_of(environment: Environment, construct: str) -> dict:
    return environment.properties("AWS::Scheduler::Schedule")[f"{construct}Schedule"]


def test_each_folder_is_a_function() -> None:
    folders = {folder.name for folder in FUNCTION_FOLDERS.iterdir() if (folder / "handler.py").is_file()}
    assert folders == set(SPECS) == set(SETTINGS)


@pytest.mark.parametrize("folder", SPECS)
def test_the_environment_is_what_the_settings_ask_for(environment: Environment, folder: str) -> None:
    variables = function(environment, folder)["Environment"]["Variables"]
    absent = {
        name
        for name, value in (
            ("workspace_budget_usd", environment.config.workspace_budget_usd),
            ("identity_endpoint_url", environment.config.identity_endpoint_url),
        )
        if value is None
    }
    fields = set(SETTINGS[folder].model_fields) - absent
    assert set(variables) == {f"{PREFIX}{name.upper()}" for name in fields}
    assert variables["ABTEST_SERVICE_NAME"] == folder


@pytest.mark.parametrize("folder", SPECS)
def test_the_settings_accept_the_environment(
    environment: Environment, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in function(environment, folder)["Environment"]["Variables"].items():
        monkeypatch.setenv(name, environment.text(value))
    settings = SETTINGS[folder]()  # type: ignore[call-arg]
    assert settings.environment == environment.config.name
    if "queue_urls" in SETTINGS[folder].model_fields:
        assert set(settings.model_dump()["queue_urls"]) == set(vendors())
    if "allow_private_base_urls" in SETTINGS[folder].model_fields:
        assert settings.model_dump()["allow_private_base_urls"] is environment.config.allow_private_base_urls


def test_every_function_runs_where_its_layers_were_built_for(environment: Environment) -> None:
    for folder, spec in SPECS.items():
        properties = function(environment, folder)
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["Handler"] == "handler.lambda_handler"
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert properties["Timeout"] == (spec.timeout_s or environment.config.worker_timeout_s) <= 900
        assert environment.text(properties["LoggingConfig"]["LogGroup"]) == f"<{construct_name(folder)}Log>"
        layers = {environment.text(layer) for layer in properties["Layers"]}
        bundled = {"<LayersDependencies>", *(f"<Layers{name.capitalize()}>" for name in spec.layers)}
        assert layers == {"<LayersShared>", *(bundled if environment.config.bundle_dependencies else ())}


@pytest.mark.parametrize("folder", ["api", "plan_analysis", "analyse_labels", "check_provider", "try_judge"])
def test_the_api_gives_up_before_its_gateway(environment: Environment, folder: str) -> None:
    assert function(environment, folder)["Timeout"] < 30


def test_plans_and_checks_go_to_functions_of_their_own(environment: Environment) -> None:
    owners = {
        "/v1/analysis/power": "PlanAnalysis",
        "/v1/providers/{provider_id}/check": "CheckProvider",
        "/v1/judges/try": "TryJudge",
        "/v1/runs/{run_id}/labels/analysis": "AnalyseLabels",
    }
    integrations = environment.properties("AWS::ApiGatewayV2::Integration")
    for route in environment.properties("AWS::ApiGatewayV2::Route").values():
        (integration,) = (i for name, i in integrations.items() if f"<{name}>" in environment.text(route["Target"]))
        path = route["RouteKey"].partition(" ")[2].removeprefix("/service")
        expected = f"<Functions{owners.get(path, 'Api')}Function.Arn>"
        assert environment.text(integration["IntegrationUri"]) == expected


def test_only_health_is_open(environment: Environment) -> None:
    routes = {r["RouteKey"]: r for r in environment.properties("AWS::ApiGatewayV2::Route").values()}
    assert {key: route["AuthorizationType"] for key, route in routes.items()} == {
        "GET /v1/health": "NONE",
        "ANY /v1/{proxy+}": "JWT",
        "ANY /service/v1/{proxy+}": "AWS_IAM",
        "POST /v1/analysis/power": "JWT",
        "POST /service/v1/analysis/power": "AWS_IAM",
        "POST /v1/providers/{provider_id}/check": "JWT",
        "POST /service/v1/providers/{provider_id}/check": "AWS_IAM",
        "POST /v1/judges/try": "JWT",
        "GET /v1/runs/{run_id}/labels/analysis": "JWT",
        "GET /service/v1/runs/{run_id}/labels/analysis": "AWS_IAM",
        "POST /service/v1/judges/try": "AWS_IAM",
    }
    (authorizer,) = environment.properties("AWS::ApiGatewayV2::Authorizer").values()
    configuration = authorizer["JwtConfiguration"]
    assert [environment.text(a) for a in configuration["Audience"]] == ["<PeopleCommandLine>"]
    assert environment.text(configuration["Issuer"]) == (
        "https://cognito-idp.<AWS::Region>.<AWS::URLSuffix>/<PeoplePool>"
    )


def test_the_stage_throttles_and_logs_every_request(environment: Environment) -> None:
    (stage,) = environment.properties("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == environment.config.api_rate_per_s
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == environment.config.api_burst
    assert environment.text(stage["AccessLogSettings"]["DestinationArn"]) == "<ApiAccessLog.Arn>"
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert "$context.requestId" in logged.values()
    assert not [value for value in logged.values() if "header" in value.lower() or "token" in value.lower()]


def test_each_vendor_has_a_queue_and_a_dead_letter_queue(environment: Environment) -> None:
    queues = environment.properties("AWS::SQS::Queue")
    for vendor in vendors():
        queue = queues[f"Queues{construct_name(vendor)}"]
        redrive = queue["RedrivePolicy"]
        assert environment.text(redrive["deadLetterTargetArn"]) == f"<Queues{construct_name(vendor)}DeadLetters.Arn>"
        assert redrive["maxReceiveCount"] == 3


def test_a_message_stays_hidden_as_long_as_its_worker_may_run(environment: Environment) -> None:
    queues = environment.properties("AWS::SQS::Queue")
    for vendor in vendors():
        name = f"Queues{construct_name(vendor)}"
        assert queues[name]["VisibilityTimeout"] >= function(environment, "call_provider")["Timeout"]
        dead = queues[f"{name}DeadLetters"]
        assert dead["VisibilityTimeout"] >= function(environment, "dead_letter")["Timeout"]


def test_workers_take_one_batch_and_their_number_is_bounded(environment: Environment) -> None:
    mappings = {
        environment.text(m["EventSourceArn"]): m
        for m in environment.properties("AWS::Lambda::EventSourceMapping").values()
    }
    assert len(mappings) == 2 * len(vendors())
    for vendor in vendors():
        batches = mappings[f"<Queues{construct_name(vendor)}.Arn>"]
        assert environment.text(batches["FunctionName"]) == "<FunctionsCallProviderFunction>"
        assert batches["ScalingConfig"] == {"MaximumConcurrency": environment.config.worker_max_concurrency}
        dead = mappings[f"<Queues{construct_name(vendor)}DeadLetters.Arn>"]
        assert environment.text(dead["FunctionName"]) == "<FunctionsDeadLetterFunction>"
        for mapping in (batches, dead):
            assert mapping["BatchSize"] == 1
            assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_state_machine_logs_failures_without_data_and_traces(environment: Environment) -> None:
    (machine,) = environment.properties("AWS::StepFunctions::StateMachine").values()
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ERROR"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_the_daily_report_has_somewhere_to_fail(environment: Environment) -> None:
    schedule = schedule_of(environment, "Daily")
    assert environment.text(schedule["Target"]["Arn"]) == "<FunctionsDailyAnalyticsFunction.Arn>"
    assert environment.text(schedule["Target"]["DeadLetterConfig"]["Arn"]) == "<DailyFailures.Arn>"
    dead_letters = function(environment, "daily_analytics")["DeadLetterConfig"]
    assert environment.text(dead_letters["TargetArn"]) == "<DailyFailures.Arn>"


def test_jobs_at_batch_interfaces_are_looked_after_each_minute(environment: Environment) -> None:
    schedule = schedule_of(environment, "Polling")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert environment.text(schedule["Target"]["Arn"]) == "<FunctionsPollBatchesFunction.Arn>"
    # The next minute does what a failed one left.
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert function(environment, "poll_batches")["Timeout"] < LEASE_S


class _Settings(CommonSettings):
    unheard_of: str


def test_the_synthesis_stops__a_field_without_value() -> None:
    values = {"environment": "dev", "log_level": "INFO"}
    with pytest.raises(FunctionEnvironmentError, match=r"_Settings\.unheard_of .*functions/api.* has no value"):
        render_environment(SPECS["api"], _Settings, values)


def test_an_optional_field_may_be_left_out__its_value_is_none() -> None:
    class Optional(BaseSettings):
        model_config = SettingsConfigDict(env_prefix=PREFIX)
        limit: int | None = None

    assert render_environment(SPECS["api"], Optional, {"limit": None}) == {}
    assert render_environment(SPECS["api"], Optional, {"limit": "5"}) == {"ABTEST_LIMIT": "5"}


def test_the_synthesis_stops__a_value_without_field() -> None:
    with pytest.raises(FunctionEnvironmentError, match="no function's settings name: gone"):
        check_rows(SETTINGS, {"environment": "dev", "gone": "x"})


def test_the_synthesis_stops__a_function_without_settings() -> None:
    fewer = {folder: cls for folder, cls in SETTINGS.items() if folder != "take_look"}
    with pytest.raises(FunctionEnvironmentError, match="take_look"):
        check_rows(fewer, {})
