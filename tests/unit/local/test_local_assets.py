"""Packing: the same content gives the same bytes."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from abtest_cli.local.assets import package


def _module_folder(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "__init__.py").write_text("VALUE = 41 + 1\n", encoding="utf-8")
    (folder / "handler.py").write_text("from inner import VALUE\nprint(VALUE)\n", encoding="utf-8")
    (folder / "data.json").write_text("{}", encoding="utf-8")
    return folder


def test_package_is_the_same__whatever_the_times_and_the_place(tmp_path: Path) -> None:
    first = _module_folder(tmp_path / "one")
    second = _module_folder(tmp_path / "two")
    os.utime(second / "handler.py", (0, 1_000_000_000))
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "stale.pyc").write_bytes(b"stale")
    assert package(first) == package(second)


def test_package_differs__when_the_content_differs(tmp_path: Path) -> None:
    first = _module_folder(tmp_path / "one")
    second = _module_folder(tmp_path / "two")
    (second / "data.json").write_text("[]", encoding="utf-8")
    assert package(first) != package(second)


def test_packed_programs__stay_executable(tmp_path: Path) -> None:
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "data.txt").write_text("x", encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO(package(tmp_path))) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes == {"data.txt": 0o644, "run.sh": 0o755}
