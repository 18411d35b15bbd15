"""The templates as documents: valid, small enough, free of accounts and regions, watched, with stable outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cfnlint.api import ManualArgs, lint
from statelint.linter import Linter
from templates import PARTS, Environment

from infra.app import build, full_context
from infra.config import ENVIRONMENTS, EnvironmentConfig, chosen
from infra.constructs.lifecycle import definition
from infra.errors import ConfigurationError
from infra.paths import ROOT, STATE_MACHINE

pytestmark = pytest.mark.synth

TEMPLATE_BYTES, RESOURCES, OUTPUTS = 1_000_000, 500, 200
"""CloudFormation's limits of one stack."""

IGNORED_RULES = {
    "W3005": "The CDK writes DependsOn beside references, so that a role's policy comes before its function.",
}
UNKNOWN_TO_STATELINT = {
    'Field "Label" not allowed': "It names the map run in ARNs; rights on children are granted by it.",
    'Field "InputType" not allowed': "Every ItemReader of objects needs it.",
}
NUMBERS = {"GenerateMaxConcurrency": 100, "JudgeMaxConcurrency": 20}


def test_cfn_lint_finds_nothing(environment: Environment) -> None:
    config = ManualArgs(ignore_checks=list(IGNORED_RULES))
    for part in PARTS:
        template = json.loads(json.dumps(environment.templates[part]))
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                # Only a definition that is an object is looked into.
                properties = resource["Properties"]
                properties["Definition"] = json.loads(properties.pop("DefinitionString"))
        assert [str(found) for found in lint(json.dumps(template), regions=["us-east-1"], config=config)] == []


def test_a_stack_stays_under_the_limits_of_cloudformation(environment: Environment) -> None:
    for template in environment.templates.values():
        assert len(json.dumps(template)) < TEMPLATE_BYTES
        assert len(template["Resources"]) < RESOURCES
        assert len(template.get("Outputs", {})) < OUTPUTS


def test_a_template_names_no_account_and_no_region(environment: Environment) -> None:
    for template in environment.templates.values():
        text = json.dumps(template)
        assert not re.search(r"\b\d{12}\b", text)
        assert not re.search(r"\b(us|eu|ap|sa|ca|me|af)-[a-z]+-\d\b", text)


def test_outputs_have_the_names_that_clients_read(environment: Environment) -> None:
    outputs = {part: set(environment.templates[part]["Outputs"]) for part in PARTS}
    assert outputs["data"] >= {"TableName", "DataBucketName", "UserPoolId", "UserPoolClientId"}
    assert outputs["service"] >= {"ApiId", "ApiUrl", "StateMachineArn", "FunctionNames"}
    assert outputs["operations"] >= {"AlarmTopicArn", "DashboardName"}


def test_the_definition_is_substituted_whole(environment: Environment) -> None:
    (machine,) = environment.properties("AWS::StepFunctions::StateMachine").values()
    wanted = set(re.findall(r"\$\{(\w+)\}", machine["DefinitionString"]))
    assert wanted == set(machine["DefinitionSubstitutions"])
    states = json.loads(machine["DefinitionString"])["States"]
    assert states["GenerateResponses"]["MaxConcurrency"] == environment.config.generate_max_concurrency
    assert states["JudgeResponses"]["MaxConcurrency"] == environment.config.judge_max_concurrency


def test_statelint_finds_nothing() -> None:
    problems = Linter.validate(json.loads(definition(STATE_MACHINE, NUMBERS)))
    assert [p for p in problems if not any(p.startswith(known) for known in UNKNOWN_TO_STATELINT)] == []


def test_the_synthesis_stops__a_number_the_definition_does_not_name() -> None:
    with pytest.raises(ConfigurationError, match=r'nowhere says "\$\{Unheard\}"'):
        definition(STATE_MACHINE, {"Unheard": 1})


def test_the_synthesis_stops__a_definition_that_is_not_json(tmp_path: Path) -> None:
    file = tmp_path / "broken.asl.json"
    file.write_text('{"States":', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"broken\.asl\.json is not valid JSON"):
        definition(file, {})


def test_every_alarm_tells_somebody_and_has_a_runbook(environment: Environment) -> None:
    alarms = environment.properties("AWS::CloudWatch::Alarm")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").strip().lower()).replace(" ", "-")
        for line in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    }
    for alarm in alarms.values():
        for actions in (alarm["AlarmActions"], alarm["OKActions"]):
            assert [environment.text(action) for action in actions] == ["<Alarms>"]
        anchor = re.search(r"docs/operations\.md#([\w-]+)$", environment.text(alarm["AlarmDescription"]))
        assert anchor and anchor[1] in headings


def test_every_function_dead_letter_queue_and_failure_is_watched(environment: Environment) -> None:
    watched = {
        (alarm["MetricName"], environment.text(alarm["Dimensions"][0]["Value"]))
        for alarm in environment.properties("AWS::CloudWatch::Alarm").values()
    }
    functions = environment.resources("AWS::Lambda::Function")
    assert {("Errors", f"<{name}>") for name in functions} <= watched
    dead = [name for name in environment.resources("AWS::SQS::Queue") if name.endswith(("DeadLetters", "Failures"))]
    assert {("ApproximateNumberOfMessagesVisible", f"<{name}.QueueName>") for name in dead} <= watched
    assert {(metric, "<LifecycleMachine>") for metric in ("ExecutionsFailed", "ExecutionsTimedOut")} <= watched
    waited_for = {("Throttles", f"<Functions{name}Function>") for name in ("Api", "PlanAnalysis", "CallProvider")}
    assert {("5xx", "<HttpApi>"), *waited_for} <= {
        (metric, dimension.replace("HttpApiApi", "HttpApi")) for metric, dimension in watched
    }


def test_production_stacks_cannot_be_deleted_by_mistake(assembly: Path) -> None:
    artifacts = json.loads((assembly / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    for name, config in ENVIRONMENTS.items():
        for part in PARTS:
            protected = artifacts[config.stack_name(part)]["properties"].get("terminationProtection", False)
            assert protected is (name == "prod")


def test_an_unknown_environment_is_refused__with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match=r"no environment 'qa'\. Known: local, dev, staging, prod, all"):
        chosen("qa")


def test_the_environment_comes_from_the_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDK_CONTEXT_JSON", '{"environment": "local"}')
    app = build(outdir=str(tmp_path))
    assert [child.node.id for child in app.node.children if child.node.id.startswith("abtest-")] == [
        "abtest-local-data",
        "abtest-local-service",
        "abtest-local-operations",
    ]
    assert full_context({"environment": "prod"})["environment"] == "prod"


@pytest.mark.parametrize(
    ("field", "value"),
    [("worker_timeout_s", 901), ("visibility_timeout_s", 899), ("worker_max_concurrency", 1), ("message_lease_s", 0)],
)
def test_a_value_that_aws_would_refuse_is_refused_at_once(field: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"{field} is {value}; allowed are"):
        EnvironmentConfig(name="dev", **{field: value})
