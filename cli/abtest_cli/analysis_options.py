"""The options of `abtest analyze` as a person writes them, read whole: every mistake at once.

Depends on: `abtest.analytics.offline`. Used by: `commands.analyze`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from abtest.analytics.offline import Margin, Request
from abtest.analytics.plan import DesignPlan
from abtest.core.errors import InputIssue
from abtest_cli.errors import UsageError

_GROUP = re.compile(r"group_sequential:(\d+)/(\d+)(?::(obrien_fleming|pocock))?")
UNUSABLE = "The options cannot be used."
SMALLEST_ALPHA = 1e-9
MOST_PLANNED = 1_000_000_000
LARGEST = 1e50
"""Scores are no larger either; see `abtest_cli.results.checks`."""
_DESIGNS = "fixed, always_valid, group_sequential:LOOK/LOOKS, group_sequential:LOOK/LOOKS:pocock"


def request_of(
    files: Sequence[Path],
    *,
    control: str | None,
    treatments: Sequence[str],
    metric: str | None,
    alpha: float,
    tie_margin: float,
    margins: Sequence[str],
    lower_is_better: Sequence[str],
    design: str,
    planned: int | None,
    seed: int,
    score_range: str | None = None,
) -> Request:
    """Return what is to be analysed, and how.

    Args:
        files: for the title.
        margins: `NAME=VALUE`.
        design: `fixed`, `always_valid` or `group_sequential:LOOK/LOOKS[:SPENDING]`.
        planned: samples planned in all; None takes what is there for all there will be.
        score_range: checked with the others; `scale_of` reads it.

    Raises:
        UsageError: with every option that cannot be used.
    """
    issues = [
        *_numbers(alpha, tie_margin),
        *_margin_issues(margins),
        *_design_issues(design, planned),
        *_scale_issues(score_range),
    ]
    if issues:
        raise UsageError(UNUSABLE, issues)
    plan, number = _design(design)
    return Request(
        title=", ".join(path.name for path in files),
        control=control,
        treatments=tuple(treatments),
        metric=metric,
        alpha=alpha,
        tie_margin=tie_margin,
        margins=dict(map(_margin, margins)),
        lower_is_better=tuple(lower_is_better),
        design=plan,
        look=number,
        planned=planned,
        seed=seed,
    )


def scale_of(text: str | None) -> tuple[float, float] | None:
    """Return the range `LOW:HIGH`, or None where none is given.

    Raises:
        UsageError: it is no range.
    """
    if text is None:
        return None
    low, high = map(_number, text.partition(":")[::2])
    if low is None or high is None or low >= high:
        raise UsageError(UNUSABLE, list(_scale_issues(text)))
    return low, high


def _scale_issues(text: str | None) -> Iterator[InputIssue]:
    if text is None:
        return
    low, high = map(_number, text.partition(":")[::2])
    if low is None or high is None or low >= high:
        yield InputIssue("--range", "not a range", text, "LOW:HIGH, such as 0:1 or 1:10")


def _numbers(alpha: float, tie_margin: float) -> Iterator[InputIssue]:
    if not SMALLEST_ALPHA <= alpha < 0.5:
        yield InputIssue("--alpha", "out of range", f"{alpha:g}", f"{SMALLEST_ALPHA:g} or more, and below 0.5")
    if not 0 <= tie_margin <= LARGEST:
        yield InputIssue("--tie-margin", "out of range", f"{tie_margin:g}", f"0 to {LARGEST:g}")


def _margin_issues(texts: Sequence[str]) -> Iterator[InputIssue]:
    names = set()
    for text in texts:
        name, equals, value = text.rpartition("=")
        number = _number(value.removesuffix("%"))
        if not equals or not name or number is None or not 0 < number <= LARGEST:
            yield InputIssue("--margin", "not a margin", text, "NAME=0.02, NAME=10%, NAME:p95=200; above 0")
        elif name in names:
            yield InputIssue("--margin", "two margins for one name", name, "one of them")
        names.add(name)


def _margin(text: str) -> tuple[str, Margin]:
    name, _, value = text.rpartition("=")
    number = float(value.removesuffix("%"))
    relative = value.endswith("%")
    return name, Margin(number / 100 if relative else number, relative)


def _design_issues(text: str, planned: int | None) -> Iterator[InputIssue]:
    if text == "fixed":
        if planned is not None:
            yield InputIssue("--planned", "a fixed design analyses what is there", str(planned), "a sequential design")
        return
    if planned is not None and planned > MOST_PLANNED:
        yield InputIssue("--planned", "out of range", str(planned), f"1 to {MOST_PLANNED:,}")
    group = _GROUP.fullmatch(text)
    if text != "always_valid" and group is None:
        yield InputIssue("--design", "no such design", text, _DESIGNS)
    elif group is not None:
        look, looks = int(group[1]), int(group[2])
        if not 1 <= look <= looks or not 2 <= looks <= 50:
            yield InputIssue("--design", "no such look", text, "LOOK from 1 to LOOKS, LOOKS from 2 to 50")
        if look < looks and planned is None:
            yield InputIssue("--planned", "a look before the last needs to know how many samples were planned")


def _design(text: str) -> tuple[DesignPlan, int]:
    group = _GROUP.fullmatch(text)
    if group is None:
        return DesignPlan.model_validate({"kind": text}), 1
    looks = int(group[2])
    plan = {"kind": "group_sequential", "looks": looks, "spending": group[3] or "obrien_fleming"}
    return DesignPlan.model_validate(plan), int(group[1])


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
