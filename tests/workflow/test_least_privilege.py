"""One pass with the embedded AWS enforcing IAM: the roles of the functions suffice for all that a run does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from harness.batch_server import batch_server
from harness.platform import REPOSITORY, MockProvider, Platform, definition, free_port, mock_provider, samples

from abtest_cli.local.options import LocalOptions
from abtest_cli.local.stack import session

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("guarded")
    options = LocalOptions(home=home, port=free_port(), llm=False, auth=True, repository=REPOSITORY)
    with session(options) as stack, closing(Platform(stack)) as platform:
        yield platform


@pytest.fixture(scope="module")
def provider(guarded: Platform) -> Iterator[MockProvider]:
    with mock_provider() as mock:
        for name, url in (("mock", mock.base_url), ("broken", "http://127.0.0.1:9/v1")):
            prices = {"echo-1": {"input_usd_per_million": "100", "output_usd_per_million": "200"}}
            secret = f"abtest/local/providers/{name}"
            guarded.aws("secretsmanager").create_secret(Name=secret, SecretString="a-key")
            body = {"vendor": "openai_chat", "base_url": url, "secret_name": secret, "prices": prices, "timeout_s": 2}
            guarded.call("PUT", f"/v1/providers/{name}", json=body)
        yield mock


def test_roles__suffice_for_a_run_its_long_answers_and_the_portfolio(guarded: Platform, provider: MockProvider) -> None:
    # Answers beyond what an item of the table may hold go to the bucket, which needs rights of its own.
    provider.behave(reply="long " * 70_000)
    done = guarded.wait(guarded.start(definition(guarded.dataset(samples(12, "iam"))))["run_id"])

    assert done["status"] == "COMPLETED", done
    assert done["progress"]["responses"] == {"done": 24, "total": 24, "failed": 0, "from_ledger": 0}
    assert guarded.artifact(done["run_id"], "report.html")
    again = guarded.wait(guarded.call("POST", f"/v1/tests/{done['test_id']}/runs")["run_id"])
    assert again["progress"]["responses"]["from_ledger"] == 24
    name = json.loads(guarded.stack.outputs["FunctionNames"])["daily_analytics"]
    answer = guarded.aws("lambda").invoke(FunctionName=name, Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"workspaces": 1, "runs": 2}


def test_roles__suffice_for_failure_and_cancellation(guarded: Platform, provider: MockProvider) -> None:
    provider.behave()
    plan = definition(guarded.dataset(samples(8, "iam-broken")))
    plan["variants"]["prefixed"]["provider"] = "broken"
    failed = guarded.wait(guarded.start(plan)["run_id"])
    assert failed["status"] == "FAILED", failed
    assert (failed["status"], failed["error"]["code"]) == ("FAILED", "provider_unavailable")

    provider.behave(latency_ms=400)
    run = guarded.start(definition(guarded.dataset(samples(300, "iam-cancel"))))
    guarded.wait(run["run_id"], until=lambda r: r["progress"]["responses"]["done"] >= 20)
    guarded.call("POST", f"/v1/runs/{run['run_id']}/cancel")
    assert guarded.wait(run["run_id"])["status"] == "CANCELLED"


def test_roles__suffice_for_judges_that_ask_and_for_judging_anew(guarded: Platform, provider: MockProvider) -> None:
    provider.behave(judges=True)
    asking = {"type": "rubric", "provider": "mock", "model": "echo-1", "dimensions": ["helpfulness"]}
    # The first one cannot be asked, so that its message goes on to another queue.
    gone = asking | {"provider": "broken", "fallbacks": [{"provider": "mock", "model": "echo-1"}]}
    judges = {"correct": {"type": "exact_match"}, "good": gone}
    done = guarded.wait(guarded.start(definition(guarded.dataset(samples(8, "iam-judge")), judges=judges))["run_id"])
    assert done["status"] == "COMPLETED", done
    assert done["progress"]["verdicts"] == {"done": 32, "total": 32}

    anew = {"judges": {"other": asking}, "primary_metric": "other"}
    again = guarded.wait(guarded.call("POST", f"/v1/runs/{done['run_id']}/rejudge", json=anew)["run_id"])
    assert again["status"] == "COMPLETED", again
    assert again["progress"]["verdicts"] == {"done": 16, "total": 16}


def test_roles__suffice_for_dead_letters(guarded: Platform, provider: MockProvider) -> None:
    name = json.loads(guarded.stack.outputs["FunctionNames"])["call_provider"]
    variables = guarded.aws("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    queue = json.loads(variables["ABTEST_QUEUE_URLS"])["openai_chat"]
    sent = guarded.aws("sqs").send_message(QueueUrl=queue, MessageBody="not a batch")
    bucket, key = guarded.stack.outputs["DataBucketName"], f"dead-letters/{sent['MessageId']}.json"
    deadline = time.monotonic() + 30
    while not guarded.aws("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"):
        assert time.monotonic() < deadline, "the message was not set aside"
        time.sleep(0.5)


def test_roles__suffice_for_looks_and_for_a_plan_from_a_run(guarded: Platform, provider: MockProvider) -> None:
    provider.behave()
    design = {"kind": "group_sequential", "looks": 2}
    body = definition(guarded.dataset(samples(100, "iam-looks")), design=design)
    done = guarded.wait(guarded.start(body)["run_id"])
    assert done["status"] == "COMPLETED", done
    assert (done["looks_taken"], done["stopped_early"]) == (1, "efficacy")

    asked = {"metric": "proportion", "effect": 0.05, "baseline": 0.5, "pilot_run_id": done["run_id"]}
    answer = guarded.http.post("/v1/analysis/power", json=asked)
    # The function has read the run: all of its pairs differ, which is what cannot be planned with.
    assert answer.status_code == 422, answer.text
    assert [(e["path"], e["found"]) for e in answer.json()["errors"]] == [("discordance", "1")]


def test_roles__suffice_for_a_check_with_a_key(guarded: Platform, provider: MockProvider) -> None:
    provider.behave()
    checked = guarded.call("POST", "/v1/providers/mock/check", json={"model": "echo-1"})
    assert (checked["ok"], checked["cost_usd"] is not None) == (True, True), checked
    assert guarded.call("GET", "/v1/providers/mock/health", params={"model": "echo-1"})["answered"] >= 1


def test_roles__suffice_for_batch_mode_and_its_long_answers(guarded: Platform) -> None:
    with batch_server() as server:
        server.lengthen = 350_000
        secret = "abtest/local/providers/batches"
        guarded.aws("secretsmanager").create_secret(Name=secret, SecretString="a-key")
        body = {"vendor": "openai_chat", "base_url": server.base_url("openai_chat"), "secret_name": secret}
        guarded.call("PUT", "/v1/providers/batches", json=body)
        plan = definition(guarded.dataset(samples(4, "iam-batch")))
        for variant in plan["variants"].values():
            variant.update(provider="batches", mode="batch")
        run = guarded.start(plan)
        deadline = time.monotonic() + 30
        while len(server.jobs) < 2:
            assert time.monotonic() < deadline, guarded.run(run["run_id"])
            time.sleep(0.2)
        server.finish()
        name = json.loads(guarded.stack.outputs["FunctionNames"])["poll_batches"]
        answer = guarded.aws("lambda").invoke(FunctionName=name, Payload=b'{"all": true}')

        assert json.loads(answer["Payload"].read())["answered"] == 8
        assert guarded.wait(run["run_id"])["status"] == "COMPLETED"
