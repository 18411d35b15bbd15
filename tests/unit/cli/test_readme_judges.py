"""What the README shows of judges runs as it stands there, without any platform."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from abtest.evaluation.registry import describe_judges
from abtest_cli.main import run_cli

ROOT = Path(__file__).resolve().parents[3]
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Judges you can check")[2].partition("\n## ")[0]
SHOWN = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)[0].replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("line", SHOWN)
def test_line_runs__where_nobody_is_signed_in(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ABTEST_TOKEN", "ABTEST_API_URL", "ABTEST_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ABTEST_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)

    assert run_cli(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out.strip()


def test_number_of_judges_in_code__is_the_real_one() -> None:
    # Scores that were given elsewhere are read by code, and judged by nobody here.
    scored_here = [one for one in describe_judges() if one["kind"] == "code" and one["type"] != "imported"]
    assert f"a judge in code does: {len(scored_here)} kinds" in " ".join(SECTION.split())
