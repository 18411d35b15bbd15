"""One test from its folder to its verdict, over the API: upload, create, estimate, start, watch, download.

Depends on: `client`, `preparation`, `progress`, `result_table`. Used by: `commands.run`, `commands.demo`,
`commands.watch`, `commands.report`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abtest.core.errors import AbTestError
from abtest_cli.errors import RunNotCompletedError
from abtest_cli.progress import PhaseTimes, ProgressView, progress_view

if TYPE_CHECKING:
    from rich.console import Console

    from abtest_cli.client import ApiClient
    from abtest_cli.preparation import PreparedTest

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
_PAUSE_SHARE = 0.04
"""A pause is this share of the time a run has taken so far: looking adds little to a short run, and costs little in
a long one."""
ANALYSIS, REPORT = "analysis.json", "report.html"


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Args:
        run: as the API shows it.
        files: its downloaded files by name; empty when it wrote none.
        analysis: content of `analysis.json`; None when the run did not complete.
        phase_seconds: how long each phase took, as seen from here.
    """

    run: dict[str, Any]
    files: dict[str, Path]
    analysis: dict[str, Any] | None
    phase_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def completed(self) -> bool:
        """Whether it reached a verdict."""
        return str(self.run["status"]) == "COMPLETED"


def default_output(run_id: str) -> Path:
    """Return where the files of a run go unless told otherwise: `.abtest/reports/<run>` in the working folder."""
    return Path(".abtest") / "reports" / run_id


def submit(client: ApiClient, prepared: PreparedTest) -> dict[str, Any]:
    """Upload what a test needs, create it, and return it with its estimate.

    Raises:
        InvalidInputError: the platform finds more to correct, such as an unknown provider.
    """
    for body in prepared.uploads:
        client.upload_dataset(body.name, body.kind, body.rows)
    return client.create_test(prepared.definition)


def pause_after(elapsed_s: float) -> float:
    """Return how long to wait before the next look at a run.

    Args:
        elapsed_s: since watching began.
    """
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, elapsed_s * _PAUSE_SHARE))


def watch(
    client: ApiClient,
    run_id: str,
    view: ProgressView,
    times: PhaseTimes,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Look at a run until it has ended, and return it.

    Args:
        client: of the platform.
        run_id: which run.
        view: is shown every state.
        times: is told of every phase.
        sleep: waits some seconds.
        now: seconds on a clock that never goes back.
    """
    began = now()
    while True:
        run = client.run(run_id)
        view.update(run)
        if run["status"] in ENDED:
            times.enter(None)
            return run
        times.enter(str(run["phase"]))
        sleep(pause_after(now() - began))


def follow(client: ApiClient, run_id: str, out: Console, output: Path | None) -> RunResult:
    """Show a run until it has ended, then download its files.

    Args:
        client: of the platform.
        run_id: which run.
        out: where progress is shown.
        output: folder of the files; None is `default_output`.
    """
    times = PhaseTimes()
    with progress_view(out) as view:
        run = watch(client, run_id, view, times)
    return collect(client, run, output, times.seconds)


def collect(
    client: ApiClient, run: dict[str, Any], output: Path | None, phase_seconds: Mapping[str, float] | None = None
) -> RunResult:
    """Download the files of a run that has ended."""
    files = client.download_artifacts(str(run["run_id"]), output or default_output(str(run["run_id"])))
    analysis = None
    if run["status"] == "COMPLETED" and ANALYSIS in files:
        analysis = json.loads(files[ANALYSIS].read_text(encoding="utf-8"))
    return RunResult(run, files, analysis, dict(phase_seconds or {}))


def show(out: Console, result: RunResult) -> None:
    """Show the result of a run and where its files are."""
    from rich.markup import escape

    from abtest_cli.result_table import UnknownAnalysisError, print_result

    if result.analysis is not None:
        try:
            print_result(out, result.analysis)
        except UnknownAnalysisError as error:
            sentence = (result.run.get("verdict") or {}).get("sentence", "see the report")
            out.print(f"Verdict: {sentence}", style="bold", markup=False)
            out.print(f"{error.message} `abtest` shows no table of it; the report has all of it.", markup=False)
    if REPORT in result.files:
        what = "Report" if result.completed else "Partial report"
        out.print(f"[bold]{what}:[/] {escape(str(result.files[REPORT]))}")


def raise_unless_completed(run: Mapping[str, Any]) -> None:
    """Raise what a run that did not complete says about itself.

    Raises:
        RunNotCompletedError: it failed or was cancelled; with the reason and what to do.
    """
    if run["status"] == "COMPLETED":
        return
    raise _not_completed(run)


def _not_completed(run: Mapping[str, Any]) -> AbTestError:
    error = run.get("error") or {}
    said = str(error.get("message") or "").strip()
    do = str(error.get("what_to_do") or "").strip()
    how = "was cancelled" if run["status"] == "CANCELLED" else "failed"
    sentence = " ".join(part for part in (f"Run {run['run_id']} {how}.", said, do) if part)
    return RunNotCompletedError(sentence, details={"run_id": run["run_id"], "status": run["status"]})


def as_json(result: RunResult) -> str:
    """Return a result as one JSON text, for programs."""
    run = result.run
    return json.dumps(
        {
            "run_id": run["run_id"],
            "test_id": run["test_id"],
            "status": run["status"],
            "verdict": run.get("verdict"),
            "error": run.get("error"),
            "spent_usd": run.get("spent_usd"),
            "files": {name: str(path) for name, path in result.files.items()},
            "analysis": result.analysis,
        },
        ensure_ascii=False,
        indent=2,
    )
