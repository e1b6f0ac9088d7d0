"""The simulated Smart Home Interface of a Luxtronik 2.1: Modbus beside its own protocol.

Behaviour follows field notes: the high word comes first, registers exist by firmware, an
unavailable function shows 32767, and whatever was written is forgotten on a restart, or
when nobody read or wrote a register for ten minutes.
"""

from collections.abc import Mapping
from dataclasses import replace
import time
from typing import Any, Final, override

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU

from . import luxtronik_table as parameters
from .clock import Clock
from .idm_values import Reading
from .luxtronik_shi_table import ROWS, SECOND
from .luxtronik_values import Values
from .physics import HeatPumpModel, StateValue
from .two_tables import MapRow, TwoTableServer

__all__ = ["LAPSE", "ShiServer", "port_beside"]

LAPSE: Final = 600.0
"""Seconds without a request after which everything written is forgotten."""

_USUAL: Final = {8888: 502, 8889: 502}


def port_beside(port: int) -> int:
    """Return the port of the interface of a controller that listens at ``port``."""
    return _USUAL.get(port, port + 1)


class ShiServer(TwoTableServer):
    """The interface of one controller; all methods belong to the server's loop."""

    def __init__(
        self, values: Values, clock: Clock, *, lapse: float = LAPSE, **options: Any
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``clock`` is that of the controller: time passes once for both. ``options`` are
        those of :class:`.two_tables.TwoTableServer`.
        """
        self._controller = values
        self.lapse = lapse
        self._last = time.monotonic()
        release = values.machine.release
        rows = [
            # before V3.92.0 an unavailable function shows 0
            row if release >= SECOND else replace(row, absent=0)
            for since, row in ROWS
            if release >= since
        ]
        mixing = values.machine.mixing
        readings = {
            **_READINGS,
            **{f"version_{at + 1}": _constant(part) for at, part in enumerate(release)},
            **_circuits(mixing),
            "buffer_type": _constant(0),
        }
        super().__init__(values.model, rows, readings, {}, **options)
        self.clock = clock
        for row in self._rows.values():
            if row.key.startswith(tuple(f"mc{number}_" for number in range(mixing + 1, 4))):
                self._values.pop(row.key, None)
                self._readings[row.key] = _nothing
        self._defaults = dict(self._values)

    def listen_at(self, port: int) -> None:
        """Listen there from the next :meth:`start` on."""
        self._asked_port = port

    def forget(self) -> None:
        """Forget whatever was written."""
        self._late.waiting.clear()
        self._values.update(self._defaults)
        self._dirty = True
        self.act()

    async def restart(self) -> None:
        """Restart the controller, as far as this interface sees it."""
        self.listen_at(self.port)
        await self.stop()
        self.forget()
        await self.start()

    @override
    async def answer(self, pdu: ModbusPDU) -> ModbusPDU | None:
        """Answer a request, after what lapsed has been forgotten."""
        self._look()
        self._last = time.monotonic()
        return await super().answer(pdu)

    def _look(self) -> None:
        if time.monotonic() - self._last >= self.lapse and self._values != self._defaults:
            self.forget()

    @override
    def tick(self) -> None:
        """Let time pass, and settings arrive or lapse."""
        super().tick()
        self._look()

    @override
    def taken(self, row: MapRow, value: float) -> float | ExcCodes | None:
        """Refuse what is not available."""
        if row.key not in self._values:
            return ExcCodes.ILLEGAL_VALUE
        return super().taken(row, value)

    @override
    def _apply(self, key: str, value: float) -> None:
        super()._apply(key, value)
        self.act()

    def _number(self, key: str) -> float:
        return self._values.get(key) or 0.0

    def act(self) -> None:
        """Make the parameters of the controller act, and what is written here above them."""
        model, number = self.model, self._number
        stored = self._controller.parameters()
        wanted = stored[self._controller.machine.dhw_setpoint] / 10
        match number("hot_water_mode"):
            case 1.0:
                wanted = number("hot_water_setpoint")
            case 2.0:
                wanted += number("hot_water_offset")
        model.set("dhw_temperature_setpoint", wanted)
        heating = number("heating_mode")
        shift = stored[1] / 10 + (number("heating_offset") if heating == 2.0 else 0.0)
        model.set("circuit_a_heating_curve_shift", shift)
        # what flows is some kelvins warmer than what comes back
        model.set("flow_request", number("heating_setpoint") + 4.0 if heating == 1.0 else None)
        model.set("power_limit", number("pc_limit") * 1000 if number("lpc_mode") else None)
        mode = parameters.system_mode(
            4 if number("lock_heating") else stored[3], 4 if number("lock_hot_water") else stored[4]
        )
        model.set("system_mode", mode)
        model.set("request_dhw_once", number("hot_water_extra"))


def _constant(value: float) -> Reading:
    return lambda _m, _s: value


def _nothing(_model: HeatPumpModel, _state: Mapping[str, StateValue]) -> None:
    return None


def _shown(key: str, factor: float = 1.0) -> Reading:
    return lambda _m, state: float(state[key]) * factor


def _status(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
    return float(bool(state["compressor_running"]) | bool(state["backup_heater_running"]) << 2)


def _part(mode: str, request: str) -> Reading:
    """Return the reading of one part's status: off 0, no request 1, requested 2, running 3."""

    def read(_model: HeatPumpModel, state: Mapping[str, StateValue]) -> float:
        if state["operating_mode"] == mode:
            return 3.0
        return 2.0 if state[request] else 1.0

    return read


def _circuits(mixing: int) -> dict[str, Reading]:
    """Return the readings of the mixing circuits that are fitted."""
    return {
        key: reading
        for number in range(mixing)
        for key, reading in (
            (
                f"mc{number + 1}_temp",
                _shown(f"circuit_{parameters.MIXING[number]}_flow_temperature"),
            ),
            (
                f"mc{number + 1}_target",
                _shown(f"circuit_{parameters.MIXING[number]}_flow_temperature_setpoint"),
            ),
            (f"mc{number + 1}_min", _constant(20.0)),
            (f"mc{number + 1}_max", _constant(55.0)),
        )
    }


_READINGS: Final[dict[str, Reading]] = {
    "heatpump_status": _status,
    "operation_mode": lambda _m, s: float(parameters.OPERATING[str(s["operating_mode"])]),
    "heating_status": _part("heating", "heating_request"),
    "hot_water_status": _part("dhw", "dhw_request"),
    "cooling_status": _part("cooling", "cooling_request"),
    "pool_heating_status": _constant(0.0),
    "return_line_temp": _shown("return_temperature"),
    "return_line_target": lambda model, _s: max(0.0, model.target - 4.0),
    "return_line_ext": _shown("buffer_temperature"),
    "return_line_limit": _constant(55.0),
    "return_line_min_target": _constant(15.0),
    "flow_line_temp": _shown("flow_temperature"),
    "room_temperature": _shown("room_temperature"),
    "heating_limit": lambda model, _s: model.number("circuit_a_heating_limit"),
    "outside_temp": _shown("outdoor_temperature"),
    "outside_temp_average": _shown("outdoor_temperature_average"),
    "heat_source_input": _shown("source_inlet_temperature"),
    "heat_source_output": _shown("source_outlet_temperature"),
    "max_flow_temp": _constant(60.0),
    "hot_water_temp": _shown("dhw_temperature"),
    "hot_water_target": _shown("dhw_temperature_setpoint"),
    "hot_water_min": _constant(30.0),
    "hot_water_max": _constant(65.0),
    "hot_water_limit": _constant(70.0),
    "error_number": _shown("fault_code"),
    "min_off_time": _constant(20.0),
    "min_run_time": _constant(10.0),
    "cooling_configured": _constant(0.0),
    "pool_heating_configured": _constant(0.0),
    "cooling_release": _constant(0.0),
    "heating_power_actual": _shown("thermal_power", 0.001),
    "electric_power_actual": _shown("electrical_power", 0.001),
    "electric_power_min_predicted": _constant(0.8),
    "electric_energy_total": lambda _m, s: (
        float(s["heating_electrical_energy"])
        + float(s["dhw_electrical_energy"])
        + float(s["cooling_electrical_energy"])
    ),
    "electric_energy_heating": _shown("heating_electrical_energy"),
    "electric_energy_dhw": _shown("dhw_electrical_energy"),
    "electric_energy_cooling": _shown("cooling_electrical_energy"),
    "thermal_energy_total": lambda _m, s: float(s["heating_energy"]) + float(s["dhw_energy"]),
    "thermal_energy_heating": _shown("heating_energy"),
    "thermal_energy_dhw": _shown("dhw_energy"),
    "thermal_energy_cooling": _shown("cooling_energy"),
}
