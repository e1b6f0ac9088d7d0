"""Raw numbers become values and back; the tables keep their promises."""

import math

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.decoded import ABSENT, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import Layout
from custom_components.heat_pump_hub.drivers.luxtronik import codes
from custom_components.heat_pump_hub.drivers.luxtronik.derived import METERED, POINTS, source_kind
from custom_components.heat_pump_hub.drivers.luxtronik.firmware import (
    Controller,
    Version,
    firmware,
    version,
)
from custom_components.heat_pump_hub.drivers.luxtronik.points import (
    DHW_FREQUENCY,
    HALF_HOURS,
    NO_SENSOR,
    Table,
)
from custom_components.heat_pump_hub.drivers.luxtronik.readout import Readout
from custom_components.heat_pump_hub.drivers.luxtronik.table import (
    CALCULATIONS,
    PARAMETERS,
    registers,
)
from custom_components.heat_pump_hub.drivers.points import Kind, Quantity, Tier, Wear, is_canonical

EVERYTHING = Controller(firmware="V3.90.1", circuits=("a", "b", "c"))
REGISTERS = {register.point.key: register for register in registers(EVERYTHING)}
INT32 = st.integers(-(2**31), 2**31 - 1)


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("flow_temperature", 0x0000014A, 33.0),
        ("source_inlet_temperature", -50, -5.0),
        ("heating_energy", 256_689, 25_668.9),
        ("heating_electrical_energy", 543_197, 5431.97),
        ("analog_output_1", 1000, 10.0),
        ("analog_input_3", 33, 3.3),
        ("ventilation_supply_fan", 455, 45.5),
        ("flow_rate", 1020, 17.0),
        ("high_pressure", 2140, 21.4),
        ("compressor_hours", 9_000_000, 2500.0),
        ("thermal_power", 5430, 5430),
        ("sec_heat_output", 54, 5400),
        ("operating_mode", 1, "dhw"),
        ("operating_mode", 3, "utility_lock"),
        ("operating_mode", 5, "off"),
        ("operating_mode", 6, "other"),
        ("switch_off_reason_1", 1, "system_error"),
        ("switch_off_reason_5", 25, "restart"),
        ("switch_off_reason_1", 22, "no_request"),
        ("sec_operating_state", 7, "waiting"),
        ("error_code_1", 760, "error_defrosting"),
        ("pool_pv_mode", 1, "pv_off"),
        ("timer_dhw_day_start_7_5", 23_400, 6.5),
        ("dhw_compressor_frequency", 0, 0),
        ("dhw_compressor_frequency", 101, 120),
        ("dhw_reheating_max_time", 0, 1.0),
        ("dhw_reheating_max_time", 9, 5.5),
        ("cooling_start_delay", 25, 2.5),
        ("additional_heat_release_minutes", 60, 60),
        ("electrical_power_limit", 42, 4200),
    ],
)
def test_worked_examples(key: str, raw: int, value: object) -> None:
    """The notes' examples come out as printed."""
    decoded = REGISTERS[key].decode(raw)
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_repeated_row_lies_where_the_notes_put_it() -> None:
    """Nested repetitions, counted from 1."""
    for key, index in (
        ("timer_dhw_program", 405),
        ("timer_dhw_week_start_1", 406),
        ("timer_dhw_week_end_5", 415),
        ("timer_dhw_split_start_2_1", 426),
        ("timer_dhw_day_end_7_5", 505),
        ("timer_heating_day_start_1_1", 241),
        ("circuit_a_timer_program", 283),
        ("circuit_c_timer_day_end_7_3", 848),
        ("timer_ventilation_day_end_7_3", 955),
        ("timer_silent_window_21", 1113),
        ("error_time_1", 95),
        ("switch_off_timestamp_unit2_5", 1004),
        ("screed_drying_stage_hours_10", 73),
    ):
        assert REGISTERS[key].index == index, key


def test_the_tables_keep_their_promises() -> None:
    """Unique keys and indices, no secret, bounded settings, every write wears."""
    for table, rows in ((Table.CALCULATION, CALCULATIONS), (Table.PARAMETER, PARAMETERS)):
        of_table = [r for r in REGISTERS.values() if r.table is table]
        assert len({register.index for register in of_table}) == len(of_table)
        assert len(rows) == {Table.CALCULATION: 227, Table.PARAMETER: 454}[table]
    assert len(REGISTERS) == len(list(registers(EVERYTHING))) == 1351
    for register in REGISTERS.values():
        point = register.point
        assert (point.tier is Tier.SETTING) == (register.table is Table.PARAMETER)
        if not point.writable:
            continue
        assert register.table is Table.PARAMETER
        assert point.wear is Wear.EEPROM
        if point.quantity not in (Quantity.STATE, Quantity.FLAG):
            assert point.minimum is not None, point.key
            assert point.maximum is not None, point.key
            assert point.minimum < point.maximum, point.key
            assert point.step, point.key
    calculations = {r.index for r in REGISTERS.values() if r.table is Table.CALCULATION}
    assert set(range(10, 269)) - calculations == set(range(81, 95))
    parameters = {r.index for r in REGISTERS.values() if r.table is Table.PARAMETER}
    assert parameters.isdisjoint({106, 107, *range(755, 761), 874, 875, 876})
    derived = {point.key for point in (*POINTS, *METERED)}
    assert derived.isdisjoint(REGISTERS)
    assert {key for key in derived if "energy" in key or "running" in key} <= {
        point.key for point in (*POINTS, *METERED) if is_canonical(point)
    }


def test_states_have_one_number_each() -> None:
    """History numbers a state by its slug: no slug may stand for two."""
    for register in REGISTERS.values():
        options = register.point.options or {}
        assert len(set(options.values())) == len(options), register.point.key
        assert set(register.states.values()) <= set(options.values()), register.point.key
    assert codes.ERRORS_SAME[760] == codes.ERRORS[758]


WRITABLE = [
    r
    for r in REGISTERS.values()
    if r.point.writable and r.point.quantity not in (Quantity.STATE, Quantity.FLAG)
]


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    """Every writable number, at any of its steps, survives the wire."""
    register = data.draw(st.sampled_from(WRITABLE))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    assert point.step is not None
    steps = round((point.maximum - point.minimum) / point.step)
    value = round(point.minimum + data.draw(st.integers(0, steps)) * point.step, point.decimals)
    if register.form is DHW_FREQUENCY and 0 < value < 20:
        with pytest.raises(ValueError, match="does not fit"):
            register.encode(value)
        return
    assert register.decode(register.encode(value)) == value


@given(st.sampled_from(sorted(REGISTERS)), INT32)
def test_any_raw_number_decodes_without_an_error(key: str, raw: int) -> None:
    """A number is inside its range, a state is one of the options, anything else is marked."""
    register = REGISTERS[key]
    decoded = register.decode(raw)
    if isinstance(decoded, str):
        assert decoded in (register.point.options or {}).values()
    elif isinstance(decoded, UnknownCode | Implausible):
        assert decoded.raw == raw
    elif decoded is ABSENT:
        assert raw in register.sentinels
    else:
        assert isinstance(decoded, int | float)
        assert register.form.low <= decoded <= register.form.high
        assert math.isfinite(decoded)


@given(st.sampled_from(sorted(REGISTERS)), INT32)
def test_a_number_is_the_raw_one_times_its_scale(key: str, raw: int) -> None:
    """Within its resolution, and never a negative zero."""
    register = REGISTERS[key]
    form = register.form
    decoded = register.decode(raw)
    if form in (DHW_FREQUENCY, HALF_HOURS) or isinstance(decoded, bool | str):
        return
    if isinstance(decoded, int | float):
        assert decoded == pytest.approx(raw * form.scale, abs=0.5 * 10**-form.decimals + 1e-9)
        assert math.copysign(1, decoded) == 1 or decoded < 0


def test_states_and_flags_write_what_they_read() -> None:
    """Each slug and each flag encodes to the number it is read from."""
    for register in REGISTERS.values():
        point = register.point
        for slug in set((point.options or {}).values()) & set(register.states.values()):
            assert register.decode(register.encode(slug)) == slug, point.key
        if point.quantity is Quantity.FLAG:
            for flag in (False, True):
                assert register.decode(register.encode(flag)) is flag, point.key


@given(
    st.lists(st.integers(-10_000, 10_000), min_size=269, max_size=269),
    st.lists(st.tuples(st.integers(0, 268), st.integers(-10_000, 10_000)), max_size=20),
    st.integers(1, 300),
)
def test_decoding_the_difference_is_decoding_all(
    first: list[int], changes: list[tuple[int, int]], length: int
) -> None:
    """Whatever changed, and however long the block, a fresh readout shows the same."""
    calculations = [r for r in REGISTERS.values() if r.table is Table.CALCULATION]
    second = list(first)
    for index, raw in changes:
        second[index] = raw
    second = (second + [1] * 40)[:length]
    seen: set[str] = set()
    old = Readout(seen)
    old.bind(calculations)
    for block in (first, second):
        old.update(tuple(block))
    new = Readout(seen)
    new.bind(calculations)
    new.update(tuple(second))
    assert old.values == new.values
    assert old.unknown == new.unknown
    assert old.implausible == new.implausible
    assert old.missing == new.missing
    assert {key for key in old.keys if REGISTERS[key].index >= length} == old.missing
    old.bind(calculations)
    assert old.values == new.values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("V3.90.1", Version(3, 90, 1)),
        ("V2.88", Version(2, 88, 0)),
        ("3.92.1", Version(3, 92, 1)),
        ("V1.60.0-98", Version(1, 60, 0)),
        ("", None),
        (None, None),
        ("VX.1", None),
        ("9999.1", None),
    ],
)
def test_versions(text: str | None, expected: Version | None) -> None:
    """Firmware names become versions that can be compared."""
    assert version(text) == expected


@given(st.lists(INT32, max_size=120))
def test_any_calculations_have_a_firmware_or_none(calculations: list[int]) -> None:
    """Characters that are none do not matter."""
    name = firmware(calculations)
    assert name is None or version(name) is not None


def test_which_firmware_restarts() -> None:
    """V1.90 and V2.90, and no other."""
    assert [
        name
        for name in ("V1.90.0", "V2.90.0", "V2.90.1", "V3.90.1", "V2.88.1", "V2.91.0")
        if (found := version(name)) is not None and found.restarts_on_write
    ] == ["V1.90.0", "V2.90.0", "V2.90.1"]


def test_ranges_that_depend_on_the_firmware() -> None:
    """The cooling threshold is 18 to 30 °C up to V3.92.0, 10 to 35 °C later."""
    for name, low, high in (("V3.92.0", 18, 30), ("V3.92.1", 10, 35), (None, 18, 30)):
        found = {r.point.key: r.point for r in registers(Controller(firmware=name))}
        point = found["cooling_outdoor_threshold"]
        assert (point.minimum, point.maximum) == (low, high)


def test_a_layout_of_somebody_else_says_nothing() -> None:
    """Features without a number, or of another family, are ignored."""
    layout = Layout(features=frozenset({"solar", "calculations_many", "parameters_²"}))
    assert Controller.from_layout(layout) == Controller()


def test_inputs_without_a_sensor() -> None:
    """They are absent until another number was seen; what is always fitted never is."""
    station = REGISTERS["room_station_temperature"]
    for raw in NO_SENSOR:
        assert station.decode(raw, seen=False) is ABSENT
        assert station.decode(raw, seen=True) != ABSENT
    assert REGISTERS["outdoor_temperature"].decode(50, seen=False) == 5.0
    assert REGISTERS["source_outlet_temperature"].decode(-500) is ABSENT


@pytest.mark.parametrize(
    ("model", "kind"), [(48, "air"), (10, "air"), (58, "brine"), (9, "brine"), (26, "water")]
)
def test_what_a_model_takes_its_heat_from(model: int, kind: str) -> None:
    """Its name tells."""
    assert source_kind(model) == kind
    assert source_kind(0) is source_kind(999) is source_kind(None) is None


def test_counters_are_counters() -> None:
    """Energies, run times and starts never fall; settings are set."""
    for key in ("heating_energy", "compressor_hours", "compressor_starts", "stored_dhw_hours"):
        assert REGISTERS[key].point.kind is Kind.COUNTER
    assert REGISTERS["dhw_temperature_setpoint"].point.kind is Kind.SETPOINT
    assert REGISTERS["flow_temperature"].point.kind is Kind.ANALOG
