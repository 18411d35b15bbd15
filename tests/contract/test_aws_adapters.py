"""Queues, task results, executions and secrets over moto, and what their services refuse."""

from __future__ import annotations

import json

import boto3
import pytest
from aws_fakes import REGION, SECRETS_PREFIX, FakeAws, new_workspace
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.stub import ANY, Stubber

from abtest.adapters.queues import MAX_DELAY_S, SqsBatchQueue
from abtest.adapters.secrets import ProviderSecrets
from abtest.adapters.workflow import StepFunctionsTasks, StepFunctionsWorkflow
from abtest.contracts.steps import AskItem, GenerateItem, GenerateMessage, GenerateResult, JudgeMessage, queued_message
from abtest.core.errors import ProviderConfigurationError, StoreUnavailableError

pytestmark = pytest.mark.aws_fake
RESULT = GenerateResult(responses=100, failed=1, from_ledger=2)


@pytest.fixture
def queue_url(aws: FakeAws) -> str:
    return str(boto3.client("sqs", region_name=REGION).create_queue(QueueName=new_workspace())["QueueUrl"])


def message(queue_url: str) -> GenerateMessage:
    item = GenerateItem(
        workspace="w",
        run_id="run_1",
        wave=0,
        batch=1,
        variant="a",
        vendor="replay",
        queue_url=queue_url,
        size=10,
    )
    return GenerateMessage(task_token="token", batch=item)


def received(queue_url: str) -> list[dict[str, str]]:
    client = boto3.client("sqs", region_name=REGION)
    answer = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return answer.get("Messages", [])  # type: ignore[return-value]


@pytest.fixture
def queue(aws: FakeAws) -> SqsBatchQueue:
    return SqsBatchQueue(boto3.client("sqs", region_name=REGION))


def test_batch_that_is_put_back_comes_again__counted_as_deferred(queue_url: str, queue: SqsBatchQueue) -> None:
    queue.put_back(message(queue_url))

    (again,) = received(queue_url)
    assert GenerateMessage.model_validate_json(again["Body"]) == message(queue_url).model_copy(update={"deferrals": 1})


def test_batch_of_a_judge_comes_again_as_one(queue_url: str, queue: SqsBatchQueue) -> None:
    facts = message(queue_url).batch.model_dump(exclude={"variant"})
    asked = JudgeMessage(task_token="token", batch=AskItem(judge="good", fallback=1, panels=("council",), **facts))

    queue.put_back(asked)

    (again,) = received(queue_url)
    assert queued_message(again["Body"]) == asked.model_copy(update={"deferrals": 1})


@pytest.mark.parametrize(("asked_s", "sent_s"), [(-3, 0), (30, 30), (9_999, MAX_DELAY_S)])
def test_delay_is_what_sqs_allows(queue_url: str, asked_s: int, sent_s: int) -> None:
    client = boto3.client("sqs", region_name=REGION)
    expected = {"QueueUrl": queue_url, "MessageBody": ANY, "DelaySeconds": sent_s, "MessageGroupId": ANY}
    with Stubber(client) as stub:
        stub.add_response("send_message", {}, expected)
        SqsBatchQueue(client).put_back(message(queue_url), delay_s=asked_s)


def test_message_that_is_kept_stays_hidden__and_comes_back_when_it_is_given_up(
    queue_url: str, queue: SqsBatchQueue
) -> None:
    queue.put_back(message(queue_url))
    (held,) = received(queue_url)

    queue.keep(queue_url, held["ReceiptHandle"], 60)
    assert received(queue_url) == []
    queue.keep(queue_url, held["ReceiptHandle"], 0)
    assert len(received(queue_url)) == 1


def test_queue_that_is_gone_is_an_outage(queue_url: str, queue: SqsBatchQueue) -> None:
    gone = message(queue_url)
    gone = gone.model_copy(
        update={"batch": gone.batch.model_copy(update={"queue_url": gone.batch.queue_url + "-gone"})}
    )

    with pytest.raises(StoreUnavailableError, match="SQS refused"):
        queue.put_back(gone)


def test_execution_is_named_by_its_run__and_starts_once(aws: FakeAws) -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    workflow = StepFunctionsWorkflow(client, aws.state_machine_arn)

    first = workflow.start(run_id="run_1", workspace="w")
    second = workflow.start(run_id="run_1", workspace="w")

    assert first == second == workflow.execution_arn("run_1")
    started = client.describe_execution(executionArn=first)
    assert json.loads(started["input"]) == {"workspace": "w", "run_id": "run_1"}


def test_machine_that_is_gone_is_an_outage(aws: FakeAws) -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    workflow = StepFunctionsWorkflow(client, aws.state_machine_arn + "-gone")

    with pytest.raises(StoreUnavailableError, match="Nothing was spent; start it again"):
        workflow.start(run_id="run_1", workspace="w")


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_nobody_waits_any_more__is_no_failure(code: str) -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", code)
        stub.add_client_error("send_task_failure", code)

        assert StepFunctionsTasks(client).succeed("token", RESULT) is False
        assert StepFunctionsTasks(client).fail("token", "ProviderAuthError", "The key was refused.") is False


def test_result_is_handed_back__as_json() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        expected = {"taskToken": "token", "output": '{"responses":100,"failed":1,"from_ledger":2}'}
        stub.add_response("send_task_success", {}, expected)
        stub.add_response(
            "send_task_failure", {}, {"taskToken": "token", "error": "RunCancelledError", "cause": "x" * 32_768}
        )

        assert StepFunctionsTasks(client).succeed("token", RESULT) is True
        assert StepFunctionsTasks(client).fail("token", "RunCancelledError", "x" * 50_000) is True


def test_result_that_is_not_taken_is_an_outage() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", "ThrottlingException")

        with pytest.raises(StoreUnavailableError, match="ThrottlingException"):
            StepFunctionsTasks(client).succeed("token", RESULT)


def secrets() -> ProviderSecrets:
    return ProviderSecrets(
        SECRETS_PREFIX, SecretsProvider(boto3_client=boto3.client("secretsmanager", region_name=REGION))
    )


def test_key_is_read__by_its_name(aws: FakeAws) -> None:
    client = boto3.client("secretsmanager", region_name=REGION)
    client.create_secret(Name=f"{SECRETS_PREFIX}one", SecretString="sk-1")
    client.create_secret(Name=f"{SECRETS_PREFIX}two", SecretBinary=b"sk-2")

    assert secrets().key(f"{SECRETS_PREFIX}one") == "sk-1"
    assert secrets().key(f"{SECRETS_PREFIX}two") == "sk-2"


@pytest.mark.parametrize("name", [f"{SECRETS_PREFIX}missing", "someone/elses/secret"])
def test_secret_that_is_missing_or_not_ours_is_told__by_name(aws: FakeAws, name: str) -> None:
    with pytest.raises(ProviderConfigurationError, match=name):
        secrets().key(name)
