"""Reads the documents: files, headings, tables, fenced blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its language, its text."""

    path: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}: {self.text[:60]!r}"


@cache
def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def pages() -> tuple[Path, ...]:
    """Every document of the repository, in a fixed order."""
    beside = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "layers/README.md", ROOT / "statemachines/README.md"]
    return (*beside, *sorted(DOCS.rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md")))


def blocks(*languages: str) -> Iterator[Block]:
    """The fenced blocks of all documents in some languages."""
    for path in pages():
        for match in _FENCE.finditer(read(path)):
            if match[1] in languages:
                yield Block(path, match[1], match[2])


def code_spans(path: Path) -> list[str]:
    """The texts in single backticks, outside of fenced blocks."""
    return _CODE.findall(prose(path))


def prose(path: Path) -> str:
    return _FENCE.sub("", read(path))


def links(path: Path) -> list[str]:
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as Markdown viewers make them."""
    titles = (match[2] for match in _HEADING.finditer(prose(path)))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def sections(path: Path) -> dict[str, str]:
    """Heading without backticks to the text below it, up to the next heading of any level."""
    text = read(path)
    fenced = [match.span() for match in _FENCE.finditer(text)]
    found = [m for m in _HEADING.finditer(text) if not any(a <= m.start() < b for a, b in fenced)]
    ends = [match.start() for match in found[1:]] + [len(text)]
    return {m[2].replace("`", ""): text[m.end() : end] for m, end in zip(found, ends, strict=True)}


def table(text: str) -> dict[str, list[str]]:
    """The first table of a text: the code spans of its first column to the row's cells."""
    rows: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("|"):
            if rows:
                break
            continue
        # A bar in a cell would be written as \|; none is.
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in _CODE.findall(cells[0]):
            assert name not in rows, f"{name} has two rows"
            rows[name] = cells
    return rows
