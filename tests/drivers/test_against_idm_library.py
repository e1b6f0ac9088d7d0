"""Our decoding of an IDM and that of a library nobody here wrote agree, save what is listed.

``idm-heatpump-api`` 2.14.4 is a test dependency; the environment of the newest Home
Assistant lacks it.
"""

import math
import struct
from typing import Any, Final

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.decoded import Absent, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.modbus import Codec
from custom_components.heat_pump_hub.drivers.points import Quantity

from .test_registers import REGISTERS, decoded

pytest.importorskip("idm_heatpump")

from idm_heatpump.client import DataType, IdmModbusClient, RegisterDef
from idm_heatpump.registers import build_register_map

LIBRARY: Final[dict[int, RegisterDef]] = {
    register.address: register
    for register in build_register_map(
        circuits=list("ABCDEFG"), zone_modules=10, rooms_per_zone=8
    ).values()
}
CLIENT: Final = IdmModbusClient("127.0.0.1")
CODECS: Final = {
    DataType.FLOAT: Codec.FLOAT32,
    DataType.UCHAR: Codec.UINT8,
    DataType.BOOL: Codec.UINT8,
    DataType.UINT16: Codec.UINT16,
    DataType.INT16: Codec.INT16,
}
SCALES: Final = {"kW": 1000.0}
"""What one of the library's units is in ours, where that is not 1."""

UNKNOWN_TO_LIBRARY: Final = {
    "firmware_version_legacy": "4116 is where older firmware keeps it",
    **{f"zone_{zone}_room_9_relay": "only in the document" for zone in range(1, 11)},
}
SIGNED_HERE: Final = dict.fromkeys(
    range(1110, 1119), "valves show -1 where there is none, in 16 bits"
)
REAL_HERE: Final = {
    **dict.fromkeys((1000, 1002, 1690), "-1.0 °C is weather"),
    **dict.fromkeys((1696, 1698), "a request of -1.0 °C is one that somebody made"),
    **dict.fromkeys((*range(1120, 1124), *range(1226, 1232)), "-1 °C is a bivalence point"),
}
"""Addresses where the library takes a real value for none."""

ABSENT_HERE: Final[dict[int, tuple[set[float], str]]] = {
    **dict.fromkeys((1694, 1695), ({255}, "255 is no value of a byte")),
    **dict.fromkeys(range(1710, 1714), ({0, 1}, "0xFF in a byte is no flag")),
    **dict.fromkeys((1714, 1715), ({255}, "255 is no value of a byte")),
    **dict.fromkeys((4108, 4112), ({0.0}, "a limit of 0 is none")),
    **dict.fromkeys((*range(1457, 1485, 2),), ({-1.0}, "other firmware shows -1.0 for none")),
}
"""Numbers of the library that are no value here."""

INVERTED: Final = {1680: "the library shows the raw number: 0 is the fault"}

PUMPS: Final = frozenset({1074, *range(1104, 1110), 4020, 4021, 4050, 4051})
"""-1 is off and 0 the lowest speed: both are 0 % here."""

MODE: Final = 1090
"""The library has names for single bits only; ours is in the words all makers share."""

SLUGS: Final = {
    "Absent": "away",
    "PV / Digital Input": "pv_or_digital_input",
    "Heating/Cooling Only": "heating_cooling_only",
    "External Heat/Cool Switch": "external_heat_cool_switch",
    "Bivalence 1 Active": "bivalence_1",
    "Bivalence 2 Active": "bivalence_2",
    "Bivalence 1+2 Active": "bivalence_1_and_2",
    "Manual Heat": "manual_heating",
    "Manual Cool": "manual_cooling",
    "DHW": "hot_water",
    "DHW + Heating": "hot_water_and_heating",
    "Heat Source / Pool": "heat_source_pool",
    "Booster A fault": "booster_a",
    "Booster B fault": "booster_b",
    "Booster A + B fault": "booster_a_and_b",
    "Locked": True,
    "Not Locked": False,
}
"""What a state of the library is called here, where it is not simply the same words."""

EDGES: Final = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, 0x101, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]
WORD: Final = st.sampled_from(EDGES) | st.integers(0, 0xFFFF)
FLOAT: Final = (
    st.sampled_from([-1.0, 0.0, -0.0, 21.5, float("nan"), float("inf")])
    | st.floats(-300, 300, width=32)
    | st.floats(width=32)
).map(lambda number: list(struct.unpack("<HH", struct.pack("<f", number))))


@pytest.mark.parametrize("key", REGISTERS)
def test_both_know_the_same_registers(key: str) -> None:
    register = REGISTERS[key]
    if key in UNKNOWN_TO_LIBRARY:
        assert register.address not in LIBRARY
        return
    theirs = LIBRARY[register.address]
    if register.address in SIGNED_HERE:
        assert (theirs.datatype, register.codec) == (DataType.UINT16, Codec.INT16)
    else:
        assert CODECS[theirs.datatype] is register.codec
    assert theirs.writable is register.point.writable
    assert theirs.multiplier == 1.0
    if register.point.quantity not in (Quantity.STATE, Quantity.FLAG, Quantity.CODE):
        assert register.scale == SCALES.get(theirs.unit or "", 1.0)


def test_the_library_knows_no_register_that_is_missing_here() -> None:
    assert LIBRARY.keys() <= {register.address for register in REGISTERS.values()}


@given(words=st.tuples(WORD, WORD).map(list), number=FLOAT)
def test_any_words_mean_the_same(words: list[int], number: list[int]) -> None:
    for key, register in REGISTERS.items():
        if key in UNKNOWN_TO_LIBRARY:
            continue
        theirs = LIBRARY[register.address]
        for raw in (words[: register.count], number[: register.count]):
            if register.count == 2 and _rounded_away(raw):
                continue
            _compare(key, decoded(key, raw, seen=False), CLIENT.decode_value(raw, theirs), theirs)


def _rounded_away(raw: list[int]) -> bool:
    """Whether the library rounds a number to one that means no value, before it looks."""
    (exact,) = struct.unpack("<f", struct.pack("<HH", *raw))
    return math.isfinite(exact) and round(exact, 2) in (-1.0, 0.0) and exact not in (-1.0, 0.0)


def _compare(key: str, ours: object, number: Any, theirs: RegisterDef) -> None:
    """Fail unless both say the same, or the difference is listed."""
    address = theirs.address
    told = f"{key} at {address}: {ours} here, {number} there"
    none = number is None or number in theirs.effective_sentinel_values
    if isinstance(ours, Absent):
        also, _reason = ABSENT_HERE.get(address, (set(), ""))
        assert none or number in also, told
    elif none and not isinstance(ours, Implausible | UnknownCode):
        assert address in REAL_HERE or (address in PUMPS and ours == 0), told
    elif isinstance(ours, Implausible):
        assert number is None or theirs.datatype is not DataType.BOOL, told
    elif isinstance(ours, UnknownCode):
        assert none or number not in (theirs.enum_options or {}), told
        assert theirs.datatype is DataType.BOOL or number not in (0, 1), told
    elif address == MODE:
        bits = {"off": 0, "heating": 1, "cooling": 2, "dhw": 4, "defrost": 8}
        assert isinstance(ours, str), told
        assert number & bits[ours] == bits[ours], told
        assert ours != "off" or number == 0, told
    elif theirs.enum_options and number in theirs.enum_options:
        assert ours == _named(theirs, number), told
    elif isinstance(ours, bool):
        assert ours is (bool(number) is not (address in INVERTED)), told
    elif isinstance(ours, int | float) and address not in PUMPS:
        scale = REGISTERS[key].scale
        # the library rounds to two decimals, before the unit is ours
        finest = 0.5 * 10 ** -REGISTERS[key].point.decimals + 0.0051 * scale
        assert ours == pytest.approx(number * scale, rel=1e-6, abs=finest), told
    elif address in PUMPS:
        assert ours == max(number, 0), told


def _named(theirs: RegisterDef, number: Any) -> Any:
    label = (theirs.enum_options or {})[number]
    return SLUGS.get(label, label.lower().replace(" ", "_"))


@given(st.data())
def test_what_is_written_is_the_same(data: st.DataObject) -> None:
    writable = [r for r in REGISTERS.values() if r.point.writable and r.address in LIBRARY]
    register = data.draw(st.sampled_from(sorted(writable, key=lambda r: r.point.key)))
    point, theirs = register.point, LIBRARY[register.address]
    if point.minimum is None or point.maximum is None or point.step is None:
        for value in point.writable_options or (False, True):
            (word,) = register.encode(value)
            assert decoded(point.key, CLIENT.encode_value(word, theirs)) == value
        return
    steps = data.draw(st.integers(0, int((point.maximum - point.minimum) / point.step + 1e-6)))
    value = round(point.minimum + steps * point.step, 6)
    assert register.encode(value) == CLIENT.encode_value(value / register.scale, theirs)
