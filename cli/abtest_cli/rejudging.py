"""Reads the judges that a finished run's answers are to be judged by, from one or more files.

Depends on: `preparation`, the catalogue of judges. Used by: `commands.rejudge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abtest.core.errors import InputIssue, InvalidInputError
from abtest.evaluation.template_references import without_references
from abtest.runtime.catalogue import JudgeRegistry
from abtest_cli.preparation import Body, prepare_judges


@dataclass(frozen=True)
class Judges:
    """Judges that are right as far as this machine can tell.

    Args:
        judges: by name, as the API takes them.
        uploads: the datasets of scores that they need there.
    """

    judges: dict[str, Any]
    uploads: tuple[Body, ...]


def read_judges(paths: Sequence[Path]) -> Judges:
    """Return the judges of all files together.

    Args:
        paths: each a mapping from a name to a judge, or a test file or folder whose judges are taken.

    Raises:
        InvalidInputError: with every issue of the files and of the judges' options.
    """
    judges: dict[str, Any] = {}
    uploads: dict[str, Body] = {}
    issues: list[InputIssue] = []
    for path in paths:
        found = prepare_judges(path)
        issues += found.issues
        issues += [
            InputIssue(f"judges.{name}", "two files have a judge of this name", str(path), "another name")
            for name in found.judges
            if name in judges
        ]
        judges |= found.judges
        uploads |= {body.version: body for body in found.uploads}
    told = {issue.path for issue in issues}
    issues += [issue for issue in _option_issues(judges) if issue.path not in told]
    if issues:
        raise InvalidInputError("The judges cannot be used.", issues)
    return Judges(judges, tuple(uploads.values()))


def _option_issues(judges: Mapping[str, Any]) -> list[InputIssue]:
    # Which templates a workspace has, only the platform knows; and a panel may name a judge that the run has.
    bare = without_references({"judges": dict(judges)})["judges"]
    catalogue = JudgeRegistry()
    return [
        InputIssue(f"judges.{name}.{issue.path}", issue.message, issue.found, issue.allowed)
        for name, judge in bare.items()
        for issue in catalogue.check(str(judge.get("type")), {k: v for k, v in judge.items() if k != "type"})
    ]
