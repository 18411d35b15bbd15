"""Only our own processes are found and ended, and a taken port is told with its owner."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from local_support import example_state

from abtest_cli.local import processes, state
from abtest_cli.local.errors import PortInUseError
from abtest_cli.local.health import status
from abtest_cli.local.options import HomePaths
from abtest_cli.local.processes import Mark
from abtest_cli.local.state import ProcessRecord
from abtest_cli.local.teardown import tear_down

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
FAMILY = [sys.executable, "-c", f"import subprocess; subprocess.run({SLEEP!r})"]
# Starts a child, as the embedded AWS starts its workers, and ignores being asked to end.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)",
]


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Mark]:
    """A home with a TMPDIR; what still runs in the end is ended."""
    chosen = Mark(tmp_path.resolve(), "one", HomePaths(tmp_path.resolve()).temporary("one"))
    chosen.temporary.mkdir(parents=True)
    yield chosen
    processes.stop(processes.find(chosen.home), grace_s=0.1)


def _spawn(mark: Mark, command: list[str]) -> ProcessRecord:
    return processes.spawn("emulator", command, mark.environment(), HomePaths(mark.home).logs / "x.log", mark.home)


def _wait_for_family(mark: Mark, size: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while len(found := processes.find(mark.home)) < size and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def test_teardown_ends_the_family__without_a_state_file(mark: Mark) -> None:
    _spawn(mark, STUBBORN)
    assert len(_wait_for_family(mark, 2)) == 2
    assert tear_down(mark.home) is True
    assert processes.find(mark.home) == []
    assert not HomePaths(mark.home).runs.exists()
    assert tear_down(mark.home) is False


def test_orphaned_workers_are_found__after_their_parent_was_killed(mark: Mark) -> None:
    parent = _spawn(mark, FAMILY)
    _wait_for_family(mark, 2)
    process = parent.process()
    assert process is not None
    process.kill()
    process.wait(timeout=20)
    assert len(processes.find(mark.home)) == 1
    assert status(mark.home).state == "broken"
    tear_down(mark.home)
    assert processes.find(mark.home) == []
    assert status(mark.home).state == "stopped"


def test_teardown_of_one_start__leaves_another_one_of_the_same_home(mark: Mark) -> None:
    other = Mark(mark.home, "two", HomePaths(mark.home).temporary("two"))
    other.temporary.mkdir(parents=True)
    _spawn(mark, SLEEP)
    kept = _spawn(other, SLEEP)
    _wait_for_family(mark, 2)
    tear_down(mark.home, "one")
    assert [one.pid for one in processes.find(mark.home)] == [kept.pid]
    assert other.temporary.exists() and not mark.temporary.exists()


def test_teardown_spares_a_stranger__that_has_the_recorded_id(mark: Mark) -> None:
    me = psutil.Process()
    state.save(mark.home, example_state(mark.home, ProcessRecord("emulator", me.pid, me.create_time() - 3600)))
    found = status(mark.home)
    assert found.state == "broken" and "its process ended" in found.parts[0].message and "abtest up" in found.what_to_do
    assert tear_down(mark.home) is True
    assert me.is_running()
    assert status(mark.home).state == "stopped"


def test_environment_of_children__has_no_aws_profile_proxy_or_product_setting(
    mark: Mark, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTPS_PROXY", "http_proxy", "ABTEST_LOG_LEVEL", "PERSIST_STATE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    found = mark.environment({"GATEWAY_PORT": "1"})
    assert not {name for name in found if name.startswith(("AWS_", "PERSIST")) or "proxy" in name.lower()}
    assert "ABTEST_LOG_LEVEL" not in found
    assert found["OPENBLAS_NUM_THREADS"] == "1" and found["GATEWAY_PORT"] == "1" and found["PATH"] == os.environ["PATH"]
    assert found["TMPDIR"] == str(mark.temporary)


def test_taken_port__names_the_process_and_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "port_is_taken", lambda _port: True)
    monkeypatch.setattr(processes, "listener", lambda _port: psutil.Process())
    with pytest.raises(PortInUseError, match=rf"Port 4566.*process {os.getpid()}.*another port with --port"):
        processes.require_free_port(4566, "the embedded AWS", "--port")


def test_port_taken_by_another_home__says_how_to_stop_that_stack(mark: Mark, monkeypatch: pytest.MonkeyPatch) -> None:
    record = _spawn(mark, SLEEP)
    monkeypatch.setattr(processes, "port_is_taken", lambda _port: True)
    monkeypatch.setattr(processes, "listener", lambda _port: psutil.Process(record.pid))
    with pytest.raises(PortInUseError, match=f"`ABTEST_HOME={mark.home} abtest down`"):
        processes.require_free_port(4566, "the embedded AWS", "--port")


def test_watchdog_cleans_up__when_its_parent_dies_without_a_word(mark: Mark) -> None:
    _spawn(mark, SLEEP)
    _wait_for_family(mark, 1)
    code = (
        "import os, sys; from pathlib import Path; from abtest_cli.local.watchdog import Watchdog;"
        "dog = Watchdog(Path(sys.argv[1]), 'one'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(mark.home)], check=False, timeout=30)
    deadline = time.monotonic() + 20
    while (processes.find(mark.home) or mark.temporary.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes.find(mark.home) == [] and not mark.temporary.exists()


def test_released_watchdog__leaves_the_stack_alone(mark: Mark) -> None:
    record = _spawn(mark, SLEEP)
    code = (
        "import sys; from pathlib import Path; from abtest_cli.local.watchdog import Watchdog;"
        "Watchdog(Path(sys.argv[1]), 'one').release()"
    )
    subprocess.run([sys.executable, "-c", code, str(mark.home)], check=True, timeout=30)
    assert record.process() is not None and mark.temporary.exists()
