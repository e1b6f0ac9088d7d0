"""Everything that talks to one host and port shares one connection."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.contact import Question, first_answer, look
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    LinkLostError,
    NoAnswerError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.endpoints import endpoints
from custom_components.heat_pump_hub.drivers.link import Link
from custom_components.heat_pump_hub.drivers.points import Tier
from custom_components.heat_pump_hub.simulator.daikin import DaikinServer
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .scripted import ScriptedServer

pytestmark = pytest.mark.usefixtures("socket_enabled")

TIMEOUT = 0.3
SERVERS = {
    "idm": IdmServer,
    "luxtronik": LuxtronikServer,
    "nibe": NibeServer,
    "daikin": DaikinServer,
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """Return a gateway with the registers 0 to 9 behind every unit."""
    server = ScriptedServer({address: address for address in range(10)})
    await server.start()
    yield server
    await server.stop()


def link_to(server: ScriptedServer, unit: int = 1) -> Link:
    """Return a link to one unit of it."""
    address = Address(host="127.0.0.1", port=server.port, unit=unit)
    return Link(address, timeout=TIMEOUT)


async def ask(link: Link) -> list[int]:
    """Read a register in a session of its own."""
    async with link.session():
        return await link.read_input_registers(3, 1)


async def test_two_units_share_a_connection_until_the_last_one_goes(
    server: ScriptedServer,
) -> None:
    """Whoever is left keeps it."""
    one, two = link_to(server, 1), link_to(server, 2)
    assert await asyncio.gather(ask(one), ask(two)) == [[3], [3]]
    assert (server.connections, server.open) == (1, 1)
    assert one.traffic.connects + two.traffic.connects == 1
    await one.close()
    assert await ask(two) == [3]
    assert (server.connections, server.open) == (1, 1)
    await two.close()
    await asyncio.sleep(0.05)
    assert server.open == 0
    assert not endpoints().used


async def test_another_port_is_another_endpoint(server: ScriptedServer) -> None:
    """So one heat pump that hangs delays no other."""
    other = ScriptedServer({3: 3})
    other.port = await other.start()  # type: ignore[attr-defined]
    server.silent_units = {1}
    hanging, well = link_to(server), link_to(other)
    async with asyncio.timeout(TIMEOUT / 2), hanging.session():
        assert await ask(well) == [3]
    assert len(endpoints().used) == 2
    await hanging.close()
    await well.close()
    await other.stop()


async def test_a_unit_that_hangs_costs_the_others_one_time_out(server: ScriptedServer) -> None:
    """They wait for the end of its request, and then connect again."""
    server.silent_units = {2}
    well, hanging = link_to(server, 1), link_to(server, 2)
    assert await ask(well) == [3]
    waiting = asyncio.create_task(ask(hanging))
    await asyncio.sleep(0.02)
    assert await ask(well) == [3]
    with pytest.raises(NoAnswerError):
        await waiting
    assert server.connections == 2
    assert well.traffic.connects == 2
    assert hanging.traffic.connects == 0
    await well.close()
    await hanging.close()


async def test_closing_one_link_in_a_request_leaves_the_other_usable(
    server: ScriptedServer,
) -> None:
    """The request ends as lost, and the endpoint stays."""
    server.silent_units = {2}
    well, hanging = link_to(server, 1), link_to(server, 2)
    hanging._timeout = 30.0
    assert await ask(well) == [3]
    waiting = asyncio.create_task(ask(hanging))
    await asyncio.sleep(0.02)
    await hanging.close()
    with pytest.raises(LinkLostError):
        await waiting
    assert await ask(well) == [3]
    await well.close()
    assert not endpoints().used


async def test_a_link_that_waits_for_its_turn_when_it_is_closed_asks_nothing(
    server: ScriptedServer,
) -> None:
    """It never had the endpoint to itself."""
    one, two = link_to(server, 1), link_to(server, 2)
    async with one.session():
        waiting = asyncio.create_task(ask(two))
        await asyncio.sleep(0)
        await two.close()
    with pytest.raises(LinkLostError):
        await waiting
    await one.close()
    assert server.requests == []


async def test_who_comes_while_the_last_one_goes_gets_the_same_endpoint(
    server: ScriptedServer,
) -> None:
    """A device with one connection never sees two."""
    one, two = link_to(server, 1), link_to(server, 1)
    assert await ask(one) == [3]
    most = 0

    def count(*_: int) -> bool:
        nonlocal most
        most = max(most, server.open)
        return False

    server.answer = count
    closing = asyncio.create_task(one.close())
    await asyncio.sleep(0)
    assert await ask(two) == [3]
    await closing
    assert await ask(two) == [3]
    assert most == 1
    await two.close()
    assert not endpoints().used


def test_every_event_loop_has_its_own() -> None:
    """Nothing of one loop is used in another."""

    async def life() -> int:
        server = ScriptedServer({3: 3})
        await server.start()
        link = link_to(server)
        await ask(link)
        used = len(endpoints().used)
        await server.stop()
        return used

    assert [asyncio.run(life()), asyncio.run(life())] == [1, 1]


@pytest.fixture(params=list(SERVERS))
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, FaultProxy]]:
    """Return a machine of each family behind a proxy that takes one client only."""
    model = HeatPumpModel(seed=3, start=datetime(2026, 1, 15, tzinfo=UTC))
    server: Any = SERVERS[request.param](model, speed=0.0)
    await server.start()
    frame = luxtronik_frame if request.param == "luxtronik" else modbus_frame
    proxy = FaultProxy("127.0.0.1", server.port, frame=frame)
    await proxy.start()
    proxy.max_connections = 1
    yield request.param, proxy
    await proxy.stop()
    await server.stop()


async def test_a_probe_beside_a_loaded_heat_pump_uses_its_connection(
    machine: tuple[str, FaultProxy],
) -> None:
    """A controller with one connection can be looked at while it is polled."""
    key, proxy = machine
    kind = family(key)
    address = Address(host="127.0.0.1", port=proxy.port, unit=kind.unit)
    identity = await kind.probe(address)
    driver = kind.create(address, identity.layout, None)
    await driver.read(Tier)
    again, snapshot = await asyncio.gather(kind.probe(address), driver.read(Tier))
    assert again.layout == identity.layout
    assert not snapshot.failed
    assert proxy.refused == 0
    assert driver.traffic.connects == 1
    await driver.close()


async def test_a_probe_that_fails_leaves_a_loaded_heat_pump_alone(
    machine: tuple[str, FaultProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reason is found with the connection closed; the next poll opens it again."""
    key, proxy = machine
    kind = family(key)
    monkeypatch.setattr(f"{kind.probe.__module__}.TIMEOUT", TIMEOUT)
    address = Address(host="127.0.0.1", port=proxy.port, unit=kind.unit)
    driver = kind.create(address, (await kind.probe(address)).layout, None)
    await driver.read(Tier)
    proxy.fault = Fault.SILENT
    with pytest.raises(DriverError):
        await kind.probe(address)
    proxy.fault = None
    assert not (await driver.read(Tier)).failed
    assert proxy.refused == 0
    await driver.close()


async def test_a_wrong_unit_is_told_beside_a_loaded_heat_pump(server: ScriptedServer) -> None:
    """Other units are tried over the same endpoint, one after the other."""
    server.silent_units = {7}
    loaded = link_to(server, 1)
    await ask(loaded)
    question = Question("input", 3, 1)

    async def identify(link: Link) -> Any:
        return await first_answer(link, question)

    address = Address(host="127.0.0.1", port=server.port, unit=7)
    with pytest.raises(WrongUnitError):
        await look(address, identify, question, timeout=TIMEOUT)
    assert await ask(loaded) == [3]
    await loaded.close()
    await asyncio.sleep(0.05)
    assert server.open == 0
