"""On the wire the server answers as a Daikin Home Hub does."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine, DaikinServer
from custom_components.heat_pump_hub.simulator.daikin_table import ROWS
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER, Reader

type Connect = Callable[[int], Awaitable[Reader]]
type Start = Callable[..., Awaitable[DaikinServer]]


@pytest.fixture
async def start(socket_enabled: None) -> AsyncIterator[Start]:
    """Start servers with options of :class:`DaikinServer`."""
    servers: list[DaikinServer] = []

    async def start(machine: DaikinMachine | None = None, **options: object) -> DaikinServer:
        server = DaikinServer(
            HeatPumpModel(1, WINTER),
            machine,
            **{"speed": 0.0, "read_back_delay": (0.0, 0.0), **options},  # type: ignore[arg-type]
        )
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


def test_every_row_is_there() -> None:
    assert len(ROWS) == len({row.key for row in ROWS}) == len({row.place for row in ROWS}) == 59
    by_key = {row.key: row for row in ROWS}
    # one less than the document prints
    assert by_key["outdoor_temperature"].address == 43
    assert by_key["smart_grid_mode"].address == 55
    assert by_key["smart_grid_mode"].holding


async def test_gaps_answer_and_the_rest_is_refused(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    assert isinstance(await reader.read(20, 41), list)
    assert isinstance(await reader.read(0, 60, holding=True), list)
    assert isinstance(await reader.read(60, 7, holding=True), list)
    assert await reader.read(0, 61, holding=True) == 3
    assert await reader.read(61) == await reader.read(19) == await reader.read(83, 4) == 2
    assert await reader.read(67, holding=True) == await reader.read(1000, holding=True) == 2


async def test_hundredths_and_whole_degrees(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    server.hold("outdoor_temperature", 21.5)
    assert await reader.read(43) == [0x0866]
    server.hold("outdoor_temperature", -10.0)
    assert await reader.read(43) == [0xFC18]
    server.hold("outdoor_temperature")
    assert await reader.read(43) == [0x7FFE]
    assert await reader.read(9, holding=True) == [48]
    # no limit is set on this machine
    assert await reader.read(57, holding=True) == [0x7FFE]


async def test_setpoints_are_clamped_and_the_rest_is_dropped(
    start: Start, connect: Connect
) -> None:
    server = await start()
    reader = await connect(server.port)
    assert await reader.write(0, 70, single=True) == 0
    assert await reader.read(0, holding=True) == [55]
    assert await reader.write(9, 10, single=True) == 0
    assert await reader.read(9, holding=True) == [30]
    assert await reader.write(55, 9, single=True) == 0
    assert await reader.read(55, holding=True) == [0]
    assert await reader.write(57, 2500, single=True) == 0
    assert await reader.read(57, holding=True) == [0x7FFE]
    assert await reader.write(57, 550, single=True) == 0
    assert server.model.settings["power_limit"] == 5500.0
    assert await reader.write(55, 1, single=True) == 0
    assert server.model.settings["smart_grid_mode"] == "locked"
    assert await reader.write(4, 1, single=True) == 2
    assert [write.function_code for write in server.writes] == [6] * 7


async def test_a_lost_unit(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    server.lose_unit()
    assert await reader.read(20, 3) == [1, 0x5538, 2]
    assert await reader.read(43) == [0x7FFE]
    assert await reader.write(9, 55, single=True) == 0
    server.lose_unit(False)
    assert await reader.read(20, 3) == [0, 0x7FFE, 0x7FFE]
    assert await reader.read(9, holding=True) == [48]


async def test_a_fault_of_the_machine(start: Start, connect: Connect) -> None:
    server = await start()
    reader = await connect(server.port)
    server.model.inject("fault", 3)
    assert await reader.read(20, 3) == [1, 0x4533, 2]


async def test_one_zone(start: Start, connect: Connect) -> None:
    server = await start(DaikinMachine(additional=False))
    reader = await connect(server.port)
    assert await reader.read(53, 8) == [2500, 5500, 500, 2200, *[0x7FFE] * 4]
    assert await reader.read(62, 5, holding=True) == [0x7FFE] * 5


async def test_air_to_air(start: Start, connect: Connect) -> None:
    server = await start(DaikinMachine(use_case=4))
    reader = await connect(server.port)
    assert await reader.read(1000, 2, holding=True) == [0, 0x7FFE]
    assert await reader.write(1001, 350, single=True) == 0
    assert await reader.read(1001, holding=True) == [350]
    assert await reader.read(20) == await reader.read(0, holding=True) == 2


def test_a_hub_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="use case"):
        DaikinMachine(use_case=5)


async def test_values_live(start: Start) -> None:
    server = await start()
    server.model.advance(6 * 3600.0)
    state = server.model.state
    for key, shown in (
        ("outdoor_temperature", "outdoor_temperature"),
        ("leaving_water_temperature_phe", "flow_temperature"),
        ("dhw_temperature", "dhw_temperature"),
    ):
        assert server.value(key) == pytest.approx(state[shown], abs=0.006)
    assert server.value("heat_pump_power") == pytest.approx(
        float(state["electrical_power"]) / 1000, abs=0.006
    )
