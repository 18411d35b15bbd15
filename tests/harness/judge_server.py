"""A model that judges by plan, on loopback, in every vendor's wire format: what it thinks of each answer is known.

Answers look like `A(item 17)`: a letter for the variant and a number for the sample, so that whoever knows the plan
knows the truth. The server replies with an object of the schema that the request asks for:

- where one answer stands in the prompt, with `score_of` it;
- where two stand there, with what `preference_of` the pair says for the one that is shown first;
- a share of prompts gets an output that is no JSON at first.

`POST /__plan` sets a `Plan` and forgets what was served; `GET /__served` tells what was: requests by model, and how
often each prompt was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from aiohttp import web

from harness.wire_formats import Spoken, WireFormat, format_of, model_of

Preference = Literal["1", "2", "tie"]
_ANSWER = re.compile(r"(?<![A-Za-z])([A-Z])\((\w+) (\d+)\)")


@dataclass(frozen=True)
class Plan:
    """How the model judges.

    Args:
        latency_ms: time from request to answer.
        status: every request gets this status and an error; None answers.
        flips: share of pairs in which the answer that is shown first is preferred, whichever it is.
        wins: share of the other pairs in which B is the better one.
        dissent: share of answers that models whose name ends in `-2` score at least two points apart from others.
        garbled: share of prompts whose first output is not JSON.
        seed: of all of these.
    """

    latency_ms: float = 5.0
    status: int | None = None
    flips: float = 0.0
    wins: float = 0.6
    dissent: float = 0.0
    garbled: float = 0.0
    seed: int = 0


def flips(plan: Plan, number: int) -> bool:
    """Return whether the preference within a pair changes with the order."""
    return _drawn(plan, "flips", number) < plan.flips


def is_better(plan: Plan, number: int) -> bool:
    """Return whether B is the better answer of a pair, by a judge without a bias."""
    return _drawn(plan, "wins", number) < plan.wins


def preference_of(plan: Plan, number: int, *, first: str) -> Preference:
    """Return what is preferred of a pair.

    Args:
        plan: of the server.
        number: of the sample.
        first: letter of the answer that is shown first.
    """
    if flips(plan, number):
        return "1"
    return "1" if is_better(plan, number) == (first == "B") else "2"


def dissents(plan: Plan, letter: str, number: int) -> bool:
    """Return whether models disagree about an answer."""
    return _drawn(plan, f"dissent {letter}", number) < plan.dissent


def score_of(plan: Plan, model: str, letter: str, number: int) -> int:
    """Return a model's score of an answer, from 1 to 5."""
    score = 1 + int(5 * _drawn(plan, f"score {letter}", number))
    return (score + 2) % 5 + 1 if model.endswith("-2") and dissents(plan, letter, number) else score


def _drawn(plan: Plan, what: str, number: int) -> float:
    digest = hashlib.sha256(f"{plan.seed} {what} {number}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


@dataclass
class Served:
    """What the server did since its plan was set.

    Args:
        by_model: requests that were answered.
        by_prompt_sha: the same by prompt and model.
        refused: requests that got an error.
    """

    by_model: Counter[str] = field(default_factory=Counter)
    by_prompt_sha: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    in_flight: int = 0


class JudgeServer:
    """The server's state and its routes."""

    def __init__(self) -> None:
        self.plan, self.served = Plan(), Served()
        self._garbled: set[str] = set()
        self._serial = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the answer to any request."""
        if request.path == "/__served":
            return web.json_response(vars(self.served))
        if request.path == "/__plan":
            self.plan, self.served, self._garbled = Plan(**await request.json()), Served(), set()
            return web.json_response(asdict(self.plan))
        spoken = format_of(request.path)
        if spoken is None:
            return web.json_response({"error": {"message": "nothing is served here"}}, status=404)
        body = json.loads(await request.read())
        plan, served = self.plan, self.served
        served.in_flight += 1
        try:
            await asyncio.sleep(plan.latency_ms / 1000)
        finally:
            served.in_flight -= 1
        if plan.status is not None:
            served.refused += 1
            return web.json_response(spoken.error(plan.status), status=plan.status)
        return self._judged(spoken, body, model_of(request.path, body))

    def _judged(self, spoken: WireFormat, body: dict[str, Any], model: str) -> web.Response:
        sha = spoken.prompt_sha(body)
        self.served.by_model[model] += 1
        self.served.by_prompt_sha[f"{model} {sha}"] += 1
        self._serial += 1
        text = self._output("\n".join(_texts(spoken.prompt(body))), schema_in(body), model, sha)
        said = Spoken(text, model, self._serial, input_tokens=100, output_tokens=20)
        return web.Response(
            body=json.dumps(spoken.reply(said)).encode(),
            content_type="application/json",
            headers={spoken.request_id: f"req-{said.serial}"},
        )

    def _output(self, prompt: str, schema: dict[str, Any], model: str, sha: str) -> str:
        found = list(dict.fromkeys(_ANSWER.findall(prompt)))
        number = int(found[0][2])
        is_first_time = sha not in self._garbled and "I would say" not in prompt
        if is_first_time and int(sha[:8], 16) / 16**8 < self.plan.garbled:
            self._garbled.add(sha)
            return "I would say that it is rather good."
        if len(found) == 1:
            return json.dumps(filled(schema, score_of(self.plan, model, found[0][0], number)))
        return json.dumps(filled(schema, preference_of(self.plan, number, first=found[0][0])))


def _texts(prompt: Any) -> Iterator[str]:
    """Return every text of a prompt, as it was written."""
    if isinstance(prompt, str):
        yield prompt
    elif isinstance(prompt, dict | list):
        for part in prompt.values() if isinstance(prompt, dict) else prompt:
            yield from _texts(part)


def schema_in(body: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema that a request of Chat Completions or Messages asks for."""
    if "response_format" in body:
        return dict(body["response_format"]["json_schema"]["schema"])
    return dict(body["output_config"]["format"]["schema"])


def filled(schema: dict[str, Any], verdict: int | Preference) -> Any:
    """Return a value of a judge's schema: the verdict where it may stand, words elsewhere."""
    if schema.get("type") == "object":
        return {name: filled(part, verdict) for name, part in schema["properties"].items()}
    return verdict if "enum" in schema else "It is what it is."


class JudgingModel:
    """The server as a test sees it.

    Args:
        url: of the server, without a vendor's path.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.plan = Plan()
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def behave(self, **plan: Any) -> Plan:
        """Start anew with a plan, and return it."""
        self.plan = Plan(**plan)
        self._http.post("/__plan", json=asdict(self.plan)).raise_for_status()
        return self.plan

    def served(self) -> dict[str, Any]:
        """Return what the server served."""
        return dict(self._http.get("/__served").json())


@contextmanager
def judging_model() -> Iterator[JudgingModel]:
    """Have a server process; it ends with its standard input, whatever becomes of the tests."""
    command = [sys.executable, "-m", "harness.judge_server", "--until-eof"]
    pipe, folder = subprocess.PIPE, Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        model = JudgingModel(f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}")
        try:
            yield model
        finally:
            model.close()
            process.stdin.close()
            process.wait(10)


async def _serve(options: argparse.Namespace) -> None:
    runner = web.ServerRunner(web.Server(JudgeServer().handle, access_log=None), shutdown_timeout=0.2)
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
    parser = argparse.ArgumentParser(description="A model on loopback that judges by plan.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
