"""Collects what is wrong in files of results, and ends the reading when it is enough.

Depends on: `abtest.core.errors`. Used by: everything in `abtest_cli.results`.
"""

from __future__ import annotations

from typing import Any, NoReturn

from abtest.core.errors import InputIssue, InvalidInputError

MAX_MISTAKES = 100
_SHOWN_CHARACTERS = 60


class Mistakes:
    """The mistakes so far, in the order they were met."""

    def __init__(self) -> None:
        self.issues: list[InputIssue] = []

    def add(
        self, path: str, message: str, *, found: str | None = None, allowed: str | None = None, line: int | None = None
    ) -> None:
        """Note one mistake.

        Raises:
            InvalidInputError: it is the last that is listed; reading on would help nobody.
        """
        self.issues.append(InputIssue(path, message, found, allowed, line))
        if len(self.issues) >= MAX_MISTAKES:
            raise InvalidInputError(
                f"The results cannot be read: the first {MAX_MISTAKES} mistakes are listed, reading stopped there.",
                self.issues,
            )

    def fail(
        self, path: str, message: str, *, found: str | None = None, allowed: str | None = None, line: int | None = None
    ) -> NoReturn:
        """Note a mistake after which nothing more can be read.

        Raises:
            InvalidInputError: always.
        """
        self.add(path, message, found=found, allowed=allowed, line=line)
        self.refuse_if_any()
        raise AssertionError("a mistake was noted")

    def refuse_if_any(self) -> None:
        """End the reading when something was wrong.

        Raises:
            InvalidInputError: there is a mistake.
        """
        if self.issues:
            count = len(self.issues)
            what = "1 mistake" if count == 1 else f"{count} mistakes"
            raise InvalidInputError(f"The results cannot be read: {what}.", self.issues)


def shown(value: Any) -> str:
    """Return a value as a message shows it, in one line and cut."""
    text = value if isinstance(value, str) else repr(value)
    text = repr(text) if isinstance(value, str) else text
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def quoted(names: Any) -> str:
    """Return names as a message lists them."""
    return ", ".join(f"`{name}`" for name in names)
