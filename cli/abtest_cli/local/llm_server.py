"""The child process that serves the local LLM: `python -m abtest_cli.local.llm_server --port PORT --model FILE`.

It answers `/v1/chat/completions`, `/v1/models` and `/health`; `/health` is 503 while the model loads.

At temperature 0 the same request gives the same text, whatever else was or is being asked. With the server's usual
settings it would not: beside other requests, or after a prompt with the same beginning, the sums behind a token are
rounded differently, and where two tokens are nearly tied the other one may win. Flash attention over a BF16 cache
rounds alike in every case.

Depends on: xllamacpp. Used by: `llm`, as a process of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

PARALLEL = 4
"""Requests answered beside each other; more wait in the server's queue."""
CONTEXT_TOKENS = 8192
"""Shared by the parallel requests: 2048 each."""
FLASH_ATTENTION_ON = 1
BF16 = 30
"""The number of the type in ggml's own list."""
THREADS_OF_ANSWERS = 1
"""A token is a short piece of work, and threads wait for each other busily: beside a busy process, a second one costs
more than it gives."""
THREADS_OF_PROMPTS = min(2, os.cpu_count() or 1)


def parameters(model: str, alias: str, host: str, port: int) -> Any:
    """Return the server's settings, all of them for one small machine without a GPU or a network.

    Args:
        model: path of the GGUF file.
        alias: name of the model on the wire.
        host: loopback address.
        port: where to listen.
    """
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.model_alias = {alias}
    settings.hostnames = [host]
    settings.port = port
    settings.n_parallel = PARALLEL
    settings.n_ctx = CONTEXT_TOKENS
    settings.cpuparams.n_threads = THREADS_OF_ANSWERS
    settings.cpuparams_batch.n_threads = THREADS_OF_PROMPTS
    settings.n_gpu_layers = 0
    settings.offline = True
    settings.flash_attn_type = FLASH_ATTENTION_ON
    settings.cache_type_k = settings.cache_type_v = BF16
    # Of the prompt a slot answered last, the common beginning is not computed again. The server's second cache, of
    # prompts that have left their slots, is off: it would grow to gigabytes for no measurable gain.
    settings.cache_prompt = True
    settings.cache_ram_mib = 0
    return settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until asked to end.

    Args:
        arguments: of the command line; None takes the process's own.
    """
    parser = argparse.ArgumentParser(description="Serve a local LLM in OpenAI's format.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    chosen = parser.parse_args(arguments)

    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    import xllamacpp

    server = xllamacpp.Server(parameters(chosen.model, chosen.alias, chosen.host, chosen.port))
    print(f"{chosen.alias} at {server.listening_address}", flush=True)
    ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
