"""What the documents show can be done: links lead somewhere, command lines parse, definitions are accepted."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from documents import DOCS, ROOT, Block, anchors, blocks, code_spans, links, pages, read

from abtest.evaluation.template_references import without_references
from abtest.management.datasets import freeze_rows
from abtest.management.model import DatasetKind
from abtest.management.validation import check_definition
from abtest.runtime.catalogue import JudgeRegistry
from abtest_cli.main import app

VERSION = {"version": "0" * 64}
COMPLETE: dict[str, Any] = {
    "name": "base",
    "dataset": VERSION,
    "control": "a",
    "variants": {
        "a": {"provider": "local", "model": "m", "prompt": {"user": "{{ text }}"}},
        "b": {"provider": "local", "model": "m", "prompt": {"user": "Answer: {{ text }}"}},
    },
    "judges": {"correct": {"type": "exact_match"}},
    "primary_metric": "correct",
}


def page_names(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


@pytest.mark.parametrize("path", pages(), ids=page_names)
def test_links__lead_somewhere(path: Path) -> None:
    for link in links(path):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{link} leads nowhere"
        assert file.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(file), f"{link}: no such heading"


def test_every_document__is_in_the_index() -> None:
    index = {(DOCS / link.partition("#")[0]).resolve() for link in links(DOCS / "README.md")}
    assert {page for page in DOCS.glob("*.md") if page.name != "README.md"} <= index
    decisions = {(DOCS / "decisions" / link).resolve() for link in links(DOCS / "decisions/README.md")}
    assert decisions == set((DOCS / "decisions").glob("0*.md"))


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("0*.md")), ids=page_names)
def test_decision__has_its_parts(path: Path) -> None:
    headings = [line for line in read(path).splitlines() if line.startswith("## ")]
    assert headings == ["## Context", "## Decision", "## Alternatives", "## Cost of reversal"]
    assert read(path).startswith(f"# {path.name[:4]}: ")


def without_substitutions(line: str) -> str:
    """Put a word in place of each `$(...)`, however it nests."""
    while (start := line.find("$(")) >= 0:
        depth, end = 0, start + 1
        for end in range(start + 1, len(line)):
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            if depth == 0:
                break
        line = f"{line[:start]}VALUE{line[end + 1 :]}"
    return line


def shell_lines(block: Block) -> list[str]:
    joined = without_substitutions(re.sub(r"\\\n\s*", " ", block.text))
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def command_lines(program: str) -> list[tuple[str, list[str]]]:
    """Every use of a program in fenced blocks, and in backticks where a word follows it."""
    found = []
    for block in blocks("sh", "bash", "console"):
        found += [(str(block), line) for line in shell_lines(block) if line.split()[0] == program]
    for path in pages():
        found += [(path.name, span) for span in code_spans(path) if span.startswith(f"{program} ")]
    return [(where, shlex.split(line, comments=True)[1:]) for where, line in found]


def test_abtest_command_lines__parse() -> None:
    group = typer.main.get_command(app)
    uses = command_lines("abtest")
    assert len(uses) > 20
    for where, words in uses:
        command: Any = group
        rest = list(words)
        while rest and getattr(command, "commands", None):
            name = rest.pop(0)
            assert name in command.commands, f"{where}: abtest {' '.join(words)}"
            command = command.commands[name]
        # A command's name alone, in a sentence, is no use of it: its arguments may be missing.
        complete = bool(rest) or not any(parameter.required for parameter in getattr(command, "params", ()))
        if complete and not getattr(command, "commands", None):
            try:
                command.make_context("abtest", rest)
            except Exception as error:
                raise AssertionError(f"{where}: abtest {' '.join(words)}: {error}") from error


def test_make_targets__exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", read(ROOT / "Makefile"), re.MULTILINE))
    uses = command_lines("make")
    assert len(uses) > 5
    for where, words in uses:
        named = [word for word in words if "=" not in word]
        assert set(named) <= targets, f"{where}: make {' '.join(words)}"


def test_cdk__is_pinned_to_one_version() -> None:
    pinned = re.search(r'^CDK = "(aws-cdk@[\d.]+)"$', read(ROOT / "tests/infra/test_cdk_cli_deploy.py"), re.MULTILINE)
    assert pinned
    for path in pages():
        assert set(re.findall(r"aws-cdk@[\d.]*\d", read(path))) <= {pinned[1]}, path


def filled(part: dict[str, Any]) -> dict[str, Any]:
    """A definition as the API takes it: the rest around a part, versions for paths, texts for prompt files."""
    whole = {**COMPLETE, **part}
    if "variants" in part and "control" not in part:
        whole["control"] = next(iter(part["variants"]))
    if "judges" in part and "primary_metric" not in part:
        whole["primary_metric"] = next(iter(part["judges"]))
    if isinstance(whole["dataset"], str):
        whole["dataset"] = VERSION
    if isinstance(whole.get("cache"), bool):
        whole["cache"] = "on" if whole["cache"] else "off"
    for variant in whole["variants"].values():
        if isinstance(variant.get("recording"), str):
            variant["recording"] = VERSION
        for file in ("user_file", "system_file"):
            if file in (variant.get("prompt") or {}):
                variant["prompt"][file.removesuffix("_file")] = variant["prompt"].pop(file)
    for judge in whole["judges"].values():
        if isinstance(judge.get("scores"), str):
            judge["scores"] = VERSION
    return whole


def definitions() -> list[tuple[str, dict[str, Any]]]:
    found = [(str(block), yaml.safe_load(block.text)) for block in blocks("yaml")]
    found += [(str(block), json.loads(block.text)) for block in blocks("json") if '"variants"' in block.text]
    return found


def test_definitions_shown__are_accepted() -> None:
    shown = definitions()
    assert len(shown) > 5
    for where, part in shown:
        _, _, issues = check_definition(without_references(filled(part)), JudgeRegistry())
        assert [issue.sentence() for issue in issues] == [], where


def test_json_shown__is_json() -> None:
    for block in blocks("json"):
        json.loads(block.text)


def test_rows_shown__are_rows() -> None:
    shown = list(blocks("jsonl"))
    assert len(shown) > 2
    for block in shown:
        lines = block.text.splitlines()
        fields = set(json.loads(lines[0]))
        kind: DatasetKind = (
            "recording" if "output" in fields else "scores" if fields & {"score", "winner"} else "samples"
        )
        assert freeze_rows([line.encode() for line in lines], kind).summary.rows == len(lines), block


def test_texts__name_no_machine_and_end_cleanly() -> None:
    for path in pages():
        text = read(path)
        assert text.endswith("\n") and not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), f"{path}: white space at a line's end"
        assert not re.search(r"(?<![\w./-])/(work|home|tmp|root|Users)/", text), f"{path}: a path of one machine"


def test_picture__stands_alone() -> None:
    picture = read(DOCS / "images/architecture.svg")
    addresses = set(re.findall(r"https?://[^\"'\s)]+", picture))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme: dark" in picture
    assert "images/architecture.svg" in read(ROOT / "README.md")
