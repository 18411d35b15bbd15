"""The options of `abtest power` as a person writes them, read whole: every mistake at once, by its option's name.

Depends on: `abtest.analytics.power.request`, `abtest_cli.results`. Used by: `commands.power`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from abtest.analytics.power.checks import issues_of
from abtest.analytics.power.request import PowerRequest
from abtest.contracts.definition import issues_of as findings_of
from abtest.core.errors import InputIssue, InvalidInputError
from abtest_cli.errors import UsageError

if TYPE_CHECKING:
    from abtest.analytics.data.tables import ResultTable
    from abtest.analytics.power.pilot import Pilot

_DESIGN = re.compile(r"(fixed)|(group_sequential):(\d{1,3})(?::(obrien_fleming|pocock))?|(always_valid)(?::(\d{1,3}))?")
_DESIGNS = "fixed, group_sequential:5, group_sequential:5:pocock, always_valid, always_valid:20"
_OPTIONS = {
    "clusters": "--cluster-size",
    "clusters.sizes": "--cluster-size",
    "clusters.icc": "--icc",
    "judges": "--judge-correlation",
    "judges.count": "--judges",
    "judges.correlation": "--judge-correlation",
    "judges.noise_variance": "--judge-noise",
    "resamples.answers": "--answers",
    "resamples.within_variance": "--within-variance",
    "design.looks": "--design",
    "paired": "--unpaired",
    "pilot": "--pilot",
    "running.cost_usd_per_sample": "--cost-usd",
}


@dataclass(frozen=True)
class PilotSource:
    """Where a pilot comes from: files of results, or a run of an environment.

    Args:
        files: of one format.
        format_name: theirs; None recognises it.
        run_id: of a completed run.
        control: variant of the files; None is the first.
        treatment: None is the first other one.
        metric: None is the first, or the run's primary one.
        environment: where the run is.
    """

    files: tuple[Path, ...] = ()
    format_name: str | None = None
    run_id: str | None = None
    control: str | None = None
    treatment: str | None = None
    metric: str | None = None
    environment: str = "local"

    @property
    def given(self) -> bool:
        """Whether there is a pilot."""
        return bool(self.files) or self.run_id is not None


def request_of(options: Mapping[str, Any], design: str, *, has_pilot: bool) -> PowerRequest:
    """Return what is to be planned.

    Args:
        options: of the request by its fields, None where not given; clusters, judges and resamples as their parts.
        design: as written.
        has_pilot: a pilot will fill gaps, so that only it can tell whether anything is missing.

    Raises:
        UsageError: with every option that cannot be used.
    """
    fields = {name: value for name, value in options.items() if value is not None}
    issues = [*_parts(fields), *_design(fields, design)]
    if fields.get("metric") is None and not has_pilot:
        fields["metric"] = _kind(fields)
    try:
        request = PowerRequest.model_validate(fields)
    except ValidationError as error:
        raise UsageError("The options cannot be used.", [*issues, *map(_named, findings_of(error))]) from error
    if not has_pilot:
        issues += map(_named, issues_of(request))
    if issues:
        raise UsageError("The test cannot be planned.", issues)
    return request


def pilot_from(source: PilotSource) -> Pilot:
    """Return what the pilot measured.

    Raises:
        InvalidInputError: files that cannot be read, a variant or metric that is not there.
        AbTestError: the platform's, for a run.
    """
    if source.files and source.run_id is not None:
        issue = InputIssue("--pilot-run", "there are files already", source.run_id, "one of both")
        raise UsageError("The options cannot be used.", [issue])
    if source.run_id is not None:
        return _from_run(source, source.run_id)
    return _from_files(source)


def _from_run(source: PilotSource, run_id: str) -> Pilot:
    from abtest.analytics.model import AnalysisResult
    from abtest.analytics.power.pilot import pilot_of_analysis
    from abtest_cli.connection import connect
    from abtest_cli.result_table import UnknownAnalysisError

    with connect(source.environment) as client:
        analysis = client.analysis(run_id)
    try:
        result = AnalysisResult.model_validate(analysis)
    except ValidationError as error:
        raise UnknownAnalysisError("The analysis was written by another version of the platform.") from error
    return pilot_of_analysis(result, treatment=source.treatment, metric=source.metric)


def _from_files(source: PilotSource) -> Pilot:
    from abtest.analytics.data.table_scores import PREFERENCE, preferences_of, scores_of
    from abtest.analytics.data.tables import ScoreTable
    from abtest.analytics.power.pilot import pilot_of_pairs
    from abtest_cli.results.reading import read_results

    table = read_results(source.files, source.format_name).table
    control, treatment = _variants(table, source)
    name = f"{', '.join(path.name for path in source.files)}, {treatment} against {control}"
    if not isinstance(table, ScoreTable):
        scores, _ = preferences_of(table, control, treatment)
        return pilot_of_pairs(scores.pairs(control, treatment, PREFERENCE), name, "win_rate")
    metric = source.metric or table.metrics[0]
    if metric not in table.metrics:
        raise _absent("--pilot-metric", metric, table.metrics)
    scores, _ = scores_of(table)
    return pilot_of_pairs(scores.pairs(control, treatment, metric), f"{name}, {metric}")


def _variants(table: ResultTable, source: PilotSource) -> tuple[str, str]:
    for option, name in (("--control", source.control), ("--treatment", source.treatment)):
        if name is not None and name not in table.variants:
            raise _absent(option, name, table.variants)
    control = source.control or next(v for v in table.variants if v != source.treatment)
    others = [v for v in table.variants if v != control]
    if not others or source.treatment == control:
        raise _absent("--treatment", source.treatment or "none", others)
    return control, source.treatment or others[0]


def _absent(option: str, found: str, known: Any) -> InvalidInputError:
    issue = InputIssue(option, "not in the pilot", found, ", ".join(known) or "two variants")
    return UsageError("The pilot cannot be used.", [issue])


def _parts(fields: dict[str, Any]) -> list[InputIssue]:
    """Put clusters, judges and resamples together, and name what one of their options lacks."""
    issues = []
    clusters = {name: value for name, value in fields.pop("clusters", {}).items() if value is not None}
    if clusters and len(clusters) < 2:
        issues.append(
            InputIssue("--cluster-size", "clusters need their size and their correlation", allowed="and --icc")
        )
    elif clusters:
        fields["clusters"] = {"sizes": [clusters["size"]], "icc": clusters["icc"]}
    for name, first, option in (("judges", "count", "--judges"), ("resamples", "answers", "--answers")):
        part = {key: value for key, value in fields.pop(name, {}).items() if value is not None}
        if part and first not in part:
            issues.append(InputIssue(option, "their number is not given", allowed="1 or more"))
        elif name == "resamples" and part and "within_variance" not in part:
            issues.append(InputIssue("--within-variance", "several answers need it", allowed="0 or more"))
        elif part:
            fields[name] = part
    fields["running"] = {key: value for key, value in fields.get("running", {}).items() if value is not None}
    return issues


def _design(fields: dict[str, Any], text: str) -> list[InputIssue]:
    match = _DESIGN.fullmatch(text)
    if match is None:
        return [InputIssue("--design", "no such design", text, _DESIGNS)]
    kind = match[1] or match[2] or match[5]
    looks = match[3] or match[6]
    fields["design"] = {
        "kind": kind,
        **({"looks": int(looks)} if looks else {}),
        **({"spending": match[4]} if match[4] else {}),
    }
    return []


def _kind(fields: Mapping[str, Any]) -> str:
    """Return the kind of metric the numbers speak of."""
    if any(name in fields for name in ("sd", "sd_difference", "sd_treatment", "correlation")):
        return "mean"
    return "win_rate" if "ties" in fields else "proportion"


def _named(issue: InputIssue) -> InputIssue:
    """Return an issue of a request under the option that a person typed."""
    parts = [part for part in issue.path.split(".") if not part.isdigit()]
    path = ".".join(parts)
    return replace(issue, path=_OPTIONS.get(path, f"--{parts[-1].replace('_', '-')}"))
