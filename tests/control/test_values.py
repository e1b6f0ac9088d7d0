"""Which values a point takes, and when two of them are the same."""

import math

import pytest

from custom_components.heat_pump_hub.control import ValueNotAllowedError
from custom_components.heat_pump_hub.control.values import allowed, holds
from custom_components.heat_pump_hub.drivers.points import Value

from .fakes import POINTS


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        ("dhw_setpoint", 35, 35),
        ("dhw_setpoint", 60.0, 60.0),
        ("dhw_setpoint", 47.5, 47.5),
        ("dhw_setpoint", 47.500000000000004, 47.5),
        ("dhw_setpoint", 60.0000000001, 60.0),
        ("pv_surplus", 1234.567, 1234.6),
        ("pv_surplus", 20000.0, 20000.0),
        ("request_cooling", -1, -1),
        ("no_default", -300.04, -300.0),
        ("shift", 5.0, 5.0),
        ("mode", "heating", "heating"),
        ("speed", "fast", "fast"),
        ("release", True, True),
    ],
)
def test_values_within_bounds_are_allowed(key: str, value: Value, written: Value) -> None:
    assert allowed(POINTS[key], value) == written


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dhw_setpoint", 34.9),
        ("dhw_setpoint", 60.1),
        ("dhw_setpoint", 47.3),
        ("dhw_setpoint", math.nan),
        ("dhw_setpoint", math.inf),
        ("dhw_setpoint", True),
        ("dhw_setpoint", "47"),
        ("request_cooling", -2),
        ("mode", "fault"),
        ("mode", "HEATING"),
        ("mode", 1),
        ("speed", "off"),
        ("release", 1),
        ("release", "on"),
    ],
)
def test_other_values_are_not_allowed(key: str, value: Value) -> None:
    with pytest.raises(ValueNotAllowedError) as failed:
        allowed(POINTS[key], value)
    assert failed.value.key == key


def test_the_error_names_the_bounds() -> None:
    with pytest.raises(ValueNotAllowedError, match=r"35 to 60 °C in steps of 0.5") as failed:
        allowed(POINTS["dhw_setpoint"], 61)

    assert (failed.value.minimum, failed.value.maximum, failed.value.step) == (35, 60, 0.5)
    assert failed.value.placeholders == {
        "key": "dhw_setpoint",
        "value": "61",
        "minimum": "35",
        "maximum": "60",
        "step": "0.5",
        "unit": " °C",
        "options": "",
    }


def test_the_error_names_the_options() -> None:
    with pytest.raises(ValueNotAllowedError, match="one of heating, off") as failed:
        allowed(POINTS["mode"], "fault")

    assert failed.value.options == ("heating", "off")
    with pytest.raises(ValueNotAllowedError, match="on is not allowed"):
        allowed(POINTS["dhw_setpoint"], True)


@pytest.mark.parametrize(
    ("key", "shown", "wanted", "equal"),
    [
        ("dhw_setpoint", 47.5, 47.5, True),
        ("dhw_setpoint", 47.54, 47.5, True),
        ("dhw_setpoint", 47.6, 47.5, False),
        ("dhw_setpoint", None, 47.5, False),
        ("dhw_setpoint", "47.5", 47.5, False),
        ("pv_surplus", 19999.999, 20000.0, True),
        ("pv_surplus", None, 0.0, True),
        ("pv_surplus", None, 1.0, False),
        ("no_default", None, 0.0, False),
        ("mode", "off", "off", True),
        ("mode", "heating", "off", False),
        ("mode", 7, "off", False),
        ("release", 1, True, True),
        ("release", False, True, False),
    ],
)
def test_equal_means_within_half_of_what_the_point_resolves(
    key: str, shown: Value | None, wanted: Value, equal: bool
) -> None:
    assert holds(POINTS[key], shown, wanted) is equal
