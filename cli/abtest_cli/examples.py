"""The examples that come with the product.

Depends on: nothing. Used by: `commands.initialise`, `commands.demo`.
"""

from __future__ import annotations

from pathlib import Path

from abtest.core.errors import InputIssue
from abtest.core.registry import unknown_name
from abtest_cli.errors import UsageError

DEFAULT = "json-extraction"
_TEST_FILE = "test.yaml"


def folders() -> dict[str, Path]:
    """Return the examples by name: from the checkout, or as they were installed beside this package."""
    here = Path(__file__).resolve()
    for root in (here.parents[2] / "examples", here.parent / "examples"):
        found = {test.parent.name: test.parent for test in sorted(root.glob(f"*/{_TEST_FILE}"))}
        if found:
            return found
    return {}


def folder_of(name: str) -> Path:
    """Return the folder of an example.

    Raises:
        UsageError: none has that name.
    """
    known = folders()
    if name not in known:
        issue = InputIssue("--example", unknown_name(name, known), name, ", ".join(known) or None)
        raise UsageError("There is no such example.", [issue])
    return known[name]
