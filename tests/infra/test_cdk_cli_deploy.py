"""One deployment by the CDK's own command line, as an operator does it, against the embedded AWS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from templates import PARTS

from infra.config import ENVIRONMENTS
from infra.paths import BUILD, ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.synth]

CDK = "aws-cdk@2.1148.1"
REGION, ACCOUNT, HOST = "us-east-1", "000000000000", "127.0.0.1"
REQUIRE = "ABTEST_REQUIRE_NPM"


def node() -> Path:
    """The node that the synthesis uses, installed as a Python package."""
    return Path(os.environ.get("JSII_NODE") or shutil.which("node") or "node")


def npm() -> list[str]:
    """The npm beside that node; else the machine's."""
    packaged = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node()), str(packaged)] if packaged.is_file() else ["npm"]


@pytest.fixture(scope="module")
def cdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CDK's command line, installed once a checkout."""
    home = BUILD / "npm" / CDK
    program = home / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if program.is_file():
        return program
    home.mkdir(parents=True, exist_ok=True)
    cache = str(tmp_path_factory.mktemp("npm"))
    command = [*npm(), "install", "--no-audit", "--no-fund", "--no-save", "--cache", cache, "--prefix", str(home), CDK]
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=180, check=False)
        problem = None if done.returncode == 0 else done.stderr.strip()[-500:]
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem is None:
        return program
    message = f"npm could not install {CDK}: {problem}"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(message)
    pytest.skip(f"{message} ({REQUIRE}=1 makes this a failure)")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded AWS of its own, without anything in it."""
    folder = tmp_path_factory.mktemp("aws")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    variables = {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
    }
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        # Node would else leave its compile cache in the machine's temporary folder.
        env={**os.environ, "NODE_DISABLE_COMPILE_CACHE": "1", **variables},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        url = f"http://{HOST}:{port}"
        wait_for(url, process, folder / "log")
        yield url
    finally:
        # Its workers are in its session: all of it ends, whatever happened.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(f"{url}/_ministack/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"The embedded AWS did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def run(cdk: Path, variables: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [str(node()), str(cdk), *arguments],
        cwd=ROOT,
        # Node would else leave its compile cache in the machine's temporary folder.
        env={**os.environ, "NODE_DISABLE_COMPILE_CACHE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"cdk {' '.join(arguments)}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_cdk_deploys_every_stack(cdk: Path, endpoint: str, tmp_path: Path) -> None:
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CI": "true",
        "HOME": str(tmp_path),
        "NO_PROXY": HOST,
    }
    app = ["--app", f"{sys.executable} app.py", "--context", "environment=local", "--output", str(tmp_path / "cdk.out")]
    outputs = tmp_path / "outputs.json"
    run(cdk, variables, "bootstrap", f"aws://{ACCOUNT}/{REGION}", *app)
    run(cdk, variables, "deploy", "--all", "--require-approval", "never", "--outputs-file", str(outputs), *app)

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    cloudformation = boto3.client("cloudformation", endpoint_url=endpoint, **keys)
    config = ENVIRONMENTS["local"]
    for part in PARTS:
        (stack,) = cloudformation.describe_stacks(StackName=config.stack_name(part))["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
    written = json.loads(outputs.read_text(encoding="utf-8"))
    assert {"ApiId", "ApiUrl", "StateMachineArn", "FunctionNames"} <= set(written["abtest-local-service"])
    assert {"TableName", "DataBucketName", "UserPoolId", "UserPoolClientId"} <= set(written["abtest-local-data"])
    api_id = written["abtest-local-service"]["ApiId"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{endpoint}/_aws/execute-api/{api_id}/$default/v1/health", timeout=60) as answer:
        health = json.load(answer)
    assert (health["status"], health["environment"]) == ("ok", "local")
    assert health["sign_in"]["client_id"] == written["abtest-local-data"]["UserPoolClientId"]
