"""Simulated controllers on real sockets, and drivers for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.luxtronik import LuxtronikDriver, probe
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikMachine, LuxtronikServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

WINTER = datetime(2026, 1, 15, tzinfo=UTC)

type Start = Callable[..., Awaitable[LuxtronikServer]]
type Drive = Callable[[LuxtronikServer], Awaitable[LuxtronikDriver]]


def at(server: LuxtronikServer) -> Address:
    """Return where a simulated controller listens."""
    return Address(host="127.0.0.1", port=server.port, unit=0)


@pytest.fixture
async def start(socket_enabled: None) -> AsyncIterator[Start]:
    """Start controllers on which time stands still; options are those of the machine."""
    servers: list[LuxtronikServer] = []

    async def start(**machine: object) -> LuxtronikServer:
        model = HeatPumpModel(seed=7, start=WINTER, circuits="abcd")
        model.advance(40_000)
        server = LuxtronikServer(
            model,
            LuxtronikMachine(**machine),  # type: ignore[arg-type]
            speed=0.0,
            read_back_delay=(0.0, 0.0),
            freeze=0.2,
            boot=0.2,
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture
async def drive(socket_enabled: None) -> AsyncIterator[Drive]:
    """Return a function that makes a driver with the layout that a probe finds."""
    drivers: list[LuxtronikDriver] = []

    async def drive(server: LuxtronikServer) -> LuxtronikDriver:
        identity = await probe(at(server))
        driver = LuxtronikDriver(at(server), identity.layout)
        drivers.append(driver)
        return driver

    yield drive
    for driver in drivers:
        await driver.close()
