"""A whole run against a 50 ms loopback provider, beside a bare aiohttp loop that makes the same calls.

`make bench-run` prints, for 1,000 and for 10,000 samples of two variants, and for 1,000 with a judge that asks a model
about each answer: seconds from the start request to the verdict, their ratio to the bare loop measured in the same
minutes, seconds and memory a sample, and the peak memory of every process. Quote the ratios: absolute times are the
machine's.

Options: `--samples 1000 10000`, `--judged 1000` (none leaves it out), `--repeats 3`, `--in-flight 50` (of one worker;
there are two).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.platform import REPOSITORY, MockProvider, Platform, definition, free_port, mock_provider, samples

from abtest_cli.local.options import LocalOptions
from abtest_cli.local.stack import session

WORKERS = 2
LATENCY_MS = 50.0
MEGABYTE = 1 << 20


class Memory:
    """Peak resident memory of a process and all its descendants, by what they do."""

    def __init__(self, roots: dict[str, int]) -> None:
        self._roots = roots
        self.peaks: dict[str, int] = {}

    def reset(self) -> None:
        """Forget the peaks."""
        self.peaks = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample every 50 ms for the duration of a block."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                self._sample()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _sample(self) -> None:
        for label, pid in self._roots.items():
            try:
                root = psutil.Process(pid)
                self._note(label, root.memory_info().rss)
                for child in root.children(recursive=True):
                    self._note(_what(child), child.memory_info().rss)
            except psutil.Error:
                continue

    def _note(self, label: str, rss: int) -> None:
        self.peaks[label] = max(self.peaks.get(label, 0), rss)


def _what(process: psutil.Process) -> str:
    name = process.environ().get("ABTEST_SERVICE_NAME")
    return f"worker {name} {process.pid}" if name else process.name()


def _bare_loop(mock: MockProvider, calls: int, in_flight: int) -> float:
    command = [sys.executable, str(REPOSITORY / "tests/benchmarks/bare_loop.py"), "--base-url", mock.base_url]
    command += ["--calls", str(calls), "--concurrency", str(in_flight)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(output)["seconds"])


RUBRIC = {"type": "rubric", "provider": "mock", "model": "echo-1", "dimensions": ["helpfulness"]}


def _run(platform: Platform, mock: MockProvider, count: int, in_flight: int, *, judged: bool) -> float:
    registration = {
        "vendor": "openai_chat",
        "base_url": mock.base_url,
        "max_in_flight": in_flight,
        "prices": {"echo-1": {"input_usd_per_million": "1", "output_usd_per_million": "2"}},
    }
    platform.call("PUT", "/v1/providers/mock", json=registration)
    version = platform.dataset(samples(count, uuid.uuid4().hex))
    metric = {"judges": {"good": RUBRIC}, "primary_metric": "good"} if judged else {}
    test = platform.call("POST", "/v1/tests", json=definition(version, budget={"cap_usd": "1000"}, **metric))
    started = time.perf_counter()
    run = platform.call("POST", f"/v1/tests/{test['test_id']}/runs")
    done: dict[str, Any] = platform.wait(run["run_id"], timeout_s=600)
    seconds = time.perf_counter() - started
    if done["status"] != "COMPLETED" or done["progress"]["responses"]["failed"]:
        raise SystemExit(f"the run did not complete cleanly: {done}")
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--judged", type=int, nargs="*", default=[1000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, mock_provider() as mock:
        stack_options = LocalOptions(home=Path(home), port=free_port(), llm=False, repository=REPOSITORY)
        with session(stack_options) as stack, closing(Platform(stack)) as platform:
            mock.behave(latency_ms=LATENCY_MS, judges=True)
            for judged in (False, True):
                _run(platform, mock, 200, options.in_flight, judged=judged)  # warm
            state = json.loads((Path(home) / "state.json").read_text())
            memory = Memory(_roots(state))
            for count in options.samples:
                _measure(platform, mock, memory, count, options, judged=False)
            for count in options.judged:
                _measure(platform, mock, memory, count, options, judged=True)


def _roots(state: dict[str, Any]) -> dict[str, int]:
    found = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        if "ministack" in " ".join(process.info["cmdline"] or []) and str(state["port"]) in (
            process.environ().get("GATEWAY_PORT", "")
        ):
            found["embedded AWS"] = process.info["pid"]
            break
    return found


def _measure(
    platform: Platform, mock: MockProvider, memory: Memory, count: int, options: argparse.Namespace, *, judged: bool
) -> None:
    memory.reset()
    runs, bare = [], []
    calls = (4 if judged else 2) * count
    for _ in range(options.repeats if count <= 1000 else 1):
        bare.append(_bare_loop(mock, calls, WORKERS * options.in_flight))
        with memory.watched():
            runs.append(_run(platform, mock, count, options.in_flight, judged=judged))
    seconds, base = median(runs), median(bare)
    total = sum(memory.peaks.values())
    print(
        f"\n{count:,} samples x 2 variants{' + 1 judge' if judged else ''}: {calls:,} calls of {LATENCY_MS:g} ms, "
        f"{WORKERS * options.in_flight} in flight"
    )
    print(f"  start to verdict   {seconds:8.2f} s   (runs: {', '.join(f'{r:.2f}' for r in runs)})")
    print(f"  bare aiohttp loop  {base:8.2f} s   ratio {seconds / base:.2f}")
    print(f"  a sample           {1000 * seconds / count:8.2f} ms   {total / count / 1024:,.0f} KB of peak memory")
    for label, peak in sorted(memory.peaks.items(), key=lambda item: -item[1]):
        print(f"  peak memory        {peak / MEGABYTE:8.0f} MB   {label}")


if __name__ == "__main__":
    main()
