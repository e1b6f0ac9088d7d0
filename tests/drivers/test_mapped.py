"""The driver behind a register map, against a simulated Lambda whose table nobody shares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    Layout,
    LinkRefusedError,
    NotThisFamilyError,
    OtherMachineError,
    RefusedError,
    WrongUnitError,
)
from custom_components.heat_pump_hub.drivers.mapped import (
    MappedDriver,
    PumpMap,
    family_of,
    parse_map,
)
from custom_components.heat_pump_hub.drivers.points import (
    Failure,
    PartKind,
    Tier,
    Wear,
    is_canonical,
)
from custom_components.heat_pump_hub.simulator.lambda_pump import LambdaMachine, LambdaServer
from custom_components.heat_pump_hub.simulator.lambda_table import BASES
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel
from custom_components.heat_pump_hub.simulator.server import HOLDINGS

pytestmark = pytest.mark.usefixtures("socket_enabled")

MAPS = Path(__file__).resolve().parents[2] / "custom_components/heat_pump_hub/maps"
EVERYTHING = LambdaMachine(modules=frozenset(BASES))
ALL = Layout(
    circuits=("a", "b"),
    features=frozenset({"e_manager", "refrigerant", "boiler", "buffer", "solar"}),
)

type Start = Callable[..., Awaitable[LambdaServer]]


def shipped(name: str) -> PumpMap:
    """Return a map that comes with the integration."""
    return parse_map(
        (MAPS / name).read_text("utf-8"), name, lambda n: (MAPS / n).read_text("utf-8")
    )


LAMBDA = shipped("lambda.yaml")
OLDER = shipped("lambda_older.yaml")

SMALL = """
map: 1
maker: Acme
model: One
table: {table}
detect:
  - {{address: 2, type: s16, min: -500, max: 800}}
  - {{address: 1020, type: u32, word_order: high_first, fingerprint: rising}}
  - {{address: 1001, fingerprint: same}}
serial: {{address: 1003}}
firmware: {{address: 1004, scale: 0.01}}
points:
{points}
"""


def small(*points: str, table: str = "holding") -> PumpMap:
    """Return a map with these points."""
    lines = "\n".join(f"  - {{{point}}}" for point in points)
    return parse_map(SMALL.format(table=table, points=lines), "small.yaml")


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Return a function that starts simulated machines and stops them at the end."""
    servers: list[LambdaServer] = []

    async def start(machine: LambdaMachine | None = None, **options: object) -> LambdaServer:
        house = HeatPumpModel(7, datetime(2026, 1, 15, tzinfo=UTC), circuits="ab")
        server = LambdaServer(
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


def at(server: LambdaServer, unit: int = 1) -> Address:
    """Return where a simulated machine listens."""
    return Address(host="127.0.0.1", port=server.port, unit=unit)


def driver_of(server: LambdaServer, pump: PumpMap, layout: Layout = ALL) -> MappedDriver:
    """Return a driver of a map."""
    return MappedDriver(pump, "en", at(server), layout)


async def test_a_probe_finds_the_modules_and_circuits_that_answer(start: Start) -> None:
    server = await start(LambdaMachine(modules=frozenset({"boiler", "circuit_a"})))
    identity = await family_of(LAMBDA).probe(at(server))
    assert (identity.manufacturer, identity.model) == ("Lambda", "Eureka-Luft")
    assert identity.layout.circuits == ("a",)
    assert identity.layout.features == {"boiler", "circuit_a", "refrigerant"}
    assert server.writes == []
    await asyncio.sleep(0.05)
    assert server.connections == 0
    full = await family_of(LAMBDA).probe(at(await start(EVERYTHING)))
    assert full.layout.circuits == ALL.circuits
    assert full.layout.features >= ALL.features


async def test_every_register_of_the_table_is_read_and_agrees(start: Start) -> None:
    server = await start(EVERYTHING)
    server.model.advance(9 * 3600)
    driver = driver_of(server, LAMBDA)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    by_place: dict[int, list[str]] = {}
    registers = {point.register.point.key: point.register for point in LAMBDA.points}
    for key, register in registers.items():
        by_place.setdefault(register.place, []).append(key)
    compared = 0
    for row in server.rows:
        for key in by_place.pop(row.place):
            register = registers[key]
            value, truth = snapshot.values.get(key), server.value(row.key)
            if truth is None and not isinstance(value, str | bool):
                assert value is None or row.absent == 0, key
            elif isinstance(value, int | float) and not isinstance(value, bool):
                unit = register.scale * row.factor
                assert value == pytest.approx((truth or 0) * unit, abs=10**-register.point.decimals)
                compared += 1
            else:
                assert value is not None, key
    assert by_place == {}
    assert compared > 50
    assert server.writes == []
    await driver.close()


async def test_nothing_but_registers_of_the_map_is_asked_for(start: Start) -> None:
    server = await start(EVERYTHING)
    driver = driver_of(server, LAMBDA)
    await driver.read(Tier)
    asked = {
        place + HOLDINGS
        for request in server.requests
        for place in range(request.address, request.address + request.count)
    }
    mapped = {
        place
        for point in LAMBDA.points
        for place in range(point.register.place, point.register.place + point.register.count)
    }
    assert asked == mapped
    assert {request.function_code for request in server.requests} == {3}
    assert 1014 not in {place - HOLDINGS for place in asked}
    await driver.close()


async def test_values_mean_what_the_makers_share(start: Start) -> None:
    server = await start(EVERYTHING)
    server.model.advance(9 * 3600)
    state = server.model.state
    driver = driver_of(server, LAMBDA)
    values = (await driver.read(Tier)).values
    for key in ("flow_temperature", "return_temperature", "outdoor_temperature", "flow_rate"):
        assert values[key] == pytest.approx(state[key], abs=0.1), key
    assert values["thermal_power"] == pytest.approx(state["thermal_power"], abs=60)
    assert values["electrical_energy"] == pytest.approx(state["electrical_energy"], abs=0.01)
    for key in ("operating_mode", "compressor_running", "utility_lock", "fault", "defrosting"):
        assert values[key] == state[key], key
    canonical = {key for key, point in driver.points.items() if is_canonical(point)}
    assert len(canonical) > 40
    await driver.close()


async def test_older_firmware_has_the_high_word_first(start: Start) -> None:
    server = await start(LambdaMachine(high_first=True))
    server.model.advance(9 * 3600)
    new, old = driver_of(server, LAMBDA), driver_of(server, OLDER)
    right = (await old.read(Tier)).values["thermal_energy"]
    assert right == pytest.approx(server.model.state["thermal_energy"], abs=0.01)
    assert (await new.read(Tier)).values["thermal_energy"] != right
    await new.close()
    await old.close()


def test_the_older_map_differs_in_nothing_else() -> None:
    newer = {p.register.point.key: p.register for p in LAMBDA.points}
    for point in OLDER.points:
        twin = newer.pop(point.register.point.key)
        assert point.register.high_first != twin.high_first
        assert point.register.point == twin.point
        assert (point.register.address, point.register.codec) == (twin.address, twin.codec)
    assert newer == {}


async def test_a_setting_is_written_once_where_the_table_has_it(start: Start) -> None:
    server = await start(EVERYTHING)
    driver = driver_of(server, LAMBDA)
    await driver.write("dhw_temperature_setpoint", 51.5)
    assert await driver.read_point("dhw_temperature_setpoint") == 51.5
    assert driver.register("dhw_temperature_setpoint") == ("holding", 2050)
    await driver.write("circuit_b_mode", "auto_heating")
    assert server.value("circuit_b.mode") == 3
    assert [(write.address, write.words, write.function_code) for write in server.writes] == [
        (2050, (515,), 16),
        (5106, (3,), 16),
    ]
    await driver.close()


async def test_a_reading_and_an_input_may_share_a_register(start: Start) -> None:
    server = await start(EVERYTHING)
    driver = driver_of(server, LAMBDA)
    key = "circuit_a_external_room_temperature"
    await driver.write(key, -1.5)
    assert [(write.address, write.words) for write in server.writes] == [(5004, (0xFFF1,))]
    assert (
        driver.register(key)
        == driver.register("circuit_a_room_temperature")
        == (
            "holding",
            5004,
        )
    )
    assert await driver.read_point(key) == await driver.read_point("circuit_a_room_temperature")
    assert driver.points[key].wear is Wear.CYCLIC
    await driver.close()


async def test_what_a_machine_does_not_have_is_not_there(start: Start) -> None:
    server = await start(LambdaMachine(modules=frozenset({"circuit_a"})))
    layout = Layout(circuits=("a",), features=frozenset({"circuit_a"}))
    driver = driver_of(server, LAMBDA, layout)
    parts = {point.part.kind for point in driver.points.values()}
    assert PartKind.HOT_WATER in parts  # it charges, whether or not there is a sensor
    assert "dhw_temperature" not in driver.points
    assert not [key for key in driver.points if key.startswith(("circuit_b", "solar", "buffer"))]
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    await driver.close()


async def test_what_cannot_be_read_takes_only_what_depends_on_it_along(start: Start) -> None:
    server = await start()
    driver = driver_of(server, LAMBDA)
    server.refuse(1003 + HOLDINGS)
    snapshot = await driver.read(Tier)
    gone = {"operating_state", "operating_mode", "utility_lock", "defrosting", "dhw_charging"}
    assert gone <= snapshot.failed.keys()
    assert {snapshot.failed[key] for key in gone} == {Failure.REFUSED}
    assert not [key for key in {*snapshot.failed, *snapshot.values} if key.startswith("raw_")]
    assert "flow_temperature" in snapshot.values
    await driver.close()


async def test_an_undocumented_state_keeps_its_number(start: Start) -> None:
    server = await start()
    server.hold("heat_pump.operating_state", 77)
    driver = driver_of(server, LAMBDA)
    snapshot = await driver.read(Tier)
    assert snapshot.unknown_codes["operating_mode"] == 77
    assert "operating_mode" not in snapshot.values
    assert await driver.read_point("operating_mode") is None
    await driver.close()


async def test_a_missing_sensor_is_absent_and_real_frost_is_not(start: Start) -> None:
    server = await start()
    server.hold("buffer.low", words=[0xF448])
    server.hold("heat_pump.source_in", words=[0xF448])
    server.hold("heat_pump.hot_gas", words=[0x8000])
    driver = driver_of(server, LAMBDA)
    values = (await driver.read(Tier)).values
    assert "buffer_temperature_bottom" not in values
    assert values["source_inlet_temperature"] == -30.0
    assert "hot_gas_temperature" not in values
    await driver.close()


async def test_bits_of_one_register_cost_one_request(start: Start) -> None:
    server = await start()
    server.hold("heat_pump.state", words=[0b1010])
    server.hold("heat_pump.error", words=[0xFFFE])
    pump = small(
        "key: outdoor_temperature, address: 2, type: s16, scale: 0.1, unit: °C",
        "key: compressor_running, address: 1002, bit: 1",
        "key: defrosting, address: 1002, bit: 2",
        "key: low, address: 1002, bit: 0, name: Low",
        "key: both, address: 1001, type: s16, quantity: code, name: Signed",
        "key: raw, address: 1001, quantity: code, name: Raw",
        "key: tail, address: 1001, type: u8, quantity: code, name: Tail",
    )
    driver = driver_of(server, pump, Layout())
    snapshot = await driver.read([Tier.MEASUREMENT])
    values = snapshot.values
    assert (values["compressor_running"], values["defrosting"], values["low"]) == (
        True,
        False,
        False,
    )
    assert (values["both"], values["raw"], values["tail"]) == (-2, 0xFFFE, 0xFE)
    assert server.request_count == 2
    assert await driver.read_point("compressor_running") is True
    await driver.close()


async def test_what_follows_is_added_where_a_map_has_its_sources(start: Start) -> None:
    server = await start()
    server.model.advance(9 * 3600)
    pump = small(
        "key: flow_temperature, address: 1004, type: s16, scale: 0.01, unit: °C",
        "key: return_temperature, address: 1005, type: s16, scale: 0.01, unit: °C",
        "key: flow_rate, address: 1006, type: s16, unit: l/h",
        "key: electrical_power, address: 1012, type: s16, unit: W",
        "key: compressor_frequency, address: 1010, scale: 0.01, unit: Hz",
        "key: fault_code, address: 1001",
    )
    driver = driver_of(server, pump, Layout())
    values = (await driver.read(Tier)).values
    state = server.model.state
    assert values["thermal_power"] == pytest.approx(state["thermal_power"], rel=0.1)
    assert values["cop"] == pytest.approx(
        float(values["thermal_power"]) / float(values["electrical_power"]), abs=0.01
    )
    assert values["compressor_running"] is True
    assert values["fault"] is False
    await driver.close()


async def test_a_lambda_at_rest_has_no_cop(start: Start) -> None:
    server = await start()
    driver = driver_of(server, LAMBDA, ALL)
    for held, shown in ((3.52, 3.52), (0.0, None)):
        server.hold("heat_pump.cop", held)
        assert (await driver.read(Tier)).values.get("cop") == shown
    await driver.close()


async def test_names_are_in_the_language_of_the_house() -> None:
    address = Address(host="127.0.0.1", port=1)
    english = family_of(LAMBDA).create(address, ALL, None)
    german = family_of(LAMBDA, "de").create(address, ALL, None)
    other = family_of(LAMBDA, "fr").create(address, ALL, None)
    titles = [d.points["state"].placeholders["title"] for d in (english, german, other)]
    assert titles[0] == titles[2] == "State of the refrigerant circuit"
    assert titles[1] == "Zustand des Kältekreises"
    assert english.points["flow_temperature"].placeholders == {}


async def test_serial_firmware_and_fingerprint_are_read(start: Start) -> None:
    server = await start()
    server.hold("heat_pump.operating_state", 4711)
    server.hold("heat_pump.flow", 2.34)
    server.hold("heat_pump.energy_in", words=[1, 2])
    server.hold("heat_pump.error", 9)
    identity = await family_of(small("key: fault_code, address: 1001")).probe(at(server))
    assert identity.serial == "4711"
    assert identity.firmware == "2.34"
    assert identity.fingerprint == {"holding_1020": 0x10002, "holding_1001": "9"}


async def test_another_machine_at_the_address_is_not_read(start: Start) -> None:
    server = await start()
    server.hold("heat_pump.operating_state", 4711)
    server.hold("heat_pump.energy_in", words=[1, 2])
    server.hold("heat_pump.error", 9)
    pump = small("key: fault_code, address: 1001")
    own = await family_of(pump).probe(at(server))
    driver = driver_of(server, pump, Layout())
    driver.expect({**own.fingerprint, "serial": str(own.serial)})
    assert (await driver.read(Tier)).values["fault_code"] == 9
    await driver.close()
    for key, words in (
        ("operating_state", [4712]),
        ("energy_in", [1, 1]),
        ("error", [8]),
    ):
        shown = server.words(f"heat_pump.{key}")
        server.hold(f"heat_pump.{key}", words=words)
        other = driver_of(server, pump, Layout())
        other.expect({**own.fingerprint, "serial": str(own.serial)})
        with pytest.raises(OtherMachineError):
            await other.read(Tier)
        await other.close()
        server.hold(f"heat_pump.{key}", words=shown)


async def test_a_serial_may_be_text_or_missing(start: Start) -> None:
    server = await start()
    server.hold("heat_pump.flow", words=[0x4142])
    server.hold("heat_pump.return", words=[0x2D31])
    text = SMALL.replace(
        "serial: {{address: 1003}}", "serial: {{address: 1004, type: text, registers: 2}}"
    )
    text = text.replace("firmware: {{address: 1004, scale: 0.01}}", "firmware: {{address: 60000}}")
    pump = parse_map(
        text.format(table="holding", points="  - {key: fault_code, address: 1001}"), "m"
    )
    identity = await family_of(pump).probe(at(server))
    assert identity.serial == "AB-1"
    assert identity.firmware is None


async def test_another_machine_is_told_from_this_one(start: Start) -> None:
    server = await start()
    server.hold("ambient.outdoor", words=[5000])
    with pytest.raises(NotThisFamilyError, match="holding register 2 holds 5000"):
        await family_of(LAMBDA).probe(at(server))
    server.release("ambient.outdoor")
    server.refuse(1003 + HOLDINGS)
    with pytest.raises(NotThisFamilyError, match="register 1003 is refused"):
        await family_of(LAMBDA).probe(at(server))
    server.refuse(2 + HOLDINGS)
    with pytest.raises(NotThisFamilyError):
        await family_of(LAMBDA).probe(at(server))
    with pytest.raises(WrongUnitError):
        await family_of(LAMBDA).probe(at(server, unit=3))


async def test_nobody_home(unused_tcp_port: int) -> None:
    with pytest.raises(LinkRefusedError):
        await family_of(LAMBDA).probe(Address(host="127.0.0.1", port=unused_tcp_port))


async def test_input_registers_are_read_with_their_own_function(start: Start) -> None:
    server = await start()
    pump = small("key: fault_code, address: 1001", table="input")
    driver = driver_of(server, pump, Layout())
    with pytest.raises(RefusedError):
        await driver.read(Tier)
    assert {request.function_code for request in server.requests} == {4}
    await driver.close()
