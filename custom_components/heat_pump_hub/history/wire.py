"""One kept connection to an HTTP server, for the two small requests of every poll.

What a session of aiohttp does for a request costs more than encoding the poll that it
carries. This knows one kind of answer (RFC 9112: a status, and a body whose length is
told); whatever else comes is left to the session, which knows all of HTTP.
"""

import asyncio
from collections.abc import Mapping, Sequence
import ssl
from typing import Final, NamedTuple, override

from yarl import URL

_ANSWER_LIMIT: Final = 64 * 1024
"""Bytes of an answer; those to a write and to a count have a few hundred."""
_HEAD_END: Final = b"\r\n\r\n"


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: Sequence[bytes]
    """Lines of its head, as they came."""
    body: bytes
    last: bool
    """Whether the server hangs up now."""

    def field(self, name: bytes) -> str:
        """Return the value of a header given in lower case; empty: it is missing."""
        for one in self.fields:
            found, _, value = one.partition(b":")
            if found.lower() == name:
                return value.strip().decode("ascii", "replace")
        return ""


class UnusualAnswerError(Exception):
    """The answer is of a kind that is not read here; the connection was given up."""


class Wire:
    """A connection to the server of an address, made when it is needed; one request at a time."""

    def __init__(
        self, url: URL, headers: Mapping[str, str], context: ssl.SSLContext | None
    ) -> None:
        """Take what every request says; ``context`` encrypts, ``None``: plain. No I/O yet.

        Raises ``ValueError`` if a header would be more than one.
        """
        if any(mark in value for value in headers.values() for mark in "\r\n\0"):
            raise ValueError("A header has more than one line")
        self._host = url.raw_host or ""
        self._port = url.port or 80
        self._context = context
        told = {"Host": url.host_port_subcomponent, "Accept-Encoding": "identity", **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._connection: _Connection | None = None
        self.busy = False
        """Whether a request is on its way."""

    async def ask(
        self, line: str, headers: str = "", body: bytes | None = None, *, timeout: float
    ) -> Answer:
        """Return the answer to ``<method> <target>`` and lines of headers.

        ``timeout`` in seconds. Raises ``OSError`` if the connection does not come about or
        breaks (``TimeoutError``: nothing came in time), and :class:`UnusualAnswerError`. Then,
        and when this is cancelled, the connection is given up.
        """
        self.busy = True
        done = False
        try:
            connection = self._connection
            if connection is None or connection.closed:
                async with asyncio.timeout(timeout):
                    connection = self._connection = await self._connect()
            length = "" if body is None else f"Content-Length: {len(body)}\r\n"
            head = f"{line} HTTP/1.1\r\n{self._headers}{headers}{length}\r\n".encode()
            answer = await connection.ask(head if body is None else head + body, timeout)
            done = True
        finally:
            self.busy = False
            if not done:
                self.close()
        return answer

    def close(self) -> None:
        """Close the connection; the next request makes another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            _Connection, self._host, self._port, ssl=self._context
        )
        return connection


class _Connection(asyncio.Protocol):
    """Waits for one answer at a time."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiter: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes, timeout: float) -> Answer:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        # Costs a third of what asyncio.timeout does.
        timer = loop.call_later(timeout, self._fail, TimeoutError("No answer in time"))
        try:
            self._transport.write(request)
            return await self._waiter
        finally:
            timer.cancel()

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        self._received += data
        if waiter is None or waiter.done():
            # Nobody asked: what it belongs to cannot be told.
            self.close()
            return
        try:
            answer = _read(self._received)
        except ValueError as err:
            self._fail(UnusualAnswerError(str(err)))
            self.close()
            return
        if answer is None:
            return
        self._received.clear()
        if answer.last:
            self.close()
        waiter.set_result(answer)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail(exc or ConnectionResetError("The connection was closed"))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


def _read(received: bytearray) -> Answer | None:
    """Return a whole answer; ``None``: not all of it is there.

    Raises ``ValueError`` for every answer whose end is not plain.
    """
    if len(received) > _ANSWER_LIMIT:
        raise ValueError("a long answer")
    end = received.find(_HEAD_END)
    if end < 0:
        return None
    first, *fields = bytes(received[:end]).split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if version != b"HTTP/1.1":
        raise ValueError("not HTTP/1.1")
    status = _number(rest[:3])
    length: int | None = 0 if status == 204 else None
    last = False
    for one in fields:
        name, _, value = one.partition(b":")
        match name.lower():
            case b"content-length":
                if length is not None and length != _number(value.strip()):
                    raise ValueError("two lengths")
                length = _number(value.strip())
            case b"transfer-encoding" | b"content-encoding":
                raise ValueError("coded")
            case b"connection":
                last = value.strip().lower() != b"keep-alive"
    if length is None or status < 200:
        raise ValueError("no length")
    begin = end + len(_HEAD_END)
    there = len(received) - begin
    if there > length:
        raise ValueError("more than one answer")
    return None if there < length else Answer(status, fields, bytes(received[begin:]), last)


def _number(text: bytes) -> int:
    """Return a number of digits only. Raises ``ValueError``."""
    if not text.isdigit():
        raise ValueError("no number")
    return int(text)
