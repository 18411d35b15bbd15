"""Checks a judge's options as a person wrote them, and says everything that is wrong at once.

Depends on: pydantic, `abtest.evaluation.registry`. Used by: `abtest.evaluation.service`, the validation of tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from abtest.contracts.expectations import expectation
from abtest.core.errors import InputIssue
from abtest.core.registry import nearest, unknown_name
from abtest.evaluation.registry import judge_types, load_judge

_FOUND_CHARACTERS = 80
_RUN_BY_ITS_OWNER = "python"
"""What people write who want to judge by a function of their own, which is not run here."""
_NO_MAPPING = ("dict_type", "model_type")


def check_parameters(judge_type: str, parameters: Mapping[str, Any]) -> list[InputIssue]:
    """Return what is wrong with a judge's options; empty when nothing is.

    Args:
        judge_type: the judge's type, such as `exact_match`.
        parameters: its options, without `type`.

    Returns:
        One issue a mistake; paths are relative to the judge: `type`, `pattern`, `values.0`.
    """
    known = judge_types()
    if judge_type == _RUN_BY_ITS_OWNER:
        message = (
            "your own program is not run here: run it on your machine with `abtest judge RUN --local SCORER.py`, and "
            "use its scores by a judge of the type 'imported'"
        )
        return [InputIssue("type", message, found=_shown(judge_type), allowed=", ".join(known))]
    if judge_type not in known:
        message = unknown_name(judge_type, known)
        return [InputIssue("type", message, found=_shown(judge_type), allowed=", ".join(known))]
    model = load_judge(judge_type).Parameters
    try:
        model.model_validate(dict(parameters))
    except ValidationError as error:
        return [_issue(judge_type, model, dict(detail)) for detail in error.errors(include_url=False)]
    return []


def option_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the options of a judge as a person writes them, sorted."""
    return tuple(sorted(field.alias or name for name, field in model.model_fields.items()))


def _issue(judge_type: str, model: type[BaseModel], detail: Mapping[str, Any]) -> InputIssue:
    place = [str(part) for part in detail["loc"] if part != "[key]"]
    path = ".".join(place) or "parameters"
    kind = detail["type"]
    options = option_names(_model_around(model, place))
    whose = f"the judge {judge_type!r}" if len(place) <= 1 else f"{'.'.join(place[:-1])!r}"
    if kind == "extra_forbidden":
        guess = nearest(place[-1], options)
        hint = f"; did you mean {guess!r}?" if guess else ""
        message = f"{whose} has no such option{hint}"
        return InputIssue(path, message, found=_shown(detail["input"]), allowed=", ".join(options) or "no options")
    if kind == "missing":
        return InputIssue(path, f"{whose} needs this option", allowed=", ".join(options))
    if kind in _NO_MAPPING:
        return InputIssue(path, "this is written as a mapping of names to values", found=_shown(detail["input"]))
    if kind == "value_error":
        # pydantic puts "Value error, " before what the judge's own check says.
        return InputIssue(path, str(detail["ctx"]["error"]), found=_found(detail))
    if kind == "literal_error":
        return InputIssue(path, "this is not one of the choices", _shown(detail["input"]), detail["ctx"]["expected"])
    allowed = expectation(detail)
    message = _sentence(detail["msg"]) if allowed is None else "the value does not fit"
    return InputIssue(path, message, _shown(detail["input"]), allowed)


def _model_around(model: type[BaseModel], place: Sequence[str]) -> type[BaseModel]:
    """Return the model whose option stands at a place: of `parameters.seed` the model of `parameters`."""
    for part in place[:-1]:
        by_name = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        # An item of a list or a mapping is of the model that the option before it has named.
        model = next(_models(by_name.get(part)), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _found(detail: Mapping[str, Any]) -> str | None:
    # A check over a whole model carries all of its options: repeating them would hide the message.
    return None if not detail["loc"] or isinstance(detail["input"], Mapping) else _shown(detail["input"])


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _FOUND_CHARACTERS else text[: _FOUND_CHARACTERS - 1] + "…"


def sentences(issues: Sequence[InputIssue]) -> str:
    """Return all issues as one line."""
    return " ".join(f"{issue.sentence()}." for issue in issues)
