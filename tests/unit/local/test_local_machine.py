"""Disk, sources, passwords, the lock: the small judgements a start rests on."""

from __future__ import annotations

import errno
import string
import subprocess
import sys
from pathlib import Path

import pytest

from abtest_cli.local import identity, interrupts, machine, synthesis
from abtest_cli.local.errors import LocalSetupError, ResourceShortageError, StackBusyError
from abtest_cli.local.options import LocalOptions, default_port


def test_start_is_refused__on_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_disk_bytes", lambda _folder: machine.GIB)
    with pytest.raises(ResourceShortageError, match=r"Only 1\.0 GiB are free.*needs 2\.0 GiB.*ABTEST_HOME"):
        machine.require_disk(tmp_path / "not" / "yet" / "there")


def test_disk_that_filled_up__is_told_instead_of_its_consequence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine.disk_full(tmp_path, ValueError("something else")) is None
    assert machine.disk_full(tmp_path, OSError(errno.ENOSPC, "No space left on device")) is not None
    monkeypatch.setattr(machine, "free_disk_bytes", lambda _folder: 1000)
    assert machine.disk_full(tmp_path, ValueError("a worker did not start")) is not None


def test_fingerprint_changes__with_sources_and_not_with_byte_code(tmp_path: Path) -> None:
    handler = tmp_path / "functions" / "api" / "handler.py"
    handler.parent.mkdir(parents=True)
    handler.write_text("one", encoding="utf-8")
    before = synthesis.fingerprint(tmp_path)
    cache = handler.parent / "__pycache__" / "handler.pyc"
    cache.parent.mkdir()
    cache.write_bytes(b"x")
    (tmp_path / "README.md").write_text("not deployed", encoding="utf-8")
    assert synthesis.fingerprint(tmp_path) == before
    handler.write_text("two", encoding="utf-8")
    assert synthesis.fingerprint(tmp_path) != before


def test_context__is_that_of_cdk_json_for_the_local_environment(tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text('{"app": "x", "context": {"flag": true, "environment": "dev"}}', "utf-8")
    assert synthesis.context(tmp_path) == {"flag": True, "environment": "local"}


def test_password__has_every_kind_of_character_and_differs_each_time() -> None:
    first, second = identity.new_password(), identity.new_password()
    assert first != second and len(first) >= 20
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, string.punctuation):
        assert set(first) & set(kind)


def test_second_start_of_a_home__is_refused_while_the_first_goes_on(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from abtest_cli.local.interrupts import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert interrupts.holder(lock) == other.pid
        with pytest.raises(StackBusyError, match=f"process {other.pid}"), interrupts.exclusive(lock):
            pass
        other.communicate(timeout=20)
    with interrupts.exclusive(lock):
        assert interrupts.holder(lock) is not None
    assert interrupts.holder(lock) is None


def test_port_variable__must_be_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABTEST_LOCAL_PORT", "4600")
    assert default_port() == 4600
    monkeypatch.setenv("ABTEST_LOCAL_PORT", "http")
    with pytest.raises(LocalSetupError, match="ABTEST_LOCAL_PORT is 'http'"):
        default_port()


def test_home__is_the_one_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABTEST_HOME", str(tmp_path / "here"))
    assert LocalOptions(repository=tmp_path).home == (tmp_path / "here").resolve()
