"""Names that a person gives on the command line, checked before anything is done by them.

Depends on: `abtest.contracts.definition`. Used by: `abtest judge`, `abtest judges template put`.
"""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from abtest.contracts.definition import Name
from abtest.core.errors import InputIssue
from abtest_cli.errors import UsageError

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_ALLOWED = "a letter, then up to 63 letters, digits, '.', '_' or '-'"


def check_name(name: str, option: str, rejected: str) -> None:
    """Return when something may be called so.

    Args:
        name: as it was given.
        option: where.
        rejected: what is not done otherwise, as a sentence.

    Raises:
        UsageError: it is no name.
    """
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise UsageError(rejected, [InputIssue(option, "not a name", name, _ALLOWED)]) from error
