"""A TCP proxy on loopback that spoils the answers of the server behind it: what a network and its boxes can do."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Spoiling = Literal["none", "cut", "garble", "empty"]
_END_OF_HEADERS = b"\r\n\r\n"


class FaultyProxy:
    """What a test sees of the proxy.

    Args:
        backend: port of the server behind it.
    """

    def __init__(self, backend: int) -> None:
        self.url = ""
        self.spoiled = 0
        self._backend = backend
        self._spoiling: Spoiling = "none"
        self._left = 0
        self._open: set[asyncio.StreamWriter] = set()

    def spoil(self, spoiling: Spoiling, answers: int) -> None:
        """Spoil the next answers.

        Args:
            spoiling: `cut` ends the connection within the body, `empty` before the first byte of the answer, `garble`
                leaves the length and makes the body something that is no JSON.
        """
        self._spoiling, self._left, self.spoiled = spoiling, answers, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection; each goes to a connection of its own behind the proxy."""
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._backend)
        self._open |= {writer, behind_writer}
        forth = asyncio.create_task(_copied(reader, behind_writer))
        try:
            while answer := await _answer(behind_reader):
                spoiling = self._next() if answer.startswith(b"HTTP/1.1 200") else "none"
                writer.write(_SPOILT[spoiling](answer))
                await writer.drain()
                if spoiling in ("cut", "empty"):
                    break
        except ConnectionError:
            return
        finally:
            for side in (writer, behind_writer):
                side.close()
            await forth
            self._open -= {writer, behind_writer}

    def close(self) -> None:
        """End every connection, so that those who carry them end by themselves."""
        for side in self._open:
            side.close()

    def _next(self) -> Spoiling:
        if self._left <= 0:
            return "none"
        self._left -= 1
        self.spoiled += 1
        return self._spoiling


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Return the next whole answer, or nothing when the connection ended."""
    try:
        headers = await reader.readuntil(_END_OF_HEADERS)
        length = re.search(rb"content-length: *(\d+)", headers, re.IGNORECASE)
        return headers + (await reader.readexactly(int(length[1])) if length else b"")
    except asyncio.IncompleteReadError:
        return b""


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        return


def _first_half_of_body(answer: bytes) -> bytes:
    start = answer.index(_END_OF_HEADERS) + len(_END_OF_HEADERS)
    return answer[: start + (len(answer) - start) // 2]


def _garbled(answer: bytes) -> bytes:
    headers, end, body = answer.partition(_END_OF_HEADERS)
    return headers + end + body.replace(b'"', b"!")


_SPOILT: dict[Spoiling, Callable[[bytes], bytes]] = {
    "none": lambda answer: answer,
    "cut": _first_half_of_body,
    "garble": _garbled,
    "empty": lambda _answer: b"",
}


@contextmanager
def faulty_proxy(backend: int) -> Iterator[FaultyProxy]:
    """Have a proxy on a free port for as long as the block lasts.

    Args:
        backend: port of the server behind it.
    """
    loop, proxy = asyncio.new_event_loop(), FaultyProxy(backend)
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server, proxy), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _ended(server: asyncio.Server, proxy: FaultyProxy) -> None:
    server.close()
    proxy.close()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))
