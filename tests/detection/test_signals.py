"""What is derived from a signal's key, kind and unit."""

import math

import pytest

from custom_components.heat_pump_hub.detection.signals import (
    Role,
    Signal,
    limits_of,
    role_of,
    sentinels_of,
)
from custom_components.heat_pump_hub.drivers.points import Kind


@pytest.mark.parametrize(
    ("signal", "role"),
    [
        (Signal("dhw_temperature", "analog", "°C"), Role.SENSOR),
        (Signal("circuit_a_flow_temperature", Kind.ANALOG, "°C"), Role.SENSOR),
        (Signal("return_temperature", "analog"), Role.SENSOR),
        (Signal("zone_1_room_2_humidity", "analog", "%"), Role.SENSOR),
        (Signal("high_pressure", "analog", "bar"), Role.SENSOR),
        (Signal("electrical_power", "analog", "W"), Role.FLOWING),
        (Signal("flow_rate", "analog", "L/min"), Role.FLOWING),
        (Signal("supply_current", "analog", "A"), Role.PASSIVE),
        (Signal("thermal_power", "analog", "W"), Role.PASSIVE),
        (Signal("cop", "analog"), Role.PASSIVE),
        (Signal("superheat", "analog", "K"), Role.PASSIVE),
        (Signal("outdoor_temperature_average", "analog", "°C"), Role.PASSIVE),
        (Signal("flow_temperature_setpoint", "analog", "°C"), Role.PASSIVE),
        (Signal("expansion_valve_position", "analog", "%"), Role.PASSIVE),
        (Signal("compressor_frequency", "analog", "Hz"), Role.PASSIVE),
        (Signal("pv_surplus", "analog", "W"), Role.PASSIVE),
        (Signal("vendor_extra_17", "analog"), Role.PASSIVE),
        (Signal("dhw_temperature_setpoint", "setpoint", "°C"), Role.PASSIVE),
        (Signal("compressor_hours", Kind.COUNTER, "h"), Role.PASSIVE),
    ],
)
def test_only_sensors_must_move(signal: Signal, role: Role) -> None:
    assert role_of(signal) is role


def test_limits_of_the_signal_win_over_those_of_its_key_and_unit() -> None:
    assert limits_of(Signal("outdoor_temperature", "analog", "°C")) == (-60.0, 70.0)
    assert limits_of(Signal("outdoor_temperature", "analog", "°C", -40, 50)) == (-40, 50)
    assert limits_of(Signal("outdoor_temperature", "analog")) == (-60.0, 70.0)
    assert limits_of(Signal("vendor_extra_17", "analog", "°C")) == (-80.0, 300.0)
    assert limits_of(Signal("vendor_extra_17", "analog")) == (-math.inf, math.inf)


def test_limits_that_exclude_everything_are_ignored() -> None:
    assert limits_of(Signal("x", "analog", "°C", 10, 10)) == (-math.inf, math.inf)


def test_sentinels_are_looked_for_only_where_no_range_is_known() -> None:
    assert 32767.0 in sentinels_of(Signal("vendor_extra_17", "analog"))
    assert not sentinels_of(Signal("electrical_power", "analog", "W"))
    assert not sentinels_of(Signal("vendor_extra_17", "analog", None, 0, 40_000))
