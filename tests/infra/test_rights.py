"""Least privilege: what each role may do is written out here a second time, and nothing more is granted."""

from __future__ import annotations

import pytest
from templates import Environment, listed

from infra.constructs.function import construct_name
from infra.functions import FUNCTIONS

pytestmark = pytest.mark.synth

KEY, TABLE, INDEXES, BUCKET = "<Key.Arn>", "<Table.Arn>", "<Table.Arn>/index/*", "<BodiesData.Arn>"
MACHINE, CHILDREN = "<LifecycleMachine>", "<LifecycleMachine>/*"
TASK_TOKENS = "task tokens"
"""On AWS the state machine and the children of its maps; the embedded AWS knows no resource for them."""
VENDORS = ("Anthropic", "Bedrock", "Gemini", "OpenaiChat", "OpenaiResponses", "Replay")
QUEUES = tuple(f"<Queues{vendor}.Arn>" for vendor in VENDORS)
DEAD_LETTERS = tuple(f"<Queues{vendor}DeadLetters.Arn>" for vendor in VENDORS)
PROVIDER_SECRETS = "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:abtest/{env}/providers/*"
BEDROCK = "arn:<AWS::Partition>:bedrock:*"
BEDROCK_MODELS = (
    f"{BEDROCK}::foundation-model/*",
    f"{BEDROCK}:<AWS::AccountId>:inference-profile/*",
    f"{BEDROCK}:<AWS::AccountId>:application-inference-profile/*",
)
INVOKE_MODELS = {models: {"bedrock:InvokeModel"} for models in BEDROCK_MODELS}
READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
WRITE = {"dynamodb:PutItem", "dynamodb:UpdateItem"}
USE_KEY = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"}
CONSUME = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}
XRAY = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def folder(name: str) -> str:
    return f"{BUCKET}/{name}/*"


FUNCTION_RIGHTS: dict[str, dict[str, set[str]]] = {
    "api": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        INDEXES: {"dynamodb:Query"},
        BUCKET: {"s3:ListBucket"},
        folder("uploads"): {"s3:GetObject", "s3:PutObject"},
        folder("datasets"): {"s3:PutObject"},
        folder("runs"): {"s3:GetObject"},
        folder("labels"): {"s3:GetObject", "s3:PutObject"},
        MACHINE: {"states:StartExecution"},
    },
    "plan_analysis": {
        KEY: USE_KEY,
        TABLE: READ,
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject"},
    },
    "analyse_labels": {
        KEY: USE_KEY,
        TABLE: READ,
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject"},
        folder("labels"): {"s3:GetObject"},
    },
    "check_provider": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        PROVIDER_SECRETS: {"secretsmanager:GetSecretValue"},
        **INVOKE_MODELS,
    },
    "try_judge": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        PROVIDER_SECRETS: {"secretsmanager:GetSecretValue"},
        **INVOKE_MODELS,
    },
    "plan_run": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        BUCKET: {"s3:ListBucket"},
        folder("datasets"): {"s3:GetObject"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
    },
    "call_provider": {
        KEY: USE_KEY,
        TABLE: READ | WRITE | {"dynamodb:BatchWriteItem"},
        BUCKET: {"s3:ListBucket"},
        folder("datasets"): {"s3:GetObject"},
        folder("ledger"): {"s3:GetObject", "s3:PutObject"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
        **dict.fromkeys(QUEUES, CONSUME | {"sqs:SendMessage"}),
        TASK_TOKENS: {"states:SendTaskSuccess", "states:SendTaskFailure"},
        PROVIDER_SECRETS: {"secretsmanager:GetSecretValue"},
        **INVOKE_MODELS,
    },
    "poll_batches": {
        KEY: USE_KEY,
        TABLE: READ | WRITE | {"dynamodb:BatchWriteItem"},
        INDEXES: {"dynamodb:Query"},
        BUCKET: {"s3:ListBucket"},
        folder("ledger"): {"s3:GetObject", "s3:PutObject"},
        **{queue: {"sqs:SendMessage"} for queue in QUEUES},
        PROVIDER_SECRETS: {"secretsmanager:GetSecretValue"},
    },
    "judge_batch": {
        KEY: USE_KEY,
        TABLE: WRITE,
        BUCKET: {"s3:ListBucket"},
        folder("datasets"): {"s3:GetObject"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
    },
    "take_look": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
    },
    "finish_run": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
    },
    "fail_run": {
        KEY: USE_KEY,
        TABLE: READ | WRITE,
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject", "s3:PutObject"},
    },
    "dead_letter": {
        KEY: USE_KEY,
        TABLE: WRITE,
        folder("dead-letters"): {"s3:PutObject"},
        **dict.fromkeys(DEAD_LETTERS, CONSUME),
        TASK_TOKENS: {"states:SendTaskFailure"},
    },
    "daily_analytics": {
        KEY: USE_KEY,
        TABLE: READ,
        INDEXES: {"dynamodb:Query"},
        BUCKET: {"s3:ListBucket"},
        folder("runs"): {"s3:GetObject"},
        folder("portfolio"): {"s3:PutObject"},
        # Where Lambda puts an event that failed every retry.
        "<DailyFailures.Arn>": {"sqs:SendMessage"},
    },
}


@pytest.mark.parametrize("function", [spec.folder for spec in FUNCTIONS])
def test_a_function_may_do_exactly_what_is_listed(environment: Environment, function: str) -> None:
    name = construct_name(function)
    expected = {
        resource.replace("{env}", environment.config.name): actions
        for resource, actions in FUNCTION_RIGHTS[function].items()
    }
    expected[f"<{name}Log.Arn>"] = {"logs:CreateLogStream", "logs:PutLogEvents"}
    answers = expected.pop(TASK_TOKENS, set())
    embedded = environment.config.embedded
    expected["*"] = XRAY | expected.get("*", set()) | answers if embedded else XRAY
    if answers and not embedded:
        expected |= {MACHINE: answers, CHILDREN: answers}
    assert environment.rights(f"Functions{name}Role") == expected


def test_each_function_has_a_role_of_its_own(environment: Environment) -> None:
    functions = environment.properties("AWS::Lambda::Function")
    roles = {name: environment.text(function["Role"]) for name, function in functions.items()}
    assert roles == {
        f"Functions{construct_name(spec.folder)}Function": f"<Functions{construct_name(spec.folder)}Role.Arn>"
        for spec in FUNCTIONS
    }


def test_the_lifecycle_may_do_exactly_what_its_states_do(environment: Environment) -> None:
    execution = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<LifecycleMachine.Name>"
    rights = environment.rights("LifecycleRole")
    everywhere = rights.pop("*")
    assert rights == {
        **{
            f"<Functions{name}Function.Arn>": {"lambda:InvokeFunction"}
            for name in ("PlanRun", "JudgeBatch", "TakeLook", "FinishRun", "FailRun")
        },
        **{queue: {"sqs:SendMessage"} for queue in QUEUES},
        f"{BUCKET}/runs/*/waves/*/*.jsonl": {"s3:GetObject"},
        f"{BUCKET}/runs/*/maps/*": {
            "s3:PutObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:AbortMultipartUpload",
        },
        KEY: {"kms:Decrypt", "kms:GenerateDataKey"},
        MACHINE: {"states:StartExecution"},
        f"{execution}:*": {"states:DescribeExecution", "states:StopExecution"},
        f"{execution}/*": {"states:DescribeExecution", "states:StopExecution"},
    }
    # Delivery of logs and X-Ray have no resources that could be named.
    assert {action.split(":")[0] for action in everywhere} == {"logs", "xray"}
    assert not [action for action in everywhere if "*" in action]


def test_the_schedule_may_only_invoke_the_daily_report(environment: Environment) -> None:
    assert environment.rights("DailyRole") == {
        "<FunctionsDailyAnalyticsFunction.Arn>": {"lambda:InvokeFunction"},
        "<DailyFailures.Arn>": {"sqs:SendMessage"},
        KEY: {"kms:Decrypt", "kms:GenerateDataKey"},
    }


def test_the_schedule_of_the_poller_may_only_invoke_it(environment: Environment) -> None:
    assert environment.rights("PollingRole") == {"<FunctionsPollBatchesFunction.Arn>": {"lambda:InvokeFunction"}}


def test_no_action_has_a_wildcard__outside_the_key_policy(environment: Environment) -> None:
    for policy in environment.properties("AWS::IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert not [action for action in listed(statement["Action"]) if "*" in action]


def test_a_role_is_assumed_by_one_service_only(environment: Environment) -> None:
    services = {
        name: [s["Principal"] for s in role["AssumeRolePolicyDocument"]["Statement"]]
        for name, role in environment.properties("AWS::IAM::Role").items()
    }
    assert len(services) == len(FUNCTIONS) + 3
    for name, principals in services.items():
        others = {"LifecycleRole": "states", "DailyRole": "scheduler", "PollingRole": "scheduler"}
        expected = others.get(name, "lambda")
        assert principals == [{"Service": f"{expected}.amazonaws.com"}]


def test_the_key_trusts_logs_of_this_account_and_alarms_of_this_account_only(environment: Environment) -> None:
    policy = environment.properties("AWS::KMS::Key")["Key"]["KeyPolicy"]["Statement"]
    others = [s for s in policy if "AWS" not in s["Principal"]]
    assert [(environment.text(s["Principal"]["Service"]), "Condition" in s) for s in others] == [
        ("logs.<AWS::Region>.<AWS::URLSuffix>", True),
        ("cloudwatch.amazonaws.com", True),
    ]


@pytest.mark.parametrize("function", [spec.folder for spec in FUNCTIONS])
def test_models_of_bedrock_are_asked_by_callers_only(environment: Environment, function: str) -> None:
    rights = environment.rights(f"Functions{construct_name(function)}Role")
    asked = {resource for resource, actions in rights.items() if any(a.startswith("bedrock:") for a in actions)}
    callers = ("call_provider", "check_provider", "try_judge")
    assert asked == (set(BEDROCK_MODELS) if function in callers else set())
