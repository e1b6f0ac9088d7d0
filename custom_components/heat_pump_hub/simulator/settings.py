"""What an owner can set on the simulated machine, and its factory settings."""

from typing import Final

type Setting = float | str | None

CIRCUIT_SETTINGS: Final[dict[str, Setting]] = {
    "mode": "time_program",
    "room_temperature_setpoint": 22.0,
    "room_temperature_setback": 18.0,
    "heating_curve_slope": 0.6,
    "heating_curve_shift": 0.0,
    "heating_limit": 15.0,
    "cooling_limit": 25.0,
    "flow_setpoint_constant": 45.0,
    "flow_setpoint_cooling": 18.0,
    "external_room_temperature": None,
}
"""Of every circuit, after ``circuit_a_``. ``None``: not supplied."""

MACHINE_SETTINGS: Final[dict[str, Setting]] = {
    "system_mode": "automatic",
    "dhw_temperature_setpoint": 48.0,
    "dhw_charge_on_temperature": 42.0,
    "dhw_charge_off_temperature": 50.0,
    "bivalence_point": -12.0,
    "smart_grid_mode": "normal",
    "pv_surplus": 0.0,
    "power_limit": None,
    "request_heating": 0.0,
    "request_cooling": 0.0,
    "request_dhw": 0.0,
    "request_dhw_once": 0.0,
    "flow_request": None,
    "external_outdoor_temperature": None,
}
"""Temperatures in °C, power in W, requests 0 or 1. ``None``: not supplied, no limit."""

SYSTEM_MODES: Final = (
    "standby",
    "automatic",
    "away",
    "hot_water_only",
    "heating_cooling_only",
)
CIRCUIT_MODES: Final = (
    "off",
    "time_program",
    "normal",
    "eco",
    "manual_heating",
    "manual_cooling",
)
SMART_GRID_MODES: Final = ("locked", "normal", "recommended", "forced")


def check(key: str, value: Setting) -> None:
    """Raise ``ValueError`` if a mode does not know ``value``."""
    known = {"system_mode": SYSTEM_MODES, "smart_grid_mode": SMART_GRID_MODES}.get(key)
    if key.startswith("circuit_") and key.endswith("_mode"):
        known = CIRCUIT_MODES
    if known is not None and value not in known:
        raise ValueError(f"{key} cannot be {value}")
