"""A body of `multipart/form-data`, as one upload of a file needs it.

Source: RFC 7578.

Depends on: nothing. Used by: OpenAI's batch interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; `name` and `filename` are ours, so they hold nothing that would have to be escaped."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


def multipart(parts: Sequence[Part], boundary: str) -> tuple[bytes, str]:
    """Return a body and its content type.

    Args:
        boundary: 1 to 70 letters, digits and `-`; a line that begins with it may stand in no content. Lines of compact
            JSON begin with a brace, so any boundary serves for them.
    """
    chunks: list[bytes] = []
    for part in parts:
        disposition = f'form-data; name="{part.name}"'
        if part.filename is not None:
            disposition += f'; filename="{part.filename}"'
        head = f"--{boundary}\r\ncontent-disposition: {disposition}\r\n"
        if part.content_type is not None:
            head += f"content-type: {part.content_type}\r\n"
        chunks += [f"{head}\r\n".encode(), part.content, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return b"".join(chunks), f"multipart/form-data; boundary={boundary}"
