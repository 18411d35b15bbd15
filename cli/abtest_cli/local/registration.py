"""The local LLM made known to the API as the provider `local`, over the same route as any other provider.

Depends on: httpx, `llm`. Used by: `stack`.
"""

from __future__ import annotations

from typing import Any

import httpx

from abtest_cli.local import llm
from abtest_cli.local.errors import NotRespondingError

PROVIDER = "local"

PRICES = {llm.MODEL: {"input_usd_per_million": "0.05", "output_usd_per_million": "0.20"}}
"""Illustrative: what a small hosted model costs. The bundled model itself is free; with a price the local examples
show the trade-off between quality and cost that a real decision has."""

_MAX_IN_FLIGHT = 2
# Of each of two workers: more than the server's four slots would show its queue as the latency of an answer.
_TIMEOUT_S = 120


def definition(llm_base_url: str) -> dict[str, Any]:
    """Return the provider as the API takes it.

    Args:
        llm_base_url: of the local LLM, with `/v1`.
    """
    return {
        "vendor": "openai_chat",
        "base_url": llm_base_url,
        "secret_name": None,
        "max_in_flight": _MAX_IN_FLIGHT,
        "timeout_s": _TIMEOUT_S,
        "prices": PRICES,
    }


def register(api_url: str, access_token: str, llm_base_url: str) -> None:
    """Register the provider `local`.

    Args:
        api_url: base of the API, without `/v1`.
        access_token: of a user in the group `admin`.
        llm_base_url: of the local LLM, with `/v1`.

    Raises:
        NotRespondingError: the API refused or did not answer; its own words are in the message.
    """
    url = f"{api_url}/v1/providers/{PROVIDER}"
    try:
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            response = client.put(
                url, json=definition(llm_base_url), headers={"Authorization": f"Bearer {access_token}"}
            )
    except httpx.HTTPError as error:
        raise NotRespondingError(
            f"The local API did not answer PUT {url} ({type(error).__name__}: {error}). The emulator's log is in the "
            "logs folder of the home; `abtest doctor` checks the machine."
        ) from error
    if response.status_code >= 300:
        raise NotRespondingError(
            f"The local API refused to register the local LLM (PUT {url}, status {response.status_code}): "
            f"{response.text[:500]}"
        )
