"""What can be wrong with a declared design or a guardrail before anything is spent.

Depends on: `abtest.contracts`. Used by: `abtest.management.validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from abtest.contracts.definition import Design, Guardrail
from abtest.contracts.metrics import FEWEST_UNITS_A_LOOK, RATE_METRICS
from abtest.core.errors import InputIssue


def design_issues(design: Design | None) -> Iterator[InputIssue]:
    """Yield what the parts of a design contradict.

    Args:
        design: None where its shape was wrong, which was told already.
    """
    if design is None:
        return
    if design.kind == "fixed":
        if design.looks not in (None, 1):
            message = "a fixed design looks once, at the end"
            yield InputIssue("design.looks", message, str(design.looks), "kind: group_sequential, or always_valid")
        if design.futility is not None:
            message = "a fixed design cannot stop early"
            yield InputIssue("design.futility", message, str(design.futility), "kind: group_sequential")
    elif design.looks == 1:
        yield InputIssue("design.looks", f"a {design.kind} design with one look is a fixed one", "1", "2 or more")
    if design.spending is not None and design.kind != "group_sequential":
        message = f"a {design.kind} design spends nothing over looks"
        yield InputIssue("design.spending", message, design.spending, "only with kind: group_sequential")


def guardrail_issues(guardrails: Mapping[str, Guardrail], primary_metric: object) -> Iterator[InputIssue]:
    """Yield what is wrong with each guardrail, whether anybody measures its metric excepted.

    Args:
        guardrails: by name.
        primary_metric: as it was written.
    """
    for name, guardrail in guardrails.items():
        path = f"guardrails.{name}"
        if guardrail.metric == primary_metric and guardrail.statistic == "mean":
            message = "the primary metric decides by its own margin"
            yield InputIssue(f"{path}.metric", message, guardrail.metric, "primary_margin, or another metric")
        yield from _rate_issues(path, guardrail)
        if (guardrail.margin is None) == (guardrail.margin_relative is None):
            message = "a guardrail needs exactly one margin"
            yield InputIssue(path, message, allowed="margin (in the metric's unit), or margin_relative (a share)")


def _rate_issues(path: str, guardrail: Guardrail) -> Iterator[InputIssue]:
    if guardrail.metric not in RATE_METRICS:
        return
    if guardrail.statistic != "mean":
        message = "a rate of 0 and 1 has no quantile worth comparing"
        yield InputIssue(f"{path}.statistic", message, guardrail.statistic, "mean")
    if guardrail.margin is not None and guardrail.margin >= 1:
        message = "a share cannot get worse by that much, so the guardrail would always hold"
        yield InputIssue(f"{path}.margin", message, f"{guardrail.margin:g}", "below 1; 0.02 is two points")


def design_warnings(design: Design | None, units: int) -> list[str]:
    """Return what a person should know about a design and a number of independent samples."""
    if design is None or design.kind == "fixed":
        return []
    warnings = []
    if units < design.waves * FEWEST_UNITS_A_LOOK:
        warnings.append(
            f"{design.waves} looks at {units} independent samples: fewer than {FEWEST_UNITS_A_LOOK} a look. "
            f"A look before the first {FEWEST_UNITS_A_LOOK} stops nothing."
        )
    return warnings
