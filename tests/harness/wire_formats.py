"""The replies of the vendors' wire formats, as small as a provider may send them, for servers that stand in for one.

Sources: the response types of the vendors' own clients (`openai`, `anthropic`, `google-genai`, botocore's model of
`bedrock-runtime`), which `tests/contract/test_stand_in_servers.py` reads these replies with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

Document = dict[str, Any]


@dataclass(frozen=True)
class Spoken:
    """What a stand-in says in answer to a request.

    Args:
        text: of the answer.
        model: as the request named it.
        serial: number of the answer, in its identifier.
        input_tokens, output_tokens: of the usage.
    """

    text: str
    model: str
    serial: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class WireFormat:
    """One vendor's way to ask, to answer and to refuse.

    Args:
        vendor: name of our codec.
        path: what a base URL must hold before the vendor's own path.
        prompt: of the request's body: what was asked, whatever its parameters.
        last_text: of the request's body: the last message.
        reply: the body of an answer.
        request_id: name of the header with the answer's identifier.
        error: the body of a refusal with a status.
    """

    vendor: str
    path: str
    prompt: Callable[[Document], Any]
    last_text: Callable[[Document], str]
    reply: Callable[[Spoken], Document]
    request_id: str
    error: Callable[[int], Document]

    def prompt_sha(self, body: Document) -> str:
        """Return the name under which the calls of a prompt are counted: SHA-256 of its canonical JSON."""
        return sha_of(self.prompt(body))


def sha_of(prompt: Any) -> str:
    """Return the SHA-256 of a prompt's JSON with sorted keys and no spaces."""
    text = json.dumps(prompt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def format_of(path: str) -> WireFormat | None:
    """Return the wire format that is spoken at a path, or None."""
    return next((FORMATS[vendor] for ending, vendor in _ENDINGS.items() if path.endswith(ending)), None)


def model_of(path: str, body: Mapping[str, Any]) -> str:
    """Return the model a request asks for: of its body, or of its path where the vendor puts it there."""
    if "model" in body:
        return str(body["model"])
    return unquote(path.rpartition("/converse")[0].rpartition("/")[2] or path.rpartition("/")[2].partition(":")[0])


def _chat(said: Spoken) -> Document:
    return {
        "id": f"chatcmpl-{said.serial}",
        "object": "chat.completion",
        "created": 1,
        "model": said.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
        },
    }


def _responses(said: Spoken) -> Document:
    part = {"type": "output_text", "text": said.text, "annotations": []}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": f"resp_{said.serial}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": said.model,
        "output": [message],
        "usage": {
            "input_tokens": said.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.input_tokens + said.output_tokens,
        },
    }


def _anthropic(said: Spoken) -> Document:
    return {
        "id": f"msg_{said.serial}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": [{"type": "text", "text": said.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens},
    }


def _gemini(said: Spoken) -> Document:
    content = {"role": "model", "parts": [{"text": said.text}]}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": said.input_tokens,
            "candidatesTokenCount": said.output_tokens,
            "totalTokenCount": said.input_tokens + said.output_tokens,
        },
        "modelVersion": said.model,
        "responseId": f"resp-{said.serial}",
    }


def _bedrock(said: Spoken) -> Document:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": said.text}]}},
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": said.input_tokens,
            "outputTokens": said.output_tokens,
            "totalTokens": said.input_tokens + said.output_tokens,
        },
        "metrics": {"latencyMs": 1},
    }


def _openai_error(status: int) -> Document:
    kind = "rate_limit_exceeded" if status == 429 else None
    return {"error": {"message": "asked for by the test", "type": "mock_error", "param": None, "code": kind}}


def _anthropic_error(status: int) -> Document:
    kinds = {429: "rate_limit_error", 529: "overloaded_error"}
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": "asked for by the test"}}


def _gemini_error(status: int) -> Document:
    kinds = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 529: "UNAVAILABLE"}
    name = kinds.get(status, "INTERNAL")
    return {"error": {"code": status, "message": "asked for by the test", "status": name, "details": []}}


def _bedrock_error(_status: int) -> Document:
    return {"message": "asked for by the test"}


FORMATS: dict[str, WireFormat] = {
    "openai_chat": WireFormat(
        vendor="openai_chat",
        path="/v1",
        prompt=lambda body: body["messages"],
        last_text=lambda body: str(body["messages"][-1]["content"]),
        reply=_chat,
        request_id="x-request-id",
        error=_openai_error,
    ),
    "openai_responses": WireFormat(
        vendor="openai_responses",
        path="/v1",
        prompt=lambda body: [body.get("instructions"), body["input"]],
        last_text=lambda body: _text_of(body["input"] if isinstance(body["input"], str) else body["input"][-1]),
        reply=_responses,
        request_id="x-request-id",
        error=_openai_error,
    ),
    "anthropic": WireFormat(
        vendor="anthropic",
        path="",
        prompt=lambda body: [body.get("system"), body["messages"]],
        last_text=lambda body: _text_of(body["messages"][-1]),
        reply=_anthropic,
        request_id="request-id",
        error=_anthropic_error,
    ),
    "gemini": WireFormat(
        vendor="gemini",
        path="",
        prompt=lambda body: [body.get("systemInstruction"), body["contents"]],
        last_text=lambda body: _text_of(body["contents"][-1]),
        reply=_gemini,
        request_id="x-request-id",
        error=_gemini_error,
    ),
    "bedrock": WireFormat(
        vendor="bedrock",
        path="",
        prompt=lambda body: [body.get("system"), body["messages"]],
        last_text=lambda body: _text_of(body["messages"][-1]),
        reply=_bedrock,
        request_id="x-amzn-requestid",
        error=_bedrock_error,
    ),
}
"""By the name of our codec."""

_ENDINGS = {
    "/chat/completions": "openai_chat",
    "/responses": "openai_responses",
    "/messages": "anthropic",
    ":generateContent": "gemini",
    "/converse": "bedrock",
}


def _text_of(message: Any) -> str:
    if isinstance(message, str):
        return message
    parts = message.get("parts", message.get("content"))
    return parts if isinstance(parts, str) else "".join(str(part.get("text", "")) for part in parts)
