"""Every register of a Luxtronik.

The network addresses, the serial numbers, the firmware's characters and what guards
access (parameters 106, 107 and 755 to 760) are in no table: nothing of them is ever
served, recorded or dumped. Visibilities tell what the panel shows and are no values.
"""

from collections.abc import Iterator

from .calculations import ROWS as CALCULATIONS
from .firmware import Controller
from .parameters import ROWS as PARAMETERS
from .points import Register, Table


def registers(controller: Controller) -> Iterator[Register]:
    """Yield every register that a controller has, calculations first."""
    for table, rows, count in (
        (Table.CALCULATION, CALCULATIONS, controller.calculations),
        (Table.PARAMETER, PARAMETERS, controller.parameters),
    ):
        for row in rows:
            if row.circuit and row.circuit not in controller.circuits:
                continue
            for register in row.registers(table, controller):
                if count is None or register.index < count:
                    yield register
