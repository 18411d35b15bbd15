"""Starting the workers a run needs before anybody waits for them.

A cold worker imports the product and, where it analyses, SciPy; on two cores a storm of such starts is slower than a
queue of them, so only a few start beside each other.

Depends on: `clients`; httpx. Used by: `stack`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from abtest_cli.local.errors import NotRespondingError

if TYPE_CHECKING:
    from abtest_cli.local.clients import Clients

WORKERS: Mapping[str, int] = {
    "call_provider": 2,
    "judge_batch": 2,
    "take_look": 1,
    "finish_run": 1,
    "plan_run": 1,
}
"""How many workers of each function, by folder, in the order of their cost. Functions that serve failures,
schedules and plans stay cold."""

_FUNCTIONS_AT_ONCE = 2
_EVENT = json.dumps({"warm": True}).encode()


def warm(clients: Clients, functions: Mapping[str, str], workers: Mapping[str, int] = WORKERS) -> None:
    """Start the workers and wait for them.

    Args:
        clients: of the embedded AWS.
        functions: folder to function name, as deployed.
        workers: how many of each.

    Raises:
        NotRespondingError: a function cannot start; its error is in the message.
    """
    wanted = [(folder, functions[folder], count) for folder, count in workers.items() if folder in functions]

    def start(item: tuple[str, str, int]) -> None:
        folder, name, count = item
        # Asked for at the same time: a worker that is free already would simply be used again.
        with ThreadPoolExecutor(max_workers=count) as pool:
            list(pool.map(lambda _: _invoke(clients, folder, name), range(count)))

    with ThreadPoolExecutor(max_workers=_FUNCTIONS_AT_ONCE, thread_name_prefix="warm") as pool:
        list(pool.map(start, wanted))


def _invoke(clients: Clients, folder: str, name: str) -> None:
    try:
        response = clients.functions.invoke(FunctionName=name, Payload=_EVENT)
        payload = response["Payload"].read().decode("utf-8", errors="replace")
    except (ClientError, BotoCoreError) as error:
        raise NotRespondingError(f"The function {folder} ({name}) could not be started: {error}.") from error
    if response.get("FunctionError"):
        raise NotRespondingError(
            f"The function {folder} ({name}) fails as soon as it starts: {payload[:800]}\n"
            f"Its code is functions/{folder}/handler.py; correct it and run `abtest up` again."
        )


def warm_api(api_url: str) -> None:
    """Start the API's worker and check that it answers.

    Args:
        api_url: base of the API, without `/v1`.

    Raises:
        NotRespondingError: it does not answer 200.
    """
    url = f"{api_url}/v1/health"
    try:
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            response = client.get(url)
    except httpx.HTTPError as error:
        raise NotRespondingError(
            f"The local API did not answer GET {url} ({type(error).__name__}: {error})."
        ) from error
    if response.status_code != 200:
        raise NotRespondingError(
            f"The local API answered GET {url} with status {response.status_code}: {response.text[:500]}\n"
            "The emulator's log is in the logs folder of the home."
        )
