"""Under the forerunner's names its series continue without a step."""

import csv
from pathlib import Path
import re

import pytest

from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.idm import FAMILY
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Value
from custom_components.heat_pump_hub.history.forerunner import NAMES, forerunner

from .conftest import points

TABLE = Path(__file__).parent / "forerunner_metric_names.csv"


def point(key: str, quantity: Quantity, *, decimals: int = 1) -> Point:
    """Return a point of the machine."""
    return Point(key=key, name=key, quantity=quantity, kind=Kind.ANALOG, decimals=decimals)


def test_every_name_of_the_forerunner_has_exactly_one_key() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        names = {row["forerunner_name"] for row in csv.DictReader(file)}
    assert set(NAMES.values()) == names
    assert len(NAMES) == len(names)


@pytest.mark.parametrize("newer", [False, True])
def test_key_and_name_are_of_the_same_register(newer: bool) -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        names = {int(row["address"]): row["forerunner_name"] for row in csv.DictReader(file)}
    # Shared names: see the module's docstring.
    del names[1091], names[1092]
    features = {"cascade", "electric_power", "flow_sensor", "isc", "solar"}
    if newer:
        features.add("smart_grid")
        names[90] = names.pop(1006)
    rooms = tuple("12345678")
    layout = Layout(
        circuits=tuple("abcdefg"),
        zones={str(zone): rooms for zone in range(1, 11)},
        features=frozenset(features),
    )
    driver = FAMILY.create(Address(host="127.0.0.1", port=502), layout, None)
    served = {driver.register(key)[1]: key for key in driver.points if key in NAMES}
    assert {address: NAMES[key] for address, key in served.items()} == names


def test_parts_keep_their_number() -> None:
    checked = 0
    for key, name in NAMES.items():
        for part, number in re.findall(r"(circuit|zone|room|compressor)_([a-g]|\d+)(?=_)", key):
            checked += 1
            wanted = f"_{number}$" if part == "circuit" else f"{part}_{number}(_|$)"
            assert re.search(wanted, name), (key, name)
    assert checked == 16 * 7 + 4 + 10 * 2 + 10 * 2 + 10 * 5 * 8 * 2


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("outdoor_temperature", "temp_outside"),
        ("buffer_temperature", "temp_heat_storage"),
        ("dhw_temperature", "temp_water_heater_top"),
        ("thermal_energy", "energy_heat_total"),
        ("electrical_power", "power_current_draw"),
        ("compressor_4_status", "state_compressor_4_uchar"),
        ("circuit_g_room_temperature_setback", "temp_room_target_heating_eco_circuit_g"),
        ("circuit_a_heating_curve_shift", "curve_offset_a"),
        ("zone_10_room_8_temperature_setpoint", "temp_target_zone_10_room_8"),
        ("zone_2_room_9_relay", "relay_zone_2_room_9"),
    ],
)
def test_name_of_a_point(key: str, name: str) -> None:
    assert forerunner(point(key, Quantity.TEMPERATURE)).name == f"idm_heatpump_{name}"


@pytest.mark.parametrize(
    ("key", "quantity", "value", "number"),
    [
        ("electrical_power", Quantity.POWER, 1234.0, 1.234),
        ("electrical_power", Quantity.POWER, 1234, 1.234),
        ("thermal_power", Quantity.POWER, 0.0, 0.0),
        ("electricity_price", Quantity.PRICE, 98.7, 0.0987),
        ("utility_lock", Quantity.FLAG, True, 0),
        ("utility_lock", Quantity.FLAG, False, 1),
        ("fault", Quantity.FLAG, True, 1),
        ("outdoor_temperature", Quantity.TEMPERATURE, 4.2, 4.2),
        ("thermal_energy", Quantity.ENERGY, 12_345.6, 12_345.6),
    ],
)
def test_values_are_those_of_the_register(
    key: str, quantity: Quantity, value: Value, number: float
) -> None:
    assert forerunner(point(key, quantity)).number(value) == number


@pytest.mark.parametrize(
    ("slug", "code"),
    [("off", 0), ("utility_lock", 0), ("heating", 1), ("cooling", 2), ("dhw", 4), ("defrost", 8)],
)
def test_operating_mode_has_the_code_of_the_register(slug: str, code: int) -> None:
    assert forerunner(points()["operating_mode"]).number(slug) == code


def test_operating_mode_the_register_does_not_know_is_not_sent() -> None:
    assert forerunner(points()["operating_mode"]).number("other") is None


@pytest.mark.parametrize("key", ["heating_request", "cooling_request", "pv_target_value"])
def test_other_points_keep_our_name_and_unit(key: str) -> None:
    series = forerunner(point(key, Quantity.POWER))
    assert series.name == f"heatpump_{key}"
    assert series.number(1500.0) == 1500.0


def test_labels_of_parts_stay() -> None:
    assert forerunner(points()["circuit_a_flow_temperature"]).labels == {"circuit": "a"}
