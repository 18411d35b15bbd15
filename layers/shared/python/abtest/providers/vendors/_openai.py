"""What OpenAI's two APIs share: address and headers, Azure's way of both, what is refused, strict schemas, usage.

Source: the API reference, https://platform.openai.com/docs/api-reference, the guide to structured outputs,
https://developers.openai.com/api/docs/guides/structured-outputs, and the requests that the official clients `OpenAI`
and `AzureOpenAI` (openai 3.57.0) send.

Depends on: `_json` and `_openai_models` beside it. Used by: the codecs `openai_chat` and `openai_responses`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import StringConstraints

from abtest.contracts.definition import Parameters
from abtest.contracts.records import Usage
from abtest.providers.registration import ModelProvider, Options
from abtest.providers.vendors._json import JSON_HEADERS, clean_key, count, count_or_zero, word
from abtest.providers.vendors._openai_models import refusals_of_model

DEFAULT_BASE_URL = "https://api.openai.com/v1"
SCHEMA_NAME = "answer"
"""What the format calls an output schema; it wants a name and the definition has none."""

ApiVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]

_OWN_HOST = "api.openai.com"
# What strict mode takes. Of a keyword it does not know, the vendor says that the whole request is wrong.
_STRICT_KEYWORDS = frozenset(
    {
        "$schema", "$defs", "$ref", "definitions", "title", "description", "type", "properties", "required",
        "additionalProperties", "items", "anyOf", "enum", "const", "pattern", "format", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
    }
)  # fmt: skip


class OpenAiOptions(Options):
    """What both APIs of OpenAI may need to know.

    Args:
        auth_style: `bearer` sends `Authorization: Bearer KEY`; `api_key` sends `api-key: KEY`, as Azure takes it.
        api_version: a dated version of Azure's API, such as `2024-10-21`; set, addresses are formed Azure's way. None
            for OpenAI, for compatible servers and for Azure's `/openai/v1`.
        organization, project: which of the account's organizations and projects pays; None leaves it to the key.
    """

    auth_style: Literal["bearer", "api_key"] = "bearer"
    api_version: ApiVersion | None = None
    organization: AccountName | None = None
    project: AccountName | None = None


def speaks_to_vendor(provider: ModelProvider) -> bool:
    """Return whether a registration's address is OpenAI's own, in whichever region."""
    if provider.base_url is None:
        return True
    host = urlsplit(provider.base_url).hostname or ""
    return host == _OWN_HOST or host.endswith(f".{_OWN_HOST}")


def url_of(provider: ModelProvider, options: OpenAiOptions, path: str, azure_path: str) -> str:
    """Return where a request goes.

    Args:
        path: below the base URL, such as `/responses`.
        azure_path: the same below Azure's `/openai`, taken when `api_version` is set.
    """
    base_url = (provider.base_url or DEFAULT_BASE_URL).rstrip("/")
    if options.api_version is None:
        return base_url + path
    # The resource's address is copied from Azure's pages with and without this part.
    return f"{base_url.removesuffix('/openai')}/openai{azure_path}?api-version={options.api_version}"


def headers_of(options: OpenAiOptions, api_key: str | None) -> dict[str, str]:
    """Return the headers of a request; without a key, none that would hold one."""
    headers = dict(JSON_HEADERS)
    key = clean_key(api_key)
    if key is not None and options.auth_style == "api_key":
        headers["api-key"] = key
    elif key is not None:
        headers["authorization"] = f"Bearer {key}"
    if options.organization is not None:
        headers["openai-organization"] = options.organization
    if options.project is not None:
        headers["openai-project"] = options.project
    return headers


def request_id_of(headers: Mapping[str, str], document: Mapping[str, Any]) -> str | None:
    """Return what the provider calls this exchange: its header, Azure's gateway's, or the id in the body."""
    return word(headers.get("x-request-id")) or word(headers.get("apim-request-id")) or word(document.get("id"))


def schema_facts(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an output schema as both APIs name its parts; the schema itself is sent as it was written."""
    return {"name": SCHEMA_NAME, "strict": is_strict(schema), "schema": schema}


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema fulfils what strict mode demands, so that the answer is certain to follow it.

    The root is an object and no choice; each object requires all of its properties and forbids others; nothing but
    the keywords that strict mode knows is used.
    """
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict) or not _STRICT_KEYWORDS.issuperset(node) or not _is_closed(node):
            return False
        pending.extend(_below(node))
    return True


def _is_closed(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    if kind != "object" and "properties" not in node and not (isinstance(kind, list) and "object" in kind):
        return True
    properties, required = node.get("properties", {}), node.get("required", [])
    if (
        not isinstance(properties, dict)
        or not isinstance(required, list)
        or node.get("additionalProperties") is not False
    ):
        return False
    return all(name in required for name in properties)


def _below(node: Mapping[str, Any]) -> Iterator[Any]:
    for keyword in ("properties", "$defs", "definitions"):
        inner = node.get(keyword, {})
        yield from inner.values() if isinstance(inner, dict) else (None,)
    if "anyOf" in node:
        yield from node["anyOf"] if isinstance(node["anyOf"], list) else (None,)
    if "items" in node:
        yield node["items"]


def refusals_of(parameters: Parameters, provider: ModelProvider, model: str) -> dict[str, str]:
    """Return which of the given parameters are refused, and why: by the vendor's own host only.

    Of other hosts nothing is known but what their registration's `unsupported_parameters` says.
    """
    if not speaks_to_vendor(provider):
        return {}
    refused = refusals_of_model(parameters, model)
    schema = parameters.output_schema
    if schema is not None and schema.get("type") != "object":
        refused.setdefault("output_schema", "its root must be of type object")
    return refused


@dataclass(frozen=True, slots=True)
class UsageNames:
    """What one API calls the parts of its usage."""

    input: str
    input_details: str
    output: str
    output_details: str


def usage_of(raw: Any, names: UsageNames) -> Usage | None:
    """Return the tokens normalised: uncached input, cache, output without reasoning; None when not or falsely stated.

    Cached tokens are part of the input and reasoning tokens part of the output; a few compatible servers count
    reasoning beside the output, which their `total_tokens` shows.
    """
    if not isinstance(raw, dict):
        return None
    given, made = count(raw, names.input), count(raw, names.output)
    cache_read = count_or_zero(raw.get(names.input_details), "cached_tokens")
    cache_write = count_or_zero(raw.get(names.input_details), "cache_write_tokens")
    reasoning = count_or_zero(raw.get(names.output_details), "reasoning_tokens")
    if given is None or made is None or cache_read is None or cache_write is None or reasoning is None:
        return None
    beside = reasoning > 0 and count(raw, "total_tokens") == given + made + reasoning
    uncached, visible = given - cache_read - cache_write, made if beside else made - reasoning
    if uncached < 0 or visible < 0:
        return None
    return Usage(
        input_tokens=uncached,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        output_tokens=visible,
        reasoning_tokens=reasoning,
    )
