"""What the tests of OpenAI's two codecs share: their fixtures, and strategies for replies that no vendor sends."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from abtest.providers.model import Answer, CallFailure, ChatMessage, ModelRequest
from abtest.providers.ports import HttpCodec

FIXTURES = Path(__file__).parent / "fixtures"
MESSAGES = (
    ChatMessage(role="system", content="Be brief."),
    ChatMessage(role="user", content="The capital of Spain?"),
    ChatMessage(role="assistant", content="Madrid."),
    ChatMessage(role="user", content="Où ?"),
)
STRICT_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
REQUEST = ModelRequest(
    provider="p", vendor="openai_chat", model="small", messages=MESSAGES[-1:], sample_id="s1", variant="a"
)


def names(vendor: str) -> tuple[str, ...]:
    """Return the names of a vendor's fixtures."""
    return tuple(sorted(path.stem for path in (FIXTURES / vendor).glob("*.json")))


def body(vendor: str, name: str) -> bytes:
    """Return one fixture as it came over the wire."""
    return (FIXTURES / vendor / f"{name}.json").read_bytes()


def reason_of(parsed: Answer | CallFailure) -> tuple[str, bool]:
    """Return why a reply is no answer, and whether it is worth another try."""
    assert isinstance(parsed, CallFailure), parsed
    assert parsed.detail.startswith(f"HTTP {parsed.status}")
    return parsed.failure_reason, parsed.retryable


KEYS = [
    *("choices", "message", "content", "refusal", "finish_reason", "usage", "error", "code", "id", "type", "text"),
    *("object", "output", "status", "detail", "model", "incomplete_details", "reason", "metadata", "innererror"),
    *("param", "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@st.composite
def mutated_replies(draw: st.DrawFn, vendor: str) -> Any:
    """Return a fixture of which one part is missing or is something else."""
    document = copy.deepcopy(json.loads(body(vendor, draw(st.sampled_from(names(vendor))))))
    place: Any = document
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return document
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and draw(st.booleans()):
            place = inner
        elif draw(st.booleans()):
            place[key] = draw(json_values)
            return document
        else:
            del place[key]
            return document


def check_total(codec: HttpCodec, status: int, document: Any) -> None:
    """Parse a JSON document, and fail if that raises, if text is invented, or if text of it is shown in a failure."""
    parsed = codec.parse(status, {}, json.dumps(document).encode())
    assert isinstance(parsed, Answer | CallFailure)
    said = list(_strings(document))
    if isinstance(parsed, CallFailure):
        assert not [text for text in said if len(text) > 128 and text in parsed.detail]
    elif parsed.text:
        assert any(text and text.encode(errors="replace").decode() in parsed.text for text in said)
        assert set(parsed.text) <= set("".join(said)) | {"?"}


def _strings(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, list | dict):
        for part in document.values() if isinstance(document, dict) else document:
            yield from _strings(part)
