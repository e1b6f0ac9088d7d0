"""Whatever lies in the registers of a family: a value of the point's kind, or none."""

import math
import struct
from typing import Final

from hypothesis import example, given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import daikin_points, nibe_points
from custom_components.heat_pump_hub.drivers.decoded import Absent, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import Layout
from custom_components.heat_pump_hub.drivers.modbus import Codec, Register
from custom_components.heat_pump_hub.drivers.points import Quantity

from .test_registers import REGISTERS as IDM

AIR_TO_AIR: Final = Layout(features=frozenset({daikin_points.AIR_TO_AIR}))
ALL: Final[dict[str, list[Register]]] = {
    "idm": list(IDM.values()),
    "nibe": list(nibe_points.registers(Layout(circuits=tuple(nibe_points.SYSTEMS)))),
    "daikin": [
        *daikin_points.registers(Layout(features=frozenset({daikin_points.ROOM_LIMITS}))),
        *daikin_points.registers(AIR_TO_AIR),
    ],
}
LARGEST: Final = 1e9
"""Of a plausible number; counters of energy are the largest."""

WORD: Final = st.sampled_from([0, 1, 0xFF, 0x7FFE, 0x7FFF, 0x8000, 0xFFFF]) | st.integers(0, 0xFFFF)
FLOAT: Final = st.floats(width=32).map(lambda x: struct.unpack("<HH", struct.pack("<f", x)))
WORDS: Final = st.tuples(WORD, WORD) | FLOAT


@pytest.mark.parametrize("family", ALL)
@given(words=WORDS, seen=st.booleans())
@example(words=(0, 0x7FC0), seen=True)
@example(words=(0, 0xFF80), seen=True)
def test_any_words_are_a_value_of_their_kind_or_none(
    family: str, words: tuple[int, int], seen: bool
) -> None:
    for register in ALL[family]:
        raw = register.as_field().decode(list(words[: register.count]))
        value = register.decode(raw, seen=seen)
        key, point = register.point.key, register.point
        if isinstance(value, Absent | Implausible | UnknownCode):
            continue
        if point.quantity is Quantity.FLAG:
            assert isinstance(value, bool), key
        elif point.quantity is Quantity.STATE:
            assert value in (point.options or {}).values(), key
        elif register.codec is Codec.TEXT:
            assert isinstance(value, str), key
            assert value.isalnum(), key
        else:
            assert isinstance(value, int | float) and not isinstance(value, bool), key
            assert math.isfinite(value), key
            assert math.copysign(1.0, value) == 1.0 or value != 0, key
            low, high = register.plausible or (-LARGEST, LARGEST)
            if point.quantity in (Quantity.TEMPERATURE, Quantity.POWER, Quantity.ENERGY):
                assert low <= value <= high, key


@pytest.mark.parametrize("family", ALL)
@given(words=WORDS)
@example(words=(0xFFFF, 0x7F7F))  # the largest float, low word first
@example(words=(0x7F7F, 0xFFFF))
def test_what_was_read_can_be_written_and_reads_the_same(
    family: str, words: tuple[int, int]
) -> None:
    for register in ALL[family]:
        field, point = register.as_field(), register.point
        if not point.writable or not point.readable or register.convert is not None:
            continue
        value = register.decode(field.decode(list(words[: register.count])))
        if isinstance(value, Absent | Implausible | UnknownCode):
            continue
        again = register.decode(field.decode(register.encode(value)))
        if isinstance(again, Absent):
            # rounded, it is the number that means none
            assert register.codec is Codec.FLOAT32, point.key
            assert value in (0, register.scale * -1), point.key
            continue
        if isinstance(value, float):
            assert again == pytest.approx(value, rel=1e-6, abs=0.51 * 10**-point.decimals)
        else:
            assert again == value, point.key


ANYTHING: Final = st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


@pytest.mark.parametrize("family", ALL)
@given(value=ANYTHING)
@example(value=float("inf"))
@example(value=float("nan"))
@example(value=1e300)
def test_what_does_not_fit_is_an_error_and_nothing_else(
    family: str, value: bool | float | str
) -> None:
    for register in ALL[family]:
        try:
            words = register.encode(value)
        except ValueError:
            continue
        assert len(words) == register.count, register.point.key
        assert all(0 <= word <= 0xFFFF for word in words), register.point.key
