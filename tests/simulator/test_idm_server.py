"""On the wire the server answers as an IDM Navigator does."""

import asyncio
from collections.abc import Awaitable, Callable
from struct import pack, unpack
import time

import pytest

from custom_components.heat_pump_hub.simulator import server as server_module
from custom_components.heat_pump_hub.simulator.idm import IdmServer, Request
from custom_components.heat_pump_hub.simulator.idm_table import rows
from custom_components.heat_pump_hub.simulator.idm_values import FEATURES, IdmMachine
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER, Reader, ServerFactory

type Connect = Callable[[int], Awaitable[Reader]]

MINUS_ONE = [0x0000, 0xBF80]


def floating(words: list[int] | int) -> float:
    """Decode a float, low word first."""
    assert isinstance(words, list)
    value: float = unpack("<f", pack("<HH", *words))[0]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [(21.5, [0x0000, 0x41AC]), (-1.0, MINUS_ONE), (46.5, [0x0000, 0x423A])],
)
async def test_floats_have_the_low_word_first(
    start_server: ServerFactory, connect: Connect, value: float, words: list[int]
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    server.hold("flow_temperature", value)
    assert await reader.read(1050, 2) == words
    assert await reader.read(1050, 2, holding=True) == words
    server.release("flow_temperature")
    assert floating(await reader.read(1050, 2)) == pytest.approx(
        server.model.state["flow_temperature"]
    )


async def test_every_defined_address_answers_and_no_other(
    start_server: ServerFactory, connect: Connect
) -> None:
    machine = IdmMachine(
        circuits="ABCDEFG",
        zones=dict.fromkeys(range(1, 11), 8),
        features=FEATURES,
        navigator="10",
    )
    server = await start_server(machine)
    reader = await connect(server.port)
    defined = {address for row in rows() if row.readable for address in row.addresses}
    for address in range(1110, 1360):
        answered = await reader.read(address)
        assert (answered == 2) == (address not in defined), address
    for row in rows():
        if not row.readable:
            continue
        words = await reader.read(row.address, row.type.words)
        assert isinstance(words, list), row.key
        assert server.value(row.key) == server.value(row.key)
    # Every float of a full machine but those of absent sensors is a plausible number.
    assert floating(await reader.read(2002, 2)) == pytest.approx(21.0, abs=3.0)
    assert await reader.read(73) == await reader.read(4130) == await reader.read(9) == 2


async def test_a_read_across_a_gap_is_refused(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    assert isinstance(await reader.read(1012, 4), list)
    assert await reader.read(1012, 5) == 2
    assert await reader.read(1016) == 2
    assert await reader.read(4128, 2) != 2
    assert await reader.read(4128, 3) == 2
    assert await reader.read(1999) == 2


async def test_what_is_not_fitted_is_refused(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server(IdmMachine(circuits="A", zones={2: 3}))
    reader = await connect(server.port)
    for absent in (88, 90, 1068, 1147, 1220, 1680, 1850, 1870, 2000, 2130, 4001, 4010, 4108, 4116):
        assert await reader.read(absent, 1) == 2, absent
    assert await reader.read(2065) == [1]
    assert await reader.read(2064 + 65) == 2
    # Rooms without a module answer sentinels.
    assert await reader.read(2065 + 2 + 3 * 7, 2) == MINUS_ONE
    assert await reader.read(2065 + 6 + 3 * 7) == [0xFFFF]


async def test_unconfigured_circuits_answer_sentinels(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    assert await reader.read(1498, 4) == [1, 1, 0xFFFF, 0xFFFF]
    assert await reader.read(1354, 2) == MINUS_ONE
    assert await reader.read(1395) == [0xFFFF]
    assert await reader.read(1457, 2) == [0, 0]
    assert await reader.write(1395, 1) == 2


async def test_absent_blocks_can_answer_sentinels_instead(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server(IdmMachine(sentinels=frozenset({"cascade", "navigator_10"})))
    reader = await connect(server.port)
    assert await reader.read(1147) == [0xFFFF]
    assert await reader.read(1200, 2) == MINUS_ONE
    assert await reader.read(1226) == [0x8000]
    assert await reader.read(4001) == [0xFFFF]
    assert await reader.read(1105, 2) == [0xFFFF, 0xFFFF]


async def test_shared_addresses(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server(IdmMachine(circuits="ABCDEFG"))
    reader = await connect(server.port)
    server.set_value("circuit_a_mode", 3)
    server.hold("humidity_sensor", 46.5)
    assert await reader.read(1392, 2) == [0x0000, 0x423A]
    assert await reader.read(1393) == [3]
    assert await reader.read(1392, 3) == [0x0000, 3, 1]
    assert await reader.read(1392) == [0x0000]
    assert server.value("humidity_sensor") == 46.5
    assert server.value("circuit_a_mode") == 3
    assert floating(await reader.read(1441, 2)) == pytest.approx(0.6)
    assert await reader.read(1442) == [15]
    # A float's own write does not touch its neighbour, a longer one is refused.
    assert await reader.write(1441, 0x0000, 0x4000) == 0
    assert floating(await reader.read(1441, 2)) == 2.0
    assert await reader.read(1442, 2) == [15, 15]
    assert await reader.write(1442, 17) == 0
    assert floating(await reader.read(1441, 2)) == 2.0
    assert await reader.read(1442) == [17]
    assert await reader.write(1441, 0x0000, 0x4000, 18) == 2
    assert server.model.settings["circuit_g_heating_curve_slope"] == 2.0
    assert server.model.settings["circuit_a_heating_limit"] == 17.0


async def test_writes_act_on_the_machine_and_are_recorded(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server(IdmMachine(features=FEATURES))
    reader = await connect(server.port)
    assert await reader.write(1401, 0x0000, 0x41AC) == 0
    assert await reader.read(1401, 2) == [0x0000, 0x41AC]
    assert await reader.write(1032, 50, single=True) == 0
    assert await reader.read(1032) == [50]
    assert await reader.write(1005, 4) == 0
    assert await reader.write(74, 0x0000, 0x4020) == 0
    assert await reader.write(4108, 0x0000, 0x3FC0) == 0
    assert await reader.write(1690, 0x0000, 0x423A) == 0
    assert await reader.write(1226, 0xFFFB) == 0
    assert await reader.read(1226) == [0xFFFB]
    settings = server.model.settings
    assert settings["circuit_a_room_temperature_setpoint"] == 21.5
    assert settings["dhw_temperature_setpoint"] == 50.0
    assert settings["system_mode"] == "hot_water_only"
    assert settings["pv_surplus"] == 2500.0
    assert settings["power_limit"] == 1500.0
    assert settings["external_outdoor_temperature"] == 46.5
    assert floating(await reader.read(1000, 2)) == 46.5
    assert await reader.write(1690, *MINUS_ONE) == 0
    assert await reader.write(4108, *MINUS_ONE) == 0
    assert settings["external_outdoor_temperature"] is None
    assert settings["power_limit"] is None
    assert await reader.read(1690, 2) == MINUS_ONE
    first = server.writes[0]
    assert (first.address, first.words, first.function_code) == (1401, (0x0000, 0x41AC), 16)
    assert first.accepted
    assert (server.writes[1].function_code, server.writes[1].words) == (6, (50,))
    assert len(server.writes) == 9


async def test_two_values_in_one_write(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server()
    reader = await connect(server.port)
    assert await reader.write(1032, 47, 41, 49) == 0
    assert await reader.read(1032, 3) == [47, 41, 49]
    # One bad value spoils the whole request.
    assert await reader.write(1032, 48, 99) == 3
    assert await reader.read(1032, 2) == [47, 41]


async def test_refused_writes_change_nothing_but_are_recorded(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server(IdmMachine(features=FEATURES))
    reader = await connect(server.port)
    before = dict(server.model.settings)
    assert await reader.write(1000, 0, 0) == 2
    assert await reader.write(1500, 0) == 2
    assert await reader.write(1032, 34) == 3
    assert await reader.write(1032, 96) == 3
    assert await reader.write(1032, 0x0132) == 3
    assert await reader.write(1005, 3) == 3
    assert await reader.write(1401, 0x0000, 0x41AC, 0x0000) == 2
    assert await reader.write(1401, 0x0000) == 2
    assert await reader.write(1402, 0x41AC) == 2
    assert await reader.write(1401, 0x0000, 0x7FC0) == 3
    assert await reader.write(1401, 0x0000, 0x4220) == 3
    assert await reader.write(1120, 41) == 3
    assert await reader.write(1120, 0xFFD7) == 3
    assert await reader.write(9000, 1) == 2
    assert dict(server.model.settings) == before
    assert [write.accepted for write in server.writes] == [False] * 14


async def test_limits_that_are_not_exact_in_32_bits_can_be_written(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    assert await reader.write(1429, *unpack("<HH", pack("<f", 0.1))) == 0
    assert await reader.write(1429, *unpack("<HH", pack("<f", 0.05))) == 3


async def test_settings_read_back_late_and_inputs_at_once(
    start_server: ServerFactory, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(read_back_delay=(5.0, 15.0))
    reader = await connect(server.port)
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    before = await reader.read(1032)
    assert await reader.write(1032, 55) == 0
    assert await reader.write(86, 70) == 0
    assert await reader.read(1032) == before
    assert await reader.read(86) == [70]
    now += 4.9
    assert await reader.read(1032) == before
    now += 10.2
    assert await reader.read(1032) == [55]
    assert server.model.settings["dhw_temperature_setpoint"] == 55.0
    # The newest write wins, and the panel wins over a write on its way.
    assert await reader.write(1032, 50) == 0
    assert await reader.write(1032, 51) == 0
    now += 15.1
    assert await reader.read(1032) == [51]
    assert await reader.write(1032, 52) == 0
    server.set_value("dhw_setpoint", 60)
    now += 15.1
    assert await reader.read(1032) == [60]


async def test_read_back_delay_depends_on_the_seed(start_server: ServerFactory) -> None:
    delays = []
    for seed in (1, 1, 2):
        server = await start_server(read_back_delay=(0.0, 15.0), seed=seed)
        server.store(1032, (55,))
        delays.append(round(server._late.waiting["dhw_setpoint"][0], 1))
    assert delays[0] == pytest.approx(delays[1], abs=0.5)
    assert abs(delays[0] - delays[2]) > 0.5


async def test_an_unknown_unit_is_answered_by_the_gateway(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    assert await reader.read(1000, 2, unit=7) == 11
    assert isinstance(await reader.read(1000, 2), list)


async def test_an_unknown_unit_can_be_met_with_silence(start_server: ServerFactory) -> None:
    server = await start_server(silent_unit=True, unit=3)
    for unit, silent in ((1, True), (3, False)):
        answer = await ask(server, bytes((0, 9, 0, 0, 0, 6, unit, 4, 0x03, 0xE8, 0, 2)))
        assert (answer is None) == silent


async def test_a_silent_server_takes_requests(start_server: ServerFactory) -> None:
    server = await start_server()
    server.silent = True
    assert await ask(server, bytes((0, 9, 0, 0, 0, 6, 1, 4, 0x03, 0xE8, 0, 2))) is None
    assert server.request_count == 1


async def ask(server: IdmServer, request: bytes) -> bytes | None:
    """Send one frame; return what comes within a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    try:
        async with asyncio.timeout(0.2):
            return await reader.read(100)
    except TimeoutError:
        return None
    finally:
        writer.close()
        await writer.wait_closed()


async def test_requests_and_connections_are_counted(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    assert server.connections == 0
    reader = await connect(server.port)
    await reader.read(1000, 2)
    await reader.read(1050, 4, holding=True)
    assert server.requests == [Request(4, 1000, 2, 1), Request(3, 1050, 4, 1)]
    assert (server.request_count, server.connections, server.connects) == (2, 1, 1)
    assert server.writes == []
    reader.client.close()
    async with asyncio.timeout(5):
        while server.connections:
            await asyncio.sleep(0.01)


async def test_what_is_remembered_is_bounded(
    start_server: ServerFactory, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_KEPT", 4)
    server = await start_server()
    reader = await connect(server.port)
    for value in range(40, 46):
        assert await reader.write(1032, value) == 0
    assert server.request_count == 6
    assert [write.words for write in server.writes] == [(42,), (43,), (44,), (45,)]
    assert len(server.requests) == 4


async def test_refused_and_crashing_addresses(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    server.refuse(1112)
    assert await reader.read(1110, 3) == 2
    assert await reader.read(1110, 2) == [0, 0]
    server.refuse(1110, code=4)
    assert await reader.read(1110) == 4
    server.accept(1112)
    assert isinstance(await reader.read(1111, 2), list)
    server.accept()
    assert isinstance(await reader.read(1110, 3), list)
    server.crash(1112)
    request = bytes((0, 9, 0, 0, 0, 6, 1, 4, 0x04, 0x56, 0, 3))
    assert await ask(server, request) == b""
    server.accept()
    assert (await ask(server, request) or b"")[:2] == b"\x00\x09"


@pytest.mark.parametrize("code", [5, 6, 10, 11])
async def test_a_booting_controller_refuses_everything(
    start_server: ServerFactory, connect: Connect, code: int
) -> None:
    server = await start_server()
    reader = await connect(server.port)
    server.refuse_all(code)
    assert await reader.read(1000, 2) == await reader.write(1032, 50) == code
    server.refuse_all(None)
    assert isinstance(await reader.read(1000, 2), list)


async def test_other_function_codes_and_lengths(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server(IdmMachine(max_read=10))
    reader = await connect(server.port)
    for call in (reader.client.read_coils, reader.client.read_discrete_inputs):
        assert (await call(1000)).exception_code == 1
    assert (await reader.client.write_coil(1032, True)).exception_code == 1
    assert len(server.writes) == 1
    assert isinstance(await reader.read(1350, 10), list)
    assert await reader.read(1350, 11) == 3


async def test_forced_values_and_raw_words(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server()
    reader = await connect(server.port)
    server.hold("heat_pump_mode", 77)
    server.hold("internal_message_number", words=[0x0101])
    server.hold("hgl_flow_temperature")
    server.hold("circuit_a_mode", words=[0x0202])
    assert await reader.read(1090) == [77]
    assert await reader.read(1004) == [0x0101]
    assert await reader.read(1054, 2) == MINUS_ONE
    assert await reader.read(1393) == [0x0202]
    server.release("circuit_a_mode")
    assert await reader.read(1393) == [1]
    with pytest.raises(KeyError):
        server.hold("colour", 1)
    with pytest.raises(KeyError):
        server.set_value("flow_temperature", 1)
    with pytest.raises(KeyError):
        server.row("solar_mode")
    assert server.row("dhw_setpoint").address == 1032


async def test_measurements_follow_the_model(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server(IdmMachine(features=FEATURES, zones={1: 2}, navigator="10"))
    reader = await connect(server.port)
    model = server.model
    modes = {"heating": 1, "dhw": 4, "defrost": 8, "off": 0}
    seen = set()
    for _ in range(48):
        model.advance(1800)
        mode = str(model.state["operating_mode"])
        seen.add(mode)
        assert await reader.read(1090) == [modes[mode]]
        assert await reader.read(1100) == [int(mode != "off")]
        pump = await reader.read(1104)
        assert pump == [0xFFFF] if mode == "off" else pump != [0xFFFF]
        watts = floating(await reader.read(4122, 2)) * 1000.0
        assert watts == pytest.approx(model.state["electrical_power"], abs=0.1)
        kwh = floating(await reader.read(1750, 2))
        assert kwh == pytest.approx(model.state["thermal_energy"], rel=1e-6)
    assert {"heating", "off"} <= seen
    model.inject("fault", 227)
    model.set("smart_grid_mode", "locked")
    model.advance(60)
    assert await reader.read(1004) == [227]
    assert await reader.read(1098, 2) == [0, 1]
    assert await reader.read(90) == [0]
    assert await reader.write(1999, 1) == 0
    assert await reader.read(1004) == [0]


async def test_rooms_take_an_outside_sensor_and_give_it_back(
    start_server: ServerFactory, connect: Connect
) -> None:
    server = await start_server(IdmMachine(zones={1: 2}))
    reader = await connect(server.port)
    own = await reader.read(2002, 2)
    assert await reader.write(2002, 0x0000, 0x41AC) == 0
    assert await reader.read(2002, 2) == [0x0000, 0x41AC]
    assert await reader.write(2002, *MINUS_ONE) == 0
    assert await reader.read(2002, 2) == own
    assert await reader.write(2004, 0x0000, 0x41AC) == 0
    assert await reader.write(2007, 3) == 0
    assert await reader.read(2004, 2) == [0x0000, 0x41AC]
    assert await reader.read(2007) == [3]


async def test_navigator_1_7_has_another_map(start_server: ServerFactory, connect: Connect) -> None:
    server = await start_server(IdmMachine(navigator="1.7"))
    reader = await connect(server.port)
    assert -30.0 < floating(await reader.read(1000, 2)) < 40.0
    assert await reader.read(1350, 2) == 2
    assert await reader.read(1498) == 2


async def test_time_runs_while_nobody_reads(
    start_server: ServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(0.001)

    server = await start_server(speed=100.0)
    ticks = 0

    def tick() -> bool:
        nonlocal ticks
        ticks += 1
        return False

    monkeypatch.setattr(server.clock, "tick", tick)
    monkeypatch.setattr(server_module.asyncio, "sleep", nap)
    await server.stop()
    await server.start()
    async with asyncio.timeout(5):
        while ticks < 3:
            await sleep(0.005)
    assert naps[-1] == 1.0


async def test_starting_and_stopping_leaves_nothing(socket_enabled: None, connect: Connect) -> None:
    server = IdmServer(HeatPumpModel(1, WINTER))
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.port
    await server.stop()
    tasks = asyncio.all_tasks()
    port = await server.start()
    second = IdmServer(HeatPumpModel(1, WINTER), port=port)
    with pytest.raises(OSError, match="cannot listen"):
        await second.start()
    reader = await connect(port)
    assert isinstance(await reader.read(1000, 2), list)
    await server.stop()
    await server.stop()
    assert server.connections == 0
    reader.client.close()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == tasks
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


def test_machines_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="circuits"):
        IdmMachine(circuits="AH")
    with pytest.raises(ValueError, match="zones"):
        IdmMachine(zones={11: 1})
    with pytest.raises(ValueError, match="features"):
        IdmMachine(features=frozenset({"espresso"}))
    with pytest.raises(ValueError, match="no circuits"):
        IdmServer(HeatPumpModel(1, WINTER, circuits="a"), IdmMachine(circuits="AC"))
