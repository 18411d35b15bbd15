"""What goes wrong in a run: nothing hangs, nothing is lost, nothing is paid twice, and a sentence says what to do."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest
from harness.platform import MockProvider, Platform, definition, samples

pytestmark = pytest.mark.workflow


def test_provider_down__fails_with_advice_and_keeps_what_was_done(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    broken = {"vendor": "openai_chat", "base_url": "http://127.0.0.1:9/v1", "max_in_flight": 20, "timeout_s": 2}
    platform.call("PUT", "/v1/providers/broken", json=broken)
    plan = definition(platform.dataset(samples(40, tag)))
    plan["variants"]["prefixed"]["provider"] = "broken"
    run = platform.wait(platform.start(plan)["run_id"])

    assert run["status"] == "FAILED"
    assert run["error"]["code"] == "provider_unavailable"
    assert "broken" in run["error"]["message"]
    assert run["error"]["what_to_do"]
    assert run["verdict"] is None
    assert platform.execution(run)["status"] == "FAILED"
    html = platform.artifact(run["run_id"], "report.html").decode()
    assert "no verdict" in html.lower()
    assert platform.call("GET", f"/v1/tests/{run['test_id']}")["status"] == "FAILED"


def test_wrong_key__fails_at_once(platform: Platform, mock: MockProvider, tag: str) -> None:
    mock.behave(status=401)
    run = platform.wait(platform.start(definition(platform.dataset(samples(200, tag))))["run_id"])

    assert run["status"] == "FAILED"
    assert run["error"]["code"] == "provider_auth"
    # The first refusals stop the batches: far fewer than 400 calls were tried.
    assert mock.calls()["received"] <= 80


def test_cancel__stops_within_seconds_and_keeps_what_was_answered(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    mock.behave(latency_ms=400)
    run = platform.start(definition(platform.dataset(samples(600, tag))))
    platform.wait(run["run_id"], until=lambda r: r["progress"]["responses"]["done"] >= 40)
    asked_at = time.monotonic()
    assert platform.call("POST", f"/v1/runs/{run['run_id']}/cancel")["run_id"] == run["run_id"]
    done = platform.wait(run["run_id"], timeout_s=30)
    seconds = time.monotonic() - asked_at

    assert done["status"] == "CANCELLED"
    assert done["error"] is None
    assert seconds < 15
    assert 40 <= mock.calls()["total"] < 1200
    csv_lines = platform.artifact(run["run_id"], "samples.csv").decode().count("answered")
    assert csv_lines >= 40


def test_worker_crash__nothing_is_lost_and_nothing_is_paid_twice(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    mock.behave(latency_ms=300)
    run = platform.start(definition(platform.dataset(samples(200, tag))))
    platform.wait(run["run_id"], until=lambda r: r["progress"]["responses"]["done"] >= 30)
    killed = _kill_workers(platform, "call_provider")
    in_flight = mock.calls()["in_flight"]
    done = platform.wait(run["run_id"], timeout_s=150)

    assert killed >= 1
    assert done["status"] == "COMPLETED", done
    assert done["progress"]["responses"]["done"] == 400
    assert done["progress"]["responses"]["failed"] == 0
    # What the batch paid for before its worker died is its own: found in the ledger, and not called cheaper for that.
    assert done["progress"]["responses"]["from_ledger"] == 0
    # What may be paid for again: calls in flight when the worker died, and those answered within its last flush.
    repeated = sum(times - 1 for times in mock.calls()["by_prompt_sha"].values())
    assert repeated <= in_flight + 2 * 25


def test_poison_message__is_kept_and_does_not_stop_the_queue(platform: Platform, mock: MockProvider, tag: str) -> None:
    queue = _queue_url(platform, "openai_chat")
    sent = platform.aws("sqs").send_message(QueueUrl=queue, MessageBody='{"not": "a batch"}')
    run = platform.wait(platform.start(definition(platform.dataset(samples(20, tag))))["run_id"])

    assert run["status"] == "COMPLETED"
    s3, bucket = platform.aws("s3"), platform.stack.outputs["DataBucketName"]
    key = f"dead-letters/{sent['MessageId']}.json"
    deadline = time.monotonic() + 60
    while not s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
        assert time.monotonic() < deadline, "the message was not set aside"
        time.sleep(0.5)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b'{"not": "a batch"}'


def test_undeliverable_batch__fails_the_run_instead_of_hanging(
    platform: Platform, mock: MockProvider, tag: str
) -> None:
    sqs, lambdas, queue = platform.aws("sqs"), platform.aws("lambda"), _queue_url(platform, "openai_chat")
    mapping = _queue_mapping(platform, queue)
    lambdas.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        run = platform.start(definition(platform.dataset(samples(4, tag))))
        # As often received as the queue allows, and never deleted: what a worker that dies each time looks like.
        for _ in range(100):
            sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
            if platform.run(run["run_id"])["status"] != "RUNNING":
                break
            time.sleep(0.1)
    finally:
        lambdas.update_event_source_mapping(UUID=mapping, Enabled=True)
    done = platform.wait(run["run_id"], timeout_s=60)

    assert done["status"] == "FAILED"
    assert done["error"]["code"] == "message_undeliverable"
    assert mock.calls()["total"] == 0


def _kill_workers(platform: Platform, folder: str) -> int:
    name = json.loads(platform.stack.outputs["FunctionNames"])[folder]
    killed = 0
    for process in psutil.process_iter(["pid", "environ"]):
        environment = process.info["environ"] or {}
        endpoint = environment.get("AWS_ENDPOINT_URL", "")
        if environment.get("AWS_LAMBDA_FUNCTION_NAME") == name and endpoint.endswith(f":{platform.stack.port}"):
            os.kill(process.info["pid"], signal.SIGKILL)
            killed += 1
    return killed


def _queue_url(platform: Platform, vendor: str) -> str:
    name = json.loads(platform.stack.outputs["FunctionNames"])["call_provider"]
    configuration = platform.aws("lambda").get_function_configuration(FunctionName=name)
    return str(json.loads(configuration["Environment"]["Variables"]["ABTEST_QUEUE_URLS"])[vendor])


def _queue_mapping(platform: Platform, queue: str) -> str:
    lambdas = platform.aws("lambda")
    name = json.loads(platform.stack.outputs["FunctionNames"])["call_provider"]
    mappings = lambdas.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    (found,) = [m["UUID"] for m in mappings if m["EventSourceArn"].endswith(":" + queue.rpartition("/")[2])]
    return str(found)
