"""Fixtures of the tests against a server whose every answer is decided."""

from collections.abc import AsyncIterator

import pytest

from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.link import Link

from .scripted import ScriptedServer


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """Return a device that answers 0 to 39, each with its own address."""
    server = ScriptedServer({address: address for address in range(40)})
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def link(server: ScriptedServer) -> AsyncIterator[Link]:
    """Return a link to it, with a short time-out."""
    link = Link(Address(host="127.0.0.1", port=server.port), timeout=0.3)
    yield link
    await link.close()
