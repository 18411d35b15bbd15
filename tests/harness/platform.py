"""A client of the HTTP API and of a mock provider, for tests that drive the deployed platform from outside."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from abtest_cli.local.stack import LocalStack, sign_in

REPOSITORY = Path(__file__).parents[2]
MOCK = REPOSITORY / "tests/benchmarks/mock_provider.py"
ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class Platform:
    """The platform as a user sees it, and the embedded AWS behind it as an operator does."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self._clients: dict[str, Any] = {}
        tokens = sign_in(stack.idp_endpoint_url, stack.user_pool_client_id, stack.username, stack.password)
        headers = {"authorization": f"Bearer {tokens.access_token}"}
        self.http = httpx.Client(base_url=stack.api_url, headers=headers, timeout=60, trust_env=False)

    def close(self) -> None:
        """Close every connection."""
        self.http.close()
        for client in self._clients.values():
            client.close()

    def aws(self, service: str) -> Any:
        """Return a client of one embedded AWS service, as the account's administrator."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.stack.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return self._clients[service]

    def call(self, method: str, path: str, **more: Any) -> Any:
        """Return the JSON of a call that must succeed."""
        response = self.http.request(method, path, **more)
        assert response.status_code < 400, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def dataset(self, rows: Iterable[Mapping[str, Any]], kind: str = "samples") -> str:
        """Upload and freeze rows; return their version."""
        body = "\n".join(json.dumps(row) for row in rows).encode()
        registered = self.call("POST", "/v1/datasets", json={"name": "rows", "kind": kind, "size_bytes": len(body)})
        upload = registered["upload"]
        httpx.put(upload["url"], content=body, headers=upload["headers"], trust_env=False).raise_for_status()
        return str(self.call("POST", f"/v1/datasets/{registered['dataset_id']}/complete")["version"])

    def start(self, definition: Mapping[str, Any], **headers: str) -> dict[str, Any]:
        """Create a test and start a run of it."""
        test = self.call("POST", "/v1/tests", json=definition)
        return dict(self.call("POST", f"/v1/tests/{test['test_id']}/runs", headers=headers))

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as it is now."""
        return dict(self.call("GET", f"/v1/runs/{run_id}"))

    def wait(self, run_id: str, timeout_s: float = 90, until: Any = None) -> dict[str, Any]:
        """Return the run once it has ended, or once `until(run)` holds."""
        started = time.monotonic()
        deadline = started + timeout_s
        while True:
            run = self.run(run_id)
            if run["status"] in ENDED or (until is not None and until(run)):
                return run
            assert time.monotonic() < deadline, f"the run did not end within {timeout_s} s: {run}"
            # As the command line does: a look costs the platform something, so a long run is looked at less often.
            time.sleep(min(1.0, max(0.05, (time.monotonic() - started) / 20)))

    def artifact(self, run_id: str, name: str) -> bytes:
        """Return one file of a run."""
        listed = self.call("GET", f"/v1/runs/{run_id}/artifacts")["artifacts"]
        response = httpx.get(listed[name]["url"], trust_env=False)
        response.raise_for_status()
        return response.content

    def execution(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Step Functions says of a run's execution, once it has ended."""
        client = self.aws("stepfunctions")
        for _ in range(100):
            execution = client.describe_execution(executionArn=run["execution_arn"])
            if execution["status"] != "RUNNING":
                break
            time.sleep(0.1)
        return dict(execution)


class MockProvider:
    """A provider on loopback that counts what it was paid for."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def behave(self, **changes: Any) -> None:
        """Reset the counts and every fault, then set these."""
        plain = {"status": None, "fail_first": 0, "hang": False, "reply": None, "latency_ms": 50.0, "refusal": None}
        plain |= {"judges": False}
        rates = {"rate_429": 0.0, "rate_500": 0.0, "rate_disconnect": 0.0, "rate_garbage": 0.0}
        self._http.post("/__behaviour", json={**plain, **rates, **changes}).raise_for_status()
        self._http.post("/__reset").raise_for_status()

    def calls(self) -> dict[str, Any]:
        """Return the counts."""
        return dict(self._http.get("/__calls").json())


@contextmanager
def mock_provider() -> Iterator[MockProvider]:
    """Have a mock provider process; it ends with its standard input, whatever becomes of the tests."""
    command = [sys.executable, str(MOCK), "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        provider = MockProvider(json.loads(process.stdout.readline())["port"])
        try:
            yield provider
        finally:
            provider.close()
            process.stdin.close()
            process.wait(10)


def samples(count: int, tag: str) -> list[dict[str, Any]]:
    """Return samples whose prompts no other tag has."""
    return [{"id": f"s{i:05d}", "inputs": {"q": f"{tag} {i}"}, "reference": f"{tag} {i}"} for i in range(count)]


def definition(version: str, name: str = "scenario", **changes: Any) -> dict[str, Any]:
    """Return a test of the mock: `same` echoes the question, `prefixed` puts words before it."""
    base: dict[str, Any] = {
        "name": name,
        "dataset": {"version": version},
        "control": "same",
        "variants": {
            variant: {
                "provider": "mock",
                "model": "echo-1",
                "prompt": {"user": template},
                "parameters": {"temperature": 0, "max_tokens": 32},
            }
            for variant, template in (("same", "{{ q }}"), ("prefixed", "so: {{ q }}"))
        },
        "judges": {"correct": {"type": "exact_match"}},
        "primary_metric": "correct",
        "budget": {"cap_usd": "5"},
    }
    return {**base, **changes}


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
