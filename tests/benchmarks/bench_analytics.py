"""The statistics of a million paired scores: seconds beside those of a plain way to the same, and peak memory.

`make bench-analytics` prints one line for each case: the median time, the named baseline's measured right after it in
the same process, their ratio, and the largest resident set. Every case is a process of its own
(`analytics_cases.py`), and so is every `abtest analyze`. Quote the ratios: absolute times are the machine's.

Options: `--pairs 1000000`, `--only analysis bootstrap ranking looks memory command`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

# This process must stay small: Linux gives a child the largest resident set of the parent it was started from.
HERE = Path(__file__).parent
ABTEST = Path(sys.executable).parent / "abtest"
IMPORTS = "import numpy, scipy.special"
READ = "import csv, sys\nfor row in csv.reader(open(sys.argv[1], newline='')): pass"
KILOBYTE = 1024
# What `abtest analyze` and the local functions set: see docs/performance.md.
ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}


class Run(NamedTuple):
    """What one process took: wall seconds, and its largest resident set in MB."""

    seconds: float
    peak_mb: float


def analysis(pairs: int) -> None:
    """All tests of one comparison, from a table and from aligned scores."""
    for kind in ("continuous", "binary", "Likert"):
        _case("analysis", kind, pairs)
    _case("engine", "continuous", pairs)
    _case("several", "continuous", pairs)


def bootstrap(pairs: int) -> None:
    """Resampled means."""
    for kind in ("continuous", "Likert"):
        _case("bootstrap", kind, pairs // 10)


def ranking(pairs: int) -> None:
    """Strengths from comparisons."""
    _case("ranking", "pairwise", pairs)


def looks(pairs: int) -> None:
    """Looks of a sequential design."""
    _case("looks", "continuous", pairs)


def memory(pairs: int) -> None:
    """Peak memory above that of the loaded table, for a quarter, a half and all of the pairs."""
    for share in (4, 2, 1):
        (figure,) = _figures("analysis", "continuous", pairs // share)
        added = figure["peak_mb"] - figure["start_mb"]
        print(
            f"  {f'memory of {pairs // share:,} pairs':66} {added:6.0f} MB above {figure['start_mb']:.0f} MB at start"
        )


def command(pairs: int) -> None:
    """`abtest analyze`, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        for samples, repeats in ((5_000, 5), (pairs, 3)):
            path = Path(folder) / f"{samples}.csv"
            _write(path, samples)
            plain = [sys.executable, "-c", IMPORTS] if samples < pairs else [sys.executable, "-c", READ, str(path)]
            runs, base = [], []
            for _ in range(repeats):
                runs.append(_process([str(ABTEST), "analyze", str(path), "--json"]))
                base.append(_process(plain))
            _show(
                {
                    "name": f"abtest analyze, {2 * samples:,} rows ({path.stat().st_size / 1e6:.1f} MB)",
                    "seconds": median(run.seconds for run in runs),
                    "peak_mb": max(run.peak_mb for run in runs),
                    "baseline": "import numpy, scipy.special" if samples < pairs else "csv.reader over the file",
                    "baseline_s": median(run.seconds for run in base),
                }
            )


def _write(path: Path, samples: int) -> None:
    drawn = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write("sample,variant,score\n")
        for number in range(samples):
            hard = drawn.gauss(0, 1)
            for variant, shift in (("old", 0.0), ("new", 0.002)):
                file.write(f"sample-{number},{variant},{hard + 0.7 * drawn.gauss(0, 1) + shift:.4f}\n")


def _process(arguments: Sequence[str]) -> Run:
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    # The process is gone: what reaps it by its own means must not look for it.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return Run(time.perf_counter() - started, usage.ru_maxrss / KILOBYTE)


def _figures(case: str, kind: str, size: int) -> list[dict[str, Any]]:
    arguments = [sys.executable, str(HERE / "analytics_cases.py"), case, kind, str(size)]
    output = subprocess.run(arguments, check=True, capture_output=True, text=True, env=ENVIRONMENT).stdout
    figures: list[dict[str, Any]] = json.loads(output)
    return figures


def _case(case: str, kind: str, size: int) -> None:
    for figure in _figures(case, kind, size):
        _show(figure)


def _show(figure: dict[str, Any]) -> None:
    seconds, base = figure["seconds"], figure["baseline_s"]
    print(
        f"  {figure['name']:66} {_time(seconds):>9} {figure['peak_mb']:6.0f} MB   "
        f"{figure['baseline']}: {_time(base)}, {_ratio(base, seconds)}",
        flush=True,
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def _ratio(base: float, seconds: float) -> str:
    return f"{base / seconds:.1f} x as fast" if seconds < base else f"{seconds / base:.1f} x the time"


CASES: dict[str, Callable[[int], None]] = {
    "analysis": analysis,
    "bootstrap": bootstrap,
    "ranking": ranking,
    "looks": looks,
    "memory": memory,
    "command": command,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    for name in options.only:
        print(name, flush=True)
        CASES[name](options.pairs)


if __name__ == "__main__":
    main()
