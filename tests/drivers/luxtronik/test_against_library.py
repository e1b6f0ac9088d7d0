"""Our decoding and that of a library nobody here wrote agree, save where the library is wrong.

``luxtronik`` 0.3.14 is a test dependency; the environment of the newest Home Assistant lacks it.
"""

from typing import Final

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.decoded import ABSENT, Implausible, UnknownCode
from custom_components.heat_pump_hub.drivers.luxtronik.firmware import Controller, firmware
from custom_components.heat_pump_hub.drivers.luxtronik.points import Register, Table
from custom_components.heat_pump_hub.drivers.luxtronik.table import registers
from custom_components.heat_pump_hub.drivers.points import Quantity

pytest.importorskip("luxtronik")

from luxtronik.calculations import Calculations
from luxtronik.parameters import Parameters

OURS = list(registers(Controller(firmware="V3.90.1", circuits=("a", "b", "c"))))
THEIRS = {
    Table.CALCULATION: Calculations().calculations,
    Table.PARAMETER: Parameters().parameters,
}

UNITS: Final[dict[str, float]] = {
    "celsius": 1.0,
    "kelvin": 1.0,
    "bar": 1.0,
    "Hz": 1.0,
    "rpm": 1.0,
    "percent": 1.0,
    "W": 1.0,
    "energy": 1.0,
    "voltage": 1.0,
    "hours": 1.0,
    "pulses": 1.0,
    "count": 1.0,
    "errorcode": 1.0,
    "level": 1.0,
    "icon": 1.0,
    "seconds": 1 / 3600,
    "flow": 1 / 60,
}
"""What one of the library's units is in ours."""

CORRECTIONS: Final[dict[tuple[str, int], str]] = {
    **{("calculation", at): "volts, full scale is 1000" for at in (156, 157, 162, 163)},
    **{("calculation", at): "a signal in tenths of a percent" for at in (164, 165)},
    **{("calculation", at): "kW, not kWh" for at in (187, 188)},
    **{
        ("calculation", at): "numbered from 0, and longer"
        for at in (*range(106, 111), *range(217, 222))
    },
    **{("calculation", at): "the code of a fault is a state" for at in range(100, 105)},
    ("calculation", 80): "in the words all makers share",
    ("calculation", 78): "the model is part of the identity",
    ("calculation", 230): "the model is part of the identity",
    ("parameter", 119): "the library lacks number 1",
    **{("parameter", at): "hundredths of a kWh" for at in (852, 854, 878, 879, *range(1135, 1140))},
}
"""Where the controller's own display, or its other values, showed the library to be wrong."""


def comparable() -> list[Register]:
    """Return the registers for which the library knows more than a number."""
    found = []
    for register in OURS:
        theirs = THEIRS[register.table].get(register.index)
        if theirs is None or (str(register.table), register.index) in CORRECTIONS:
            continue
        if theirs.measurement_type in (*UNITS, "boolean", "selection"):
            found.append(register)
    return found


COMPARABLE = comparable()


def test_there_is_something_to_compare() -> None:
    """Most of the calculations; the library knows few parameters."""
    assert sum(register.table is Table.CALCULATION for register in COMPARABLE) > 150
    assert sum(register.table is Table.PARAMETER for register in COMPARABLE) > 20


@given(st.integers(-(2**31), 2**31 - 1) | st.integers(-1000, 1000))
def test_numbers_agree(raw: int) -> None:
    """Whatever the controller sends, in every register: the same number, or ours is none."""
    for register in COMPARABLE:
        compare(register, raw)


def compare(register: Register, raw: int) -> None:
    """Check that both make the same of a raw number, or that ours says why it is none."""
    theirs = THEIRS[register.table][register.index]
    value = theirs.from_heatpump(raw)
    decoded = register.decode(raw)
    kind = theirs.measurement_type
    if decoded is ABSENT or isinstance(decoded, Implausible):
        return
    if register.point.quantity is Quantity.FLAG:
        assert isinstance(decoded, UnknownCode) or decoded is bool(value)
    elif kind == "selection":
        assert isinstance(decoded, UnknownCode) == (value is None)
    elif not isinstance(decoded, str | UnknownCode):
        scale = UNITS.get(kind, 1.0)
        resolution = 0.5 * 10**-register.point.decimals + 1e-9
        assert decoded == pytest.approx(value * scale, abs=resolution, rel=1e-12)


SELECTIONS = [
    register
    for register in COMPARABLE
    if THEIRS[register.table][register.index].measurement_type == "selection"
]


@pytest.mark.parametrize("register", SELECTIONS, ids=lambda register: register.point.key)
def test_selections_have_the_same_numbers(register: Register) -> None:
    """Every number the library knows is one of ours."""
    theirs = THEIRS[register.table][register.index]
    assert set(theirs.codes) <= set(register.states)


WRITABLE = [
    register
    for register in COMPARABLE
    if THEIRS[register.table][register.index].writeable and register.point.minimum is not None
]


@given(st.data())
def test_what_is_written_is_the_same_number(data: st.DataObject) -> None:
    """To within one: the library truncates where a float is a hair too small."""
    register = data.draw(st.sampled_from(WRITABLE))
    point = register.point
    assert point.minimum is not None
    assert point.maximum is not None
    value = round(data.draw(st.floats(point.minimum, point.maximum)), point.decimals)
    theirs = THEIRS[register.table][register.index]
    assert abs(register.encode(value) - theirs.to_heatpump(value)) <= 1


@given(st.text("V0123456789.", min_size=1, max_size=9))
def test_firmware_names_agree(text: str) -> None:
    """Characters 81 to 90 spell the same."""
    raw = [0] * 81 + [ord(character) for character in text] + [0] * 60
    found = firmware(raw)
    calculations = Calculations()
    calculations.parse(raw)
    if found is not None:
        assert found == calculations.get("ID_WEB_SoftStand").value
