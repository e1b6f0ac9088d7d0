"""The NIBE driver against the simulated pump, whose register table nobody shares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
import struct

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import nibe_points as table
from custom_components.heat_pump_hub.drivers.decoded import ABSENT, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    Driver,
    Layout,
    LinkRefusedError,
    NoAnswerError,
    NotThisFamilyError,
    RefusedError,
    UnsupportedModelError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.modbus import HOLDINGS, Codec, Register
from custom_components.heat_pump_hub.drivers.nibe import FAMILY, SPACING, NibeDriver, probe
from custom_components.heat_pump_hub.drivers.nibe_map import FORBIDDEN
from custom_components.heat_pump_hub.drivers.points import (
    Failure,
    Kind,
    Quantity,
    Tier,
    Wear,
    is_canonical,
)
from custom_components.heat_pump_hub.simulator.nibe import CRASHING, NibeMachine, NibeServer
from custom_components.heat_pump_hub.simulator.nibe_table import MODELS, rows
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel
from scripts._bench.floor import defined_floor

from .scripted import ScriptedServer, exception

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Start = Callable[..., Awaitable[NibeServer]]

EVERYTHING = Layout(circuits=tuple(table.SYSTEMS))
REGISTERS = {
    register.point.key: register
    for model in MODELS
    for register in table.registers(
        Layout(circuits=tuple(table.SYSTEMS), features=frozenset({model}))
    )
}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts simulated pumps and stops them at the end."""
    servers: list[NibeServer] = []

    async def start(model: str = "s1155_s1255", systems: str = "ab") -> NibeServer:
        house = HeatPumpModel(7, datetime(2026, 1, 15, tzinfo=UTC), circuits=systems)
        server = NibeServer(
            house,
            NibeMachine(model=model, systems=systems),
            read_back_delay=(0.0, 0.0),
            speed=0.0,
        )
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a probe ask as fast as it can."""
    monkeypatch.setattr("custom_components.heat_pump_hub.drivers.nibe.SPACING", 0.0)


def at(server: NibeServer, unit: int = 1) -> Address:
    """Return where a simulated pump listens."""
    return Address(host="127.0.0.1", port=server.port, unit=unit)


async def driver_for(server: NibeServer) -> NibeDriver:
    """Return a driver with the layout that a probe finds."""
    identity = await probe(at(server))
    return NibeDriver(at(server), identity.layout, spacing=0.0)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("s1155_s1255", "S1155, S1255, S1156, S1256"),
        ("s1156_s1256", "S1155, S1255, S1156, S1256"),
        ("s2125", "S-series with outdoor unit"),
        ("s330_s332", "S-series with outdoor unit"),
        ("smos40", "SMO S40"),
        ("s735", "S735"),
    ],
)
async def test_a_probe_finds_what_is_there(start: Start, model: str, named: str) -> None:
    """Heat source and climate systems; nothing is written, nothing stays open."""
    server = await start(model, "abd")
    identity = await probe(at(server))
    assert identity.manufacturer == "NIBE"
    assert identity.model == named
    assert model in identity.layout.features
    assert identity.layout.circuits == ("a", "b", "d")
    assert identity.fingerprint["thermal_energy"]
    assert identity.fingerprint["compressor_starts"]
    assert server.writes == []
    await asyncio.sleep(0.05)
    assert server.connections == 0
    assert Layout.from_json(identity.layout.to_json()) == identity.layout


@pytest.mark.parametrize("model", MODELS)
async def test_every_point_is_read_and_agrees_with_the_machine(start: Start, model: str) -> None:
    """Nothing of its list is missing or refused, and values match the machine's own table."""
    server = await start(model, "abc")
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    served = {}
    for key in driver.points:
        if key in driver._registers:
            served[driver._registers[key].place] = driver._registers[key]
    for row in server.rows:
        if row.system and table.SYSTEMS[row.system - 1] not in "abc":
            continue
        if row.key[-4:-1] == "_cs" and int(row.key[-1]) > 3:
            continue
        register = served.pop(row.place)
        point = register.point
        value, truth = snapshot.values.get(point.key), server.value(row.key)
        if not point.readable:
            continue
        if truth is None:
            assert value is None, point.key
        elif isinstance(value, int | float) and not isinstance(value, bool):
            unit = register.scale * row.factor
            if point.key == "cooling_with_room_sensor":
                # a factor of 10 in the lists, but the raw number is a code
                assert unit == 10
                continue
            assert any(unit == pytest.approx(known) for known in (1, 1000, 24, 1 / 60)), point.key
            assert value == pytest.approx(truth * unit, abs=0.51 * 10**-point.decimals), point.key
        else:
            assert value is not None, point.key
    assert served == {}
    assert server.writes == []
    await driver.close()


def test_every_line_of_every_list_is_a_point() -> None:
    """The driver knows each address of the table, with its type, and no other."""
    codecs = {"u": "uint", "s": "int"}
    expected = {
        (row.place, f"{codecs[row.type.name[0].lower()]}{row.type.name[1:]}") for row in rows()
    }
    everything = [*table.INPUT_ROWS, *table.HOLDING_ROWS]
    ours = {(row.register({}).place, str(row.codec)) for row in everything}
    for system in table.SYSTEM_ROWS:
        assert system.systems is not None
        first, last = system.systems
        for below in range(last - first + 1):
            register = system.register({}, address=system.address - below)
            ours.add((register.place, str(register.codec)))
    assert ours == expected


@pytest.mark.parametrize("model", ["s1155_s1255", "s320_s325", "smos40"])
async def test_a_poll_takes_as_many_requests_as_the_map_has_gaps(start: Start, model: str) -> None:
    """No more than a tenth above the fewest that cross no undefined address."""
    server = await start(model)
    driver = await driver_for(server)
    await driver.read(Tier)
    before = server.request_count
    await driver.read(Tier)
    requests = server.request_count - before
    readable = [r for r in driver._registers.values() if r.point.readable]
    assert len(readable) >= 100
    spans = [(r.place, r.place + r.count - 1) for r in readable]
    assert requests == len(driver.blocks(Tier))
    assert requests <= 1.1 * defined_floor(spans, set(server.defined()))
    await driver.close()


def test_gentle_by_design() -> None:
    """Once a minute, short blocks of listed addresses, a pause of at most 50 ms."""
    assert FAMILY.interval == 60
    assert 0 < SPACING <= 0.05
    driver = NibeDriver(Address(host="", port=1), EVERYTHING)
    listed = {place for row in rows() for place in range(row.place, row.place + row.type.words)}
    for block in driver.blocks(Tier):
        assert block.count <= 20
        assert set(range(block.place, block.place + block.count)) <= listed
    assert NibeDriver(Address(host="", port=1), EVERYTHING, spacing=0.04)._link.wire.spacing == 0.04


async def test_the_two_dangerous_registers_are_never_touched(start: Start) -> None:
    """Not by a probe, a poll, a single read or a write, in any numbering."""
    for model in MODELS:
        server = await start(model)
        driver = await driver_for(server)
        await driver.read(Tier)
        for key, point in driver.points.items():
            if key in driver._registers:
                if point.readable:
                    await driver.read_point(key)
                if point.writable:
                    value = (
                        next(iter(point.writable_options or ()))
                        if point.options
                        else True
                        if point.quantity is Quantity.FLAG
                        else point.minimum
                    )
                    assert value is not None
                    await driver.write(key, value)
        touched = {
            address + (HOLDINGS if request.function_code != 4 else 0)
            for request in server.requests
            for address in range(request.address, request.address + request.count)
        }
        assert touched
        assert not touched & CRASHING
        assert not {place % HOLDINGS for place in touched} & FORBIDDEN
        assert server.connects == 2
        await driver.close()
    assert not FORBIDDEN & {row.address for row in rows()}
    assert {place % HOLDINGS for place in CRASHING} <= FORBIDDEN


async def test_measurements_alone_leave_settings_out(start: Start) -> None:
    """A poll reads no holding register but the running integral."""
    server = await start()
    driver = await driver_for(server)
    server.requests.clear()
    fast = await driver.read([Tier.MEASUREMENT])
    assert {r.address for r in server.requests if r.function_code == 3} == {11}
    assert "circuit_a_room_temperature_setpoint" not in fast.values
    slow = await driver.read([Tier.SETTING])
    assert slow.values["circuit_a_room_temperature_setpoint"] == 22.0
    assert "flow_temperature" not in slow.values
    await driver.close()


async def test_the_same_address_is_another_register_in_the_other_table(start: Start) -> None:
    """Input 11 is the brine, holding 11 the degree minutes."""
    server = await start()
    server.hold("brine_out_temperature", 3.5)
    server.hold("degree_minutes", -120.5)
    driver = await driver_for(server)
    values = (await driver.read(Tier)).values
    assert values["source_outlet_temperature"] == 3.5
    assert values["degree_minutes"] == -120.5
    assert driver.register("source_outlet_temperature") == ("input", 11)
    assert driver.register("degree_minutes") == ("holding", 11)
    await driver.close()


async def test_refused_holding_registers_leave_the_inputs_alone(start: Start) -> None:
    """What is learned of one table says nothing about the other."""
    server = await start()
    server.refuse(HOLDINGS + 11)
    driver = await driver_for(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {"degree_minutes": Failure.REFUSED}
    assert "source_outlet_temperature" in snapshot.values
    again = NibeDriver(at(server), (await probe(at(server))).layout, driver.learned(), spacing=0.0)
    before = server.request_count
    assert (await again.read(Tier)).failed == snapshot.failed
    assert server.request_count - before == len(again.blocks(Tier))
    await driver.close()
    await again.close()


@pytest.mark.parametrize(
    ("priority", "expected"),
    [(10, "off"), (20, "dhw"), (30, "heating"), (40, "pool"), (60, "cooling")],
)
async def test_operating_mode(start: Start, priority: int, expected: str) -> None:
    """The priority becomes the shared word."""
    server = await start()
    driver = await driver_for(server)
    server.hold("priority", priority)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["operating_mode"] == expected
    assert values["dhw_charging"] is (expected == "dhw")
    server.hold("priority", 41)
    snapshot = await driver.read([Tier.MEASUREMENT])
    assert snapshot.unknown_codes == {"operating_mode": 41}
    assert "dhw_charging" not in snapshot.values
    await driver.close()


async def test_an_outdoor_unit_defrosts_and_runs(start: Start) -> None:
    """Its defrost is a mode, and its frequency says whether it runs."""
    server = await start("s320_s325")
    driver = await driver_for(server)
    server.hold("eb101_compressor_frequency", 45.0)
    server.hold("eb101_generated_power", 6.0)
    server.hold("current_power_consumption", 1.5)
    server.hold("priority", 30)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["compressor_running"] is True
    assert values["thermal_power"] == 6000
    assert values["electrical_power"] == 1500
    assert values["cop"] == 4.0
    assert values["defrosting"] is False
    server.hold("eb101_defrosting", 2)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["defrosting"] is True
    assert values["operating_mode"] == "defrost"
    assert "cop" not in values
    await driver.close()


async def test_heat_from_the_ground_is_computed_from_the_water(start: Start) -> None:
    """Flow times spread, since a ground source pump shows no power."""
    server = await start()
    driver = await driver_for(server)
    server.hold("flow_rate", 15.0)
    server.hold("condenser_supply_temperature", 35.0)
    server.hold("return_temperature", 30.0)
    server.hold("compressor_status", 1)
    server.hold("current_power_consumption", 1.3)
    server.hold("internal_additional_heat_power", 0.5)
    values = (await driver.read([Tier.MEASUREMENT])).values
    assert values["thermal_power"] == pytest.approx(15 / 60 * 4186 * 5, abs=1)
    assert values["cop"] == pytest.approx(4.02, abs=0.01)
    assert values["backup_heater_running"] is True
    assert "defrosting" not in driver.points
    server.refuse(7)
    failed = (await driver.read([Tier.MEASUREMENT])).failed
    assert failed["thermal_power"] is Failure.REFUSED
    await driver.close()


async def test_an_alarm_is_a_fault(start: Start) -> None:
    """Its number is kept."""
    server = await start()
    driver = await driver_for(server)
    assert (await driver.read(Tier)).values["fault"] is False
    server.hold("alarm_number", 51)
    values = (await driver.read(Tier)).values
    assert values["fault"] is True
    assert values["fault_code"] == 51
    await driver.close()


async def test_writes_use_fc16_and_read_back(start: Start) -> None:
    """One register too; 32 bits low word first; kW on the wire for W; negative bytes."""
    server = await start("smos40")
    driver = await driver_for(server)
    for key, value, words in (
        ("circuit_a_room_temperature_setpoint", 21.5, (215,)),
        ("circuit_b_room_temperature_setpoint", 20.0, (200,)),
        ("circuit_a_heating_curve_shift", -3, (0xFFFD,)),
        ("degree_minutes", -70.5, (0xFD3F, 0xFFFF)),
        ("power_limit", 4200, (42,)),
        ("smart_grid_mode", "recommended", (2,)),
        ("power_limit_active", True, (1,)),
        ("system_mode", "additional_heat_only", (2,)),
        ("pv_surplus", 3500, (3500,)),
    ):
        server.writes.clear()
        await driver.write(key, value)
        assert [(w.address, w.words, w.function_code) for w in server.writes] == [
            (driver.register(key)[1], words, 16)
        ]
        if key != "degree_minutes":
            assert await driver.read_point(key) == value
    assert server.model.settings["smart_grid_mode"] == "recommended"
    assert server.model.settings["power_limit"] == 4200.0
    await driver.close()


async def test_a_command_has_no_value(start: Start) -> None:
    """Resetting an alarm writes 1, and is never polled."""
    server = await start()
    driver = await driver_for(server)
    assert not driver.points["reset_alarm"].readable
    await driver.write("reset_alarm", True)
    assert [(w.address, w.words) for w in server.writes] == [(22, (1,))]
    assert "reset_alarm" not in (await driver.read(Tier)).values
    await driver.close()


async def test_a_refused_write_says_so(start: Start) -> None:
    """What the pump does not take is an error, not a silence."""
    server = await start()
    driver = await driver_for(server)
    with pytest.raises(RefusedError) as refused:
        await driver.write("hot_water_start_high", 90)
    assert refused.value.code == 3
    await driver.close()


def test_limits_are_those_that_every_possible_model_accepts() -> None:
    """Where a limit differs between models, the narrowest counts."""

    def limits(*models: str) -> tuple[float | None, float | None]:
        layout = Layout(features=frozenset(models))
        point = next(
            r.point for r in table.registers(layout) if r.point.key == "hot_water_start_normal"
        )
        return point.minimum, point.maximum

    assert limits("s320_s325") == (5, 70)
    assert limits("s320_s325", "vvms500") == (5, 55)
    assert limits("s1155_s1255") == (5, 60)


@pytest.mark.parametrize("model", MODELS)
def test_about_thirty_entities_are_enabled(model: str) -> None:
    """An owner with one climate system sees a list that can be read."""
    layout = Layout(circuits=("a",), features=frozenset({model}))
    driver: Driver = FAMILY.create(Address(host="", port=1), layout, None)
    enabled = [point for point in driver.points.values() if point.enabled]
    assert 25 <= len(enabled) <= 36
    for key in ("flow_temperature", "source_inlet_temperature", "cop", "operating_mode", "fault"):
        assert is_canonical(driver.points[key])


def test_the_table_keeps_its_promises() -> None:
    """Settings are bounded, wear is never guessed low, hourly energy is no counter."""
    for register in REGISTERS.values():
        point = register.point
        if point.writable and point.quantity not in (Quantity.STATE, Quantity.FLAG):
            assert point.minimum is not None, point.key
            assert point.maximum is not None, point.key
            assert point.step, point.key
        if point.wear is Wear.EEPROM:
            assert point.tier is Tier.SETTING, point.key
        if point.quantity is Quantity.ENERGY:
            hourly = point.key.startswith("hour_")
            assert point.kind is (Kind.ANALOG if hourly else Kind.COUNTER), point.key
    for rows_of in (table.INPUT_ROWS, table.HOLDING_ROWS, table.SYSTEM_ROWS):
        places = [(row.holding, row.address) for row in rows_of]
        assert places == sorted(places)
    cyclic = {r.point.key for r in REGISTERS.values() if r.point.wear is Wear.CYCLIC}
    assert {"smart_grid_mode", "power_limit", "pv_surplus", "external_bt50_value"} <= cyclic
    assert REGISTERS["fuse_size"].point.wear is None


# -- words ----------------------------------------------------------------------------


def words_of(register: Register, raw: int) -> list[int]:
    """Return the words as the lists lay them out, without the code under test."""
    form = {"uint8": "B", "int8": "h", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i"}
    data = struct.pack(f"<{form[register.codec]}", raw).ljust(2, b"\0")
    return list(struct.unpack(f"<{len(data) // 2}H", data))


def decoded(register: Register, words: list[int]) -> object:
    """Decode words as a poll does."""
    return register.decode(register.as_field().decode(words))


LIMITS = {
    Codec.UINT8: (0, 254, 255),
    Codec.INT8: (-127, 127, -128),
    Codec.UINT16: (0, 65534, 65535),
    Codec.INT16: (-32767, 32767, -32768),
    Codec.UINT32: (0, 2**32 - 2, 2**32 - 1),
    Codec.INT32: (-(2**31) + 1, 2**31 - 1, -(2**31)),
}


def test_worked_examples() -> None:
    """965300 in two registers, low word first; the factor differs by row."""
    energy = REGISTERS["hour_produced_heating"]
    assert decoded(energy, [0xBAB4, 0x000E]) == 9653.0
    assert decoded(REGISTERS["thermal_energy"], [0xBAB4, 0x000E]) == 96530.0
    assert decoded(REGISTERS["outdoor_temperature"], [0xFFF6]) == -1.0
    assert decoded(REGISTERS["circuit_a_heating_curve_shift"], [0x00FE]) == -2
    assert decoded(REGISTERS["circuit_a_heating_curve_shift"], [0xFFFE]) == -2
    assert REGISTERS["circuit_a_heating_curve_shift"].encode(-2) == [0xFFFE]
    assert decoded(REGISTERS["sg_ready_state"], [11]) == UnknownCode(11)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
def test_the_limit_of_a_type_is_no_value(register: Register) -> None:
    """What no sensor shows is absent."""
    assert decoded(register, words_of(register, LIMITS[register.codec][2])) is ABSENT


@given(st.data())
def test_any_raw_number_is_scaled_once(data: st.DataObject) -> None:
    """Values are the raw number times the scale of the row, whatever its width and sign."""
    register = data.draw(st.sampled_from(sorted(REGISTERS.values(), key=lambda r: r.point.key)))
    low, high, _ = LIMITS[register.codec]
    raw = data.draw(st.integers(low, high))
    value = decoded(register, words_of(register, raw))
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert value == pytest.approx(
            raw * register.scale, abs=0.51 * 10**-register.point.decimals, rel=1e-9
        )


NUMBERS = [
    register
    for register in REGISTERS.values()
    if register.point.minimum is not None and register.point.step is not None
]


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    """Every step of every writable number survives the wire."""
    register = data.draw(st.sampled_from(NUMBERS))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    assert point.step is not None
    steps = data.draw(st.integers(0, int((point.maximum - point.minimum) / point.step + 1e-6)))
    value = round(point.minimum + steps * point.step, 6)
    words = register.encode(value)
    assert words == words_of(register, round(value / register.scale))
    assert decoded(register, words) == pytest.approx(value)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
def test_states_and_flags_write_what_they_read(register: Register) -> None:
    """Each slug and each flag that may be written encodes to the code it is read from."""
    point = register.point
    if not point.writable:
        return
    for slug in point.writable_options or ():
        assert decoded(register, register.encode(slug)) == slug
    if point.quantity is Quantity.FLAG:
        for value in (False, True):
            assert decoded(register, register.encode(value)) is value


def test_a_value_that_does_not_fit_is_an_error() -> None:
    """Nothing is truncated into a register, and "no value" is never written."""
    for key, value in (
        ("circuit_a_heating_curve_shift", -128),
        ("degree_minutes", 3e8),
        ("system_mode", "no such mode"),
        ("fan_mode", 255),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            REGISTERS[key].encode(value)


# -- first contact ----------------------------------------------------------------------


@pytest.fixture
async def scripted() -> AsyncIterator[tuple[ScriptedServer, Address]]:
    """Return a device that a test scripts."""
    server = ScriptedServer({1: 35, 1028: 30, 1497: 1, 1498: 2})
    port = await server.start()
    yield server, Address(host="127.0.0.1", port=port, unit=7)
    await server.stop()


@pytest.mark.parametrize(
    ("address", "word"),
    [(1, 0x8000), (1, 900), (1, None), (1028, 31), (1028, None), (1497, None)],
)
async def test_another_modbus_device(
    scripted: tuple[ScriptedServer, Address], address: int, word: int | None
) -> None:
    """Outdoor temperature, priority and type all have to be there."""
    server, where = scripted
    del server.registers[address]
    if word is not None:
        server.registers[address] = word
    with pytest.raises(NotThisFamilyError):
        await probe(where)


async def test_a_source_that_nobody_knows(scripted: tuple[ScriptedServer, Address]) -> None:
    """No brine, no outdoor unit, no exhaust air: not guessed."""
    _, where = scripted
    with pytest.raises(UnsupportedModelError):
        await probe(where)


async def test_a_source_whose_sensor_is_broken(scripted: tuple[ScriptedServer, Address]) -> None:
    """A register that answers without a value still tells what kind it is."""
    server, where = scripted
    server.registers[10] = 0x8000
    identity = await probe(where)
    assert identity.fingerprint == {"source": "ground source", "type": "1", "size": "2"}
    assert identity.layout.circuits == ("a",)


async def test_a_pump_that_falls_silent_in_a_probe(
    scripted: tuple[ScriptedServer, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What did not answer is not taken for absent."""
    server, where = scripted
    monkeypatch.setattr("custom_components.heat_pump_hub.drivers.nibe.TIMEOUT", 0.2)
    server.registers[10] = 50
    server.answer = lambda function, *_: None if function == 3 else False
    with pytest.raises(NoAnswerError):
        await probe(where)
    await asyncio.sleep(0.05)
    assert server.open == 0


async def test_a_busy_pump(scripted: tuple[ScriptedServer, Address]) -> None:
    """A controller that boots is busy, not wrong."""
    server, where = scripted
    server.answer = lambda function, *_: exception(function, 6)
    with pytest.raises(BusyError):
        await probe(where)


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
