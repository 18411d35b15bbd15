"""What `abtest judges try` asks for, as the body of a trial; a prompt or a judge in code needs no platform.

Depends on: `definition_files`, `abtest.evaluation.trial`. Used by: `abtest_cli.commands.judges`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from abtest.core.errors import InputIssue, InvalidInputError
from abtest_cli.errors import UsageError
from abtest_cli.yaml_files import read_text, syntax_hint

if TYPE_CHECKING:
    from abtest.evaluation.template_references import Lookup

INLINE = "judge"
"""Name of a judge whose options stand on the command line."""
MAX_SAMPLES_BYTES = 200_000_000
MAX_TEXT_BYTES = 1_000_000
_FILE_ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class TrialOptions:
    """What a person gave.

    Args:
        source: a test file, a file of judges, or a type of judge.
        judge: which judge of a file; None takes the only one.
        options: `NAME=VALUE` of a judge given by its type; values are YAML.
        sample: a file of samples; None takes the test's dataset when a sample is asked for by its id.
        sample_id: which row; None is the first.
        inputs: `NAME=VALUE` of the sample.
        documents, reference: of the sample; `@FILE` reads a file.
        answer: what is judged; of a pair the treatment's.
        against: of a pair the control's.
    """

    source: str
    judge: str | None = None
    options: Sequence[str] = ()
    sample: Path | None = None
    sample_id: str | None = None
    inputs: Sequence[str] = ()
    documents: Sequence[str] = ()
    reference: str | None = None
    answer: str | None = None
    against: str | None = None
    fallback: int = 0


@dataclass(frozen=True)
class TrialRequest:
    """The body of a trial, and what a person should know of it."""

    body: dict[str, Any]
    notes: tuple[str, ...] = field(default=())


def request_of(options: TrialOptions) -> TrialRequest:
    """Return the body that a person's options make.

    Raises:
        InvalidInputError: a file or an option cannot be used; with every reason.
    """
    name, judges, folder_dataset, issues = _judges(options)
    body: dict[str, Any] = {"judge": judges.get(name), "name": name, "fallback": options.fallback}
    body["judges"] = {other: judges[other] for other in _named_by(judges.get(name)) if other in judges}
    notes = _bounded([body["judge"], *body["judges"].values()])
    body["sample"] = _collected(lambda: _sample(options, folder_dataset), issues) or {}
    answer = _collected(lambda: _text(options.answer, "--answer"), issues)
    against = _collected(lambda: _text(options.against, "--against"), issues)
    if options.answer is None:
        issues.append(InputIssue("--answer", "nothing to judge", None, "a text, or @FILE"))
    elif options.against is None:
        body["answer"] = answer
    else:
        body["answers"] = {"control": against, "treatment": answer}
    if issues:
        raise UsageError("The judge cannot be tried so.", issues)
    return TrialRequest(body, notes)


def rendered_locally(body: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
    """Return the prompts of a trial, made on this machine, as the API would return them.

    Args:
        body: of the trial.
        lookup: finds a workspace's template when a judge names one.

    Raises:
        InvalidInputError: the trial cannot be made; with every reason.
    """
    from abtest.evaluation.trial import compiled, questions_of
    from abtest.evaluation.trial_result import Asked, judge_trial, result_of

    trial = _trial(body, lookup)
    judges = [compiled(trial, name) for name in trial.asked if trial.facts[name].kind == "model"]
    if not judges:
        kind = trial.facts[trial.tried].type
        raise UsageError("There is no prompt.", [InputIssue("--render", "no model is asked by this judge", kind)])
    shown = [
        judge_trial(trial, judge.name, Asked(judge, questions_of(trial, judge)), render_only=True) for judge in judges
    ]
    return result_of(trial, shown, render_only=True).model_dump(mode="json")


def scored_locally(body: Mapping[str, Any], lookup: Lookup) -> dict[str, Any] | None:
    """Return what a trial shows when every judge in it is code, or None when a model must be asked.

    Raises:
        InvalidInputError: the trial cannot be made; with every reason.
    """
    from abtest.evaluation.trial_result import judge_trial, result_of

    trial = _trial(body, lookup)
    strong = trial.facts[trial.tried].escalate_to
    if any(trial.facts[name].kind == "model" for name in (*trial.asked, *((strong,) if strong else ()))):
        return None
    return result_of(trial, [judge_trial(trial, name, None) for name in trial.asked]).model_dump(mode="json")


def _trial(body: Mapping[str, Any], lookup: Lookup) -> Any:
    from pydantic import ValidationError

    from abtest.contracts.definition import issues_of
    from abtest.evaluation.template_references import resolved_trial
    from abtest.evaluation.trial import TrialBody, trial_of

    try:
        return trial_of(TrialBody.model_validate(resolved_trial(body, lookup)))
    except ValidationError as error:
        raise InvalidInputError("The judge cannot be tried so.", issues_of(error)) from error
    except InvalidInputError as error:
        raise InvalidInputError(error.message, [_as_option(issue) for issue in error.issues]) from error


def _as_option(issue: InputIssue) -> InputIssue:
    """Return an issue with the body's field called by the option that gives it."""
    option = {"answer": "--answer", "answers": "--against", "fallback": "--fallback"}.get(issue.path)
    if option is None:
        return issue
    allowed = "the control's answer, beside the treatment's in --answer" if option == "--against" else issue.allowed
    return InputIssue(option, issue.message, issue.found, allowed)


def _judges(options: TrialOptions) -> tuple[str, dict[str, Any], Path | None, list[InputIssue]]:
    """Return the tried judge's name, all judges, where the test's samples are, and what is wrong so far."""
    path = Path(options.source)
    if not (path.exists() or path.suffix in _FILE_ENDINGS):
        _check_type(options.source)
        judge = {"type": options.source, **_pairs(options.options, "--option", _yaml_value)}
        if options.judge is not None:
            issue = InputIssue("--judge", "only a file has judges by name", options.judge)
            raise UsageError("The judge cannot be tried so.", [issue])
        return INLINE, {INLINE: judge}, None, []
    from abtest_cli.definition_files import IMPORTED, load_judges, test_file_of

    if options.options:
        issue = InputIssue("--option", "the judge's options stand in the file", ", ".join(options.options))
        raise UsageError("The judge cannot be tried so.", [issue])
    judges, issues = load_judges(path)
    name = options.judge if options.judge is not None else (next(iter(judges)) if len(judges) == 1 else None)
    if name is None or name not in judges:
        message = "which judge of the file?" if name is None else "the file has no such judge"
        raise UsageError("The judge cannot be tried so.", [InputIssue("--judge", message, name, ", ".join(judges))])
    if judges[name]["type"] == IMPORTED:
        issue = InputIssue("--judge", "it reads scores given elsewhere; there is nothing to try", name)
        raise UsageError("The judge cannot be tried so.", [issue])
    wanted = {f"judges.{one}." for one in (name, *_named_by(judges[name]))}
    mine = [issue for issue in issues if issue.path.startswith(tuple(wanted))]
    return name, judges, test_file_of(path), mine


def _check_type(source: str) -> None:
    """Return when a judge's type is named.

    Raises:
        UsageError: it is neither that nor a file.
    """
    from abtest.evaluation.validation import check_parameters

    for issue in check_parameters(source, {}):
        if issue.path == "type":
            message = f"no file, no folder, and no type of judge either: {issue.message}"
            raise UsageError("The judge cannot be tried so.", [InputIssue("SOURCE", message, source)])


def _named_by(judge: Any) -> list[str]:
    """Return the judges that a panel names."""
    members = judge.get("members") if isinstance(judge, dict) else None
    strong = judge.get("escalate_to") if isinstance(judge, dict) else None
    names = [*(members if isinstance(members, list) else ()), strong]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _bounded(judges: Sequence[Any]) -> tuple[str, ...]:
    """Let no judge repeat its questions more often than a trial may, and say so."""
    from abtest.evaluation.trial import MOST_REPEATS

    notes = []
    for judge in judges:
        repeats = judge.get("repeats")
        if isinstance(repeats, int) and not isinstance(repeats, bool) and repeats > MOST_REPEATS:
            judge["repeats"] = MOST_REPEATS
            notes.append(f"A trial asks at most {MOST_REPEATS} times; the test would ask {repeats} times.")
    return tuple(notes)


def _sample(options: TrialOptions, test_file: Path | None) -> dict[str, Any]:
    source = options.sample
    if source is None and options.sample_id is not None:
        source = _dataset_of(test_file)
    sample = _row(source, options.sample_id) if source is not None else {}
    sample = {name: value for name, value in sample.items() if name not in ("cluster", "metadata")}
    inputs = _pairs(options.inputs, "--input", lambda text: _text(text, "--input"))
    if inputs:
        sample["inputs"] = {**(sample.get("inputs") or {}), **inputs}
    if options.documents:
        sample["documents"] = [{"text": _text(text, "--document")} for text in options.documents]
    if options.reference is not None:
        sample["reference"] = _text(options.reference, "--reference")
    return sample


def _dataset_of(test_file: Path | None) -> Path:
    from abtest_cli.yaml_files import read_yaml

    named = read_yaml(test_file).get("dataset") if test_file is not None else None
    if test_file is None or not isinstance(named, str):
        raise UsageError(
            "The sample cannot be found.", [InputIssue("--sample", "in which file is it?", None, "a JSONL file")]
        )
    return test_file.parent / named


def _row(path: Path, sample_id: str | None) -> dict[str, Any]:
    """Return one row of a file that holds a JSON object, or one in each line."""
    text = read_text(path, "--sample", MAX_SAMPLES_BYTES)
    try:
        whole = json.loads(text)
    except ValueError:
        rows = _lines(path, text)
    else:
        rows = [whole]
    if not rows:
        raise UsageError("The sample cannot be used.", [InputIssue("--sample", "the file has no row", str(path))])
    for row in rows:
        if not isinstance(row, dict):
            raise UsageError("The sample cannot be used.", [InputIssue("--sample", "not a JSON object", str(path))])
        if sample_id is None or row.get("id") == sample_id:
            return row
    raise UsageError("The sample cannot be found.", [InputIssue("--sample-id", f"not in {path}", sample_id)])


def _lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            issue = InputIssue("--sample", f"{path} is not JSON: {error}", None, None, number)
            raise UsageError("The sample cannot be used.", [issue]) from error
    return rows


def _text(text: str | None, option: str) -> str:
    """Return a text as it was given, or the text of the file that `@FILE` names; nothing is the empty text."""
    text = text or ""
    return read_text(Path(text[1:]), option, MAX_TEXT_BYTES) if text.startswith("@") else text


def _yaml_value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(
            "An option cannot be read.", [InputIssue("--option", syntax_hint(error), text[:80])]
        ) from error


def _pairs(texts: Sequence[str], option: str, value_of: Callable[[str], Any]) -> dict[str, Any]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise UsageError("An option cannot be read.", [InputIssue(option, "not a pair", text[:80], "NAME=VALUE")])
        pairs[name.strip()] = value_of(value)
    return pairs


def _collected(make: Callable[[], Any], issues: list[InputIssue]) -> Any:
    try:
        return make()
    except InvalidInputError as error:
        issues += error.issues
        return None
