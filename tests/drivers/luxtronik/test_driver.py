"""The Luxtronik driver against the simulated controller, whose tables nobody shares."""

import asyncio
from datetime import UTC, datetime
import json

import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    BusyError,
    Driver,
    DriverError,
    Layout,
    NoAnswerError,
    NotThisFamilyError,
    WrongProtocolError,
)
from custom_components.heat_pump_hub.drivers.luxtronik import (
    FAMILY,
    LuxtronikDriver,
    WriteBlockedError,
    probe,
)
from custom_components.heat_pump_hub.drivers.luxtronik.driver import brand, circuits, serial
from custom_components.heat_pump_hub.drivers.luxtronik.firmware import Controller
from custom_components.heat_pump_hub.drivers.luxtronik.protocol import Command, Link
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Tier, is_canonical
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer

from .conftest import Drive, Start, at

MEASUREMENT = {Tier.MEASUREMENT}
PASSWORD = {9, 7}
CALCULATIONS, PARAMETERS, VISIBILITIES = (
    int(Command.CALCULATIONS),
    int(Command.PARAMETERS),
    int(Command.VISIBILITIES),
)


async def test_a_probe_says_what_it_is(start: Start) -> None:
    """Three reads, no write, and no socket left."""
    server = await start(mixing=2, model_code=48, second_model_code=48, firmware="V3.89.4")
    identity = await FAMILY.probe(at(server))
    assert identity.manufacturer == "Novelan"
    assert identity.model == "LD9 + LD9"
    assert identity.firmware == "V3.89.4"
    assert identity.serial == "200114-c3a-7"
    assert identity.fingerprint == {}
    assert identity.layout.circuits == ("a", "b")
    assert server.requests == [CALCULATIONS, PARAMETERS, VISIBILITIES]
    assert server.writes == []
    await asyncio.sleep(0.05)
    assert server.connections == 0
    restored = Layout.from_json(identity.layout.to_json())
    assert Controller.from_layout(restored) == Controller(
        firmware="V3.89.4", calculations=269, parameters=1180, circuits=("a", "b")
    )


async def test_a_controller_without_a_serial_has_a_fingerprint(start: Start) -> None:
    """Its model, and counters that never fall."""
    server = await start(serial=(0, 0, 0), model_code=99)
    identity = await probe(at(server))
    assert identity.serial is None
    assert identity.model == "Luxtronik 99"
    assert identity.fingerprint["model"] == "Luxtronik 99"
    assert float(identity.fingerprint["thermal_energy"]) > 1000
    assert float(identity.fingerprint["operating_hours"]) > 100
    small = await start(serial=(0, 0, 0), calculations=100, parameters=700)
    assert (await probe(at(small))).fingerprint == {"model": "LW V4"}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("LD7", "Novelan"),
        ("MSW 4", "Alpha Innotec"),
        ("LW V4", "Alpha Innotec"),
        ("", "Alpha Innotec"),
    ],
)
def test_the_type_tells_the_brand(model: str, name: str) -> None:
    """As far as it is known; else it is the maker of the controller."""
    assert brand(model) == name


async def test_what_is_no_luxtronik(start: Start) -> None:
    """It speaks the protocol, and names no firmware."""
    server = await start(calculations=40)
    with pytest.raises(NotThisFamilyError):
        await probe(at(server))


async def test_a_web_server_is_not_a_controller(socket_enabled: None) -> None:
    """The first wrong byte tells."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(WrongProtocolError):
        await probe(Address(host="127.0.0.1", port=port, unit=0))
    server.close()


async def test_a_poll_costs_one_command_and_the_settings_one_more(
    start: Start, drive: Drive
) -> None:
    """Visibilities are never polled."""
    server = await start()
    driver = await drive(server)
    server.requests.clear()
    await driver.read(Tier)
    assert server.requests == [CALCULATIONS, PARAMETERS]
    for _ in range(3):
        await driver.read(MEASUREMENT)
    assert server.requests[2:] == [CALCULATIONS] * 3
    await driver.read({Tier.SETTING})
    assert server.requests[5:] == [PARAMETERS]
    assert server.connects == 2  # the probe's, and this one


async def test_every_point_is_read_and_agrees_with_the_machine(start: Start, drive: Drive) -> None:
    """All tables at once: nothing fails, and canonical values are the model's."""
    server = await start(mixing=3)
    driver: Driver = await drive(server)
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.unknown_codes == {}
    state = server.model.state
    canonical = [key for key, point in driver.points.items() if is_canonical(point)]
    renamed = {"dhw_temperature_setpoint"} | {f"circuit_{letter}_mode" for letter in "abc"}
    compared = 0
    for key in canonical:
        if key not in state or key.startswith("circuit_") or key in renamed:
            continue
        expected = state[key]
        if isinstance(expected, str | bool):
            assert snapshot.values[key] == expected, key
        elif key == "electrical_energy":  # the heater's is not metered here
            assert snapshot.values[key] < expected
        elif key == "thermal_energy":
            assert snapshot.values[key] == pytest.approx(
                state["heating_energy"] + state["dhw_energy"], abs=0.2
            )
        else:
            assert snapshot.values[key] == pytest.approx(expected, abs=0.6, rel=0.01), key
        compared += 1
    assert compared > 30
    for letter, behind in zip("abc", "bcd", strict=True):
        for name in ("flow_temperature", "flow_temperature_setpoint"):
            assert snapshot.values[f"circuit_{letter}_{name}"] == pytest.approx(
                state[f"circuit_{behind}_{name}"], abs=0.06
            )
    assert snapshot.values["dhw_temperature_setpoint"] == 48.0
    assert server.writes == []


async def test_the_curated_points(start: Start, drive: Drive) -> None:
    """About forty entities are enabled; all values of a controller without a meter are there."""
    driver = await drive(await start(mixing=1))
    enabled = {key for key, point in driver.points.items() if point.enabled}
    assert 30 <= len(enabled) <= 42
    snapshot = await driver.read(Tier)
    assert enabled - snapshot.values.keys() <= {"cop"}
    counters = {k for k, p in driver.points.items() if p.kind is Kind.COUNTER and p.enabled}
    assert {"heating_energy", "compressor_hours", "compressor_starts"} <= counters


async def test_no_meter_no_electrical_energy(start: Start, drive: Drive) -> None:
    """Counters that stay at 0 would show a machine that needs no electricity."""
    driver = await drive(await start(metered=False))
    snapshot = await driver.read(Tier)
    assert not {k for k in snapshot.values if k.endswith("electrical_energy")}
    assert await driver.read_point("heating_electrical_energy") is None


async def test_an_old_controller_has_less(start: Start, drive: Drive) -> None:
    """An index beyond the tables is no point, and is not asked about."""
    server = await start(
        firmware="V2.88.1", calculations=232, parameters=1126, visibilities=355, mixing=0
    )
    driver = await drive(server)
    assert not {"electrical_power", "thermal_power", "cop", "evaporation_temperature"} & set(
        driver.points
    )
    assert "electrical_energy" not in driver.points
    assert not [key for key in driver.points if key.startswith("circuit_")]
    snapshot = await driver.read(Tier)
    assert snapshot.failed == {}
    assert snapshot.values["compressor_frequency"] is not None


async def test_a_table_that_shrinks(start: Start, drive: Drive) -> None:
    """What a downgraded controller no longer has is refused, and comes back."""
    server = await start()
    driver = await drive(server)
    await driver.read(Tier)
    object.__setattr__(server.machine, "calculations", 200)
    snapshot = await driver.read(MEASUREMENT)
    assert snapshot.failed["thermal_power"] is Failure.REFUSED
    assert "thermal_power" not in snapshot.values
    assert "thermal_power" in driver.report()["missing"]
    object.__setattr__(server.machine, "calculations", 269)
    snapshot = await driver.read(MEASUREMENT)
    assert snapshot.failed == {}
    assert "thermal_power" in snapshot.values


@pytest.mark.parametrize(
    ("firmware", "index"),
    [("V2.88.1", 2), ("V3.90.0", 2), ("V3.90.1", 105), ("V3.91.0", 105)],
)
async def test_the_hot_water_setpoint_lies_where_the_firmware_has_it(
    start: Start, drive: Drive, firmware: str, index: int
) -> None:
    """One point; read, written and worn at the right parameter."""
    server = await start(firmware=firmware)
    driver = await drive(server)
    assert (await driver.read(Tier)).values["dhw_temperature_setpoint"] == 48.0
    assert driver.register("dhw_temperature_setpoint") == ("parameter", index)
    await driver.write("dhw_temperature_setpoint", 51.5)
    assert [(write.index, write.value) for write in server.writes] == [(index, 515)]
    assert await driver.read_point("dhw_temperature_setpoint") == 51.5
    assert server.model.settings["dhw_temperature_setpoint"] == 51.5


@pytest.mark.parametrize("firmware", ["V1.88.0", "V2.88.1", "V3.87.0", "V3.88.0"])
async def test_the_heaters_energy_is_scaled_by_firmware(
    start: Start, drive: Drive, firmware: str
) -> None:
    """Tenths on V3, hundredths before, and another parameter from V3.88 on."""
    server = await start(firmware=firmware)
    driver = await drive(server)
    snapshot = await driver.read(Tier)
    expected = server.model.state["backup_heater_energy"]
    assert expected > 1
    assert snapshot.values["backup_heater_energy"] == pytest.approx(expected, abs=0.06)


async def test_a_firmware_update_behind_the_drivers_back(start: Start, drive: Drive) -> None:
    """The next poll on the new connection lays the tables out anew; a write waits for it."""
    server = await start(firmware="V3.90.0")
    driver = await drive(server)
    await driver.read(Tier)
    object.__setattr__(server.machine, "firmware", "V3.90.1")
    server.set_parameter(105, 530)
    server.drop()
    await asyncio.sleep(0.05)
    before = driver.learned_version
    await driver.write("dhw_temperature_setpoint", 45.0)
    assert server.writes[-1].index == 105
    assert driver.learned_version > before
    again = LuxtronikDriver(at(server), Layout(), driver.learned())
    assert again.register("dhw_temperature_setpoint") == ("parameter", 105)


@pytest.mark.parametrize("firmware", ["V1.90.0", "V2.90.0", "V2.90.1"])
async def test_nothing_is_written_to_a_firmware_that_would_restart(
    start: Start, drive: Drive, firmware: str
) -> None:
    """The error says why; the wire stays clean."""
    server = await start(firmware=firmware)
    driver = await drive(server)
    with pytest.raises(WriteBlockedError, match=f"{firmware} restarts") as blocked:
        await driver.write("heating_mode", "off")
    assert blocked.value.firmware == firmware
    assert server.writes == []
    assert driver.report()["writes_blocked"] is True
    assert (await driver.read(Tier)).values["heating_mode"] == "automatic"


async def test_an_unknown_firmware_is_not_written_to(start: Start, drive: Drive) -> None:
    """It might be the one that restarts."""
    server = await start()
    driver = LuxtronikDriver(at(server), Layout())
    server.hold(81, 0)
    server.hold(82, 0)
    with pytest.raises(WriteBlockedError, match="not known"):
        await driver.write("heating_mode", "off")
    assert server.writes == []
    await driver.close()


async def test_settings_are_written_and_read_back(start: Start, drive: Drive) -> None:
    """States, flags, numbers and times of day."""
    server = await start(mixing=1)
    driver = await drive(server)
    for key, value, index, raw in (
        ("heating_mode", "holidays", 3, 3),
        ("circuit_a_mode", "off", 695, 4),
        ("heating_curve_end_temperature", 41.3, 11, 413),
        ("heating_curve_night_reduction", -5.5, 13, -55),
        ("disinfection_monday", False, 20, 0),
        ("timer_heating_week_start_1", 6.25, 223, 22_500),
        ("dhw_compressor_frequency", 45, 1045, 26),
        ("dhw_compressor_frequency", 0, 1045, 0),
        ("electrical_power_limit", 4200, 1159, 42),
        ("extra_dhw_duration", 2.5, 1147, 9000),
        ("cooling_start_delay", 2.5, 850, 25),
    ):
        await driver.write(key, value)
        assert driver.register(key) == ("parameter", index), key
        assert server.parameter(index) == raw, key
        assert await driver.read_point(key) == value, key
    assert server.model.settings["system_mode"] == "away"
    assert server.model.settings["circuit_b_mode"] == "off"


async def test_a_value_the_controller_ignores(start: Start, drive: Drive) -> None:
    """Its answer confirms no value: only the read-back tells."""
    server = await start()
    driver = await drive(server)
    await driver.write("heating_curve_end_temperature", 99.0)
    assert server.writes[-1].accepted is False
    assert await driver.read_point("heating_curve_end_temperature") != 99.0


async def test_a_value_that_does_not_fit_is_an_error(start: Start, drive: Drive) -> None:
    """Nothing is truncated into a parameter, and nothing is sent."""
    server = await start()
    driver = await drive(server)
    for key, value in (
        ("heating_mode", "no such mode"),
        ("disinfection_monday", "on"),
        ("heating_curve_end_temperature", 1e12),
        ("heating_curve_end_temperature", float("nan")),
        ("heating_curve_end_temperature", "warm"),
        ("dhw_compressor_frequency", 12),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            await driver.write(key, value)
    with pytest.raises(KeyError):
        await driver.write("no_such_point", 1)
    assert server.writes == []


async def test_what_the_settings_share_with_the_measurements(start: Start, drive: Drive) -> None:
    """Derived values are read on demand like others."""
    server = await start()
    driver = await drive(server)
    await driver.read(Tier)
    assert await driver.read_point("operating_mode") == server.model.state["operating_mode"]
    assert await driver.read_point("thermal_energy") == pytest.approx(
        server.model.state["heating_energy"] + server.model.state["dhw_energy"], abs=0.2
    )
    assert await driver.read_point("electrical_energy") is not None


async def test_a_fault_is_shown_and_remembered(start: Start, drive: Drive) -> None:
    """The error memory keeps what the machine no longer suffers from."""
    server = await start()
    driver = await drive(server)
    values = (await driver.read(Tier)).values
    assert (values["fault"], values["fault_code"]) == (False, 0)
    assert values["error_code_1"] == "no_error"
    server.model.inject("fault", 715)
    values = (await driver.read(MEASUREMENT)).values
    assert (values["fault"], values["fault_code"]) == (True, 715)
    assert values["error_code_1"] == "high_pressure_switch_off"
    server.model.clear("fault")
    values = (await driver.read(MEASUREMENT)).values
    assert (values["fault"], values["fault_code"]) == (False, 0)
    assert values["error_code_1"] == "high_pressure_switch_off"


@pytest.mark.parametrize("firmware", ["V2.88.1", "V3.90.1"])
@pytest.mark.parametrize(
    ("mode", "state", "locked"),
    [("locked", "locked", True), ("normal", "normal", False), ("forced", "increased", False)],
)
async def test_smart_grid(
    start: Start, drive: Drive, firmware: str, mode: str, state: str, locked: bool
) -> None:
    """Two contacts, which lie elsewhere and upside down on a Luxtronik 2.0."""
    server = await start(firmware=firmware, smart_grid=True)
    server.model.set("smart_grid_mode", mode)
    driver = await drive(server)
    values = (await driver.read(Tier)).values
    values = (await driver.read(Tier)).values
    assert values["smart_grid_state"] == state
    assert values["utility_lock"] is locked
    assert "room_station_temperature" not in values


async def test_smart_grid_needs_its_inputs(start: Start, drive: Drive) -> None:
    """A controller without the second contact, or without the station's input, shows none."""
    for firmware, calculations in (("V3.90.1", 150), ("V2.88.1", 92)):
        server = await start(
            firmware=firmware, smart_grid=True, calculations=calculations, mixing=0
        )
        driver = await drive(server)
        await driver.read(Tier)
        values = (await driver.read(Tier)).values
        assert ("smart_grid_state" in values) == (firmware == "V2.88.1")
        assert "utility_lock" in values


async def test_the_utilitys_contact(start: Start, drive: Drive) -> None:
    """Without smart grid an open contact locks."""
    server = await start()
    driver = await drive(server)
    assert (await driver.read(Tier)).values["utility_lock"] is False
    server.model.set("smart_grid_mode", "locked")
    assert (await driver.read(MEASUREMENT)).values["utility_lock"] is True


async def test_a_sensor_that_is_not_fitted(start: Start, drive: Drive) -> None:
    """-50.0 °C behind the source is no temperature; 5.0 and 150.0 are, once others were seen."""
    server = await start()
    server.hold(20, -500)
    driver = await drive(server)
    snapshot = await driver.read(Tier)
    for key in (
        "source_outlet_temperature",
        "solar_collector_temperature",
        "solar_tank_temperature",
        "room_station_temperature",
    ):
        assert key not in snapshot.values
        assert key not in snapshot.failed
    before = driver.learned_version
    server.hold(23, 214)
    assert (await driver.read(MEASUREMENT)).values["room_station_temperature"] == 21.4
    assert driver.learned_version == before + 1
    server.hold(23, 50)
    assert (await driver.read(MEASUREMENT)).values["room_station_temperature"] == 5.0
    learned = json.loads(json.dumps(driver.learned()))
    again = LuxtronikDriver(at(server), Layout(), learned)
    assert (await again.read(MEASUREMENT)).values["room_station_temperature"] == 5.0
    await again.close()


async def test_learned_data_of_another_kind_is_ignored(start: Start) -> None:
    """A damaged store costs nothing but what was learned."""
    server = await start()
    for learned in ({"seen": 3, "firmware": 4}, {"seen": [1, "x"], "firmware": "nonsense"}, {}):
        driver = LuxtronikDriver(at(server), Layout(), learned)
        assert driver.version is None
        assert (await driver.read(Tier)).values["flow_temperature"]
        await driver.close()


async def test_an_unknown_code_keeps_its_number(start: Start, drive: Drive) -> None:
    """A state nobody documented is unknown, not wrong, and not a failure."""
    server = await start()
    driver = await drive(server)
    server.hold(80, 42)
    server.hold(119, 15)
    snapshot = await driver.read(Tier)
    assert snapshot.unknown_codes == {"operating_mode": 42, "status_line_3": 15}
    assert "operating_mode" not in snapshot.values
    assert "defrosting" not in snapshot.values
    assert snapshot.failed == {}
    server.release(80)
    assert "operating_mode" in (await driver.read(MEASUREMENT)).values


async def test_what_physics_forbids_is_read_once_more(start: Start, drive: Drive) -> None:
    """A glitch heals within the poll; what lasts is marked, and not asked for twice again."""
    server = await start()
    driver = await drive(server)
    truth = (await driver.read(MEASUREMENT)).values["flow_temperature"]
    readings = iter([32_000])
    calculations = server.values.calculations

    def glitch() -> list[int]:
        values = calculations()
        values[10] = next(readings, values[10])
        return values

    server.values.calculations = glitch  # type: ignore[method-assign]
    server.requests.clear()
    snapshot = await driver.read(MEASUREMENT)
    assert snapshot.values["flow_temperature"] == truth
    assert snapshot.failed == {}
    assert len(server.requests) == 2
    server.hold(10, 32_000)
    for polls in (4, 5):
        snapshot = await driver.read(MEASUREMENT)
        assert snapshot.failed == {"flow_temperature": Failure.IMPLAUSIBLE}
        assert "flow_temperature" not in snapshot.values
        assert len(server.requests) == polls
    assert await driver.read_point("flow_temperature") is None
    server.release(10)
    assert (await driver.read(MEASUREMENT)).values["flow_temperature"] == truth


async def test_a_controller_that_boots_is_busy(start: Start, drive: Drive) -> None:
    """It answers without values; nothing is shown, and the first poll after it is whole."""
    server = await start()
    driver = await drive(server)
    truth = (await driver.read(Tier)).values
    server.booting = True
    for tiers in (Tier, MEASUREMENT, {Tier.SETTING}):
        with pytest.raises(BusyError):
            await driver.read(tiers)
    server.booting = False
    assert (await driver.read(Tier)).values == truth


async def test_settings_that_fail_hide_no_measurement(
    start: Start, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parameters are marked with the reason; the calculations are shown."""
    server = await start()
    driver = await drive(server)
    await driver.read(Tier)
    read = Link.read
    for error, failure in (
        (NoAnswerError("silent"), Failure.NO_ANSWER),
        (BusyError("boots"), Failure.BUSY),
    ):

        async def fail(self: Link, command: Command, error: DriverError = error) -> tuple[int, ...]:
            if command is Command.PARAMETERS:
                raise error
            return await read(self, command)

        monkeypatch.setattr(Link, "read", fail)
        snapshot = await driver.read(Tier)
        assert "flow_temperature" in snapshot.values
        assert "heating_mode" not in snapshot.values
        assert snapshot.failed["heating_mode"] is failure
        assert "flow_temperature" not in snapshot.failed
        with pytest.raises(type(error)):
            await driver.read({Tier.SETTING})


async def test_nothing_of_the_password_is_ever_served(start: Start, drive: Drive) -> None:
    """No point, no dump and no log line knows parameters 106, 107, 755 to 760 or the serial."""
    server = await start()
    driver = await drive(server)
    await driver.read(Tier)
    secret = {106, 107, *range(755, 761), 874, 875, 876, 750, 751, 752, 753}
    for key, point in driver.points.items():
        if key in {p.key for p in driver.points.values() if p.tier is Tier.SETTING}:
            if key == "electrical_energy":
                continue
            assert driver.register(key)[1] not in secret, key
        assert "password" not in key
        assert point.key == key
    dump = json.dumps([driver.report(), driver.learned()])
    assert "200114" not in dump
    assert "password" not in dump
    assert driver.serial == "200114-c3a-7"


def test_a_serial_number() -> None:
    """Date, model in hexadecimal, index; none where it was never set."""
    parameters = [0] * 877
    assert serial(tuple(parameters)) is None
    assert serial((1, 2)) is None
    parameters[874:877] = [140_832, -1, 3]
    assert serial(tuple(parameters)) == "140832-ffffffff-3"


def test_circuits_are_configured_or_shown() -> None:
    """Either is enough, and short tables have none."""
    parameters, visibilities = [0] * 800, [0] * 220
    assert circuits(tuple(parameters), tuple(visibilities)) == ()
    parameters[130] = 2
    visibilities[211] = 1
    assert circuits(tuple(parameters), tuple(visibilities)) == ("b", "c")
    assert circuits((0,) * 10, (0,) * 7) == ()


async def test_the_time_of_a_sample(start: Start) -> None:
    """It is taken before the poll, in UTC."""
    server = await start()
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    driver = LuxtronikDriver(at(server), Layout(), now=lambda: moment)
    snapshot = await driver.read(MEASUREMENT)
    assert snapshot.time == moment
    assert snapshot.tiers == {Tier.MEASUREMENT}
    await driver.close()


async def test_answers_in_pieces(start: Start, drive: Drive) -> None:
    """A controller that sends a few bytes at a time is read like any other."""
    server: LuxtronikServer = await start(parameters=900)
    driver = await drive(server)
    truth = (await driver.read(Tier)).values
    server.chunk = 37
    assert (await driver.read(Tier)).values == truth
