"""One worker's calls against a 50 ms provider on loopback, beside a bare aiohttp loop that makes the same calls.

`make bench-providers` prints, for every vendor's wire format, with and without limits, with stores in memory and in the
embedded AWS: the ratio of wall times to the bare loop, measured in turn in the same minutes, and the CPU time a call
that is not the bare loop's. Then the worker's memory over 100,000 calls. Quote ratios and CPU times: seconds are the
machine's.

Options: `--calls 4000`, `--in-flight 100`, `--repeats 3`, `--only NAME...`, `--memory-calls 100000` (0 leaves it out),
`--profile FOLDER` writes a profile of each case instead of measuring it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.platform import REPOSITORY, MockProvider, free_port, mock_provider
from harness.wire_formats import FORMATS

from abtest.providers import registry

LATENCY_MS = 50.0
MARKS = (0.2, 0.6, 1.0)
ROOMY = {"requests_per_minute": 10_000_000, "tokens_per_minute": 10_000_000_000}
"""Limits that never bind: what is measured is what keeping them takes."""
AWS = "embedded AWS"


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        name: what `--only` takes.
        stores: `memory`, `none` or `AWS`.
    """

    name: str
    vendor: str = "openai_chat"
    stores: str = "memory"
    limits: Mapping[str, int] = field(default_factory=dict)


def cases() -> list[Case]:
    """Return every case: each vendor plain, and one vendor with limits and with the embedded AWS."""
    vendors = [name for name in registry.vendor_names() if name in FORMATS]
    return [
        *(Case(vendor, vendor) for vendor in vendors),
        Case("limits", limits=ROOMY),
        Case("aws", stores=AWS),
        Case("aws-limits", stores=AWS, limits=ROOMY),
    ]


class Bench:
    """Runs workers and bare loops against one mock.

    Args:
        endpoint: of the embedded AWS.
    """

    def __init__(self, mock: MockProvider, endpoint: str, options: argparse.Namespace) -> None:
        self._url = "http://" + urlsplit(mock.base_url).netloc
        self._endpoint = endpoint
        self._options = options

    def bare(self) -> dict[str, Any]:
        """Return the figures of the bare loop."""
        command = [sys.executable, str(REPOSITORY / "tests/benchmarks/bare_loop.py"), "--base-url", f"{self._url}/v1"]
        command += ["--calls", str(self._options.calls), "--concurrency", str(self._options.in_flight)]
        return _json_of(command)

    def worker(self, case: Case, **more: Any) -> dict[str, Any]:
        """Return the figures of one worker."""
        work = {
            "vendor": case.vendor,
            "base_url": self._url + FORMATS[case.vendor].path,
            "calls": self._options.calls,
            "batch_size": self._options.calls,
            "in_flight": self._options.in_flight,
            "stores": self._endpoint if case.stores == AWS else case.stores,
            "limits": dict(case.limits),
        }
        figures = _json_of(
            [sys.executable, str(REPOSITORY / "tests/benchmarks/worker_calls.py"), json.dumps(work | more)]
        )
        if set(figures["outcomes"]) != {"answered"}:
            raise SystemExit(f"not every call was answered: {figures['outcomes']}")
        return figures

    def measure(self, case: Case) -> None:
        """Print a case beside the bare loop, each in turn."""
        bare, ours = [], []
        for _ in range(self._options.repeats):
            bare.append(self.bare())
            ours.append(self.worker(case))
        seconds, base = _median(ours, "seconds"), _median(bare, "seconds")
        cpu_ms, base_ms = (1000 * _median(figures, "cpu_seconds") / self._options.calls for figures in (ours, bare))
        print(
            f"| {case.name} | {seconds:.2f} s | {base:.2f} s | {seconds / base:.2f} | {cpu_ms:.2f} ms "
            f"| {base_ms:.2f} ms | {cpu_ms - base_ms:.2f} ms |",
            flush=True,
        )

    def memory(self, calls: int, batch_size: int) -> None:
        """Print a worker's memory over many calls."""
        marks = [int(calls * mark) // batch_size * batch_size for mark in MARKS]
        case = Case("memory", stores="none", limits=ROOMY)
        done = self.worker(case, calls=calls, batch_size=batch_size, memory_after=marks)
        held = ", ".join(f"{int(mark):,}: {size:g} MB" for mark, size in done["memory_mb"].items())
        print(f"\nresident memory after calls, batches of {batch_size:,}: {held}")


def _median(figures: list[dict[str, Any]], name: str) -> float:
    return median(float(figure[name]) for figure in figures)


def _json_of(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return dict(json.loads(done.stdout))


@contextmanager
def embedded_aws(folder: Path) -> Iterator[str]:
    """Have an embedded AWS with our table, and return its endpoint."""
    port = free_port()
    variables = {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/_ministack/health", process)
            _make_table(url)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            httpx.get(url, trust_env=False, timeout=5).raise_for_status()
        except httpx.HTTPError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the embedded AWS did not start")


def _make_table(endpoint: str) -> None:
    os.environ |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    from aws_fakes import make_table

    make_table()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=4_000)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=None, metavar="NAME")
    parser.add_argument("--memory-calls", type=int, default=100_000)
    parser.add_argument("--profile", type=Path, default=None, metavar="FOLDER")
    options = parser.parse_args()
    chosen = [case for case in cases() if options.only is None or case.name in options.only]
    with tempfile.TemporaryDirectory() as home, mock_provider() as mock, embedded_aws(Path(home)) as endpoint:
        mock.behave(latency_ms=LATENCY_MS)
        bench = Bench(mock, endpoint, options)
        if options.profile is not None:
            for case in chosen:
                bench.worker(case, profile=str(options.profile / f"{case.name}.prof"))
            return
        print(
            f"{options.calls:,} calls of {LATENCY_MS:g} ms, {options.in_flight} in flight, {options.repeats} repeats:"
        )
        print("| case | wall | bare loop | ratio | CPU a call | of the bare loop | difference |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for case in chosen:
            bench.measure(case)
        if options.memory_calls:
            bench.memory(options.memory_calls, options.calls)


if __name__ == "__main__":
    main()
