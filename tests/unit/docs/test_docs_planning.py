"""The examples of docs/planning.md: each command says what the document shows."""

from __future__ import annotations

import re
import shlex

import pytest
from documents import DOCS, read

from abtest_cli.main import run_cli

EXAMPLES = re.findall(r"```sh\n(abtest power [^\n]+)\n```\n\n```text\n(.*?)```", read(DOCS / "planning.md"), re.DOTALL)


def test_examples__are_found() -> None:
    assert len(EXAMPLES) > 8


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_example__says_what_is_shown(command: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(shlex.split(command)[1:]) == 0
    said = capsys.readouterr().out.splitlines()
    lines = shown.splitlines()
    assert said[: len(lines)] == lines
