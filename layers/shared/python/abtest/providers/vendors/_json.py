"""What every vendor's codec does with JSON: writes a body, decodes a reply whatever it holds, takes words and counts.

Nothing here raises over a reply. A reply with status 200 that cannot be read is never asked for again, because it may
have been paid for; what an error status says stands, whatever its body holds.

Depends on: `abtest.providers.model`, `abtest.providers.retry`. Used by: the codecs beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from abtest.contracts.records import FailureReason
from abtest.providers.model import CallFailure
from abtest.providers.retry import classify_status

JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json", "accept": "application/json"}
"""What a request with a JSON body says of it; to be copied."""

# The words of an error's type and code are shown; its message is not, for it may repeat prompt or key. More than four
# digits make a key or an id.
_SHOWN_WORD = re.compile(r"(?!(?:[^0-9]*[0-9]){5})[A-Za-z][A-Za-z0-9_.\[\]-]{0,63}")
_HTML = re.compile(rb"<\s*(!doctype\s+html|html|head|body|title)\b", re.IGNORECASE)
_SNIFFED_BYTES = 2_048
_LONGEST_WORD = 128
_LONGEST_MESSAGE = 4_000
_MOST_TOKENS = 2**53


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a request's body as UTF-8 JSON; half a surrogate pair, which UTF-8 cannot hold, becomes `?`."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def clean_key(api_key: str | None) -> str | None:
    """Return a key without the white space around it, or None when nothing is left.

    A secret often ends with the newline of the file it came from.
    """
    return (api_key or "").strip() or None


def decoded(status: int, body: bytes) -> Any | CallFailure:
    """Return the JSON document of a reply, or the failure of having none.

    Args:
        status: HTTP status.
        body: decoded from any compression.

    Returns:
        Any JSON value, not only an object. With an error status, None where the body is no JSON: then the status says
        what there is to say. A web page is a failure with every status.
    """
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError is a ValueError; a body of a million brackets is a RecursionError.
        return _undecoded(status, body, error)


def _undecoded(status: int, body: bytes, error: Exception) -> CallFailure | None:
    start = body[:_SNIFFED_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<") and _HTML.search(start):
        # A proxy before the API answers with a page of its own; what its status says of a retry still holds.
        retryable = status >= 400 and classify_status(status)[1]
        return failure("html_page", status, "a web page instead of JSON", retryable=retryable)
    if status >= 300:
        return None
    if isinstance(error, UnicodeDecodeError):
        return failure("invalid_utf8", status, "the body is not UTF-8")
    return failure("malformed", status, "the body is cut or no JSON" if body.strip() else "the body is empty")


def failure(reason: FailureReason, status: int, words: str, *, retryable: bool = False) -> CallFailure:
    """Return a failure of a reply.

    Args:
        reason: why there is no answer.
        status: HTTP status.
        words: what to show of it after the status; no text of the reply but `shown_word`s.
        retryable: the same request may succeed later.
    """
    detail = f"HTTP {status}, {words}" if words else f"HTTP {status}"
    return CallFailure(failure_reason=reason, retryable=retryable, status=status, detail=detail)


def malformed(words: str, status: int = 200) -> CallFailure:
    """Return the failure of a reply that is cut or lacks what its kind must have."""
    return failure("malformed", status, words)


def mismatched(words: str, status: int = 200) -> CallFailure:
    """Return the failure of a reply that is sound and belongs to another API, or is another kind of object."""
    return failure("mismatched", status, words)


def shown_words(facts: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the words of an error that may be shown, by name, in the order asked for; see `shown_word`."""
    return {name: shown for name in names if (shown := shown_word(facts.get(name)))}


def listed(words: Mapping[str, str]) -> str:
    """Return shown words as a detail lists them: `type invalid_request_error, code unsupported_value`."""
    return ", ".join(f"{name} {shown}" for name, shown in words.items())


def shown_word(value: Any) -> str | None:
    """Return a value that is one short word of letters, digits and joining marks, or None: texts are not shown."""
    return value if isinstance(value, str) and _SHOWN_WORD.fullmatch(value) else None


def word(value: Any) -> str | None:
    """Return a short text such as an id or a model's name, cut at 128 characters, or None when it is no text."""
    return utf8_text(value[:_LONGEST_WORD]) if isinstance(value, str) and value else None


def utf8_text(text: str) -> str:
    """Return a text that UTF-8 can hold: JSON may escape half a surrogate pair, which becomes `?`."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def message_of(value: Any) -> str:
    """Return an error's message in lower case, for looking known phrases up in it and for nothing else."""
    return value[:_LONGEST_MESSAGE].lower() if isinstance(value, str) else ""


def says_any(message: str, phrases: Iterable[str]) -> bool:
    """Return whether a message of `message_of` holds one of some phrases in lower case."""
    return any(phrase in message for phrase in phrases)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for everything else."""
    return value if isinstance(value, dict) else {}


def count(raw: Any, name: str) -> int | None:
    """Return a count of tokens out of a JSON object, or None when it is missing or impossible."""
    value = raw.get(name) if isinstance(raw, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS:
        return value
    return None


def count_or_zero(raw: Any, name: str) -> int | None:
    """Return a count that may be left out: 0 when it is missing or null, None when it is impossible."""
    if not isinstance(raw, dict) or raw.get(name) is None:
        return 0
    return count(raw, name)
