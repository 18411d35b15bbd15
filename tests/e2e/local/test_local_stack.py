"""The local stack and what may happen to it: a taken port, a killed emulator, Ctrl-C, a killed command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from abtest_cli.local import llm, processes, state
from abtest_cli.local.errors import PortInUseError, SettingsDifferError
from abtest_cli.local.options import HOST, HomePaths
from abtest_cli.local.stack import LocalOptions, LocalStack, down, session, sign_in, status, up

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

# Runs `up` or a session in a process of its own, says each phase, and then waits for whatever the test does to it.
COMMAND = """
import sys, time
from pathlib import Path
from abtest_cli.local.stack import LocalOptions, session, up
options = LocalOptions(home=Path(sys.argv[2]), port=int(sys.argv[3]), llm=False)
report = lambda phase, seconds: print(phase if seconds is None else f"{phase} done", flush=True)
if sys.argv[1] == "up":
    up(options, report)
with session(options, report):
    print("usable", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOptions]:
    """One home for all tests, so that the templates are synthesised once; whatever runs in the end is ended."""
    chosen = LocalOptions(home=tmp_path_factory.mktemp("home"), port=llm.free_port(), llm=False)
    yield chosen
    down(chosen.home)


def _command(name: str, options: LocalOptions) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", COMMAND, name, str(options.home), str(options.port)]
    return subprocess.Popen(
        arguments, cwd=options.repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read_until(command: subprocess.Popen[str], line: str) -> None:
    assert command.stdout is not None
    for said in command.stdout:
        if said.strip() == line:
            return
    _, errors = command.communicate(timeout=60)
    pytest.fail(f"the command ended before it said {line!r}: {errors}")


def _wait_until_nothing_is_left(options: LocalOptions) -> None:
    deadline = time.monotonic() + 30
    while not _nothing_is_left(options) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes.find(options.home) == []
    assert _nothing_is_left(options)


def _nothing_is_left(options: LocalOptions) -> bool:
    left = processes.find(options.home) or HomePaths(options.home).runs.exists()
    return not left and not processes.port_is_taken(options.port)


def _health(stack: LocalStack) -> int:
    with httpx.Client(trust_env=False, timeout=30) as client:
        return client.get(f"{stack.api_url}/v1/health").status_code


def test_taken_port__names_its_owner_and_starts_nothing(options: LocalOptions) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
        stranger.bind((HOST, options.port))
        stranger.listen()
        with pytest.raises(PortInUseError, match=rf"process {os.getpid()}\).*--port"):
            up(options)
    _wait_until_nothing_is_left(options)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_start__leaves_no_process_and_no_file(options: LocalOptions, number: signal.Signals) -> None:
    with _command("up", options) as command:
        _read_until(command, "embedded AWS done")
        assert status(options.home).state == "starting"
        command.send_signal(number)
        command.communicate(timeout=60)
    assert command.returncode != 0
    _wait_until_nothing_is_left(options)
    assert status(options.home).state == "stopped"


def test_stack_survives_what_happens_to_it__and_serves_again(options: LocalOptions) -> None:
    first = up(options)
    assert _health(first) == 200
    tokens = sign_in(first.idp_endpoint_url, first.user_pool_client_id, first.username, first.password)
    with httpx.Client(trust_env=False, timeout=30) as client:
        assert client.get(f"{first.api_url}/v1/providers").status_code == 401
        signed_in = {"Authorization": f"Bearer {tokens.access_token}"}
        answer = client.get(f"{first.api_url}/v1/providers", headers=signed_in)
        assert answer.status_code == 200
        # A route of its own function goes before the one that takes every path, and has the same doors.
        plan = {"metric": "proportion", "discordance": 0.2, "effect": 0.05}
        assert client.post(f"{first.api_url}/v1/analysis/power", json=plan).status_code == 401
        assert client.post(f"{first.api_url}/service/v1/analysis/power", json=plan).status_code == 403
        planned = client.post(f"{first.api_url}/v1/analysis/power", json=plan, headers=signed_in)
        assert (planned.status_code, planned.json()["samples"]) == (200, 658)
    assert status(options.home).state == "running"

    assert up(options).note == "already running"
    with session(options) as borrowed:
        assert borrowed.note == "already running"
    assert status(options.home).state == "running", "a session leaves a stack that it did not start"
    with pytest.raises(SettingsDifferError, match="IAM enforcement off"):
        up(LocalOptions(home=options.home, port=options.port, llm=False, auth=True))

    remembered = state.load(options.home)
    assert remembered is not None
    emulator = remembered.processes[0].process()
    assert emulator is not None
    emulator.kill()
    emulator.wait(timeout=30)
    broken = status(options.home)
    assert broken.state == "broken" and broken.stack is None
    assert "its process ended" in broken.parts[0].message and "abtest up" in broken.what_to_do

    second = up(options)
    assert second.note == "started" and _health(second) == 200
    HomePaths(options.home).state.write_text("{ damaged", encoding="utf-8")
    assert status(options.home).state == "broken"
    assert down(options.home) is True
    _wait_until_nothing_is_left(options)
    assert down(options.home) is False


def test_killed_session__takes_its_stack_with_it(options: LocalOptions) -> None:
    with _command("session", options) as command:
        _read_until(command, "usable")
        assert status(options.home).state == "running"
        command.kill()
        command.communicate(timeout=60)
    _wait_until_nothing_is_left(options)
