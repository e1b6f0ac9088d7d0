"""The Smart Home Interface beside the controller's own protocol, each on a real socket."""

import asyncio
from collections.abc import AsyncIterator
import logging
from typing import Final

import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    Layout,
    LinkRefusedError,
    NoAnswerError,
    OtherMachineError,
    RefusedError,
)
from custom_components.heat_pump_hub.drivers.luxtronik import FAMILY, LuxtronikDriver, shi, two_ways
from custom_components.heat_pump_hub.drivers.luxtronik.firmware import Controller, version
from custom_components.heat_pump_hub.drivers.luxtronik.shi import port_beside
from custom_components.heat_pump_hub.drivers.luxtronik.two_ways import REPLACED, TwoWayDriver
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Point, Tier, Value, Wear
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer
from custom_components.heat_pump_hub.simulator.luxtronik_shi import ShiServer
from custom_components.heat_pump_hub.simulator.luxtronik_shi_table import ROWS
from custom_components.heat_pump_hub.simulator.server import HOLDINGS
from custom_components.heat_pump_hub.simulator.two_tables import MapRow

from .conftest import Start, at

CIRCUITS: Final = ("a", "b", "c")
MEASUREMENT: Final = {Tier.MEASUREMENT}
NEWEST: Final = "V3.92.1"
BITS: Final = ("vd1", "vd2", "zwe1", "zwe2", "zwe3")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reads follow writes at once; the one test of the pause sets it again."""
    monkeypatch.setattr(shi, "PAUSE", 0.0)


@pytest.fixture
async def machine(start: Start) -> LuxtronikServer:
    """Return a controller with the interface, on which time stands still."""
    return await start(shi=True, mixing=3, firmware=NEWEST)


@pytest.fixture
async def driver(machine: LuxtronikServer) -> AsyncIterator[TwoWayDriver]:
    """Return a driver of both ways, as a probe finds the machine."""
    identity = await FAMILY.probe(at(machine))
    driver = FAMILY.create(at(machine), identity.layout, None)
    assert isinstance(driver, TwoWayDriver)
    yield driver
    await driver.close()


def beside(server: LuxtronikServer) -> ShiServer:
    """Return the interface of a simulated controller."""
    assert server.shi is not None
    return server.shi


def plain(**layout: object) -> LuxtronikDriver:
    """Return a driver that is never read."""
    found = Layout(**layout)  # type: ignore[arg-type]
    driver = FAMILY.create(Address(host="127.0.0.1", port=1, unit=0), found, None)
    assert isinstance(driver, LuxtronikDriver)
    return driver


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged about one way of two."""
    return [r.getMessage() for r in caplog.records if r.name == two_ways.__name__]


def key_of(row: str) -> str:
    """Return our key of a line of the register table."""
    if row == "pc_limit":
        return "power_limit"
    if row.startswith("mc"):
        return f"circuit_{CIRCUITS[int(row[2]) - 1]}_shi_{row[4:]}"
    return f"shi_{row}"


# -- finding it ------------------------------------------------------------------------


async def test_a_probe_finds_the_interface_and_leaves_nothing_open(
    machine: LuxtronikServer,
) -> None:
    """One read of the version, after the three commands."""
    identity = await FAMILY.probe(at(machine))
    assert f"shi_{machine.port + 1}" in identity.layout.features
    assert [(r.function_code, r.address, r.count) for r in beside(machine).requests] == [
        (4, 10400, 3)
    ]
    await asyncio.sleep(0.05)
    assert beside(machine).connections == machine.connections == 0
    assert beside(machine).writes == []
    assert machine.writes == []


async def test_a_controller_without_it_is_no_error(start: Start) -> None:
    """Nothing listens there."""
    server = await start(firmware=NEWEST)
    features = (await FAMILY.probe(at(server))).layout.features
    assert not [feature for feature in features if feature.startswith("shi")]


async def test_older_firmware_is_not_asked(machine: LuxtronikServer) -> None:
    """It cannot have it."""
    for index, character in enumerate("V3.90.0"):
        machine.hold(81 + index, ord(character))
    features = (await FAMILY.probe(at(machine))).layout.features
    assert not [feature for feature in features if feature.startswith("shi")]
    assert beside(machine).connects == 0


@pytest.mark.parametrize(
    "words", [(0, 0, 0), (3, 90, 0), (2, 90, 0), (3000, 0, 0)], ids=lambda words: str(words[0])
)
async def test_what_holds_no_such_version_is_something_else(
    machine: LuxtronikServer, words: tuple[int, ...]
) -> None:
    """Another Modbus device at that port."""
    for number, word in enumerate(words):
        beside(machine).hold(f"version_{number + 1}", words=(word,))
    features = (await FAMILY.probe(at(machine))).layout.features
    assert not [feature for feature in features if feature.startswith("shi")]


async def test_silence_at_its_port_costs_a_probe_little(
    machine: LuxtronikServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not there then."""
    monkeypatch.setattr(shi, "TIMEOUT", 0.1)
    beside(machine).silent = True
    identity = await FAMILY.probe(at(machine))
    assert identity.serial is not None
    assert not [feature for feature in identity.layout.features if feature.startswith("shi")]


@pytest.mark.parametrize(
    ("port", "found"), [(8889, 502), (8888, 502), (18889, 18890), (65534, 65535), (65535, None)]
)
async def test_where_it_is_looked_for(port: int, found: int | None) -> None:
    """At its own port, or at the next one where ports are forwarded."""
    assert port_beside(port) == found


async def test_no_port_is_left_for_it(socket_enabled: None) -> None:
    assert await shi.look_for(Address(host="127.0.0.1", port=65535, unit=0)) is None


@pytest.mark.parametrize(("port", "feature"), [(502, "shi"), (1502, "shi_1502")])
def test_a_layout_keeps_its_port(port: int, feature: str) -> None:
    controller = Controller(firmware="V3.92.0", shi=port)
    assert feature in controller.features()
    restored = Layout.from_json(Layout(features=frozenset(controller.features())).to_json())
    assert Controller.from_layout(restored) == controller
    assert isinstance(plain(features=restored.features), TwoWayDriver)


def test_without_it_a_controller_is_driven_as_before() -> None:
    assert type(plain(features=frozenset({"firmware_V3.92.0"}))) is LuxtronikDriver


# -- points ----------------------------------------------------------------------------


@pytest.mark.parametrize("found", [row for _, row in ROWS], ids=lambda row: row.key)
def test_every_register_is_a_point(found: MapRow) -> None:
    """At the address, in the table, and writable where the simulated one takes writes."""
    driver = plain(circuits=CIRCUITS, features=frozenset({"shi", f"firmware_{NEWEST}"}))
    key = key_of(found.key)
    point = driver.points[key]
    where = "shi_holding" if found.holding else "shi_input"
    assert driver.register(key) == (where, found.address)
    assert point.wear is (Wear.VOLATILE if found.access == "rw" else None)
    if point.minimum is not None:
        factor = 1000 if point.unit == "W" else 1
        assert (point.minimum, point.maximum) == (
            (found.minimum or 0) * factor,
            (found.maximum or 0) * factor,
        )
    if found.codes is not None and point.options is not None:
        assert set(point.options) == set(found.codes)


def test_the_bits_of_the_status_are_points() -> None:
    driver = plain(features=frozenset({"shi"}))
    for bit in BITS:
        key = f"shi_heatpump_{bit}_status"
        assert key in driver.points
        assert driver.register(key) == ("shi_input", 10000)


@pytest.mark.parametrize("firmware", ["V3.90.1", "V3.92.0", "V3.92.1"])
def test_a_firmware_has_the_points_of_its_version(firmware: str) -> None:
    driver = plain(circuits=CIRCUITS, features=frozenset({"shi", f"firmware_{firmware}"}))
    found = version(firmware)
    assert found is not None
    for since, row in ROWS:
        assert (key_of(row.key) in driver.points) is (found >= since), row.key


def test_what_the_controller_serves_itself_stays_as_it_is() -> None:
    """No key is lost or changed; of those that wear out nothing but "enabled"."""
    features = frozenset({"firmware_V3.92.0"})
    alone = plain(circuits=CIRCUITS, features=features).points
    both = plain(circuits=CIRCUITS, features=features | {"shi"}).points
    assert alone.keys() < both.keys()
    assert {key for key in alone if both[key] != alone[key]} == set(REPLACED)
    for key, instead in REPLACED.items():
        assert alone[key].enabled
        assert not both[key].enabled
        assert both[instead].enabled
        assert both[instead].wear is Wear.VOLATILE


def test_what_an_older_firmware_cannot_lock_is_set_by_parameter() -> None:
    points = plain(features=frozenset({"firmware_V3.90.1", "shi"})).points
    assert points["heating_mode"].enabled
    assert not points["dhw_temperature_setpoint"].enabled


def test_controls_are_settings_in_memory() -> None:
    """Nothing is written on stop, so none has a value for it; numbers can be kept apart."""
    points = plain(circuits=CIRCUITS, features=frozenset({"shi"})).points
    controls = [point for point in points.values() if point.wear is Wear.VOLATILE]
    assert len(controls) == 40
    for point in controls:
        assert point.tier is Tier.SETTING
        assert point.default is None
        assert point.kind in (Kind.SETPOINT, Kind.STATE)


async def test_it_stands_in_for_what_the_controller_does_not_tell(start: Start) -> None:
    """Under the key all makers share, enabled and read with each poll."""
    server = await start(shi=True, calculations=257, parameters=1100, firmware=NEWEST)
    identity = await FAMILY.probe(at(server))
    driver = FAMILY.create(at(server), identity.layout, None)
    for key in ("electrical_power", "thermal_power", "electrical_energy", "dhw_electrical_energy"):
        assert driver.points[key].enabled
        assert driver.points[key].tier is Tier.MEASUREMENT
        assert driver.register(key)[0] == "shi_input"
    values = (await driver.read(MEASUREMENT)).values
    state = server.model.state
    assert values["electrical_power"] == pytest.approx(state["electrical_power"], abs=50)
    assert values["dhw_electrical_energy"] == pytest.approx(
        state["dhw_electrical_energy"], abs=0.06
    )
    assert "shi_electric_power_actual" not in driver.points
    await driver.close()


# -- reading ---------------------------------------------------------------------------


async def test_every_value_is_what_the_machine_shows(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """Two tables, written apart, agree; "not available" is no value."""
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    compared = 0
    for _, row in ROWS:
        key = key_of(row.key)
        truth, value = beside(machine).value(row.key), snapshot.values.get(key)
        if truth is None:
            assert value is None, key
            continue
        assert value is not None, key
        number = driver.points[key].number(value)
        match driver.points[key].unit:
            case "W":
                number /= 1000
            case "h":
                number = round(number * 60)
        assert number == pytest.approx(truth, abs=0.051), key
        compared += 1
    assert compared > 90


async def test_the_high_word_comes_first(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    """[0x0000, 0x86F6] is 3455.0 kWh."""
    beside(machine).hold("electric_energy_total", words=(0x0000, 0x86F6))
    assert (await driver.read(Tier)).values["shi_electric_energy_total"] == 3455.0
    beside(machine).hold("electric_energy_total", words=(0x0001, 0x0000))
    assert (await driver.read(Tier)).values["shi_electric_energy_total"] == 6553.6


async def test_not_available_is_no_value(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    """3276.7 kWh is one, once the counter has shown another."""
    server, key = beside(machine), "shi_electric_energy_pool"
    for words in ((0x7FFF, 0x7FFF), (0, 0x7FFF), (0x7FFF, 0)):
        server.hold("electric_energy_pool", words=words)
        assert key not in (await driver.read(Tier)).values
    server.hold("electric_energy_pool", words=(0, 0x7FFE))
    assert (await driver.read(Tier)).values[key] == 3276.6
    server.hold("electric_energy_pool", words=(0, 0x7FFF))
    assert (await driver.read(Tier)).values[key] == 3276.7
    for row in ("heating_mode", "lock_heating", "heating_offset", "heating_status"):
        server.hold(row, words=(0x7FFF,))
    snapshot = await driver.read(Tier)
    for row in ("heating_mode", "lock_heating", "heating_offset", "heating_status"):
        assert key_of(row) not in {*snapshot.values, *snapshot.failed, *snapshot.unknown_codes}


async def test_the_status_is_taken_apart(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    beside(machine).hold("heatpump_status", 0b10110)
    values = (await driver.read(MEASUREMENT)).values
    assert [values[f"shi_heatpump_{bit}_status"] for bit in BITS] == [
        False,
        True,
        True,
        False,
        True,
    ]
    beside(machine).refuse(10000)
    snapshot = await driver.read(MEASUREMENT)
    assert {snapshot.failed[f"shi_heatpump_{bit}_status"] for bit in BITS} == {Failure.REFUSED}


@pytest.mark.parametrize("firmware", ["V3.90.1", "V3.92.0", "V3.92.1"])
async def test_nothing_is_read_that_a_firmware_does_not_have(start: Start, firmware: str) -> None:
    """Not even in passing, and not even if a newer one was expected."""
    server = await start(shi=True, mixing=3, firmware=firmware)
    layout = Layout(
        circuits=CIRCUITS, features=frozenset({f"shi_{server.port + 1}", "firmware_V3.99.0"})
    )
    driver = FAMILY.create(at(server), layout, None)
    snapshot = await driver.read(Tier)
    defined = {(row.holding, row.address + n) for row in beside(server).rows for n in (0, 1)}
    for request in beside(server).requests:
        for address in range(request.address, request.address + request.count):
            assert (request.function_code == 3, address) in defined
    has = {row.key for row in beside(server).rows}
    lacks = {key_of(row.key) for _, row in ROWS if row.key not in has}
    assert {key: snapshot.failed.get(key) for key in lacks} == dict.fromkeys(lacks, Failure.REFUSED)
    assert snapshot.failed.keys() == lacks
    await driver.close()


async def test_a_poll_is_gentle(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    """One command, and what only the interface tells; every poll keeps what is set in force."""
    await driver.read(Tier)
    before = beside(machine).request_count, len(machine.requests)
    await driver.read(MEASUREMENT)
    assert len(machine.requests) - before[1] == 1
    assert 0 < beside(machine).request_count - before[0] <= 6
    assert driver.traffic.connects == 2


# -- writing ---------------------------------------------------------------------------


def other(point: Point, value: Value) -> Value:
    """Return another value that may be written."""
    if point.options is not None:
        return [slug for slug in point.options.values() if slug != value][-1]
    if isinstance(value, bool):
        return not value
    assert point.maximum is not None
    return point.maximum


async def test_every_control_is_written_and_read_back(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """With FC16, and never a parameter in flash memory."""
    values = (await driver.read(Tier)).values
    controls = [p for p in driver.points.values() if p.wear is Wear.VOLATILE]
    for point in controls:
        wanted = other(point, values[point.key])
        await driver.write(point.key, wanted)
        assert await driver.read_point(point.key) == wanted
    assert machine.writes == []
    assert {write.function_code for write in beside(machine).writes} == {16}
    assert [write.address for write in beside(machine).writes] == [
        driver.register(point.key)[1] for point in controls
    ]


async def test_parameters_are_still_written_their_own_way(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    await driver.write("heating_mode", "off")
    assert machine.writes[0].index == 3
    assert await driver.read_point("heating_mode") == "off"
    assert driver.register("heating_mode") == ("parameter", 3)
    assert beside(machine).writes == []


async def test_what_the_interface_refuses_is_an_error(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    with pytest.raises(RefusedError):
        await driver.write("shi_hot_water_setpoint", 90)
    assert await driver.read_point("shi_hot_water_setpoint") == 40.0


async def test_the_controller_is_left_alone_after_a_write(
    machine: LuxtronikServer, driver: TwoWayDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next waits."""
    monkeypatch.setattr(shi, "PAUSE", 0.3)
    loop = asyncio.get_running_loop()
    await driver.write("shi_hot_water_setpoint", 50)
    written = loop.time()
    assert await driver.read_point("shi_hot_water_setpoint") == 50
    assert loop.time() - written >= 0.25


# -- one of the two fails --------------------------------------------------------------


async def test_without_the_interface_the_rest_goes_on(
    machine: LuxtronikServer, driver: TwoWayDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """Its points fail, said once; healed with the next poll, settings included."""
    caplog.set_level(logging.INFO, logger=two_ways.__name__)
    truth = await driver.read(Tier)
    await beside(machine).stop()
    connects = driver.traffic.connects
    for polls in range(1, 4):
        snapshot = await driver.read(Tier)
        own = driver.points.keys() - driver._shi.points.keys()
        assert snapshot.values.keys() == truth.values.keys() & own
        assert set(snapshot.failed.values()) == {Failure.NO_ANSWER}
        assert snapshot.failed.keys() == driver.points.keys() - own
        assert driver.traffic.connects <= connects + polls
    with pytest.raises(LinkRefusedError):
        await driver.read_point("shi_hot_water_setpoint")
    assert len(said(caplog)) == 1
    await beside(machine).start()
    healed = await driver.read(MEASUREMENT)
    assert healed.tiers == MEASUREMENT
    assert healed.failed == {}
    assert truth.values.keys() - healed.values.keys() <= own
    assert len(said(caplog)) == 2
    await driver.read(MEASUREMENT)
    assert len(said(caplog)) == 2


async def test_without_its_own_protocol_the_interface_goes_on(
    machine: LuxtronikServer, driver: TwoWayDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """The other way round."""
    caplog.set_level(logging.INFO, logger=two_ways.__name__)
    truth = await driver.read(Tier)
    await machine._away()
    for _ in range(3):
        snapshot = await driver.read(Tier)
        assert snapshot.values["shi_hot_water_setpoint"] == 40.0
        assert snapshot.failed["outdoor_temperature"] is Failure.NO_ANSWER
        assert snapshot.failed["heating_mode"] is Failure.NO_ANSWER
        assert snapshot.tiers == set(Tier)
    assert len(said(caplog)) == 1
    await machine._listen()
    healed = await driver.read(MEASUREMENT)
    assert healed.failed == {}
    assert healed.values["heating_mode"] == truth.values["heating_mode"]
    assert len(said(caplog)) == 2


async def test_if_neither_answers_the_poll_fails(
    machine: LuxtronikServer, driver: TwoWayDriver, caplog: pytest.LogCaptureFixture
) -> None:
    """That is for the coordinator to log."""
    caplog.set_level(logging.INFO, logger=two_ways.__name__)
    await driver.read(Tier)
    await machine.stop()
    with pytest.raises(DriverError):
        await driver.read(MEASUREMENT)
    assert said(caplog) == []


async def test_a_silent_interface_keeps_nobody_waiting(
    machine: LuxtronikServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole poll of it has a limit, however slowly it answers."""
    monkeypatch.setattr(shi, "BUDGET", 1.0)
    identity = await FAMILY.probe(at(machine))
    driver = FAMILY.create(at(machine), identity.layout, None)
    await driver.read(Tier)
    beside(machine).silent = True
    snapshot = await driver.read(Tier)
    assert "outdoor_temperature" in snapshot.values
    assert snapshot.failed["shi_heating_status"] is Failure.NO_ANSWER
    beside(machine).silent = False
    assert (await driver.read(MEASUREMENT)).failed == {}
    await driver.close()


async def test_a_busy_interface_is_busy(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    beside(machine).refuse_all(6)
    snapshot = await driver.read(MEASUREMENT)
    assert snapshot.failed["shi_heating_status"] is Failure.BUSY
    assert "outdoor_temperature" in snapshot.values


async def test_half_a_read_of_settings_is_made_up_for(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """What failed in the middle is read with the next measurements."""
    truth = await driver.read(Tier)
    beside(machine).crash(HOLDINGS + 10050)
    half = await driver.read(Tier)
    assert half.failed["shi_lock_heating"] is Failure.NO_ANSWER
    beside(machine).accept()
    whole = await driver.read(MEASUREMENT)
    assert whole.values["shi_lock_heating"] == truth.values["shi_lock_heating"]
    assert whole.failed == {}


async def test_another_machine_counts_on_neither_way(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """Its serial number is told by its own protocol only; nothing is written until it agrees."""
    driver.expect({"serial": "200114-c3a-7"})
    await driver.read(Tier)
    await driver.write("shi_lock_heating", True)
    machine.set_parameter(876, 8)
    machine.drop()
    await asyncio.sleep(0)
    with pytest.raises(OtherMachineError):
        await driver.read(Tier)
    for key, value in (("shi_lock_heating", False), ("heating_mode", "off")):
        with pytest.raises(OtherMachineError):
            await driver.read_point(key)
        with pytest.raises(OtherMachineError):
            await driver.write(key, value)
    assert len(beside(machine).writes) == 1
    assert machine.writes == []
    machine.set_parameter(876, 7)
    assert (await driver.read(Tier)).failed == {}
    await driver.write("shi_lock_heating", False)


async def test_a_new_connection_of_the_interface_waits_for_the_controllers_own(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """While that one is away nobody knows whose interface answers."""
    driver.expect({"serial": "200114-c3a-7"})
    await driver.read(Tier)
    await machine._away()
    assert "shi_heating_status" in (await driver.read(MEASUREMENT)).values
    await beside(machine).restart()
    for _ in range(2):
        with pytest.raises(LinkRefusedError):
            await driver.read(MEASUREMENT)
    with pytest.raises(DriverError):
        await driver.write("shi_lock_heating", True)
    assert beside(machine).writes == []
    await machine._listen()
    assert (await driver.read(MEASUREMENT)).failed == {}
    driver.expect({})
    assert (await driver.read(MEASUREMENT)).failed == {}


@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_happens_on_its_wire(
    machine: LuxtronikServer, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """No wrong value, nothing lost of the other protocol, healed within two polls."""
    monkeypatch.setattr(shi, "TIMEOUT", 0.2)
    proxy = FaultProxy("127.0.0.1", beside(machine).port, frame=modbus_frame)
    await proxy.start()
    layout = Layout(
        circuits=CIRCUITS, features=frozenset({f"shi_{proxy.port}", f"firmware_{NEWEST}"})
    )
    driver = FAMILY.create(at(machine), layout, None)
    await driver.read(Tier)
    truth = (await driver.read(Tier)).values
    for number in (1, 4):
        proxy.one_shot(fault, number)
        shown = (await driver.read(Tier)).values
        assert shown.items() <= truth.items()
        assert "outdoor_temperature" in shown
        healed = (await driver.read(Tier)).values
        if healed != truth:
            healed = (await driver.read(Tier)).values
        assert healed == truth
    await driver.close()
    await proxy.stop()


# -- what is kept ----------------------------------------------------------------------


async def test_what_was_learned_is_kept_apart(
    machine: LuxtronikServer, driver: TwoWayDriver
) -> None:
    """Also by those who first had one way only."""
    before = driver.learned_version
    beside(machine).refuse(10113)
    await driver.read(Tier)
    assert driver.learned_version > before
    learned = driver.learned()
    assert learned["firmware"] == NEWEST
    assert learned["shi"]["strikes"]
    identity = await FAMILY.probe(at(machine))
    again = FAMILY.create(at(machine), identity.layout, learned)
    assert again.learned()["shi"] == learned["shi"]
    for damaged in ({"shi": 5}, {"firmware": NEWEST, "seen": []}):
        assert (
            FAMILY.create(at(machine), identity.layout, damaged).learned()["shi"]["strikes"] == []
        )


async def test_diagnostics_tell_both(machine: LuxtronikServer, driver: TwoWayDriver) -> None:
    assert driver.report()["smart_home_interface"]["version"] is None
    await driver.read(Tier)
    report = driver.report()
    assert report["firmware"] == NEWEST
    assert report["smart_home_interface"]["version"] == "3.92.1"
    assert report["smart_home_interface"]["blocks"]


async def test_no_answer_is_no_exception_of_others(
    machine: LuxtronikServer, driver: TwoWayDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of a whole poll is one of our errors."""
    monkeypatch.setattr(shi, "BUDGET", 0.0)
    with pytest.raises(NoAnswerError):
        await driver._shi.read(Tier)
