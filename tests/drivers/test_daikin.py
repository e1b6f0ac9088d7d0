"""The Daikin driver against the simulated hub, whose register table nobody shares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
import ssl

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import daikin_points as table
from custom_components.heat_pump_hub.drivers.daikin import FAMILY, TLS_PORT, DaikinDriver, probe
from custom_components.heat_pump_hub.drivers.decoded import ABSENT, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    DriverError,
    Layout,
    LinkLostError,
    LinkRefusedError,
    NoAnswerError,
    NotThisFamilyError,
    WrongProtocolError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.modbus import HOLDINGS, Register
from custom_components.heat_pump_hub.drivers.points import (
    Failure,
    Quantity,
    Tier,
    Wear,
    is_canonical,
)
from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine, DaikinServer
from custom_components.heat_pump_hub.simulator.daikin_table import ROWS
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .scripted import ScriptedServer, exception

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Start = Callable[..., Awaitable[DaikinServer]]

EVERYTHING = Layout(features=frozenset({table.ROOM_LIMITS}))
REGISTERS = {
    register.point.key: register
    for layout in (EVERYTHING, Layout(features=frozenset({table.AIR_TO_AIR})))
    for register in table.registers(layout)
}
MODULE = "custom_components.heat_pump_hub.drivers.daikin"


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts simulated hubs and stops them at the end."""
    servers: list[DaikinServer] = []

    async def start(machine: DaikinMachine | None = None, **options: object) -> DaikinServer:
        house = HeatPumpModel(7, datetime(2026, 1, 15, tzinfo=UTC))
        server = DaikinServer(
            house,
            machine,
            **{"read_back_delay": (0.0, 0.0), "speed": 0.0, **options},  # type: ignore[arg-type]
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


def at(server: DaikinServer, unit: int = 1) -> Address:
    """Return where a simulated hub listens."""
    return Address(host="127.0.0.1", port=server.port, unit=unit)


async def driver_for(server: DaikinServer) -> DaikinDriver:
    """Return a driver with the layout that a probe finds."""
    return DaikinDriver(at(server), (await probe(at(server))).layout)


def touched(server: DaikinServer) -> set[int]:
    """Return every place that was asked for."""
    return {
        address + (HOLDINGS if request.function_code != 4 else 0)
        for request in server.requests
        for address in range(request.address, request.address + request.count)
    }


async def test_a_probe_finds_an_altherma(start: Start) -> None:
    """Nothing is written, nothing stays open."""
    server = await start()
    identity = await probe(at(server))
    assert identity.manufacturer == "Daikin"
    assert identity.model == "Altherma 3 (Home Hub EKRHH)"
    assert identity.fingerprint == {"use_case": "3", "cooling": "yes", "zones": "2"}
    assert server.writes == []
    await asyncio.sleep(0.05)
    assert server.connections == 0
    one_zone = await probe(at(await start(DaikinMachine(additional=False))))
    assert one_zone.fingerprint["zones"] == "1"


async def test_every_point_is_read_and_agrees_with_the_hub(start: Start) -> None:
    """Nothing fails, and values match the hub's own table."""
    server = await start()
    server.model.advance(3 * 3600)
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    served = {register.place: register for register in driver._registers.values()}
    for row in server.rows:
        register = served.pop(row.place)
        point = register.point
        value, truth = snapshot.values.get(point.key), server.value(row.key)
        if truth is None:
            assert value is None, point.key
        elif isinstance(value, int | float) and not isinstance(value, bool):
            unit = register.scale * row.factor
            assert unit in (1, 1000), point.key
            assert value == pytest.approx(truth * unit), point.key
        else:
            assert value is not None, point.key
    assert served == {}
    assert server.writes == []
    await driver.close()


def test_every_line_of_the_document_is_a_point() -> None:
    """The driver knows each register of the table and no other."""
    ours = {row.register({}).place for row in (*table.INPUT_ROWS, *table.HOLDING_ROWS)}
    assert ours == {row.place for row in ROWS}
    assert len(REGISTERS) == len(ROWS) == 59


async def test_three_requests_a_poll_and_two_for_measurements(start: Start) -> None:
    """One for the inputs, two for the holding registers, none longer than 60."""
    server = await start()
    driver = await driver_for(server)
    server.requests.clear()
    await driver.read(Tier)
    asked = sorted((r.function_code, r.address, r.count) for r in server.requests)
    assert asked == [(3, 0, 59), (3, 60, 7), (4, 20, 41)]
    server.requests.clear()
    await driver.read([Tier.MEASUREMENT])
    assert sorted((r.function_code, r.address, r.count) for r in server.requests) == [
        (3, 55, 6),
        (4, 20, 41),
    ]
    assert FAMILY.interval >= 15
    await driver.close()


async def test_what_the_document_does_not_give_is_not_read(start: Start) -> None:
    """Inputs 83-86 and holdings 1000-1001 stay untouched where the hub has an Altherma."""
    server = await start()
    driver = await driver_for(server)
    await driver.read(Tier)
    for key in driver._registers:
        await driver.read_point(key)
    places = touched(server)
    assert places <= table.READABLE
    assert not places & {*range(83, 87), HOLDINGS + 1000, HOLDINGS + 1001}
    await driver.close()


async def test_air_to_air_has_two_registers(start: Start) -> None:
    """Use case 4 offers smart grid and a power limit, nothing else."""
    server = await start(DaikinMachine(use_case=4))
    identity = await probe(at(server))
    assert identity.model == "Air to air (Home Hub EKRHH)"
    driver = DaikinDriver(at(server), Layout.from_json(identity.layout.to_json()))
    assert set(driver.points) == {"air_to_air_smart_grid_mode", "air_to_air_demand_power_limit"}
    await driver.write("air_to_air_demand_power_limit", 3500)
    assert server.writes[0].words == (350,)
    values = (await driver.read(Tier)).values
    assert values == {
        "air_to_air_smart_grid_mode": "normal",
        "air_to_air_demand_power_limit": 3500,
    }
    await driver.close()


async def test_a_fault_has_a_code_that_can_be_read(start: Start) -> None:
    """State, two letters, sub code; and a number for history."""
    server = await start()
    driver = await driver_for(server)
    values = (await driver.read(Tier)).values
    assert (values["unit_error"], values["fault"], values["fault_code"]) == ("none", False, 0)
    assert "unit_error_code" not in values
    assert "unit_error_sub_code" not in values
    server.model.inject("fault", 7)
    values = (await driver.read(Tier)).values
    assert (values["unit_error"], values["fault"]) == ("fault", True)
    assert values["unit_error_code"] == "E3"
    assert values["fault_code"] == 0x4533
    assert values["unit_error_sub_code"] == 2
    server.hold("unit_error", 2)
    values = (await driver.read(Tier)).values
    assert (values["unit_error"], values["fault"]) == ("warning", False)
    await driver.close()


async def test_a_hub_that_lost_its_unit_is_a_fault_not_an_outage(start: Start) -> None:
    """Its values are absent; the error says why."""
    server = await start()
    driver = await driver_for(server)
    server.lose_unit()
    snapshot = await driver.read([Tier.MEASUREMENT])
    assert snapshot.failed == {}
    assert snapshot.values["unit_error_code"] == "U8"
    assert snapshot.values["fault"] is True
    for key in ("outdoor_temperature", "compressor_running", "operating_mode", "cop"):
        assert key not in snapshot.values
    with pytest.raises(BusyError):
        await probe(at(server))
    server.lose_unit(False)
    assert "outdoor_temperature" in (await driver.read([Tier.MEASUREMENT])).values
    await driver.close()


@pytest.mark.parametrize(
    ("compressor", "heater", "valve", "defrost", "spread", "expected"),
    [
        (0, 0, 0, 0, 0.0, "off"),
        (1, 0, 0, 0, 5.0, "heating"),
        (1, 0, 1, 0, 5.0, "dhw"),
        (0, 1, 1, 0, 2.0, "dhw"),
        (1, 0, 0, 1, -4.0, "defrost"),
        (1, 0, 0, 1, 1.0, "heating"),
    ],
)
async def test_operating_mode(
    start: Start,
    compressor: int,
    heater: int,
    valve: int,
    defrost: int,
    spread: float,
    expected: str,
) -> None:
    """One signal tells defrost and start-up: only a defrost cools the water."""
    server = await start()
    driver = await driver_for(server)
    for key, value in (
        ("compressor_running", compressor),
        ("booster_heater_running", heater),
        ("three_way_valve", valve),
        ("defrost_startup", defrost),
        ("flow_rate", 20.0),
        ("return_water_temperature", 30.0),
        ("leaving_water_temperature_phe", 30.0 + spread),
        ("heat_pump_power", 1.5),
    ):
        server.hold(key, value)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["operating_mode"] == expected
    assert values["defrosting"] is (expected == "defrost")
    assert values["dhw_charging"] is (expected == "dhw")
    assert values["thermal_power"] == pytest.approx(20 / 60 * 4186 * spread, abs=1)
    assert ("cop" in values) is (bool(compressor) and spread > 0 and expected != "defrost")
    await driver.close()


async def test_cooling(start: Start) -> None:
    """The unit says what it does with the water."""
    server = await start()
    driver = await driver_for(server)
    server.hold("operation_mode_actual", 2)
    server.hold("compressor_running", 1)
    server.hold("three_way_valve", 0)
    server.hold("defrost_startup", 0)
    assert (await driver.read([Tier.MEASUREMENT])).values["operating_mode"] == "cooling"
    server.hold("operation_mode_actual", 0)
    snapshot = await driver.read([Tier.MEASUREMENT])
    assert snapshot.unknown_codes == {"operation_mode_actual": 0}
    assert "operating_mode" not in snapshot.values
    await driver.close()


async def test_writes_use_fc06_and_read_back(start: Start) -> None:
    """Whole degrees, hundredths of a kW, and codes as printed."""
    server = await start()
    driver = await driver_for(server)
    for key, value, word in (
        ("dhw_temperature_setpoint", 52, 52),
        ("room_temperature_setpoint", 21, 21),
        ("power_limit", 5500, 550),
        ("power_limit_recommended_on", 2500, 250),
        ("smart_grid_mode", "locked", 1),
        ("smart_grid_mode", "recommended", 2),
        ("thermostat_main_input_a", True, 1),
        ("weather_dependent_main_heating_offset", -3, 0xFFFD),
        ("operation_mode", "cooling", 2),
        ("quiet_mode", True, 1),
    ):
        server.writes.clear()
        await driver.write(key, value)
        assert [(w.address, w.words, w.function_code) for w in server.writes] == [
            (driver.register(key)[1], (word,), 6)
        ]
        assert await driver.read_point(key) == value
    assert server.model.settings["power_limit"] == 5500.0
    assert server.model.settings["smart_grid_mode"] == "recommended"
    await driver.close()


async def test_reading_back_shows_what_the_hub_made_of_it(start: Start) -> None:
    """A clamped setpoint, a dropped limit and a write without a unit are no errors."""
    server = await start()
    driver = await driver_for(server)
    await driver.write("leaving_water_main_heating_setpoint", 60)
    assert await driver.read_point("leaving_water_main_heating_setpoint") == 55
    await driver.write("power_limit_recommended_on", 30_000)
    assert await driver.read_point("power_limit_recommended_on") == 4000
    server.lose_unit()
    await driver.write("dhw_temperature_setpoint", 55)
    server.lose_unit(False)
    assert await driver.read_point("dhw_temperature_setpoint") == 48
    await driver.close()


async def test_a_refused_register_hides_no_other(start: Start) -> None:
    """Older hubs lack the thermostat inputs."""
    server = await start()
    driver = await driver_for(server)
    server.refuse(HOLDINGS + 58, HOLDINGS + 60)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {
        "thermostat_main_input_a": Failure.REFUSED,
        "thermostat_add_input_a": Failure.REFUSED,
    }
    server.refuse(36)
    failed = (await driver.read(Tier)).failed
    assert failed["operating_mode"] is failed["dhw_charging"] is Failure.REFUSED
    await driver.close()


def test_about_thirty_entities_are_enabled() -> None:
    """An owner sees a list that can be read; what is meant for control says so."""
    points = DaikinDriver(Address(host="", port=1), Layout()).points
    assert 25 <= sum(point.enabled for point in points.values()) <= 36
    for key in ("flow_temperature", "electrical_power", "cop", "operating_mode", "fault_code"):
        assert is_canonical(points[key])
    cyclic = {key for key, point in points.items() if point.wear is Wear.CYCLIC}
    assert cyclic == {
        "smart_grid_mode",
        "power_limit",
        "power_limit_recommended_on",
        "thermostat_main_input_a",
        "thermostat_add_input_a",
    }
    for point in points.values():
        if point.writable and point.wear is not Wear.CYCLIC:
            assert (point.wear, point.tier) == (Wear.EEPROM, Tier.SETTING)
        if point.writable and point.quantity not in (Quantity.STATE, Quantity.FLAG):
            assert point.minimum is not None
            assert point.maximum is not None
            assert point.step


# -- words ------------------------------------------------------------------------------


def decoded(key: str, word: int) -> object:
    """Decode a word as a poll does."""
    register = REGISTERS[key]
    return register.decode(register.as_field().decode([word]))


@pytest.mark.parametrize(
    ("key", "word", "value"),
    [
        ("outdoor_temperature", 0x0866, 21.5),
        ("outdoor_temperature", 0xFC18, -10.0),
        ("unit_error_code", 0x5538, "U8"),
        ("unit_error_code", 0x4800, "H"),
        ("power_limit", 550, 5500),
        ("electrical_power", 123, 1230),
        ("unit_error_sub_code", 3, 3),
        ("outdoor_temperature", 32766, ABSENT),
        ("outdoor_temperature", 32767, ABSENT),
        ("unit_error_code", 32766, ABSENT),
        ("unit_error_code", 0x2D2D, ABSENT),
        ("unit_error_code", 0, ABSENT),
        ("unit_error_code", 0xFFC1, UnknownCode(0xFFC1)),
        ("operation_mode", 32766, ABSENT),
        ("smart_grid_mode", 4, UnknownCode(4)),
        ("compressor_running", 2, UnknownCode(2)),
    ],
)
def test_worked_examples(key: str, word: int, value: object) -> None:
    """The register notes' examples come out as printed."""
    assert decoded(key, word) == value


@given(st.text("ABCDEFHJLPU0123456789", min_size=2, max_size=2))
def test_any_two_letters_are_read(code: str) -> None:
    """The first letter is the high byte."""
    assert decoded("unit_error_code", ord(code[0]) << 8 | ord(code[1])) == code


@given(st.sampled_from(sorted(REGISTERS)), st.integers(0, 0xFFFF))
def test_any_word_decodes_without_an_error(key: str, word: int) -> None:
    """A number is the signed word times the scale; nothing raises."""
    value = decoded(key, word)
    if isinstance(value, int | float) and not isinstance(value, bool):
        signed = word - 0x10000 if word > 0x7FFF else word
        assert value == pytest.approx(signed * REGISTERS[key].scale, abs=0.001)


NUMBERS = [r for r in REGISTERS.values() if r.point.minimum is not None]


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    """Every step of every writable number survives the wire."""
    register: Register = data.draw(st.sampled_from(NUMBERS))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    assert point.step is not None
    steps = data.draw(st.integers(0, int((point.maximum - point.minimum) / point.step)))
    value = point.minimum + steps * point.step
    (word,) = register.encode(value)
    assert decoded(point.key, word) == value


@pytest.mark.parametrize("key", REGISTERS)
def test_states_and_flags_write_what_they_read(key: str) -> None:
    """Each slug and each flag that may be written encodes to the code it is read from."""
    register = REGISTERS[key]
    if not register.point.writable:
        return
    for slug in register.point.writable_options or ():
        assert decoded(key, register.encode(slug)[0]) == slug
    if register.point.quantity is Quantity.FLAG:
        for value in (False, True):
            assert decoded(key, register.encode(value)[0]) is value


def test_text_cannot_be_written() -> None:
    """The hub's error is its own."""
    with pytest.raises(ValueError, match="does not fit"):
        REGISTERS["unit_error_code"].encode("U8")


# -- TLS --------------------------------------------------------------------------------


def at_tls(server: DaikinServer, monkeypatch: pytest.MonkeyPatch) -> Address:
    """Make the port of a server the one where TLS is spoken."""
    assert TLS_PORT == 802
    monkeypatch.setattr(f"{MODULE}.TLS_PORT", server.port)
    return at(server)


async def test_tls_with_a_certificate_that_nobody_signed(
    start: Start, self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub signs for itself, and never renews."""
    server = await start(sslctx=self_signed)
    address = at_tls(server, monkeypatch)
    identity = await probe(address)
    driver = DaikinDriver(address, identity.layout)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert "outdoor_temperature" in snapshot.values
    await driver.write("dhw_temperature_setpoint", 50)
    assert await driver.read_point("dhw_temperature_setpoint") == 50
    await driver.close()
    await asyncio.sleep(0.05)
    assert server.connections == 0


async def test_a_port_that_does_not_speak_tls(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said as such, and nothing stays open."""
    server = await start()
    monkeypatch.setattr(f"{MODULE}.TIMEOUT", 0.5)
    with pytest.raises((WrongProtocolError, LinkLostError, NoAnswerError)):
        await probe(at_tls(server, monkeypatch))
    await asyncio.sleep(0.05)
    assert server.connections == 0


async def test_a_tls_port_spoken_to_in_the_clear(
    start: Start, self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error, not a hang."""
    server = await start(sslctx=self_signed)
    monkeypatch.setattr(f"{MODULE}.TIMEOUT", 0.5)
    with pytest.raises(DriverError):
        await probe(at(server))


async def test_answers_in_pieces_over_tls(
    start: Start, self_signed: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record is not an answer: what comes in several is put together."""
    server = await start(sslctx=self_signed)
    address = at_tls(server, monkeypatch)
    assert server._server is not None
    for_connection = server._server.callback_new_connection

    def in_pieces() -> object:
        handler = for_connection()
        send = handler.low_level_send

        def pieces(data: bytes, addr: object = None) -> None:
            send(data[:9], addr)
            asyncio.get_running_loop().call_later(0.02, send, data[9:], addr)

        handler.low_level_send = pieces
        return handler

    monkeypatch.setattr(server._server, "callback_new_connection", in_pieces)
    driver = DaikinDriver(address, Layout())
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert "outdoor_temperature" in snapshot.values
    await driver.close()


# -- first contact ----------------------------------------------------------------------


GOOD = {20: 0, 21: 0x7FFE, **dict.fromkeys(range(53, 61), 3000)}


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedServer, Address]]:
    """Return a device that a test scripts."""
    server = ScriptedServer(dict(GOOD))
    port = await server.start()
    yield server, Address(host="127.0.0.1", port=port)
    await server.stop()


async def test_a_hub_with_nothing_but_what_a_probe_needs(
    scripted: tuple[ScriptedServer, Address],
) -> None:
    """Error, code and limits are enough."""
    assert (await probe(scripted[1])).manufacturer == "Daikin"


@pytest.mark.parametrize(
    "changes",
    [
        {20: 3},
        {21: 0xFFC1},
        {53: None},
        {53: 100},
        {53: 4000},
        {54: 9000},
        {20: None},
        {20: None, 1000: 4, 1001: 0},
        {20: None, 1000: 0, 1001: 5000},
    ],
)
async def test_another_modbus_device(
    scripted: tuple[ScriptedServer, Address], changes: dict[int, int | None]
) -> None:
    """Nothing is taken for a hub that does not look like one."""
    server, address = scripted
    for place, word in changes.items():
        server.registers.pop(place, None)
        if word is not None:
            server.registers[place] = word
    with pytest.raises(NotThisFamilyError):
        await probe(address)


async def test_a_busy_hub(scripted: tuple[ScriptedServer, Address]) -> None:
    """A hub that boots is busy, not wrong."""
    server, address = scripted
    server.answer = lambda function, *_: exception(function, 6)
    with pytest.raises(BusyError):
        await probe(address)


async def test_a_silent_hub(
    scripted: tuple[ScriptedServer, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is no answer."""
    server, address = scripted
    monkeypatch.setattr(f"{MODULE}.TIMEOUT", 0.2)
    server.answer = lambda *_: None
    with pytest.raises(NoAnswerError):
        await probe(address)


async def test_a_silent_unit_where_another_answers(
    scripted: tuple[ScriptedServer, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow proposes the unit that does answer."""
    server, address = scripted
    monkeypatch.setattr(f"{MODULE}.TIMEOUT", 0.2)
    # the probe and the plain question stay without an answer, the next unit gets one
    server.answer = lambda *_: None if len(server.requests) <= 2 else False
    with pytest.raises(WrongUnitError):
        await probe(Address(host=address.host, port=address.port, unit=9))


async def test_a_closed_port(start: Start) -> None:
    """The flow asks whether Modbus is switched on."""
    server = await start()
    address = at(server)
    await server.stop()
    with pytest.raises(LinkRefusedError):
        await probe(address)


async def test_another_unit(start: Start) -> None:
    """A gateway that names a missing unit."""
    server = await start()
    with pytest.raises(WrongUnitError):
        await probe(at(server, unit=9))
