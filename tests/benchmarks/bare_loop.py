"""The baseline: a bare aiohttp loop that makes N calls, C at a time, reads the answers and does nothing else.

`python tests/benchmarks/bare_loop.py --base-url http://127.0.0.1:9100/v1 --calls 2000 --concurrency 100`

Prints one line of JSON: `{"calls", "concurrency", "seconds", "cpu_seconds", "failed"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

import aiohttp


async def bare_loop(base_url: str, calls: int, concurrency: int, model: str = "mock") -> dict[str, Any]:
    """Return what it took to make the calls.

    Args:
        base_url: `/chat/completions` is appended.
        calls: how many, each with its own prompt.
        concurrency: how many at a time.
        model: sent with each call.
    """
    failed = 0
    numbers = iter(range(calls))

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal failed
        for number in numbers:
            body = {
                "model": model,
                "messages": [{"role": "user", "content": f"Sample {number}: say it again."}],
                "max_tokens": 64,
                "temperature": 0,
            }
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                document = await response.json(content_type=None)
                failed += response.status != 200 or not document["choices"]

    wall, cpu = time.perf_counter(), time.process_time()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        await asyncio.gather(*(work(session) for _ in range(concurrency)))
    return {
        "calls": calls,
        "concurrency": concurrency,
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "failed": failed,
    }


def main() -> None:
    """Make the calls and print the figures."""
    parser = argparse.ArgumentParser(description="A bare aiohttp loop of chat calls, as a baseline.")
    parser.add_argument("--base-url", required=True, help="such as http://127.0.0.1:9100/v1")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--model", default="mock")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(bare_loop(options.base_url, options.calls, options.concurrency, options.model))))


if __name__ == "__main__":
    main()
