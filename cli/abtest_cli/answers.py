"""The answers of a finished run on this machine: downloaded from a platform, or read from a file of such rows.

Depends on: `client`. Used by: `commands.judge`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from abtest.contracts.definition import issues_of
from abtest.contracts.records import ModelResponse, Sample
from abtest.core.errors import InputIssue, InvalidInputError
from abtest_cli.errors import UsageError

if TYPE_CHECKING:
    from abtest_cli.client import ApiClient

MOST_ISSUES = 20


@dataclass(frozen=True)
class Answer:
    """One response and the sample it answers."""

    sample: Sample
    response: ModelResponse

    @property
    def key(self) -> tuple[str, str]:
        """What only one answer of a run has."""
        return (self.sample.id, self.response.variant)

    def line(self) -> str:
        """Return the answer as a line of a file of answers."""
        row = {
            "sample": self.sample.model_dump(mode="json"),
            "response": self.response.model_dump(mode="json", exclude_defaults=True),
        }
        return json.dumps(row, ensure_ascii=False) + "\n"


class _Row(BaseModel):
    """A line of a file of answers."""

    model_config = ConfigDict(extra="forbid")

    sample: Sample
    response: ModelResponse


@dataclass
class _Collected:
    answers: list[Answer] = field(default_factory=list)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    issues: list[InputIssue] = field(default_factory=list)

    def add(self, answer: Answer, source: str, line: int | None = None) -> None:
        before = self.seen.get(answer.key)
        if before is None:
            self.seen[answer.key] = source
            self.answers.append(answer)
            return
        sample, variant = answer.key
        message = f"{before} has an answer of variant {variant!r} to sample {sample!r} too"
        self.issues.append(InputIssue(source, message, allowed="each answer once", line=line))


def answers_of(client: ApiClient | None, sources: Iterable[str]) -> list[Answer]:
    """Return the answers of runs and files together.

    Args:
        client: of the platform that has the runs; None where all sources are files.
        sources: identifiers of runs, and paths of files that `abtest judge --save-rows` wrote.

    Raises:
        InvalidInputError: a file cannot be read, or two sources have the same answer; with every issue.
        ConflictError: a run still goes on.
    """
    found = _Collected()
    for source in sources:
        if is_run(source):
            if client is None:
                raise AssertionError("runs need a client")
            for answer in _of_run(client, source):
                found.add(answer, source)
        else:
            _read_file(Path(source), found)
    if found.issues:
        raise InvalidInputError("The answers cannot be used.", found.issues[:MOST_ISSUES])
    return found.answers


def is_run(source: str) -> bool:
    """Return whether a source names a run, and not a file."""
    return source.startswith("run_") and not Path(source).exists()


def write_answers(path: Path, answers: Iterable[Answer]) -> None:
    """Write answers as a file that `answers_of` reads.

    Raises:
        UsageError: it cannot be written.
    """
    from abtest_cli.output import write_text

    write_text(path, "".join(answer.line() for answer in answers))


def _of_run(client: ApiClient, run_id: str) -> Iterator[Answer]:
    for batch in client.run_rows(run_id):
        samples = {row.id: row for row in map(Sample.model_validate_json, batch.samples.splitlines())}
        for body in batch.responses:
            for line in body.splitlines():
                response = ModelResponse.model_validate_json(line)
                yield Answer(samples[response.sample_id], response)


def _read_file(path: Path, found: _Collected) -> None:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        what = "neither a run nor a file that can be read"
        raise UsageError(f"{path} is {what}: {error.strerror or error}.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            _read_line(path, number, line, found)


def _read_line(path: Path, number: int, line: bytes, found: _Collected) -> None:
    allowed = "a line of `abtest judge --save-rows`: an object with sample and response"
    try:
        row = _Row.model_validate_json(line)
    except ValidationError as error:
        issues = [InputIssue(f"{path}: {i.path}", i.message, i.found, allowed, number) for i in issues_of(error)]
        found.issues += issues
        return
    if row.response.sample_id != row.sample.id:
        message = "the response answers another sample"
        found.issues.append(InputIssue(str(path), message, row.response.sample_id, row.sample.id, number))
        return
    found.add(Answer(row.sample, row.response), str(path), number)
