"""A fast provider on loopback that speaks every vendor's wire format, fails on demand and counts what it was paid for.

`python tests/benchmarks/mock_provider.py --port 9100 --latency-ms 50 --rate-429 0.05`

- `POST` to a path of a wire format (`.../chat/completions`, `.../responses`, `.../messages`, `...:generateContent`,
  `.../converse`) answers in it after the latency; the text is the last user message, or a fixed one, or with `judges`
  an object of the JSON schema that a request of Chat Completions asks for, with a score that its prompt's hash gives.
- `GET /__calls` -> `{"total", "received", "in_flight", "most_in_flight", "by_prompt_sha", "by_status"}`: `total` and
  `by_prompt_sha` count answers with HTTP 200, which a provider would bill, also those whose caller has gone away; the
  hash is the SHA-256 of the JSON of the prompt with sorted keys and no spaces. `POST /__reset` sets all to zero.
- `POST /__behaviour` changes any field of `Behaviour` while it runs and returns all of them.
- `GET /v1/models` and `GET /health` answer 200.

Prints `{"port": N}` once it listens; ends on SIGTERM, SIGINT, or the end of its standard input with `--until-eof`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.judge_server import filled, schema_in
from harness.wire_formats import Spoken, WireFormat, format_of, model_of

GARBAGE = b"<html><body>upstream says hello</body></html>"


@dataclass(frozen=True)
class Behaviour:
    """What the provider does with a call.

    Args:
        latency_ms: time from request to answer.
        rate_429: share of calls that are refused with 429; the rates are drawn in this order from one number.
        rate_500: share of calls that fail with 500.
        rate_disconnect: share of calls whose connection is closed without an answer.
        rate_garbage: share of calls that get HTTP 200 and a body that is no JSON.
        status: every call gets this status and an error body; None switches it off.
        error_code: `code` in the body of every error; None leaves it out.
        retry_after_s: sent as `retry-after` with 429 and 503; None sends none.
        fail_first: so many first calls of each prompt get 500, whatever the rates say.
        hang: calls are accepted and never answered.
        reply: text of every answer; None repeats the last user message.
        judges: requests that ask for an object of a judge's JSON schema get one.
        finish_reason: of every answer of Chat Completions.
        refusal: text of a refusal of Chat Completions; None answers.
        usage: whether answers of Chat Completions state tokens.
    """

    latency_ms: float = 50.0
    rate_429: float = 0.0
    rate_500: float = 0.0
    rate_disconnect: float = 0.0
    rate_garbage: float = 0.0
    status: int | None = None
    error_code: str | None = None
    retry_after_s: float | None = None
    fail_first: int = 0
    hang: bool = False
    reply: str | None = None
    judges: bool = False
    finish_reason: str = "stop"
    refusal: str | None = None
    usage: bool = True

    def changed(self, changes: dict[str, Any]) -> Behaviour:
        """Return the behaviour with some fields changed.

        Raises:
            ValueError: a field is unknown.
        """
        unknown = sorted(set(changes) - {known.name for known in fields(self)})
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(unknown)}; known: {', '.join(asdict(self))}")
        return replace(self, **changes)


@dataclass
class Counts:
    """What came in and what went out since the start or the last reset."""

    total: int = 0
    received: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    by_prompt_sha: Counter[str] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)


class MockProvider:
    """The server's state and its routes.

    Args:
        behaviour: what it does at first.
        seed: of the faults' random numbers.
    """

    def __init__(self, behaviour: Behaviour | None = None, seed: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.counts = Counts()
        self._seen: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._serial = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to any request."""
        path = request.path
        spoken = format_of(path)
        if spoken is not None:
            return await self._complete(request, spoken)
        if path == "/__calls":
            return web.json_response(vars(self.counts))
        if path == "/__reset":
            in_flight = self.counts.in_flight
            self.counts, self._seen = Counts(in_flight=in_flight), Counter()
            return web.json_response(vars(self.counts))
        if path == "/__behaviour":
            return await self._behave(request)
        if path == "/health" or path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": "mock", "object": "model"}]})
        return _error(404, "unknown_path", None)

    async def _behave(self, request: web.BaseRequest) -> web.Response:
        try:
            if request.method == "POST":
                self.behaviour = self.behaviour.changed(await request.json())
        except ValueError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        return web.json_response(asdict(self.behaviour))

    async def _complete(self, request: web.BaseRequest, spoken: WireFormat) -> web.StreamResponse:
        behaviour, counts = self.behaviour, self.counts
        counts.received += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        try:
            body = json.loads(await request.read())
            if behaviour.hang:
                await asyncio.Event().wait()
            await asyncio.sleep(behaviour.latency_ms / 1000)
            return self._answer(request, spoken, body, behaviour)
        except (ValueError, KeyError, IndexError, TypeError):
            return self._counted(_error(400, "invalid_request", None))
        finally:
            counts.in_flight -= 1

    def _answer(
        self, request: web.BaseRequest, spoken: WireFormat, body: dict[str, Any], behaviour: Behaviour
    ) -> web.StreamResponse:
        sha = spoken.prompt_sha(body)
        self._seen[sha] += 1
        fault = self._fault(behaviour, sha)
        if fault == "disconnect":
            self.counts.by_status["disconnect"] += 1
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(fault, int):
            return self._counted(_error(fault, behaviour.error_code, behaviour.retry_after_s))
        self.counts.total += 1
        self.counts.by_prompt_sha[sha] += 1
        if fault == "garbage":
            return self._counted(web.Response(body=GARBAGE, content_type="text/html"))
        self._serial += 1
        if behaviour.judges and "response_format" in body:
            behaviour = replace(behaviour, reply=json.dumps(filled(schema_in(body), 1 + int(sha[:8], 16) % 5)))
        said = _said(spoken, body, model_of(request.path, body), behaviour, self._serial)
        return self._counted(_completion(spoken, said, behaviour))

    def _fault(self, behaviour: Behaviour, sha: str) -> int | str | None:
        if behaviour.status is not None:
            return behaviour.status
        if self._seen[sha] <= behaviour.fail_first:
            return 500
        drawn = self._random.random()
        faults: tuple[tuple[float, int | str], ...] = (
            (behaviour.rate_429, 429),
            (behaviour.rate_500, 500),
            (behaviour.rate_disconnect, "disconnect"),
            (behaviour.rate_garbage, "garbage"),
        )
        for rate, fault in faults:
            if drawn < rate:
                return fault
            drawn -= rate
        return None

    def _counted(self, response: web.Response) -> web.Response:
        self.counts.by_status[str(response.status)] += 1
        return response


def _said(spoken: WireFormat, body: dict[str, Any], model: str, behaviour: Behaviour, serial: int) -> Spoken:
    text = spoken.last_text(body) if behaviour.reply is None else behaviour.reply
    # Of the whole prompt: a system message costs tokens too.
    characters = len(json.dumps(spoken.prompt(body), ensure_ascii=False))
    return Spoken(text, model, serial, input_tokens=characters // 4 + 1, output_tokens=len(text) // 4 + 1)


def _completion(spoken: WireFormat, said: Spoken, behaviour: Behaviour) -> web.Response:
    document = spoken.reply(said)
    if spoken.vendor == "openai_chat":
        (choice,) = document["choices"]
        choice["finish_reason"] = behaviour.finish_reason
        if behaviour.refusal is not None:
            choice["message"] |= {"content": None, "refusal": behaviour.refusal}
        if not behaviour.usage:
            del document["usage"]
    return web.Response(
        body=json.dumps(document).encode(),
        content_type="application/json",
        headers={spoken.request_id: f"req-{said.serial}"},
    )


def _error(status: int, code: str | None, retry_after_s: float | None) -> web.Response:
    headers = {} if retry_after_s is None or status not in (429, 503) else {"retry-after": f"{retry_after_s:g}"}
    error = {"message": "asked for by the test", "type": "mock_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


async def started(provider: MockProvider, port: int = 0) -> tuple[web.ServerRunner, int]:
    """Start to serve on loopback, and return the runner (`await runner.cleanup()` ends it) and the port.

    Args:
        provider: what answers.
        port: 0 takes a free one.
    """
    server = web.Server(provider.handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    return runner, int(runner.addresses[0][1])


async def _serve(options: argparse.Namespace) -> None:
    names = {known.name for known in fields(Behaviour)}
    behaviour = Behaviour(**{name: value for name, value in vars(options).items() if name in names})
    runner, port = await started(MockProvider(behaviour, options.seed), options.port)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, ended.set)
    if options.until_eof:
        loop.run_in_executor(None, lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)))
    print(json.dumps({"port": port}), flush=True)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="A provider on loopback that fails on demand and counts its calls.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--latency-ms", type=float, default=Behaviour.latency_ms)
    parser.add_argument("--rate-429", type=float, default=0.0)
    parser.add_argument("--rate-500", type=float, default=0.0)
    parser.add_argument("--rate-disconnect", type=float, default=0.0)
    parser.add_argument("--rate-garbage", type=float, default=0.0)
    parser.add_argument("--reply", default=None, help="text of every answer; the last user message if absent")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
