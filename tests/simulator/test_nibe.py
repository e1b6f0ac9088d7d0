"""On the wire the server answers as a NIBE S-series pump does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
import time

import pytest

from custom_components.heat_pump_hub.simulator.nibe import CRASHING, NibeMachine, NibeServer
from custom_components.heat_pump_hub.simulator.nibe_table import MODELS, ROWS, rows
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel
from custom_components.heat_pump_hub.simulator.server import HOLDINGS

from .conftest import WINTER, Reader

type Connect = Callable[[int], Awaitable[Reader]]
type Start = Callable[..., Awaitable[NibeServer]]


@pytest.fixture
async def start(socket_enabled: None) -> AsyncIterator[Start]:
    """Start servers with options of :class:`NibeServer` and ``machine``."""
    servers: list[NibeServer] = []

    async def start(machine: NibeMachine | None = None, **options: object) -> NibeServer:
        machine = machine or NibeMachine()
        model = HeatPumpModel(1, WINTER, circuits="abcdefgh")
        server = NibeServer(
            model, machine, **{"speed": 0.0, "read_back_delay": (0.0, 0.0), **options}
        )
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


def test_every_row_and_every_repeat_is_there() -> None:
    assert len(ROWS) == 195
    everything = list(rows())
    assert len({row.key for row in everything}) == len(everything) == 234
    by_key = {row.key: row.address for row in everything}
    assert by_key["room_temperature_average_cs1"] == 116
    assert by_key["room_temperature_average_cs8"] == 109
    assert by_key["room_setpoint_cooling_cs8"] == 981
    assert by_key["heating_curve_cs3"] == 24


@pytest.mark.parametrize("model", MODELS)
def test_no_register_is_listed_twice(model: str) -> None:
    taken = Counter(
        place
        for row in NibeMachine(model=model).rows()
        for place in range(row.place, row.place + row.type.words)
    )
    assert max(taken.values()) == 1


def test_a_machine_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="no such model"):
        NibeMachine(model="f1245")
    with pytest.raises(ValueError, match="climate systems"):
        NibeMachine(systems="b")
    with pytest.raises(ValueError, match="no circuits"):
        NibeServer(HeatPumpModel(1, WINTER, circuits="a"), NibeMachine(systems="ab"))


async def test_the_tables_are_apart(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    server.hold("brine_out_temperature", -2.5)
    assert await reader.read(11) == [0xFFE7]
    server.hold("degree_minutes", -120.0)
    assert await reader.read(11, 2, holding=True) == [0xFB50, 0xFFFF]
    server.release("brine_out_temperature")
    assert server.value("brine_out_temperature") != -2.5
    assert await reader.read(30, holding=True) == [0]
    assert await reader.read(30) == 2
    assert await reader.read(9, holding=True) == 2


async def test_low_word_first_and_limits_for_no_value(start: Start, connect: Connect) -> None:
    server = await start(NibeMachine(systems="a"))
    reader = await connect(server.port)
    server.hold("hour_produced_heating", 9653.0)
    assert await reader.read(2283, 2) == [0xBAB4, 0x000E]
    assert server.value("hour_produced_heating") == 9653.0
    # a sensor of a climate system that is not there, by type
    assert await reader.read(4) == [0x8000]
    assert server.value("supply_temperature_cs2") is None
    assert await reader.read(1805) == [0x00FF]
    assert await reader.read(406) == [0xFFFF]
    server.hold("compressor_starts")
    assert await reader.read(1083, 2) == [0x0000, 0x8000]
    server.hold("hot_water_mode_current")
    assert await reader.read(1038) == [0x0080]


@pytest.mark.parametrize("model", MODELS)
async def test_every_listed_address_answers_and_no_other(
    start: Start, connect: Connect, model: str
) -> None:
    server = await start(NibeMachine(model=model))
    reader = await connect(server.port)
    listed = set(server.defined())
    for row in server.rows:
        assert isinstance(
            await reader.read(row.address, row.type.words, holding=row.holding), list
        ), row.key
    for address in range(45):
        assert (await reader.read(address) == 2) == (address not in listed), address
        assert (await reader.read(address, holding=True) == 2) == (
            HOLDINGS + address not in listed
        ), address
    assert await reader.read(4999) == await reader.read(6100, holding=True) == 2


async def test_writes_act_on_the_machine_and_are_recorded(start: Start, connect: Connect) -> None:
    server = await start(NibeMachine(model="smos40"))
    reader = await connect(server.port)
    assert await reader.write(206, 215) == 0
    assert await reader.read(206, holding=True) == [215]
    assert await reader.write(205, 190) == 0
    assert await reader.write(6008, 3) == 0
    assert await reader.write(6007, 42, single=True) == 0
    assert await reader.write(11, 0xFB50, 0xFFFF) == 0
    assert await reader.write(26, 5) == 0
    settings = server.model.settings
    assert settings["circuit_a_room_temperature_setpoint"] == 21.5
    assert settings["circuit_b_room_temperature_setpoint"] == 19.0
    assert settings["smart_grid_mode"] == "forced"
    assert settings["power_limit"] == 4200.0
    assert settings["circuit_a_heating_curve_slope"] == pytest.approx(0.35)
    assert await reader.read(1911) == [40]
    assert [write.address for write in server.writes] == [206, 205, 6008, 6007, 11, 26]
    assert all(write.accepted for write in server.writes)


async def test_refused_writes_change_nothing(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    before = dict(server.model.settings)
    assert await reader.write(206, 400) == 3
    assert await reader.write(237, 7) == 3
    assert await reader.write(1, 0) == 2
    assert await reader.write(11, 0xFB50) == 2
    assert await reader.write(12, 0) == 2
    assert dict(server.model.settings) == before
    assert not any(write.accepted for write in server.writes)


async def test_a_setting_reads_back_late_and_the_panel_acts_at_once(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(read_back_delay=(5.0, 5.0))
    reader = await connect(server.port)
    assert await reader.write(206, 215) == 0
    assert await reader.read(206, holding=True) == [220]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 6.0)
    assert await reader.read(206, holding=True) == [215]
    monkeypatch.undo()
    server.set_value("room_setpoint_cs1", 19.0)
    assert await reader.read(206, holding=True) == [190]
    server.set_value("hot_water_demand_mode", 2)
    assert await reader.read(56, holding=True) == [2]
    with pytest.raises(KeyError):
        server.set_value("outdoor_temperature", 3.0)


async def test_whoever_touches_the_two_registers_loses_the_link(
    start: Start, connect: Connect
) -> None:
    server = await start()
    assert {HOLDINGS + 43243, HOLDINGS + 3242, HOLDINGS + 3233, 43234} <= CRASHING
    for address in (43243, 3242, 3233):
        reader = await connect(server.port)
        with pytest.raises(Exception, match="No response|Connection"):
            await reader.read(address, holding=True)
        reader.client.close()


async def test_values_live(start: Start) -> None:
    server = await start(NibeMachine(model="s320_s325"))
    server.model.advance(6 * 3600.0)
    state = server.model.state
    assert server.value("outdoor_temperature") == pytest.approx(state["outdoor_temperature"])
    assert server.value("eb101_condenser_supply_temperature") == pytest.approx(
        state["flow_temperature"], abs=0.06
    )
    codes = {"off": 10, "dhw": 20, "heating": 30, "defrost": 30}
    assert server.value("priority") == codes[str(state["operating_mode"])]
    server.model.inject("fault", 51)
    assert server.value("alarm_number") == 51
    assert server.value("class_1_alarm") == 1
    assert server.row("alarm_number").address == 1975


async def test_a_value_that_does_not_fit_is_an_error(start: Start) -> None:
    server = await start()
    with pytest.raises(ValueError, match="cannot hold"):
        server.hold("fan_mode", 300)
    server.hold("fan_mode", words=[0x0042])
    assert server.words("fan_mode") == (0x42,)
    await asyncio.sleep(0)
