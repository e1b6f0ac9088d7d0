"""Our decoding of a NIBE and that of a library nobody here wrote agree, save what is listed.

``nibe`` 2.25.0 is a test dependency; the environment of the newest Home Assistant lacks
it. Its model files are the lists of registers that the pumps themselves export.
"""

import asyncio
from collections.abc import Iterator
import json
from typing import Any, Final

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers import nibe_points as table
from custom_components.heat_pump_hub.drivers.decoded import Absent, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.driver import Layout
from custom_components.heat_pump_hub.drivers.modbus import Codec, Register
from custom_components.heat_pump_hub.drivers.points import Quantity

pytest.importorskip("nibe")

from nibe.coil import Coil
from nibe.connection.encoders import CoilDataEncoderModbus
from nibe.exceptions import DecodeException
from nibe.heatpump import HeatPump, Model

ENCODER: Final = CoilDataEncoderModbus(word_swap=True)
"""As Home Assistant's own integration has it: low word first."""

SIZES: Final = {
    Codec.UINT8: "u8",
    Codec.INT8: "s8",
    Codec.UINT16: "u16",
    Codec.INT16: "s16",
    Codec.UINT32: "u32",
    Codec.INT32: "s32",
}
SCALES: Final = {
    "kW": 1000.0,
    "Wh": 0.001,
    "MWh": 1000.0,
    "s": 1 / 3600,
    "min": 1 / 60,
    "days": 24.0,
}
"""What one of the library's units is in ours, where that is not 1."""
NAMED: Final = frozenset({Quantity.STATE, Quantity.FLAG, Quantity.CODE})

CORRECTIONS: Final = {
    40171: "a switch, although the lists divide it by 10; the F-series twin has factor 1",
}
WHOLE_WORD: Final = frozenset({"u8", "s8"})
"""The library reads a byte as 16 bits, so what is in the high byte spoils it; here it does not."""


def pairs() -> Iterator[tuple[str, Register, Coil]]:
    """Yield what both know of each model: the model, our register, their coil."""
    for feature in table.MODELS:
        pump = HeatPump(next(model for model in Model if model.data_file == feature))
        asyncio.run(pump.initialize())
        coils = {coil.address: coil for coil in pump.get_coils()}
        layout = Layout(circuits=tuple(table.SYSTEMS), features=frozenset({feature}))
        for register in table.registers(layout):
            number = register.address + (40001 if register.space == "holding" else 30001)
            if number in coils and number not in CORRECTIONS:
                yield feature, register, coils[number]


def different() -> list[tuple[Register, Coil]]:
    """Return the pairs once each: the models share most."""
    found = {}
    for _, register, coil in pairs():
        said = json.dumps([coil.size, coil.factor, coil.unit, coil.raw_min, coil.raw_max])
        found[register.place, register.scale, register.point.key, said] = register, coil
    return list(found.values())


PAIRS: Final = list(pairs())
DIFFERENT: Final = different()

EDGES: Final = [0, 1, 2, 10, 0x7F, 0x80, 0xFE, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]
WORD: Final = st.sampled_from(EDGES) | st.integers(0, 1000) | st.integers(0, 0xFFFF)


def test_both_know_most_registers_of_every_model() -> None:
    for feature in table.MODELS:
        assert sum(model == feature for model, _, _ in PAIRS) >= 140


@pytest.mark.parametrize("feature", table.MODELS)
def test_size_and_scale_are_those_of_the_exported_lists(feature: str) -> None:
    for model, register, coil in PAIRS:
        if model != feature:
            continue
        assert SIZES[register.codec] == coil.size, register.point.key
        if register.point.quantity in NAMED:
            assert coil.factor == 1, register.point.key
        else:
            scale = SCALES.get(coil.unit, 1.0) / coil.factor
            assert register.scale == pytest.approx(scale), register.point.key


@given(words=st.tuples(WORD, WORD))
def test_any_words_mean_the_same(words: tuple[int, int]) -> None:
    for register, coil in DIFFERENT:
        raw = list(words[: register.count])
        if coil.size == "u8":
            raw = [raw[0] & 0xFF]
        elif coil.size == "s8":
            raw = [((raw[0] & 0xFF ^ 0x80) - 0x80) & 0xFFFF]
        _compare(register, coil, raw)


def _compare(register: Register, coil: Coil, words: list[int]) -> None:
    ours: Any = register.decode(register.as_field().decode(words))
    try:
        theirs: Any = ENCODER.decode(coil, words).value
    except DecodeException, TypeError:
        # outside what may be written there; TypeError: it cannot print the words
        return
    told = f"{register.point.key} at {coil.address}: {ours} here, {theirs} there"
    if theirs is None or isinstance(ours, Absent):
        assert theirs is None, told
        assert isinstance(ours, Absent), told
    elif isinstance(ours, UnknownCode):
        assert not isinstance(theirs, str) or theirs.startswith("UNKNOWN"), told
    elif isinstance(ours, bool):
        assert theirs in (("ON", 1) if ours else ("OFF", 0)), told
    elif isinstance(ours, str):
        states = register.states or register.point.options or {}
        number = coil.get_reverse_mapping_for(theirs) if isinstance(theirs, str) else theirs
        assert states[number] == ours, told
    elif isinstance(ours, int | float):
        finest = 0.51 * 10**-register.point.decimals
        number = theirs * SCALES.get(coil.unit, 1.0)
        assert ours == pytest.approx(number, rel=1e-9, abs=finest), told
    else:
        assert isinstance(ours, Implausible), told


@given(word=st.integers(0, 0xFFFF))
def test_only_the_low_byte_of_a_byte_counts(word: int) -> None:
    for register, coil in DIFFERENT:
        if coil.size in WHOLE_WORD:
            field = register.as_field()
            assert register.decode(field.decode([word])) == register.decode(
                field.decode([word & 0xFF])
            )


WRITABLE: Final = sorted(
    ((r, c) for r, c in DIFFERENT if r.point.minimum is not None and r.point.readable),
    key=lambda pair: (pair[0].place, pair[1].raw_min or 0),
)


@given(data=st.data())
def test_what_is_written_is_the_same(data: st.DataObject) -> None:
    """The library cuts off after the division, so that its raw number is what is compared."""
    register, coil = data.draw(st.sampled_from(WRITABLE))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    assert coil.is_writable
    low, high = round(point.minimum / register.scale), round(point.maximum / register.scale)
    raw = data.draw(st.integers(low, high))
    assert coil.raw_min is None or coil.raw_min <= raw <= coil.raw_max
    assert register.encode(raw * register.scale) == ENCODER.encode_raw_value(coil.size, raw)
