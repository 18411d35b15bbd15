"""Reads the body of an HTTP reply and decompresses it, within a limit of memory that holds for both.

A small compressed body may hold gigabytes; here no more than the limit is ever decompressed.

Depends on: nothing. Used by: `abtest.adapters.http`.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

ACCEPTED_ENCODINGS = "gzip, deflate"
"""What `accept-encoding` asks for, and all that is understood."""

_GZIP_BITS, _ZLIB_BITS, _RAW_DEFLATE_BITS = 31, 15, -15
_GZIP_START = b"\x1f\x8b"


class BodyTooLargeError(Exception):
    """A body is longer than the limit, compressed or not."""


class BodyEncodingError(Exception):
    """A body is not compressed the way its headers say; the message says how it fails."""


async def read_body(chunks: AsyncIterator[bytes], encoding: str, longest_bytes: int) -> bytes:
    """Return a whole body, decompressed.

    Args:
        chunks: of the body as it comes over the wire.
        encoding: value of `content-encoding`; empty when there is none.
        longest_bytes: most bytes of the body, before and after decompression.

    Raises:
        BodyTooLargeError: it is longer; the rest is not read.
        BodyEncodingError: it cannot be decompressed, or is cut.
    """
    encoding = encoding.strip().lower()
    parts: list[bytes] = []
    size = 0
    inflater = _Inflater(encoding, longest_bytes) if encoding not in ("", "identity") else None
    async for chunk in chunks:
        size += len(chunk)
        if size > longest_bytes:
            raise BodyTooLargeError
        parts.append(chunk if inflater is None else inflater.inflated(chunk))
    if inflater is not None and size:
        inflater.finish()
    return b"".join(parts)


class _Inflater:
    """Decompresses one body, and stops where it gets too long."""

    def __init__(self, encoding: str, longest_bytes: int) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            # Two encodings on top of each other, or one that was not asked for.
            raise BodyEncodingError("it is encoded in a way that was not asked for")
        self._is_gzip = encoding != "deflate"
        self._room_bytes = longest_bytes
        self._stream: zlib._Decompress | None = None

    def inflated(self, chunk: bytes) -> bytes:
        """Return what a chunk holds."""
        parts: list[bytes] = []
        while chunk:
            if self._stream is None:
                self._stream = zlib.decompressobj(_GZIP_BITS if self._is_gzip else _deflate_bits(chunk))
            try:
                part = self._stream.decompress(chunk, self._room_bytes + 1)
            except zlib.error as error:
                raise BodyEncodingError("it cannot be decompressed") from error
            self._room_bytes -= len(part)
            if self._room_bytes < 0:
                raise BodyTooLargeError
            parts.append(part)
            chunk = self._after(self._stream)
        return b"".join(parts)

    def finish(self) -> None:
        """Return when the body was whole."""
        if self._stream is not None and not self._stream.eof:
            raise BodyEncodingError("it ends before its compressed content does")

    def _after(self, stream: zlib._Decompress) -> bytes:
        """Return what of a chunk is still to be decompressed: gzip bodies may have several parts; padding is none."""
        if not stream.eof:
            return stream.unconsumed_tail
        if self._is_gzip and stream.unused_data.startswith(_GZIP_START):
            self._stream = None
            return stream.unused_data
        return b""


def _deflate_bits(start: bytes) -> int:
    # Named `deflate`, a body has zlib's header by the standard, and by some servers none.
    has_header = start[0] & 0x0F == 0x08 and (len(start) < 2 or int.from_bytes(start[:2], "big") % 31 == 0)
    return _ZLIB_BITS if has_header else _RAW_DEFLATE_BITS
