"""Heat pumps with a Luxtronik 2.0 or 2.1 controller, over its own TCP protocol.

Alpha Innotec, Novelan, Bosch, Roth and others. A poll reads one table of calculations;
parameters are read with the settings, visibilities only when the machine is set up. Where
the controller has a Smart Home Interface as well, that one is driven beside it.
"""

from collections.abc import Mapping
from typing import Any, Final

from ..driver import Address, Family, Layout, WriteBlockedError
from .discovery import DEFAULT_PORT, discover
from .driver import MANUFACTURER, LuxtronikDriver, probe
from .firmware import Controller
from .two_ways import TwoWayDriver

__all__ = [
    "FAMILY",
    "LuxtronikDriver",
    "TwoWayDriver",
    "WriteBlockedError",
    "create",
    "discover",
    "probe",
]


def create(
    address: Address, layout: Layout, learned: Mapping[str, Any] | None = None
) -> LuxtronikDriver:
    """Make the driver of a controller, with its Smart Home Interface where it has one."""
    if Controller.from_layout(layout).shi is None:
        return LuxtronikDriver(address, layout, learned)
    return TwoWayDriver(address, layout, learned)


FAMILY: Final = Family(
    key="luxtronik",
    manufacturer=MANUFACTURER,
    port=DEFAULT_PORT,
    unit=0,
    interval=30,
    probe=probe,
    create=create,
)
