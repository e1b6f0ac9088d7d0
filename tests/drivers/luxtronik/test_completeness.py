"""Every line of the register table is a point of the driver, save what must not be shown.

The lists are those of register table luxtronik (field notes), kept here apart from the
driver's own, so that a line that is lost is noticed.
"""

from typing import Final

import pytest

from custom_components.heat_pump_hub.drivers.luxtronik.firmware import Controller
from custom_components.heat_pump_hub.drivers.luxtronik.table import registers

CALCULATIONS: Final = "0-268"
PARAMETERS: Final = "0-1085 1087 1092-1113 1119 1135-1140 1146-1148 1158-1159 1161 1175-1177 1179"
FIRMWARES: Final = ("V3.92.1", "V2.88.1")
"""Some parameters moved: together these have every place."""

LEFT_OUT: Final = {
    ("calculation", "81-90"): "the firmware: of the device",
    ("calculation", "91-94"): "addresses in the network",
    ("parameter", "106 107"): "password and access level",
    ("parameter", "750-753 766-771 861"): "addresses in the network",
    ("parameter", "755-760"): "password of the web page",
    ("parameter", "874-876 1026-1028 1054-1056"): "serial numbers: of the identity",
}


def numbers(text: str) -> set[int]:
    """Return the numbers of a list such as ``3 5-7``."""
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@pytest.mark.parametrize(
    ("table", "listed"), [("calculation", CALCULATIONS), ("parameter", PARAMETERS)]
)
def test_every_line_of_the_table_is_a_point(table: str, listed: str) -> None:
    """None is lost, and none is made up."""
    ours = {
        register.index
        for firmware in FIRMWARES
        for register in registers(Controller(firmware=firmware, circuits=("a", "b", "c")))
        if register.table == table
    }
    left_out = set().union(*(numbers(at) for (of, at) in LEFT_OUT if of == table))
    assert left_out <= numbers(listed)
    assert ours == numbers(listed) - left_out
