"""What the local stack remembers: private, whole or absent, and never another one's process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psutil
import pytest
from local_support import example_state

from abtest_cli.local import state
from abtest_cli.local.options import HomePaths
from abtest_cli.local.state import ProcessRecord


def test_state_comes_back__as_it_was_saved(tmp_path: Path) -> None:
    saved = example_state(tmp_path, ProcessRecord("emulator", 12, 34.5))
    state.save(tmp_path, saved)
    assert state.load(tmp_path) == saved


def test_state_file__is_for_its_owner_alone(tmp_path: Path) -> None:
    state.save(tmp_path, example_state(tmp_path))
    assert stat.S_IMODE(HomePaths(tmp_path).state.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 99}', '{"format": 1, "processes": [{"pid": 1}]}'])
def test_broken_state_file__is_noexample_state(tmp_path: Path, text: str) -> None:
    HomePaths(tmp_path).state.write_text(text, encoding="utf-8")
    assert state.load(tmp_path) is None


def test_own_process_is_found__by_id_and_start_time() -> None:
    me = psutil.Process()
    found = ProcessRecord("emulator", me.pid, me.create_time()).process()
    assert found is not None and found.pid == os.getpid()


def test_process_with_the_same_id_but_another_start__is_not_ours() -> None:
    me = psutil.Process()
    assert ProcessRecord("emulator", me.pid, me.create_time() - 60).process() is None


def test_password__is_none_when_its_file_is_gone(tmp_path: Path) -> None:
    assert state.load_password(example_state(tmp_path)) is None
    state.write_private(HomePaths(tmp_path).credentials, {"password": "secret"})
    assert state.load_password(example_state(tmp_path)) == "secret"
