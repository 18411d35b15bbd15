"""Reads a YAML file the strict way: no duplicate keys, no surprising types, every mistake with its line.

Depends on: PyYAML. Used by: `definition_files`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from abtest.core.errors import InputIssue, InvalidInputError

MAX_BYTES = 2_000_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"
_TEXT, _INTEGER = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int"
_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})")


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, which also collects duplicate keys and keys that are no text."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.issues: list[InputIssue] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self._check_keys(node)
        return super().construct_mapping(node, deep)

    def _check_keys(self, node: yaml.MappingNode) -> None:
        first: dict[str, int] = {}
        # The points of a scale: JSON has no keys but text, and the digits are the same text to everybody.
        points = all(key.tag == _INTEGER and _WHOLE_NUMBER.fullmatch(key.value) for key, _ in node.value)
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            if points:
                key.tag = _TEXT
            if not key.tag.endswith(":str"):
                issue = InputIssue(key.value, "YAML does not read this key as text", key.value, f'"{key.value}"', line)
                self.issues.append(issue)
            if key.value in first:
                self.issues.append(
                    InputIssue(key.value, f"line {first[key.value]} has the same key", None, "each key once", line)
                )
            first.setdefault(key.value, line)


# A date stays the text it is: JSON has no dates.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds.

    Args:
        path: the file, at most 2 MB.

    Raises:
        InvalidInputError: it cannot be read, is no YAML, is no mapping, or has duplicate keys.
    """
    text = read_text(path, "file", MAX_BYTES)
    try:
        loader = _StrictLoader(text)
        try:
            data = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInputError(f"{path} is not YAML.", [_syntax(error)]) from error
    if loader.issues:
        raise InvalidInputError(f"{path} cannot be used.", loader.issues)
    if not isinstance(data, dict):
        issue = InputIssue("(whole)", "not a mapping", type(data).__name__, "fields such as name, dataset, variants")
        raise InvalidInputError(f"{path} cannot be used.", [issue])
    return data


def read_text(path: Path, field: str, max_bytes: int) -> str:
    """Return the text of a file.

    Args:
        path: the file.
        field: where it is named, for the issue.
        max_bytes: the most it may have.

    Raises:
        InvalidInputError: it is missing, no file, too large, or not UTF-8.
    """
    issue = unreadable(path, field, max_bytes)
    if issue is None:
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            issue = InputIssue(field, f"not UTF-8: {error.reason} at byte {error.start}", str(path), "UTF-8 text")
        except OSError as error:
            issue = InputIssue(field, f"cannot be read: {error.strerror}", str(path))
    raise InvalidInputError(f"{path} cannot be read.", [issue])


def unreadable(path: Path, field: str, max_bytes: int) -> InputIssue | None:
    """Return why a file cannot be used, or None when it can."""
    if not path.exists():
        siblings = path.parent.iterdir() if path.parent.is_dir() else ()
        near = ", ".join(sorted(sibling.name for sibling in siblings if sibling.suffix == path.suffix)[:8])
        allowed = f"a file; beside it are {near}" if near else "the path of a file, from the test's folder"
        return InputIssue(field, "there is no such file", str(path), allowed)
    if not path.is_file():
        return InputIssue(field, "not a file", str(path), "the path of a file")
    size = path.stat().st_size
    if size > max_bytes:
        return InputIssue(field, "the file is too large", f"{size:,} bytes", f"{max_bytes:,} bytes")
    return None


def syntax_hint(error: Exception) -> str:
    """Return what the YAML parser complained about, in one line."""
    if isinstance(error, yaml.MarkedYAMLError):
        return " ".join(filter(None, (error.problem, error.context)))
    return str(error).split("\n", maxsplit=1)[0]


def _syntax(error: Exception) -> InputIssue:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    allowed = "valid YAML; quote texts that contain ': ', '#', '{' or '%'"
    return InputIssue("(whole)", syntax_hint(error), None, allowed, mark.line + 1 if mark else None)
