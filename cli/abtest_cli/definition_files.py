"""A test folder as a person writes it: `test.yaml`, its prompts inlined, its datasets found.

Depends on: `yaml_files`. Used by: `preparation`, `commands.init`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abtest.core.errors import InputIssue, InvalidInputError
from abtest_cli.yaml_files import read_text, read_yaml, unreadable

MAX_PROMPT_BYTES = 1_000_000
MAX_DATASET_BYTES = 200_000_000
DEFAULT_NAME = "test.yaml"
IMPORTED = "imported"
"""The type of a judge that reads scores of a file."""
_PROMPT_FILES = {"user_file": "user", "system_file": "system"}


@dataclass(frozen=True)
class TestFile:
    """A test file and what it names.

    Args:
        path: the file.
        definition: as the API takes it, but without the versions of `dataset`, `recordings` and `scores`.
        dataset: the samples; None when the definition names a frozen version itself, or nothing usable.
        recordings: variant to the recorded outputs it plays.
        scores: judge to the scores it reads.
        issues: what is wrong so far.
    """

    __test__ = False

    path: Path
    definition: dict[str, Any]
    dataset: Path | None
    recordings: dict[str, Path] = field(default_factory=dict)
    scores: dict[str, Path] = field(default_factory=dict)
    issues: tuple[InputIssue, ...] = ()


@dataclass(frozen=True)
class JudgeFile:
    """Judges of a file and what they name.

    Args:
        path: the file.
        judges: as the API takes them, but without the versions of `scores`.
        scores: judge to the scores it reads.
        issues: what is wrong so far.
    """

    path: Path
    judges: dict[str, Any]
    scores: dict[str, Path] = field(default_factory=dict)
    issues: tuple[InputIssue, ...] = ()


def test_file_of(path: Path) -> Path:
    """Return the test file a person means: the file itself, or the `test.yaml` of a folder."""
    return path / DEFAULT_NAME if path.is_dir() else path


test_file_of.__test__ = False  # type: ignore[attr-defined]


def load_test_file(path: Path) -> TestFile:
    """Read a test file, put its prompt files into it and find its datasets.

    Paths in it are relative to its folder; absolute ones are taken as they are.

    Args:
        path: the file, or its folder.

    Raises:
        InvalidInputError: the file itself cannot be read. What it says wrongly is in `issues` of the result.
    """
    path = test_file_of(path)
    raw = read_yaml(path)
    reader = _Reader(path.parent, raw)
    reader.words()
    dataset = reader.data_path(raw, "dataset", "dataset")
    variants = raw.get("variants")
    for name, variant in variants.items() if isinstance(variants, dict) else ():
        if isinstance(variant, dict):
            reader.variant(str(name), variant)
    reader.judges(raw.get("judges"), "judges")
    return TestFile(path, raw, dataset, reader.recordings, reader.scores, tuple(reader.issues))


def load_judges(path: Path) -> tuple[dict[str, Any], tuple[InputIssue, ...]]:
    """Return the judges of a file, and what is wrong with the files they name.

    Args:
        path: a test file or its folder, whose `judges` are taken, or a file that has a judge under each name.

    Raises:
        InvalidInputError: the file itself cannot be read, or has no judges.
    """
    file = load_judge_file(path)
    return file.judges, file.issues


def load_judge_file(path: Path) -> JudgeFile:
    """Read the judges of a file, put their template files into them and find their scores.

    Args:
        path: a test file or its folder, whose `judges` are taken, or a file that has a judge under each name.

    Raises:
        InvalidInputError: the file itself cannot be read, or has no judges.
    """
    path = test_file_of(path)
    raw = read_yaml(path)
    judges = raw.get("judges", raw)
    if not isinstance(judges, dict) or not all(isinstance(one, dict) and "type" in one for one in judges.values()):
        allowed = "a test file with judges, or a mapping from a name to a judge with its type"
        raise InvalidInputError(f"{path} has no judges.", [InputIssue("judges", "not judges", None, allowed)])
    reader = _Reader(path.parent, raw)
    reader.judges(judges, "judges")
    return JudgeFile(path, judges, reader.scores, tuple(reader.issues))


class _Reader:
    def __init__(self, folder: Path, raw: dict[str, Any]) -> None:
        self.folder = folder
        self.raw = raw
        self.issues: list[InputIssue] = []
        self.recordings: dict[str, Path] = {}
        self.scores: dict[str, Path] = {}

    def words(self) -> None:
        # YAML reads a bare `on` and `off` as true and false; here they are words.
        if isinstance(self.raw.get("cache"), bool):
            self.raw["cache"] = "on" if self.raw["cache"] else "off"

    def variant(self, name: str, variant: dict[str, Any]) -> None:
        recording = self.data_path(variant, "recording", f"variants.{name}.recording")
        if recording is not None:
            self.recordings[name] = recording
        prompt = variant.get("prompt")
        if isinstance(prompt, dict):
            for file_field, text_field in _PROMPT_FILES.items():
                self._inline(prompt, file_field, text_field, f"variants.{name}.prompt")

    def judges(self, judges: Any, where: str) -> None:
        """Put the files of judges' templates into them, and find the scores they read."""
        for name, judge in judges.items() if isinstance(judges, dict) else ():
            if isinstance(judge, dict) and judge.get("type") == IMPORTED:
                scores = self.data_path(judge, "scores", f"{where}.{name}.scores")
                if scores is not None:
                    self.scores[str(name)] = scores
            template = judge.get("template") if isinstance(judge, dict) else None
            if not isinstance(template, dict):
                continue
            before = len(self.issues)
            for file_field, text_field in _PROMPT_FILES.items():
                self._inline(template, file_field, text_field, f"{where}.{name}.template")
            if len(self.issues) > before:
                # A text that stands in for a file would be found wanting by what a template must have.
                del judge["template"]

    def data_path(self, holder: dict[str, Any], key: str, where: str) -> Path | None:
        """Take a path out of its holder; a frozen version (`{version: ...}`) stays where it is."""
        value = holder.get(key)
        if value is None or isinstance(value, Mapping):
            return None
        del holder[key]
        if not isinstance(value, str) or not value.strip():
            self.issues.append(InputIssue(where, "not a path", repr(value), "the path of a JSONL file"))
            return None
        path = self.folder / Path(value).expanduser()
        issue = unreadable(path, where, MAX_DATASET_BYTES)
        if issue is not None:
            self.issues.append(issue)
            return None
        return path

    def _inline(self, prompt: dict[str, Any], file_field: str, text_field: str, where: str) -> None:
        if file_field not in prompt:
            return
        value = prompt.pop(file_field)
        field_path = f"{where}.{file_field}"
        if text_field in prompt:
            message = f"{text_field!r} stands beside it; one of the two must go"
            self.issues.append(InputIssue(field_path, message, str(value), f"either {text_field} or {file_field}"))
            return
        # A placeholder keeps the later checks from calling the field missing: what is wrong is said here.
        prompt[text_field] = "(unreadable)"
        if not isinstance(value, str) or not value.strip():
            self.issues.append(InputIssue(field_path, "not a path", repr(value), "the path of a text file"))
            return
        try:
            prompt[text_field] = read_text(self.folder / Path(value).expanduser(), field_path, MAX_PROMPT_BYTES)
        except InvalidInputError as error:
            self.issues.extend(error.issues)
