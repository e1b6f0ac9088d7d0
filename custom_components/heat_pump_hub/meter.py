"""The electricity meter of a heat pump: entities of others that its owner names."""

from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from typing import Any, Final

from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, UnitOfEnergy, UnitOfPower
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .const import CONF_METER_ENERGY, CONF_METER_POWER, CONF_METER_PREFERRED
from .drivers.driver import Driver
from .drivers.metered import ENERGY, POWER, MeteredDriver
from .units import normal

FRESH_POWER: Final = timedelta(minutes=10)
"""A power that nobody reported for so long is not the power any more."""
FRESH_ENERGY: Final = timedelta(days=1)
"""A counter stands still while the heat pump does; most meters report it now and then."""
_MEASURES: Final = (
    (POWER.key, CONF_METER_POWER, UnitOfPower.WATT, FRESH_POWER),
    (ENERGY.key, CONF_METER_ENERGY, UnitOfEnergy.KILO_WATT_HOUR, FRESH_ENERGY),
)


class Meter:
    """What the named entities show."""

    def __init__(self, hass: HomeAssistant, options: Mapping[str, Any]) -> None:
        """Use the entities of an entry's options; there may be none."""
        self._hass = hass
        self._entities = {
            key: (entity_id, unit, fresh)
            for key, option, unit, fresh in _MEASURES
            if (entity_id := options.get(option))
        }
        self._preferred = bool(options.get(CONF_METER_PREFERRED))
        self._counted: float | None = None
        """The energy that was believed last, kWh."""
        self._fell = False
        """Whether the energy was less, the last time."""

    def on(self, driver: Driver) -> Driver:
        """Return the driver with the meter's values.

        A point that the heat pump has stays its own, unless the owner prefers the meter.
        """
        keys = [key for key in self._entities if self._preferred or key not in driver.points]
        return MeteredDriver(driver, self.read, keys) if keys else driver

    @callback
    def read(self) -> dict[str, float]:
        """Return power (W) and energy (kWh) by key; what is unavailable or old is left out."""
        found: dict[str, float] = {}
        now = dt_util.utcnow()
        for key, (entity_id, wanted, fresh) in self._entities.items():
            state = self._hass.states.get(entity_id)
            if state is None or now - state.last_reported > fresh:
                continue
            try:
                number = float(state.state)
            except ValueError:
                continue
            unit, convert = normal(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT))
            # Below zero it measures something else, such as a house that feeds in.
            if unit == wanted and isfinite(number) and number >= 0:
                found[key] = convert(number)
        if (energy := found.get(ENERGY.key)) is not None and not self._believed(energy):
            del found[ENERGY.key]
        return found

    def _believed(self, energy: float) -> bool:
        """Tell whether a counter may show this.

        One that begins anew shows less from now on. One whose device or integration has just
        started may show 0 for a moment; what it counts up from there would be energy used.
        """
        self._fell = not self._fell and self._counted is not None and energy < self._counted
        if self._fell:
            return False
        self._counted = energy
        return True
