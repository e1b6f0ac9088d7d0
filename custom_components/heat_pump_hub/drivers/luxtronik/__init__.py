"""Heat pumps with a Luxtronik 2.0 or 2.1 controller, over its own TCP protocol.

Alpha Innotec, Novelan, Bosch, Roth and others. A poll reads one table of calculations;
parameters are read with the settings, visibilities only when the machine is set up.
"""

from typing import Final

from ..driver import Family, WriteBlockedError
from .discovery import DEFAULT_PORT, discover
from .driver import MANUFACTURER, LuxtronikDriver, probe

__all__ = ["FAMILY", "LuxtronikDriver", "WriteBlockedError", "discover", "probe"]

FAMILY: Final = Family(
    key="luxtronik",
    manufacturer=MANUFACTURER,
    port=DEFAULT_PORT,
    unit=0,
    interval=30,
    probe=probe,
    create=LuxtronikDriver,
)
