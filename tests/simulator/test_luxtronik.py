"""On the wire the server answers as a Luxtronik does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import struct

import pytest

from custom_components.heat_pump_hub.simulator import luxtronik as module
from custom_components.heat_pump_hub.simulator.luxtronik import (
    CALCULATIONS,
    PARAMETERS,
    VISIBILITIES,
    LuxtronikMachine,
    LuxtronikServer,
    luxtronik_frame,
)
from custom_components.heat_pump_hub.simulator.luxtronik_table import end_point, slope, system_mode
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER

type Start = Callable[..., Awaitable[LuxtronikServer]]


@pytest.fixture
async def start(socket_enabled: None) -> AsyncIterator[Start]:
    """Start controllers; options are those of the server, or ``machine``."""
    servers: list[LuxtronikServer] = []

    async def start(machine: LuxtronikMachine | None = None, **options: object) -> LuxtronikServer:
        server = LuxtronikServer(
            HeatPumpModel(1, WINTER, circuits="abcd"),
            machine,
            **{"speed": 0.0, "read_back_delay": (0.0, 0.0), **options},  # type: ignore[arg-type]
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


class Client:
    """A client that knows nothing but the notes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ints(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}i", await self.reader.readexactly(4 * count))

    async def read(self, command: int) -> tuple[int, ...]:
        """Return the values of a table."""
        self.writer.write(struct.pack(">ii", command, 0))
        echo = (await self.ints(1))[0]
        assert echo == command
        if command == CALCULATIONS:
            await self.ints(1)
        (count,) = await self.ints(1)
        if command == VISIBILITIES:
            return struct.unpack(f">{count}b", await self.reader.readexactly(count))
        return await self.ints(count)

    async def write(self, index: int, raw: int) -> tuple[int, ...]:
        """Return the answer to a write."""
        self.writer.write(struct.pack(">iii", 3002, index, raw))
        return await self.ints(2)


@pytest.fixture
async def connect(socket_enabled: None) -> AsyncIterator[Callable[[int], Awaitable[Client]]]:
    """Open clients to a port of 127.0.0.1."""
    clients: list[Client] = []

    async def open_client(port: int) -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    yield open_client
    for client in clients:
        client.writer.close()


type Connect = Callable[[int], Awaitable[Client]]


async def test_the_bytes_of_an_answer(start: Start, connect: Connect) -> None:
    """Echo, status of calculations, length, values; one byte for each visibility."""
    server = await start(LuxtronikMachine(calculations=100, parameters=3, visibilities=5, status=9))
    client = await connect(server.port)
    server.hold(10, 330)
    server.hold(19, -50)
    client.writer.write(bytes.fromhex("00000bbc00000000"))
    answer = await client.reader.readexactly(12 + 4 * 100)
    assert answer[:12] == bytes.fromhex("00000bbc 00000009 00000064")
    assert answer[12 + 40 : 12 + 44] == bytes.fromhex("0000014a")
    assert answer[12 + 76 : 12 + 80] == bytes.fromhex("ffffffce")
    client.writer.write(bytes.fromhex("00000bbb00000000"))
    answer = await client.reader.readexactly(8 + 12)
    assert answer == bytes.fromhex("00000bbb 00000003 00000000 00000000 00000000")
    client.writer.write(bytes.fromhex("00000bbd00000000"))
    answer = await client.reader.readexactly(8 + 5)
    assert answer[:8] == bytes.fromhex("00000bbd 00000005")
    assert server.requests == [CALCULATIONS, PARAMETERS, VISIBILITIES]


async def test_what_it_is(start: Start, connect: Connect) -> None:
    """The firmware one character each, the model, the serial and the circuits."""
    server = await start(LuxtronikMachine(firmware="V2.88.1", model_code=48, mixing=2))
    client = await connect(server.port)
    calculations = await client.read(CALCULATIONS)
    assert "".join(map(chr, calculations[81:91])).rstrip("\0") == "V2.88.1"
    assert calculations[78] == 48
    parameters = await client.read(PARAMETERS)
    assert parameters[874:877] == (200_114, 0x0C3A, 7)
    assert (parameters[42], parameters[130], parameters[780]) == (1, 1, 0)
    visibilities = await client.read(VISIBILITIES)
    assert (visibilities[7], visibilities[8], visibilities[211]) == (1, 1, 0)
    assert (len(calculations), len(parameters), len(visibilities)) == (269, 1180, 380)


async def test_the_model_is_what_is_measured(start: Start, connect: Connect) -> None:
    """Tenths of a degree, seconds, hundredths of a kWh."""
    server = await start()
    client = await connect(server.port)
    server.model.advance(3600)
    state = server.model.state
    calculations = await client.read(CALCULATIONS)
    parameters = await client.read(PARAMETERS)
    assert calculations[10] == round(float(state["flow_temperature"]) * 10)
    assert calculations[15] == round(float(state["outdoor_temperature"]) * 10)
    assert calculations[56] == round(float(state["compressor_hours"]) * 3600)
    assert calculations[151] == round(float(state["heating_energy"]) * 10)
    assert parameters[1136] == round(float(state["heating_electrical_energy"]) * 100)
    assert calculations[21] == round(float(state["circuit_b_flow_temperature"]) * 10)
    assert calculations[24] == 50


async def test_time_passes(start: Start, connect: Connect) -> None:
    """The model moves with the clock."""
    server = await start(speed=5000.0)
    client = await connect(server.port)
    before = await client.read(CALCULATIONS)
    await asyncio.sleep(1.1)
    after = await client.read(CALCULATIONS)
    assert after[134] > before[134]


async def test_a_write_acts(start: Start, connect: Connect) -> None:
    """Setpoint, modes, curve, limit: the model hears of them, and they read back."""
    server = await start()
    client = await connect(server.port)
    settings = server.model.settings
    for index, raw, key, value in (
        (105, 500, "dhw_temperature_setpoint", 50.0),
        (3, 4, "system_mode", "hot_water_only"),
        (3, 0, "system_mode", "automatic"),
        (1, 15, "circuit_a_heating_curve_shift", 1.5),
        (700, 170, "circuit_a_heating_limit", 17.0),
        (695, 3, "circuit_b_mode", "eco"),
        (11, 430, "circuit_a_heating_curve_slope", 0.5),
    ):
        assert await client.write(index, raw) == (3002, index)
        assert settings[key] == pytest.approx(value), key
        assert (await client.read(PARAMETERS))[index] == raw
    await client.write(696, 3)
    assert settings["circuit_c_mode"] == "time_program"
    assert [(write.index, write.value, write.accepted) for write in server.writes][:2] == [
        (105, 500, True),
        (3, 4, True),
    ]


def test_modes_of_heating_and_hot_water() -> None:
    """Two parameters, one mode of the machine."""
    assert system_mode(0, 0) == "automatic"
    assert system_mode(4, 4) == "standby"
    assert system_mode(4, 0) == "hot_water_only"
    assert system_mode(0, 4) == "heating_cooling_only"
    assert system_mode(3, 0) == "away"
    assert slope(end_point(0.4, 22.0), 22.0) == pytest.approx(0.4)


async def test_a_value_out_of_range_is_acknowledged_and_ignored(
    start: Start, connect: Connect
) -> None:
    """The answer never tells; nor for an index that does not exist."""
    server = await start()
    client = await connect(server.port)
    before = await client.read(PARAMETERS)
    assert await client.write(105, 900) == (3002, 105)
    assert await client.write(5000, 1) == (3002, 5000)
    assert await client.write(-1, 1) == (3002, -1)
    assert await client.read(PARAMETERS) == before
    assert [write.accepted for write in server.writes] == [False] * 3


async def test_a_write_reads_back_late(start: Start, connect: Connect) -> None:
    """The old value is shown for a while."""
    server = await start(read_back_delay=(0.1, 0.1))
    client = await connect(server.port)
    await client.write(105, 500)
    assert (await client.read(PARAMETERS))[105] == 480
    await asyncio.sleep(0.15)
    assert (await client.read(PARAMETERS))[105] == 500


async def test_firmware_90_applies_a_write_freezes_and_restarts(
    start: Start, connect: Connect
) -> None:
    """No answer, then no connection, then it is back with the value."""
    server = await start(LuxtronikMachine(firmware="V1.90.0"), freeze=0.15, boot=0.15)
    client = await connect(server.port)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.write(2, 500), 0.05)
    assert server.parameter(2) == 500
    client.writer.write(struct.pack(">ii", CALCULATIONS, 0))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.ints(1)
    with pytest.raises(ConnectionRefusedError):
        await connect(server.port)
    await asyncio.sleep(0.3)
    again = await connect(server.port)
    assert (await again.read(PARAMETERS))[2] == 500
    assert server.connects == 2


async def test_it_can_stay_silent_and_boot(start: Start, connect: Connect) -> None:
    """Silent to reads and writes; while booting without values."""
    server = await start()
    client = await connect(server.port)
    server.booting = True
    assert await client.read(CALCULATIONS) == ()
    assert await client.read(PARAMETERS) == ()
    server.silent = True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.write(105, 500), 0.05)
    assert server.writes[-1].accepted is False


async def test_what_is_no_command_is_not_answered(start: Start, connect: Connect) -> None:
    """Nor counted among the tables."""
    server = await start()
    client = await connect(server.port)
    client.writer.write(struct.pack(">ii", 3006, 0))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.ints(1), 0.05)


async def test_answers_can_come_in_pieces(start: Start, connect: Connect) -> None:
    """Every byte arrives."""
    server = await start()
    server.chunk = 100
    client = await connect(server.port)
    assert len(await client.read(PARAMETERS)) == 1180


async def test_faults_fill_the_error_memory(start: Start, connect: Connect) -> None:
    """The latest first, five at most."""
    server = await start()
    client = await connect(server.port)
    for code in (701, 702, 703, 704, 705, 706):
        server.model.inject("fault", code)
        values = await client.read(CALCULATIONS)
        assert values[117] == 3
        server.model.clear("fault")
        assert (await client.read(CALCULATIONS))[117] != 3
    assert values[100:105] == (706, 705, 704, 703, 702)
    assert values[105] == 5


async def test_a_shown_value_can_be_held(start: Start, connect: Connect) -> None:
    """Until it is released."""
    server = await start()
    client = await connect(server.port)
    server.hold(20, -500)
    assert (await client.read(CALCULATIONS))[20] == -500
    server.release(20)
    assert (await client.read(CALCULATIONS))[20] != -500


async def test_what_it_keeps_is_bounded(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long test does not fill the memory."""
    monkeypatch.setattr(module, "_KEPT", 4)
    server = await start()
    client = await connect(server.port)
    for _ in range(10):
        await client.write(1, 0)
    assert len(server.requests) <= 4
    assert len(server.writes) <= 4


async def test_stopping_twice_and_dropping(start: Start, connect: Connect) -> None:
    """Connections end with the server."""
    server = await start()
    client = await connect(server.port)
    await client.read(CALCULATIONS)
    assert server.connections == 1
    server.drop()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.read(CALCULATIONS)
    await server.stop()
    await server.stop()
    assert server.connections == 0


@pytest.mark.parametrize(
    "options",
    [{"mixing": 4}, {"parameters": 0}, {"firmware": "V3.90.1-12345"}],
)
def test_what_cannot_be(options: dict[str, int]) -> None:
    """Wrong options are told at once."""
    with pytest.raises(ValueError, match=r"no such|has"):
        LuxtronikMachine(**options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no circuits"):
        LuxtronikServer(HeatPumpModel(1, WINTER, circuits="a"), LuxtronikMachine(mixing=1))


def test_frames_for_a_proxy() -> None:
    """Requests and answers are told apart by what follows."""
    read = struct.pack(">ii", PARAMETERS, 0)
    write = struct.pack(">iii", 3002, 2, 500)
    calculations = struct.pack(">iiiii", CALCULATIONS, 0, 2, 7, 8)
    shown = struct.pack(">iibbb", VISIBILITIES, 3, 1, 0, 1)
    for frame in (read, write, calculations, shown, struct.pack(">ii", CALCULATIONS, 0)):
        assert luxtronik_frame(frame) == len(frame)
    assert luxtronik_frame(write[:8]) == 8
    for part in (read[:7], write[:11], calculations[:11], calculations[:19], shown[:10], b""):
        assert luxtronik_frame(part) == 0
