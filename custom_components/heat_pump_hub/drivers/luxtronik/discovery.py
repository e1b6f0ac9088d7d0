"""Search the network for Luxtronik controllers.

Source: field notes on the Luxtronik search: ``2000;111;1;`` and NUL, broadcast to the
UDP ports 4444 and 47808; controllers answer ``2500;111;<port>;...``.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, override

from ..driver import Address

PORTS: Final = (4444, 47808)
DEFAULT_PORT: Final = 8889
USUAL_PORTS: Final = (DEFAULT_PORT, 8888)
"""Of the controller; old firmware uses the second."""

_QUESTION: Final = b"2000;111;1;\x00"
_ANSWER: Final = "2500;111;"
_MOST: Final = 64
"""Controllers of one network; a flood beyond is not answered with memory."""


def port_of(answer: bytes) -> int | None:
    """Return the TCP port an answer names, ``None`` if it is no answer.

    Old firmware names none or an impossible one: then it is the usual port.
    """
    text = answer[:256].decode("ascii", "replace")
    if not text.startswith(_ANSWER):
        return None
    named = text.removeprefix(_ANSWER).partition(";")[0].rstrip("\x00").strip()
    if named.isascii() and named.isdigit() and len(named) <= 5 and 0 < int(named) < 65536:
        return int(named)
    return DEFAULT_PORT


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, found: dict[str, int]) -> None:
        self._found = found

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        port = port_of(data)
        if port is not None and len(self._found) < _MOST:
            self._found.setdefault(addr[0], port)


async def discover(
    *,
    timeout: float = 2.0,
    broadcasts: Sequence[str] = ("255.255.255.255",),
    ports: Sequence[int] = PORTS,
    local: str = "0.0.0.0",  # noqa: S104 - answers come from anywhere on the network
) -> list[Address]:
    """Return the controllers that answer within ``timeout`` seconds, by host.

    A network that takes no broadcast has none; nothing is raised.
    """
    found: dict[str, int] = {}
    transports: list[asyncio.DatagramTransport] = []
    try:
        for port in ports:
            transport = await _listen(found, local, port)
            if transport is not None:
                transports.append(transport)
                for broadcast in broadcasts:
                    transport.sendto(_QUESTION, (broadcast, port))
        await asyncio.sleep(timeout)
    finally:
        for transport in transports:
            transport.abort()
    return [Address(host=host, port=port, unit=0) for host, port in sorted(found.items())]


async def _listen(found: dict[str, int], local: str, port: int) -> asyncio.DatagramTransport | None:
    """Listen on the port that is asked, as answers may come to it; else on any."""
    loop = asyncio.get_running_loop()
    for own in (port, 0):
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Listener(found), local_addr=(local, own), allow_broadcast=True
            )
        except OSError:
            continue
        return transport
    return None
