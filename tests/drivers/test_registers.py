"""Registers turn raw numbers into values and back."""

from dataclasses import replace
import math
import struct

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import idm_points as table
from custom_components.heat_pump_hub.drivers.decoded import ABSENT, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import Layout
from custom_components.heat_pump_hub.drivers.modbus import Codec, Register
from custom_components.heat_pump_hub.drivers.points import Quantity, Tier, Wear, is_canonical

EVERYTHING = Layout(
    circuits=tuple(table.CIRCUITS),
    zones={str(zone): tuple("12345678") for zone in range(1, 11)},
    features=frozenset(
        {row.feature for row in table.MACHINE_ROWS if row.feature} | {"booster_a", "booster_b"}
    ),
)
EEPROM_ADDRESSES = 100
"""Starred in the document, and the twelve of the cascade by caution."""
REGISTERS = {register.point.key: register for register in table.registers(EVERYTHING)}


def words_of(register: Register, number: float) -> list[int]:
    """Return the words as the documents lay them out, without the code under test."""
    if register.codec is Codec.FLOAT32:
        high, low = struct.unpack(">HH", struct.pack(">f", number))
        return [low, high]
    return [int(number) & 0xFFFF]


def decoded(key: str, words: list[int], *, seen: bool = True) -> object:
    """Decode words as a poll does."""
    register = REGISTERS[key]
    return register.decode(register.as_field().decode(words), seen=seen)


@pytest.mark.parametrize(
    ("key", "words", "value"),
    [
        ("flow_temperature", [0x0000, 0x41AC], 21.5),
        ("circuit_a_flow_temperature", [0x0000, 0x423A], 46.5),
        ("outdoor_temperature", [0x0000, 0xBF80], -1.0),
        ("thermal_power", [0x0000, 0x40B0], 5500),
        ("dhw_temperature_setpoint", [48], 48),
        ("dhw_temperature_setpoint", [0x3030], 48),
        ("fault_code", [999], 999),
        ("circulation_pump_speed", [0xFFFF], 0),
        ("circulation_pump_speed", [63], 63),
        ("utility_lock", [0], True),
        ("utility_lock", [1], False),
        ("operating_mode", [0], "off"),
        ("operating_mode", [1], "heating"),
        ("operating_mode", [5], "dhw"),
        ("operating_mode", [9], "defrost"),
        ("bivalence_point_1_second_generator", [0xFFFF], -1),
        ("smart_grid_status", [4], "supergreen"),
        ("zone_1_room_2_temperature_setpoint", [0x0000, 0x41AC], 21.5),
    ],
)
def test_worked_examples(key: str, words: list[int], value: object) -> None:
    """The register notes' examples come out as printed."""
    assert decoded(key, words) == value


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("dhw_temperature", [0x0000, 0xBF80]),
        ("electrical_power", [0x0000, 0xBF80]),
        ("circuit_a_mode", [0xFFFF]),
        ("circuit_a_mode", [0x00FF]),
        ("fault_code", [0xFFFF]),
        ("battery_soc", [0xFFFF]),
        ("bivalence_point_1_second_generator", [0x8000]),
        ("flow_temperature", [0x0000, 0x7FC0]),
        ("external_request_temperature_heating", [0]),
        ("circulation_pump_speed", [0x8000]),
    ],
)
def test_a_sentinel_is_absent(key: str, words: list[int]) -> None:
    """What no real value can equal means that there is no value."""
    assert decoded(key, words) is ABSENT


def test_minus_one_is_absent_until_the_sensor_was_seen() -> None:
    """A brine of exactly -1.0 °C is real once the sensor has shown another value."""
    assert decoded("source_inlet_temperature", [0x0000, 0xBF80], seen=False) is ABSENT
    assert decoded("source_inlet_temperature", [0x0000, 0xBF80], seen=True) == -1.0


@pytest.mark.parametrize(
    ("key", "words", "raw"),
    [
        ("circuit_a_mode", [9], 9),
        ("operating_mode", [16], 16),
        ("fault", [7], 7),
        ("circulation_pump_speed", [200], 200),
    ],
)
def test_an_undocumented_code_keeps_its_number(key: str, words: list[int], raw: int) -> None:
    """An unknown code is unknown, with the raw number kept."""
    assert decoded(key, words) == UnknownCode(raw)


@pytest.mark.parametrize("celsius", [-80.0, 300.0, math.inf, -math.inf])
def test_physics_forbids(celsius: float) -> None:
    """A value outside its physical range must be read once more."""
    words = words_of(REGISTERS["flow_temperature"], celsius)
    assert decoded("flow_temperature", words) == Implausible(celsius)


NUMBERS = [
    register
    for register in REGISTERS.values()
    if register.point.writable
    and register.point.minimum is not None
    and register.point.quantity not in (Quantity.STATE, Quantity.FLAG)
]


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    """Every writable number survives the wire within its resolution."""
    register = data.draw(st.sampled_from(NUMBERS))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    value = round(data.draw(st.floats(point.minimum, point.maximum)), point.decimals)
    if point.decimals == 0:
        value = int(value)
    words = register.encode(value)
    assert len(words) == register.count
    back = register.decode(register.as_field().decode(words))
    if value / register.scale in register.sentinels:
        assert back is ABSENT
    else:
        assert back == value


@given(st.sampled_from(sorted(REGISTERS)), st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2))
def test_any_words_decode_without_an_error(key: str, words: list[int]) -> None:
    """No word a device may send raises; a number is always inside its range."""
    register = REGISTERS[key]
    value = register.decode(register.as_field().decode(words[: register.count]))
    if isinstance(value, float):
        assert math.isfinite(value)


@pytest.mark.parametrize("register", REGISTERS.values(), ids=REGISTERS)
def test_states_and_flags_write_what_they_read(register: Register) -> None:
    """Each slug and each flag that may be written encodes to the code it is read from."""
    point = register.point
    if not point.writable or not point.readable:
        return
    for slug in point.writable_options or ():
        assert decoded(point.key, register.encode(slug)) == slug
    if point.quantity is Quantity.FLAG:
        for flag in (False, True):
            assert decoded(point.key, register.encode(flag)) is flag


@pytest.mark.parametrize(
    ("codec", "value", "words"),
    [
        (Codec.UINT32, 0x1234_5678, [0x1234, 0x5678]),
        (Codec.INT32, -2, [0xFFFF, 0xFFFE]),
        (Codec.FLOAT32, 21.5, [0x41AC, 0x0000]),
    ],
)
@pytest.mark.parametrize("high_first", [True, False])
def test_either_word_may_come_first(
    codec: Codec, value: float, words: list[int], high_first: bool
) -> None:
    register = replace(
        REGISTERS["flow_temperature"],
        codec=codec,
        high_first=high_first,
        plausible=(-math.inf, math.inf),
    )
    words = words if high_first else words[::-1]
    assert register.decode(register.as_field().decode(words)) == value
    assert register.encode(value) == words


def test_an_offset_is_added_and_taken_off_again() -> None:
    register = replace(
        REGISTERS["dhw_temperature_setpoint"], codec=Codec.UINT16, scale=0.1, offset=-40.0
    )
    assert register.decode(615) == pytest.approx(21.5, abs=0.6)
    assert register.encode(21.5) == [615]


def test_a_value_that_does_not_fit_is_an_error() -> None:
    """Nothing is truncated into a register."""
    for key, value in (
        ("dhw_temperature_setpoint", 255),
        ("battery_soc", 40_000),
        ("circuit_a_mode", "no such mode"),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            REGISTERS[key].encode(value)


def test_the_table_keeps_its_promises() -> None:
    """Keys are unique and sorted by address; settings are bounded; wear is never guessed low."""
    rows = list(table.MACHINE_ROWS)
    assert rows == sorted(rows, key=lambda row: row.address)
    assert len(REGISTERS) == len(list(table.registers(EVERYTHING))) == 698
    for register in REGISTERS.values():
        point = register.point
        if point.writable and point.quantity not in (Quantity.STATE, Quantity.FLAG):
            assert point.minimum is not None, point.key
            assert point.maximum is not None, point.key
            assert point.step, point.key
        if point.wear is Wear.EEPROM:
            assert point.tier is Tier.SETTING, point.key
    eeprom = sum(register.point.wear is Wear.EEPROM for register in REGISTERS.values())
    assert eeprom == EEPROM_ADDRESSES
    assert is_canonical(REGISTERS["circuit_a_mode"].point)
    assert is_canonical(REGISTERS["zone_1_room_2_relay"].point)
    assert not is_canonical(REGISTERS["zone_1_mode"].point)
    assert not is_canonical(REGISTERS["circuit_a_active_mode"].point)
