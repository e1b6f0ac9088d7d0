"""The simulated Smart Home Interface, asked by a client that knows nothing but the notes."""

from collections.abc import AsyncIterator, Awaitable, Callable
import random
import socket
import time

from pymodbus.client import AsyncModbusTcpClient
import pytest

from custom_components.heat_pump_hub.simulator import luxtronik as module
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikMachine, LuxtronikServer
from custom_components.heat_pump_hub.simulator.luxtronik_shi import ShiServer, port_beside
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER

type Start = Callable[..., Awaitable[tuple[LuxtronikServer, ShiServer, Client]]]

ABSENT = 32767


class Client:
    """Reads and writes by the index of the notes."""

    def __init__(self, port: int) -> None:
        self._client = AsyncModbusTcpClient("127.0.0.1", port=port, reconnect_delay=0)

    async def open(self) -> Client:
        assert await self._client.connect()
        return self

    async def inputs(self, index: int, count: int = 1) -> list[int]:
        answer = await self._client.read_input_registers(10000 + index, count=count)
        return [] if answer.isError() else list(answer.registers)

    async def holdings(self, index: int, count: int = 1) -> list[int]:
        answer = await self._client.read_holding_registers(10000 + index, count=count)
        return [] if answer.isError() else list(answer.registers)

    async def write(self, index: int, *words: int) -> bool:
        answer = await self._client.write_registers(10000 + index, [w & 0xFFFF for w in words])
        return not answer.isError()

    def close(self) -> None:
        self._client.close()


@pytest.fixture
async def start(socket_enabled: None) -> AsyncIterator[Start]:
    """Start controllers with the interface; options are those of the machine and the server."""
    opened: list[LuxtronikServer | Client] = []

    async def start(
        *, lapse: float = 600.0, mixing: int = 2, firmware: str = "V3.92.1"
    ) -> tuple[LuxtronikServer, ShiServer, Client]:
        server = LuxtronikServer(
            HeatPumpModel(1, WINTER, circuits="abcd"),
            LuxtronikMachine(shi=True, mixing=mixing, firmware=firmware),
            speed=0.0,
            read_back_delay=(0.0, 0.0),
            lapse=lapse,
        )
        opened.append(server)
        await server.start()
        assert server.shi is not None
        client = await Client(server.shi.port).open()
        opened.append(client)
        return server, server.shi, client

    yield start
    for item in reversed(opened):
        if isinstance(item, Client):
            item.close()
        else:
            await item.stop()


async def test_the_version_is_the_firmware(start: Start) -> None:
    server, shi, client = await start()
    assert shi.port == server.port + 1
    assert await client.inputs(400, 3) == [3, 92, 1]


async def test_values_are_those_of_the_machine(start: Start) -> None:
    """Tenths of a degree, hundreds of watts, the high word first."""
    server, _, client = await start()
    state = server.model.state
    assert await client.inputs(120) == [round(float(state["dhw_temperature"]) * 10)]
    assert await client.inputs(301) == [round(float(state["electrical_power"]) / 100)]
    energy = round(float(state["heating_electrical_energy"]) * 10)
    assert await client.inputs(312, 2) == [energy >> 16, energy & 0xFFFF]


async def test_gaps_are_refused(start: Start) -> None:
    _, _, client = await start()
    assert await client.inputs(1) == []
    assert await client.inputs(0, 3) == []
    assert await client.holdings(4) == []


async def test_an_older_firmware_has_less(start: Start) -> None:
    """And shows 0 where it has nothing to tell."""
    _, _, client = await start(firmware="V3.90.1", mixing=0)
    assert await client.holdings(0, 3) == [0, 350, 0]
    assert await client.holdings(3) == []
    assert await client.holdings(50) == []
    assert await client.inputs(109) == []
    assert await client.inputs(318, 2) == [0, 0]
    assert await client.inputs(140, 4) == [0, 0, 0, 0]


async def test_what_is_not_fitted_is_not_available(start: Start) -> None:
    _, _, client = await start(mixing=1)
    assert ABSENT not in await client.holdings(10, 4)
    assert await client.holdings(20, 4) == [ABSENT] * 4
    assert await client.inputs(150, 4) == [ABSENT] * 4
    assert await client.inputs(318, 2) == [ABSENT] * 2
    assert not await client.write(20, 1)


async def test_what_is_out_of_range_is_refused(start: Start) -> None:
    _, _, client = await start()
    assert not await client.write(6, 760)
    assert not await client.write(5, 4)
    assert not await client.write(7, -201)
    assert await client.write(7, -200)
    assert await client.holdings(5, 3) == [0, 400, 0x10000 - 200]


async def test_a_set_temperature_acts_while_its_mode_is_set(start: Start) -> None:
    server, _, client = await start()
    settings = server.model.settings
    own = settings["dhw_temperature_setpoint"]
    assert await client.write(6, 550)
    assert settings["dhw_temperature_setpoint"] == own
    assert await client.write(5, 1)
    assert settings["dhw_temperature_setpoint"] == 55.0
    assert await client.write(7, -50)
    assert await client.write(5, 2)
    assert isinstance(own, float)
    assert settings["dhw_temperature_setpoint"] == own - 5
    assert await client.write(5, 0)
    assert settings["dhw_temperature_setpoint"] == own


async def test_heating_locks_limits_and_extra_hot_water_act(start: Start) -> None:
    server, _, client = await start()
    settings = server.model.settings
    assert await client.write(1, 300)
    assert await client.write(0, 1)
    assert settings["flow_request"] == 34.0
    assert await client.write(2, 15)
    assert await client.write(0, 2)
    assert (settings["flow_request"], settings["circuit_a_heating_curve_shift"]) == (None, 1.5)
    assert await client.write(41, 25)
    assert settings["power_limit"] is None
    assert await client.write(40, 1)
    assert settings["power_limit"] == 2500.0
    assert await client.write(50, 1)
    assert settings["system_mode"] == "hot_water_only"
    assert await client.write(51, 1)
    assert settings["system_mode"] == "standby"
    assert await client.write(71, 1)
    assert settings["request_dhw_once"] == 1.0


async def test_a_parameter_changes_what_stands_below(start: Start) -> None:
    """What the interface holds above it stays in force."""
    server, _, client = await start()
    assert await client.write(7, 30)
    assert await client.write(5, 2)
    server.set_parameter(105, 450)
    assert server.model.settings["dhw_temperature_setpoint"] == 48.0


async def test_a_restart_forgets(start: Start) -> None:
    server, shi, client = await start()
    own = server.model.settings["dhw_temperature_setpoint"]
    assert await client.write(5, 1)
    await shi.restart()
    again = await client.open()
    assert await again.holdings(5) == [0]
    assert server.model.settings["dhw_temperature_setpoint"] == own


async def test_ten_minutes_without_a_request_forget(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any request keeps it: reading is enough."""
    server, shi, client = await start()
    own = server.model.settings["dhw_temperature_setpoint"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert await client.write(5, 1)
    now += 599
    assert await client.holdings(5) == [1]
    now += 599
    shi.tick()
    assert server.model.settings["dhw_temperature_setpoint"] == 40.0
    now += 1
    shi.tick()
    assert server.model.settings["dhw_temperature_setpoint"] == own
    assert await client.holdings(5) == [0]


def test_it_needs_a_firmware_that_has_it() -> None:
    with pytest.raises(ValueError, match="no Smart Home Interface"):
        LuxtronikMachine(shi=True, firmware="V3.90.0")


def test_beside_a_usual_port_it_has_its_own() -> None:
    assert port_beside(8889) == port_beside(8888) == 502
    assert port_beside(18889) == 18890


def free_before_taken() -> tuple[int, socket.socket]:
    """Return a free port and a socket that holds the next one.

    Both lie below the ports that the system hands out to whoever else runs on this machine.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        taken = socket.socket()
        try:
            with socket.socket() as other:
                other.bind(("127.0.0.1", port))
                taken.bind(("127.0.0.1", port + 1))
                taken.listen()
        except OSError:
            taken.close()
        else:
            return port, taken


async def test_two_ports_in_a_row_are_looked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the next one is taken, another pair is tried; a port that was asked for is kept."""
    first, _, _ = await start()
    port, taken = free_before_taken()
    server = LuxtronikServer(first.model, LuxtronikMachine(shi=True), port=port)
    with pytest.raises(OSError, match="listen"):
        await server.start()
    await server.stop()
    tries = 0
    real = module.port_beside

    def taken_at_first(own: int) -> int:
        nonlocal tries
        tries += 1
        return port + 1 if tries < 3 else real(own)

    monkeypatch.setattr(module, "port_beside", taken_at_first)
    server = LuxtronikServer(first.model, LuxtronikMachine(shi=True))
    await server.start()
    assert tries >= 3
    assert server.shi is not None
    assert server.shi.port == server.port + 1
    await server.stop()
    taken.close()
