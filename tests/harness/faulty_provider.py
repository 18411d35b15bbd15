"""A provider on loopback that is faulty by plan, and remembers to whom it delivered what, and when it was asked.

`python -m harness.faulty_provider`, in the folder `tests`, speaks every wire format of `wire_formats`. What an attempt
meets depends on the seed, the prompt and how often it was asked before, and not on the order in which calls arrive:

- `rate_limited`: 429, in turn with `retry-after-ms`, `retry-after` in seconds, `retry-after` as a date, and no hint;
- `server_error`, `overloaded`: 500 and 529;
- `stall`: no answer for `stall_s`, then the connection ends;
- `abort`: the connection ends without a byte;
- `cut`: the connection ends in the middle of a good answer's body;
- `garbage`: HTTP 200 with a body that is no answer.

- `GET /__served` -> `Served`; `POST /__plan` with fields of `Plan` starts anew.

Prints `{"port": N}` once it listens; ends on SIGTERM and SIGINT, and with its standard input under `--until-eof`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from harness.wire_formats import Spoken, WireFormat, format_of, model_of

FAULTS = ("rate_limited", "server_error", "overloaded", "stall", "abort", "cut", "garbage")
GARBAGE = (
    b"<html><body>upstream says hello</body></html>",
    b'{"choices": [{"message": {"role": "assist',
    b"\xff\xfe\x00garbage\x80",
    b"",
    b'{"object": "list", "data": []}',
)


@dataclass(frozen=True)
class Plan:
    """How the provider behaves.

    Args:
        fault_rate: share of attempts that meet a fault, each kind alike.
        faults: the kinds.
        seed: of the faults.
        latency_ms: longest time to an answer; the shortest is half of it.
        stall_s: how long a stalled call is left without an answer.
        hint_ms: what a refusal asks to wait, where it says so in milliseconds; in seconds and as a date it says 1 s.
        most_in_a_row: most faults one prompt meets before an attempt of it succeeds; None is no bound.
    """

    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    seed: int = 0
    latency_ms: float = 20.0
    stall_s: float = 30.0
    hint_ms: float = 100.0
    most_in_a_row: int | None = None


@dataclass
class Served:
    """What came in and what went out.

    Args:
        arrivals: of every attempt: seconds on the server's clock, and the first word of its prompt.
        delivered: the numbers of the good answers whose last byte went to an open connection, by prompt.
        garbage: HTTP 200 that was no answer, by prompt.
        faults: attempts by what they met; `none` is a good answer.
        undelivered: good answers whose caller had gone away.
    """

    arrivals: list[tuple[float, str]] = field(default_factory=list)
    delivered: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    garbage: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    undelivered: int = 0


class FaultyServer:
    """The server's state and its routes."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.served = Served()
        self._asked: Counter[str] = Counter()
        self._serial = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to any request."""
        arrived_s = time.monotonic()
        if request.path == "/__served":
            return web.json_response(vars(self.served))
        if request.path == "/__plan":
            self.plan, self.served, self._asked = Plan(**await request.json()), Served(), Counter()
            return web.json_response(asdict(self.plan))
        spoken = format_of(request.path)
        if spoken is None:
            return web.json_response({"error": {"message": "nothing is served here"}}, status=404)
        body = json.loads(await request.read())
        asked = spoken.last_text(body)
        self.served.arrivals.append((arrived_s, asked.partition(" ")[0]))
        return await self._meet(request, spoken, body, asked)

    async def _meet(
        self, request: web.BaseRequest, spoken: WireFormat, body: dict[str, Any], asked: str
    ) -> web.StreamResponse:
        plan, served, sha = self.plan, self.served, spoken.prompt_sha(body)
        self._asked[sha] += 1
        fault, share = _drawn(plan, sha, self._asked[sha])
        served.faults[fault] += 1
        if fault == "stall":
            await asyncio.sleep(plan.stall_s)
        else:
            await asyncio.sleep(plan.latency_ms * (0.5 + share / 2) / 1000)
        if fault in ("stall", "abort"):
            return _aborted(request)
        if fault == "rate_limited":
            return _refused(spoken, 429, _hint(int(share * 1000), plan.hint_ms))
        if fault in ("server_error", "overloaded"):
            return _refused(spoken, 500 if fault == "server_error" else 529, {})
        if fault == "garbage":
            served.garbage[sha] += 1
            return web.Response(body=GARBAGE[int(share * 1000) % len(GARBAGE)], content_type="application/json")
        self._serial += 1
        said = Spoken(asked, model_of(request.path, body), self._serial, len(asked) // 4 + 1, len(asked) // 4 + 1)
        return await self._deliver(request, spoken, said, sha, whole=fault == "none")

    async def _deliver(
        self, request: web.BaseRequest, spoken: WireFormat, said: Spoken, sha: str, *, whole: bool
    ) -> web.StreamResponse:
        text = json.dumps(spoken.reply(said)).encode()
        headers = {"content-type": "application/json", spoken.request_id: f"req-{said.serial}"}
        response = web.StreamResponse(headers=headers)
        response.content_length = len(text)
        gone = request.transport is None or request.transport.is_closing()
        try:
            await response.prepare(request)
            await response.write(text if whole else text[: len(text) // 2])
            if not whole:
                return _aborted(request)
            await response.write_eof()
        except ConnectionError:
            gone = True
        if gone:
            self.served.undelivered += 1
        else:
            self.served.delivered[sha].append(said.serial)
        return response


def _drawn(plan: Plan, sha: str, attempt: int) -> tuple[str, float]:
    """Return what an attempt meets, and a number in 0..1 for whatever else is left to chance."""
    digest = hashlib.sha256(f"{plan.seed} {sha} {attempt}".encode()).digest()
    drawn, share = (int.from_bytes(digest[i : i + 6]) / 2**48 for i in (0, 6))
    in_turn = plan.most_in_a_row is not None and attempt % (plan.most_in_a_row + 1) == 0
    if in_turn or drawn >= plan.fault_rate:
        return "none", share
    return plan.faults[int(drawn / plan.fault_rate * len(plan.faults))], share


def _hint(turn: int, hint_ms: float) -> dict[str, str]:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    forms = (
        {"retry-after-ms": f"{hint_ms:g}"},
        {"retry-after": "1"},
        {"retry-after": format_datetime(soon, usegmt=True)},
        {},
    )
    return forms[turn % len(forms)]


def _refused(spoken: WireFormat, status: int, headers: dict[str, str]) -> web.Response:
    return web.json_response(spoken.error(status), status=status, headers=headers)


def _aborted(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class FaultyProvider:
    """The server as a test sees it.

    Args:
        url: of the server, without a vendor's path.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def behave(self, **plan: Any) -> None:
        """Start anew with a plan."""
        self._http.post("/__plan", json=plan).raise_for_status()

    def served(self) -> dict[str, Any]:
        """Return what the server served."""
        return dict(self._http.get("/__served").json())


@contextmanager
def faulty_provider() -> Iterator[FaultyProvider]:
    """Have a server process; it ends with its standard input, whatever becomes of the tests."""
    command = [sys.executable, "-m", "harness.faulty_provider", "--until-eof"]
    pipe, folder = subprocess.PIPE, Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        provider = FaultyProvider(f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}")
        try:
            yield provider
        finally:
            provider.close()
            process.stdin.close()
            process.wait(10)


async def _serve(options: argparse.Namespace) -> None:
    runner = web.ServerRunner(web.Server(FaultyServer().handle, access_log=None), shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port, backlog=1024).start()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, ended.set)
    if options.until_eof:
        loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)))
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="A provider on loopback that is faulty by plan.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
