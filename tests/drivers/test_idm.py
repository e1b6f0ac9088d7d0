"""The IDM driver against the simulated machine, whose register table nobody shares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from datetime import UTC, datetime
import socket

import pytest

from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    Driver,
    Layout,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    UnsupportedModelError,
    WrongProtocolError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.idm import IdmDriver, probe
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Tier, is_canonical
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.idm_values import FEATURES, IdmMachine
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .scripted import ScriptedServer, exception

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Start = Callable[..., Awaitable[IdmServer]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts simulated machines and stops them at the end."""
    servers: list[IdmServer] = []

    async def start(**machine: object) -> IdmServer:
        circuits = str(machine.get("circuits", "AB"))
        model = HeatPumpModel(
            seed=7, start=datetime(2026, 1, 15, tzinfo=UTC), circuits=circuits.lower()
        )
        server = IdmServer(
            model,
            IdmMachine(**machine),  # type: ignore[arg-type]
            read_back_delay=(0.0, 0.0),
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


def at(server: IdmServer, unit: int = 1) -> Address:
    """Return where a simulated machine listens."""
    return Address(host="127.0.0.1", port=server.port, unit=unit)


async def driver_for(server: IdmServer) -> IdmDriver:
    """Return a driver with the layout that a probe finds."""
    identity = await probe(at(server))
    return IdmDriver(at(server), identity.layout)


async def test_a_probe_finds_what_is_there(start: Start) -> None:
    """Circuits, zones with their rooms, and optional blocks; nothing is written."""
    server = await start(
        circuits="ACG", zones={1: 3, 4: 6}, features=frozenset({"solar", "power_meter"})
    )
    identity = await probe(at(server))
    assert identity.manufacturer == "IDM"
    assert identity.model == "Navigator 2.0"
    assert identity.layout.circuits == ("a", "c", "g")
    assert identity.layout.zones == {"1": ("1", "2", "3"), "4": ("1", "2", "3", "4", "5", "6")}
    assert {"solar", "electric_power"} <= identity.layout.features
    assert "cascade" not in identity.layout.features
    assert identity.fingerprint["thermal_energy"]
    assert server.writes == []
    await asyncio.sleep(0.05)
    assert server.connections == 0
    assert Layout.from_json(identity.layout.to_json()) == identity.layout


async def test_a_navigator_10_is_told_apart(start: Start) -> None:
    """Its own blocks answer."""
    server = await start(navigator="10")
    identity = await probe(at(server))
    assert identity.model == "Navigator 10"
    assert "smart_grid" in identity.layout.features


async def test_every_point_is_read_and_agrees_with_the_machine(start: Start) -> None:
    """All of the map at once: nothing fails, and values match the machine's own table."""
    server = await start(
        circuits="ABCDEFG",
        zones=dict.fromkeys(range(1, 11), 8),
        features=FEATURES,
        navigator="10",
    )
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    assert len(driver.points) >= 698
    for key in ("outdoor_temperature", "flow_temperature", "return_temperature"):
        assert snapshot.values[key] == pytest.approx(server.value(key), abs=0.06)
    assert snapshot.values["circuit_g_heating_curve_slope"] == pytest.approx(
        server.value("circuit_g_heating_curve"), abs=0.01
    )
    assert snapshot.values["circuit_a_heating_limit"] == server.value("circuit_a_heating_limit")
    assert server.writes == []
    await driver.close()


async def test_a_poll_takes_as_many_requests_as_the_map_has_gaps(start: Start) -> None:
    """Circuits A and B without options: 24 for everything, fewer for measurements."""
    server = await start()
    driver = await driver_for(server)
    await driver.read(Tier)
    before = server.request_count
    await driver.read(Tier)
    assert server.request_count - before == len(driver.blocks(Tier)) <= 26
    assert len(driver.blocks([Tier.MEASUREMENT])) <= 18
    await driver.close()


async def test_measurements_alone_leave_settings_out(start: Start) -> None:
    """A fast poll neither reads nor repeats settings."""
    server = await start()
    driver = await driver_for(server)
    fast = await driver.read([Tier.MEASUREMENT])
    assert "dhw_temperature_setpoint" not in fast.values
    assert "flow_temperature" in fast.values
    slow = await driver.read([Tier.SETTING])
    assert "dhw_temperature_setpoint" in slow.values
    assert "flow_temperature" not in slow.values
    assert "cop" not in slow.values
    await driver.close()


@pytest.mark.parametrize(
    ("mode", "lock", "expected"),
    [(0, 1, "off"), (0, 0, "utility_lock"), (1, 1, "heating"), (4, 0, "dhw"), (8, 1, "defrost")],
)
async def test_operating_mode(start: Start, mode: int, lock: int, expected: str) -> None:
    """The bit mask becomes the shared word; a locked, idle machine says so."""
    server = await start()
    server.hold("heat_pump_mode", mode)
    server.hold("evu_lock_contact", lock)
    driver = await driver_for(server)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["operating_mode"] == expected
    assert values["defrosting"] is (expected == "defrost")
    assert values["dhw_charging"] is (expected == "dhw")
    assert values["utility_lock"] is (lock == 0)
    await driver.close()


async def test_an_unknown_code_hides_nothing(start: Start) -> None:
    """The state is unknown with its number kept; everything else is read."""
    server = await start()
    driver = await driver_for(server)
    server.hold("circuit_a_mode", words=[77])
    snapshot = await driver.read(Tier)
    assert snapshot.unknown_codes == {"circuit_a_mode": 77}
    assert "circuit_a_mode" not in snapshot.values
    assert "circuit_b_mode" in snapshot.values
    assert snapshot.failed == {}
    await driver.close()


async def test_an_absent_sensor_is_absent_and_minus_one_degree_is_not(start: Start) -> None:
    """-1.0 °C outside is weather; -1.0 °C from a sensor never seen is no sensor."""
    server = await start()
    for key in ("outdoor_temperature", "air_intake_temperature"):
        server.hold(key, -1.0)
    driver = await driver_for(server)
    values = (await driver.read(Tier)).values
    assert values["outdoor_temperature"] == -1.0
    assert "air_intake_temperature" not in values
    server.hold("air_intake_temperature", 3.0)
    assert (await driver.read(Tier)).values["air_intake_temperature"] == 3.0
    server.hold("air_intake_temperature", -1.0)
    again = IdmDriver(at(server), (await probe(at(server))).layout, driver.learned())
    assert (await again.read(Tier)).values["air_intake_temperature"] == -1.0
    await driver.close()
    await again.close()


async def test_writes_arrive_in_one_request_and_read_back(start: Start) -> None:
    """Floats as two registers, bytes as one, kW on the wire for W."""
    server = await start()
    driver = await driver_for(server)
    for key, value, words in (
        ("dhw_temperature_setpoint", 52, (52,)),
        ("circuit_a_room_temperature_setpoint", 21.5, (0x0000, 0x41AC)),
        ("pv_surplus", 5500, (0x0000, 0x40B0)),
        ("system_mode", "away", (2,)),
        ("request_dhw_once", True, (1,)),
    ):
        server.writes.clear()
        await driver.write(key, value)
        assert [(w.address, w.words, w.function_code) for w in server.writes] == [
            (driver.register(key)[1], words, 16)
        ]
        assert await driver.read_point(key) == value
    await driver.close()


async def test_a_refused_write_says_so(start: Start) -> None:
    """What the machine does not take is an error, not a silence."""
    server = await start()
    driver = await driver_for(server)
    with pytest.raises(RefusedError) as refused:
        await driver.write("dhw_temperature_setpoint", 20)
    assert refused.value.code == 3
    await driver.close()


async def test_a_plan_is_remembered(start: Start) -> None:
    """A second driver with what the first learned needs no search."""
    server = await start()
    server.refuse(1112)
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {"valve_heating_dhw": Failure.REFUSED}
    again = IdmDriver(at(server), (await probe(at(server))).layout, driver.learned())
    before = server.request_count
    await again.read(Tier)
    assert server.request_count - before == len(again.blocks(Tier))
    assert again.report()["learned"]["strikes"]
    await driver.close()
    await again.close()


async def test_a_refused_mode_register_leaves_no_guess(start: Start) -> None:
    """What is derived from a value that was not read is not read either."""
    server = await start()
    server.refuse(1090, 1100, 1101, 1102, 1103)
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    for key in ("operating_mode", "defrosting", "dhw_charging", "compressor_running"):
        assert key not in snapshot.values
        assert snapshot.failed[key] is Failure.REFUSED
    await driver.close()


def test_about_thirty_entities_are_enabled() -> None:
    """An owner with two circuits sees a list that can be read."""
    layout = Layout(circuits=("a", "b"), features=frozenset({"electric_power"}))
    driver: Driver = family("idm").create(Address(host="", port=1), layout, None)
    enabled = [point for point in driver.points.values() if point.enabled]
    assert 25 <= len(enabled) <= 36
    assert all(point.kind is Kind.COUNTER for k, point in driver.points.items() if "energy" in k)
    assert is_canonical(driver.points["cop"])


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow says that the name is not known."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NameNotFoundError):
        await probe(Address(host="no-such-heat-pump.invalid", port=502))


async def test_a_closed_port(start: Start) -> None:
    """The flow asks whether Modbus is switched on."""
    server = await start()
    address = at(server)
    await server.stop()
    with pytest.raises(LinkRefusedError):
        await probe(address)


async def test_another_unit(start: Start) -> None:
    """A gateway that names a missing unit, and one that stays silent for it."""
    server = await start()
    with pytest.raises(WrongUnitError):
        await probe(at(server, unit=9))


async def test_a_navigator_1_7_is_refused(start: Start) -> None:
    """It answers 1000 but not 1350: another register map, which must not be guessed."""
    server = await start(navigator="1.7")
    with pytest.raises(UnsupportedModelError):
        await probe(at(server))


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedServer, Address]]:
    """Return a device that a test scripts."""
    server = ScriptedServer({})
    port = await server.start()
    yield server, Address(host="127.0.0.1", port=port, unit=7)
    await server.stop()


async def test_another_modbus_device(scripted: tuple[ScriptedServer, Address]) -> None:
    """It refuses 1000, or holds nonsense there."""
    server, address = scripted
    with pytest.raises(NotThisFamilyError):
        await probe(address)
    server.registers = {1000: 0x1234, 1001: 0x7777}
    with pytest.raises(NotThisFamilyError):
        await probe(address)


async def test_a_busy_device(scripted: tuple[ScriptedServer, Address]) -> None:
    """A controller that boots is busy, not wrong."""
    server, address = scripted
    server.answer = lambda function, *_: exception(function, 6)
    with pytest.raises(BusyError):
        await probe(address)


async def test_a_silent_unit(
    scripted: tuple[ScriptedServer, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is "no answer", unless another unit number does answer."""
    server, address = scripted
    monkeypatch.setattr("custom_components.heat_pump_hub.drivers.idm.TIMEOUT", 0.3)
    server.answer = lambda *_: None
    with pytest.raises(NoAnswerError):
        await probe(address)
    await asyncio.sleep(0.05)
    assert server.open == 0


async def test_a_device_that_hangs_up(scripted: tuple[ScriptedServer, Address]) -> None:
    """It accepts and closes."""
    server, address = scripted
    server.answer = lambda *_: True
    with pytest.raises(LinkLostError):
        await probe(address)
    await asyncio.sleep(0.05)
    assert server.open == 0


async def test_a_web_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something answers, but not Modbus; no traceback, nothing left open."""
    monkeypatch.setattr("custom_components.heat_pump_hub.drivers.idm.TIMEOUT", 0.3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(12)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(WrongProtocolError):
        await probe(Address(host="127.0.0.1", port=web.sockets[0].getsockname()[1]))
    web.close()
    await web.wait_closed()


async def test_a_web_server_that_waits_for_a_whole_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores what is not a request line, and is recognised by its answer to one."""
    monkeypatch.setattr("custom_components.heat_pump_hub.drivers.idm.TIMEOUT", 0.3)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(WrongProtocolError):
        await probe(Address(host="127.0.0.1", port=web.sockets[0].getsockname()[1]))
    web.close()
    await web.wait_closed()
