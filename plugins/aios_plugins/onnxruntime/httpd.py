"""HTTP/1.1 in front of one application: httptools takes requests apart, the event loop moves bytes, this keeps order
and limits.

The application is called with each whole request and answers it now or later. One request of a connection is under way
at a time; what a client sends ahead waits, and then nothing more is read from it. A client that ends its connection,
even one direction of it, has given up: what it asked for is not computed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import httptools

__all__ = ["BODY_LIMIT", "Exchange", "Server"]

BODY_LIMIT = 64 << 20
"""Largest request body in bytes; a batch of photographs fits, an endless stream does not."""

_HEAD_LIMIT = 64 << 10
"""Bytes after which a request line and headers that do not end are refused."""

_JSON = b"content-type: application/json\r\n"
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_IDLE_S = 300.0
"""After which a connection without a request is closed: longer than clients keep theirs, so that they close first."""

_STALL_S = 60.0
"""How long headers may take to arrive, and a body or the taking of an answer may stand still."""

_POLL_S = 0.01
_LINGER_S = 2.0
"""How long a refused client is listened to after the answer: closing while it sends would destroy the answer."""


class Exchange:
    """One request and its answer.

    path: decoded, without the query · headers: names in lower case · gone: called when nobody waits for the answer any
    more · read_ns: when its last byte was read, of the clock `time.perf_counter_ns`
    """

    __slots__ = ("_connection", "body", "gone", "headers", "keep", "method", "path", "read_ns", "refusal")

    def __init__(self, connection: _Connection) -> None:
        self.method = ""
        self.path = ""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.read_ns = 0
        self.gone: Callable[[], None] | None = None
        self.keep = False
        self.refusal: tuple[int, str] | None = None
        self._connection = connection

    def answer(self, status: int, body: bytes, headers: bytes = _JSON) -> None:
        """Send the answer, once. headers: whole lines; length and connection are added."""
        self._connection.send(self, status, headers, body)

    def refuse(self, status: int, reason: str) -> None:
        """Send an error."""
        self.answer(status, json.dumps({"error": reason}).encode())


class _Connection(asyncio.Protocol):
    """One client. The methods ``on_...`` are called by the parser."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._incoming: Exchange | None = None
        self._url = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._head_bytes = -1
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._advancing = self._deaf = self._full = self._ending = False
        self._since = self._loop.time()
        self._unsent = 0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self)
        self._deaf = True
        self._waiting.clear()
        if self._current is not None:
            gone, self._current = self._current.gone, None
            if gone is not None:
                gone()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._advance()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True
        except httptools.HttpParserError as error:
            self._give_up(400, f"this is no HTTP request: {error}")
        if self._head_bytes >= 0:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT:
                self._give_up(431, f"the headers do not end within {_HEAD_LIMIT} bytes")
        else:
            self._since = self._loop.time()
        self._advance()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._incoming = Exchange(self)
        self._url, self._pieces, self._size, self._head_bytes = b"", [], 0, 0
        self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._incoming is not None
        self._incoming.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._head_bytes = -1
        exchange = self._incoming
        if exchange is None or self._deaf:
            return
        parser, headers = self._parser, exchange.headers
        exchange.method = parser.get_method().decode()
        exchange.path = _path(self._url)
        exchange.keep = (
            parser.should_keep_alive() and parser.get_http_version() == "1.1" and not parser.should_upgrade()
        )
        if int(headers.get(b"content-length", b"0")) > BODY_LIMIT:
            self._give_up(413, f"the body is larger than {BODY_LIMIT} bytes")
        elif b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                self._give_up(417, "the only expectation that can be met is 100-continue")
            elif self._current is None and not self._waiting:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > BODY_LIMIT:
            self._give_up(413, f"the body is larger than {BODY_LIMIT} bytes")
        elif not self._deaf:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        if exchange is not None and not self._deaf:
            exchange.read_ns = time.perf_counter_ns()
            exchange.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            self._waiting.append(exchange)

    # Answers.

    def _give_up(self, status: int, reason: str) -> None:
        """Refuse what is coming in, after the answers to what came before, and read nothing more."""
        if not self._deaf:
            self._deaf, self._pieces, self._head_bytes = True, [], -1
            exchange = self._incoming or Exchange(self)
            exchange.keep, exchange.refusal = False, (status, reason)
            self._waiting.append(exchange)

    def _advance(self) -> None:
        """Hand over what waits, as far as may be. Answers given at once end here again: a loop, no recursion."""
        if self._advancing:
            return
        self._advancing = True
        while self._waiting and self._current is None and not self._full and not self._ending:
            self._current = exchange = self._waiting.popleft()
            self._server.handle(exchange)
        self._advancing = False
        if self._transport.is_closing():
            return
        if self._waiting and not self._deaf:
            self._transport.pause_reading()
        elif not self._transport.is_reading():
            self._transport.resume_reading()

    def send(self, exchange: Exchange, status: int, headers: bytes, body: bytes) -> None:
        """Send an answer and go on with what the client sent ahead."""
        if exchange is not self._current:
            return
        self._current = exchange.gone = None
        self._since = self._loop.time()
        ending = not exchange.keep or (self._server.closing and not self._waiting)
        length = b"content-length: %d\r\n%b\r\n" % (len(body), b"connection: close\r\n" if ending else b"")
        shown = b"" if exchange.method == "HEAD" else body
        self._transport.write(b"".join((_STATUS_LINES[status], headers, length, shown)))
        if ending:
            self._ending = True
            if exchange.refusal is not None:
                self._transport.write_eof()
            else:
                self._transport.close()
        else:
            self._advance()

    @property
    def busy(self) -> bool:
        """Whether a request is arriving or under way."""
        return self._current is not None or self._incoming is not None or bool(self._waiting)

    def close(self) -> None:
        """Close when everything is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def sweep(self, now: float) -> None:
        """Close when the client has been idle, slow or refused for too long."""
        unsent, before = self._transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        if self._current is not None or unsent < before:
            self._since = now
        slow = bool(unsent) or self._incoming is not None
        server = self._server
        if now - self._since > (server.stall_s if slow else _LINGER_S if self._ending else server.idle_s):
            self.abort()


def _path(url: bytes) -> str:
    path = url.partition(b"?")[0]
    if not path.startswith(b"/"):
        try:
            path = httptools.parse_url(url).path or b"/"
        except httptools.HttpParserError:
            path = b"/" + path
    return unquote(path.decode("latin-1"))


class Server:
    """Accepts clients on a socket and calls ``application`` with each request."""

    def __init__(
        self, application: Callable[[Exchange], None], *, idle_s: float = _IDLE_S, stall_s: float = _STALL_S
    ) -> None:
        self.idle_s, self.stall_s = idle_s, stall_s
        self.connections: set[_Connection] = set()
        self.closing = False
        self._application = application
        self._listening: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self, listening: socket.socket) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: _Connection(self), sock=listening, backlog=2048)
        self._sweep()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(self.connections):
            connection.sweep(loop.time())
        self._sweeping = loop.call_later(min(self.stall_s, self.idle_s, 10 * _LINGER_S) / 4, self._sweep)

    def handle(self, exchange: Exchange) -> None:
        """Have a request answered; a mistake in the application costs this request alone."""
        if exchange.refusal is not None:
            exchange.refuse(*exchange.refusal)
            return
        try:
            self._application(exchange)
        except Exception:  # noqa: BLE001 - whatever it is, it must not end the service
            traceback.print_exc()
            exchange.refuse(500, "the service made a mistake; its log says which")

    async def stop(self, within_s: float, *, gently: bool = False) -> None:
        """Accept nobody more, answer what is under way for at most ``within_s``, then close.

        gently: a connection without a request is not closed at once, for its client may be sending one: the next
        answer tells the client to connect anew, and only what stays silent all the time is closed in the end
        """
        self.closing = True
        if self._listening is not None:
            self._listening.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self.connections):
            if not gently and not connection.busy:
                connection.close()
        until = time.monotonic() + within_s
        while self.connections and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
        for connection in list(self.connections):
            if connection.busy:
                connection.abort()
            else:
                connection.close()
