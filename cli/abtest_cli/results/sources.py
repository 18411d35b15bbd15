"""Opens a file of results whatever it is packed in, and says by its first bytes what it is.

Depends on: orjson, `mistakes`. Used by: `reading`, `rows`, the formats.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import orjson

from abtest_cli.results.mistakes import Mistakes

Kind = Literal["csv", "jsonl", "json", "zip"]

STANDARD_INPUT = "-"
MAX_DOCUMENT_BYTES = 1_000_000_000
_HEAD_BYTES = 1 << 20
_MAX_FIRST_LINE = 1 << 26
_BLOCK_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20
_KEPT_DOCUMENT_BYTES = 1 << 25
_GZIP, _ZIP, _ZIP_EMPTY, _UTF8_BOM = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v"))
_HEAD_ROWS = 50


@dataclass(frozen=True)
class Head:
    """The beginning of a file, for recognising its format.

    Args:
        kind: what the file is made of.
        columns: names of the columns of a table, or the keys of its first objects, in order; empty for others.
        document: the whole content of a file that is one JSON value; None for others.
        members: names of the files in a zip archive.
    """

    kind: Kind
    columns: tuple[str, ...] = ()
    document: Any = None
    members: tuple[str, ...] = ()


class Source:
    """One file, which can be read more than once.

    A pipe is copied to a temporary file first, because recognising a file and reading it are two passes.

    Args:
        path: the file, or `-` for standard input.
        mistakes: takes what is wrong with the file as a whole.
    """

    def __init__(self, path: Path, mistakes: Mistakes) -> None:
        self.path = path
        self.mistakes = mistakes
        self.name = "(standard input)" if str(path) == STANDARD_INPUT else str(path)
        self._copy: BinaryIO | None = None
        self._document: Any = None
        self._known: Head | None = None

    @property
    def kind(self) -> Kind:
        """What the file is made of."""
        return (self._known or self.head()).kind

    @property
    def members(self) -> tuple[str, ...]:
        """Names of the files in a zip archive."""
        return (self._known or self.head()).members

    def close(self) -> None:
        """Drop the copy of a pipe."""
        if self._copy is not None:
            self._copy.close()
        self._document = None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the content: unpacked when it is gzip, and without a byte order mark.

        Raises:
            InvalidInputError: it cannot be opened, or is damaged.
        """
        with self._damage_told(), self._raw() as raw:
            start = raw.read(2)
            raw.seek(0)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if start == _GZIP else raw
            content = io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER_BYTES)
            try:
                if content.peek(3)[:3] == _UTF8_BOM:
                    content.read(3)
                yield content
            finally:
                # Closing the buffer would close a copied pipe, which is read again.
                content.detach()

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the lines of a text file, some 64 kB at a time."""
        with self.open() as stream:
            while block := stream.readlines(_BLOCK_BYTES):
                yield block

    def document(self) -> Any:
        """Return the one JSON value of the file.

        Raises:
            InvalidInputError: it is no JSON, or too long to be read as a whole.
        """
        if self._document is not None:
            return self._document
        with self.open() as stream:
            content = stream.read(MAX_DOCUMENT_BYTES + 1)
        if len(content) > MAX_DOCUMENT_BYTES:
            allowed = "JSON lines, CSV, or the `.eval` form of Inspect logs, which are read bit by bit"
            limit = f"{MAX_DOCUMENT_BYTES // 1_000_000:,} MB"
            self.mistakes.fail(self.name, f"one JSON value longer than {limit}", allowed=allowed)
        try:
            document = json_value(content)
        except ValueError as error:
            self.mistakes.fail(self.name, f"no valid JSON: {error}", allowed="a complete JSON value, or JSON lines")
        if len(content) <= _KEPT_DOCUMENT_BYTES:
            self._document = document
        return document

    @contextmanager
    def archive(self) -> Iterator[Callable[[str], Any]]:
        """Open a zip archive of JSON files: yields a function from a member's name to its value."""
        with self._damage_told(), self._raw() as raw, zipfile.ZipFile(raw) as archive:
            yield lambda name: self._member(archive, name)

    def head(self) -> Head:
        """Return what the file is, by its beginning.

        Raises:
            InvalidInputError: it is missing, empty, damaged, or no text.
        """
        head = self._read_head()
        # The content is not kept here: a long one is read again, instead of every file's staying in memory.
        self._known = replace(head, document=None)
        return head

    def _read_head(self) -> Head:
        with self._damage_told(), self._raw() as raw:
            start = raw.read(4)
            if start in (_ZIP, _ZIP_EMPTY):
                with zipfile.ZipFile(raw) as archive:
                    return Head("zip", members=tuple(archive.namelist()))
        with self.open() as stream:
            beginning = stream.read(_HEAD_BYTES)
            while b"\n" not in beginning and len(beginning) < _MAX_FIRST_LINE:
                more = stream.read(_HEAD_BYTES)
                if not more:
                    break
                beginning += more
            complete = not stream.read(1)
        self._refuse_no_text(beginning)
        lines = beginning.splitlines(keepends=True)
        if not complete and len(lines) > 1:
            lines.pop()
        return self._text_head([line for line in lines[: 4 * _HEAD_ROWS] if line.strip()], len(lines))

    def _member(self, archive: zipfile.ZipFile, name: str) -> Any:
        where = f"{self.name}: {name}"
        if archive.getinfo(name).file_size > MAX_DOCUMENT_BYTES:
            self.mistakes.fail(where, "too long to be read as a whole")
        try:
            return json_value(archive.read(name))
        except ValueError as error:
            self.mistakes.fail(where, f"no valid JSON: {error}")
        except (NotImplementedError, RuntimeError):
            allowed = "a log converted with `inspect log convert --to json`"
            self.mistakes.fail(where, "packed or encrypted in a way that cannot be read here", allowed=allowed)

    def _text_head(self, lines: list[bytes], count: int) -> Head:
        if lines[0].lstrip()[:1] not in (b"{", b"["):
            cells = next(csv.reader([lines[0].decode(errors="replace")]), [])
            return Head("csv", tuple(cells))
        if _are_json_lines(lines):
            rows = list(map(_value_or_none, lines))
            return Head("jsonl", _keys(rows), document=rows[0] if count == 1 else None)
        document = self.document()
        return Head("json", _keys(document) if isinstance(document, list) else (), document=document)

    def _refuse_no_text(self, beginning: bytes) -> None:
        if not beginning.strip():
            self.mistakes.fail(self.name, "empty", allowed="a header line and rows, or JSON")
        if beginning.startswith(_UTF16_BOMS):
            self.mistakes.fail(self.name, "text in UTF-16", allowed="UTF-8: save it again as UTF-8")
        if any(byte in _CONTROL for byte in beginning[:4096]):
            allowed = "CSV, JSON lines or JSON (also as .gz), or an Inspect log (.eval)"
            self.mistakes.fail(self.name, "not a text file", found=f"bytes {beginning[:8].hex(' ')}", allowed=allowed)

    @contextmanager
    def _raw(self) -> Iterator[BinaryIO]:
        if self._copy is None and self._is_pipe():
            self._copy = self._copied()
        if self._copy is not None:
            self._copy.seek(0)
            yield self._copy
        else:
            with self.path.open("rb") as stream:
                yield stream

    def _is_pipe(self) -> bool:
        if str(self.path) == STANDARD_INPUT:
            return True
        if self.path.is_dir():
            self.mistakes.fail(self.name, "is a directory", allowed="files: name them, for example with `folder/*`")
        return not stat.S_ISREG(self.path.stat().st_mode)

    def _copied(self) -> BinaryIO:
        copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed with the source
        if str(self.path) == STANDARD_INPUT:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with self.path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        return copy

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile):
            allowed = "a complete gzip file: fetch or write it again"
            self.mistakes.fail(self.name, "a damaged or cut-off gzip file", allowed=allowed)
        except zipfile.BadZipFile:
            self.mistakes.fail(self.name, "a damaged or cut-off zip file", allowed="a complete log: write it again")
        except FileNotFoundError:
            self.mistakes.fail(self.name, "no such file", found=f"looked in {_folder(self.path)}")
        except OSError as error:
            self.mistakes.fail(self.name, f"cannot be read: {error.strerror or error}")


def json_value(content: bytes) -> Any:
    """Return the value of a JSON text; bare NaN and infinity, which evaluation tools write, are taken.

    Raises:
        ValueError: it is no JSON; the message is short.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        # The standard library is many times slower: it sees only what the fast parser refuses and it may take.
        if b"NaN" not in content and b"Infinity" not in content:
            raise
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise error from None


def _value_or_none(line: bytes) -> Any:
    try:
        return json_value(line)
    except ValueError:
        return None


def _are_json_lines(lines: list[bytes]) -> bool:
    """Whether each line is a value, judged by the first whole one: one document may also be laid out on lines."""
    first = _value_or_none(lines[0])
    if first is not None:
        return isinstance(first, dict) or len(lines) > 1
    if lines[0].strip() in (b"{", b"["):
        return False
    return any(isinstance(_value_or_none(line), dict) for line in lines[1:] if line.startswith(b"{"))


def _keys(rows: list[Any]) -> tuple[str, ...]:
    objects = [row for row in rows[:_HEAD_ROWS] if isinstance(row, dict)]
    return tuple(dict.fromkeys(str(key) for row in objects for key in row))


def _folder(path: Path) -> str:
    return os.fspath(path.parent.resolve())
