"""A person's own function as a judge, run on their machine: found in a file, called for each answer, never trusted.

Depends on: `answers`. Used by: `commands.judge`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import math
import numbers
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from abtest.contracts.records import ImportedScore
from abtest.core.errors import InputIssue
from abtest.core.registry import load, names, nearest
from abtest_cli import scorers
from abtest_cli.answers import Answer
from abtest_cli.errors import UsageError

DEFAULT_FUNCTION = "score"
_MODULE = "abtest_local_scorer"
_REASON_CHARACTERS = 300
_RETURNS = "a number, a bool, None where it cannot say, or {'score', 'reason', 'dimensions'}"
_KEYS = ("score", "reason", "dimensions")

Scorer = Callable[[dict[str, Any], str, dict[str, Any]], Any]
"""A person's function: sample, answer and response in, one of `_RETURNS` out."""


@dataclass
class LocalScores:
    """What a function said of answers.

    Args:
        rows: one for each answer that was judged, ready to be imported.
        not_judged: answers that failed, by variant: there is nothing to judge.
        errors: answers at which the function failed.
        first_error: the first of these in one line.
    """

    rows: list[ImportedScore] = field(default_factory=list)
    not_judged: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    first_error: str | None = None


def load_scorer(path: Path, function: str = DEFAULT_FUNCTION) -> Scorer:
    """Return a function of a Python file, which may import what stands beside it.

    Args:
        path: the file, which is run; or the name of a scorer that comes with the command line.
        function: the function's name.

    Raises:
        UsageError: there is no such file or function, the file fails, or the function cannot be called as it must.
    """
    own = names(scorers)
    if str(path) in own:
        return cast("Scorer", load(scorers, str(path), DEFAULT_FUNCTION))
    if path.suffix != ".py" or not path.is_file():
        allowed = f"FILE.py, or a scorer that is built in: {', '.join(own)}"
        raise UsageError(f"{path} is no Python file.", [InputIssue("--local", "no such file", str(path), allowed)])
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[_MODULE] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{path} cannot be imported: {_where(error, path)}") from error
    return _checked(path, function, vars(module))


def _checked(path: Path, function: str, names: Mapping[str, Any]) -> Scorer:
    found: Any = names.get(function)
    own = [name for name, value in names.items() if inspect.isfunction(value) and value.__module__ == _MODULE]
    if not callable(found):
        guess = nearest(function, own)
        hint = f"; did you mean {guess!r}?" if guess else ""
        issue = InputIssue("--function", f"no such function{hint}", function, ", ".join(own) or "def score(...)")
        raise UsageError(f"{path} has no function {function!r}.", [issue])
    if inspect.iscoroutinefunction(found):
        raise UsageError(f"{function} of {path} is asynchronous; it must be an ordinary function.")
    try:
        inspect.signature(found).bind({}, "", {})
    except TypeError as error:
        wanted = f"def {function}(sample, answer, response)"
        raise UsageError(f"{function} of {path} cannot be called as {wanted}: {error}.") from error
    except ValueError:
        # Some callables of C have no signature; the first call will tell.
        return cast("Scorer", found)
    return cast("Scorer", found)


def score_answers(scorer: Scorer, answers: Iterable[Answer], path: Path, step: Callable[[], None]) -> LocalScores:
    """Return what a function says of answers; where it fails it could not say, and the next answer is judged.

    Args:
        scorer: of `load_scorer`.
        answers: of a run.
        path: the function's file, for its errors.
        step: is called after each answer.

    Raises:
        UsageError: the function returns what is no score, or fails at every answer.
    """
    found = LocalScores()
    for answer in answers:
        if answer.response.outcome == "failed":
            variant = answer.response.variant
            found.not_judged[variant] = found.not_judged.get(variant, 0) + 1
        else:
            found.rows.append(_scored(scorer, answer, path, found))
        step()
    if found.errors and found.errors == len(found.rows):
        raise UsageError(f"The function failed at each of the {found.errors} answers. The first: {found.first_error}")
    return found


def _scored(scorer: Scorer, answer: Answer, path: Path, found: LocalScores) -> ImportedScore:
    sample, response = answer.sample, answer.response
    # A refused or filtered answer is the empty one here too; a dump is new each time, whatever the function does to it.
    text = "" if response.outcome in ("refused", "filtered") else response.text or ""
    arguments = (sample.model_dump(mode="json"), text, response.model_dump(mode="json"))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            said = scorer(*arguments)
    except UsageError:
        raise
    except Exception as error:
        found.errors += 1
        found.first_error = found.first_error or f"{_where(error, path)} (sample {sample.id!r})"
        return ImportedScore(id=sample.id, variant=response.variant, reason=_short(f"failed: {type(error).__name__}"))
    return _row(said, sample.id, response.variant)


def _row(said: Any, sample_id: str, variant: str) -> ImportedScore:
    if isinstance(said, Mapping):
        unknown = [str(key) for key in said if key not in _KEYS]
        if unknown or "score" not in said:
            raise _no_score(said, sample_id, f"has the keys {', '.join(map(str, said)) or 'none'}")
        score, reason, raw = said["score"], said.get("reason"), said.get("dimensions") or {}
    else:
        score, reason, raw = said, None, {}
    if not isinstance(raw, Mapping):
        raise _no_score(raw, sample_id, "as dimensions")
    value = _number(score, sample_id)
    dimensions = {str(name): _number(one, sample_id) for name, one in raw.items()}
    if value is None and reason is None and score is not None:
        reason = f"the score is {score}"
    return ImportedScore(
        id=sample_id,
        variant=variant,
        score=value,
        dimensions={} if value is None else {name: one for name, one in dimensions.items() if one is not None},
        reason=None if reason is None else _short(str(reason)),
    )


def _number(value: Any, sample_id: str) -> float | None:
    """Return a score as a number; None where it is none to speak of: None, NaN or an infinity."""
    # Numbers of numpy and torch give their value as one of Python.
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if plain is None:
        return None
    if not isinstance(plain, numbers.Real):
        raise _no_score(value, sample_id)
    number = float(plain)
    return number if math.isfinite(number) else None


def _no_score(value: Any, sample_id: str, how: str = "") -> UsageError:
    what = f"{type(value).__name__} {how}".strip()
    return UsageError(f"The function returned {what} for sample {sample_id!r}; it must return {_RETURNS}.")


def _where(error: BaseException, path: Path) -> str:
    """Return an error in one line, with the last line of the person's file that it came through."""
    own = path.resolve()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == own]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    return f"{type(error).__name__}: {_short(str(error))}" + (f" (line {line} of {path.name})" if line else "")


def _short(text: str) -> str:
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}…"
