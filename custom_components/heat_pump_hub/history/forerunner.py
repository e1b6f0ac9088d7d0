"""Series under the names the forerunner gave them, for owners who go on with its data.

The forerunner (idm-metrics-collector) stored ``idm_heatpump_<name>`` with what the
register held. So that its series continue without a step, values are turned back:

* power in kW, the electricity price in EUR/kWh;
* the utility's contact as wired (0: locked);
* the operating mode by the code of register 1090 (heating 1, cooling 2, hot water 4,
  defrost 8; 0 while the utility forbids running);
* other states by their raw number, as everywhere.

It stored two registers under ``request_heating``, and two under ``request_cooling``: the
state (1091, 1092) and the external request (1710, 1711), which was read later and won.
Only the requests keep those names; the states keep ours, ``heatpump_heating_request``
and ``heatpump_cooling_request``, as do all points the forerunner did not know.

What cannot be turned back, and is sent as the driver reads it: a combination of operating
modes, which becomes one of them, and a pump that is off, which the register tells (-1) from
its lowest speed (0). ``status_smart_grid`` was register 1006 whatever it held; it is the
smart grid status, which newer firmware keeps at 90 (1006 is its variable input).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..drivers.points import Point, Quantity
from .forerunner_names import CIRCUIT_NAMES, COMPRESSOR_NAMES, MACHINE_NAMES, ROOM_NAMES, ZONE_NAMES
from .series import Series, canonical

PREFIX: Final = "idm_heatpump_"

_THOUSANDTH: Final = frozenset({Quantity.POWER, Quantity.PRICE})
"""W to kW, EUR/MWh to EUR/kWh."""
_REGISTER_1090: Final = {
    "off": 0,
    "utility_lock": 0,
    "heating": 1,
    "cooling": 2,
    "dhw": 4,
    "defrost": 8,
}


def _expanded() -> Iterator[tuple[str, str]]:
    """Yield key and name of every point the forerunner knew."""
    yield from MACHINE_NAMES.items()
    for key, name in COMPRESSOR_NAMES.items():
        for n in range(1, 5):
            yield key.format(n=n), name.format(n=n)
    for key, name in CIRCUIT_NAMES.items():
        for c in "abcdefg":
            yield key.format(c=c), name.format(c=c)
    for z in range(1, 11):
        for key, name in ZONE_NAMES.items():
            yield key.format(z=z), name.format(z=z)
        for key, name in ROOM_NAMES.items():
            for r in range(1, 9):
                yield key.format(z=z, r=r), name.format(z=z, r=r)


NAMES: Final[Mapping[str, str]] = dict(_expanded())
"""Our key to the forerunner's name, without :data:`PREFIX`."""


def forerunner(point: Point) -> Series:
    """Store an IDM point as the forerunner did; for :class:`~.series.Encoder`."""
    series = canonical(point)
    if (name := NAMES.get(point.key)) is None:
        return series
    series = replace(series, name=PREFIX + name)
    if point.quantity in _THOUSANDTH:
        return replace(series, factor=0.001, decimals=point.decimals + 3)
    if point.key == "utility_lock":
        return replace(series, inverted=True)
    if point.key == "operating_mode":
        return replace(series, codes=_REGISTER_1090)
    return series
