"""How a point becomes an entity."""

from dataclasses import replace
from typing import Any

from homeassistant.const import STATE_UNKNOWN, EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.heat_pump_hub.drivers.points import UNITS, Kind, Point, Quantity, Wear
from custom_components.heat_pump_hub.entity import category_of, platform_of
from custom_components.heat_pump_hub.number import UNBOUNDED, bounds_of

from .fakes import POINTS, FakeFamily, entity_id, make_entry, set_up


@pytest.mark.parametrize(
    ("key", "platform"),
    [
        ("outdoor_temperature", Platform.SENSOR),
        ("operating_mode", Platform.SENSOR),
        ("fault", Platform.BINARY_SENSOR),
        ("dhw_temperature_setpoint", Platform.NUMBER),
        ("system_mode", Platform.SELECT),
        ("dhw_boost", Platform.SWITCH),
        ("acknowledge_faults", Platform.BUTTON),
    ],
)
def test_what_a_point_takes_decides_its_platform(key: str, platform: Platform) -> None:
    assert platform_of(POINTS[key]) is platform


def test_settings_are_configuration_and_inner_values_diagnostic() -> None:
    assert category_of(POINTS["dhw_temperature_setpoint"]) is EntityCategory.CONFIG
    assert category_of(POINTS["fault_code"]) is EntityCategory.DIAGNOSTIC
    assert category_of(POINTS["outdoor_temperature"]) is None


@pytest.mark.parametrize(
    ("platform", "key", "expected", "attributes"),
    [
        (
            "sensor",
            "outdoor_temperature",
            "3.5",
            {
                "device_class": "temperature",
                "state_class": "measurement",
                "unit_of_measurement": "°C",
            },
        ),
        (
            "sensor",
            "superheat",
            "5.2",
            {
                "device_class": "temperature_delta",
                "state_class": "measurement",
                "unit_of_measurement": "K",
            },
        ),
        (
            "sensor",
            "flow_rate",
            "18.4",
            {"device_class": "volume_flow_rate", "unit_of_measurement": "L/min"},
        ),
        ("sensor", "cop", "3.71", {"device_class": None, "state_class": "measurement"}),
        (
            "sensor",
            "electricity_price",
            "92.5",
            {"device_class": None, "unit_of_measurement": "EUR/MWh"},
        ),
        (
            "sensor",
            "electrical_energy",
            "4200.5",
            {"device_class": "energy", "state_class": "total_increasing"},
        ),
        ("sensor", "heating_today", "12.5", {"device_class": "energy", "state_class": "total"}),
        (
            "sensor",
            "compressor_starts",
            "812",
            {"device_class": None, "state_class": "total_increasing"},
        ),
        ("sensor", "fault_code", "0", {"state_class": None, "unit_of_measurement": None}),
        (
            "sensor",
            "operating_mode",
            "comfort",
            {"device_class": "enum", "options": ["off", "comfort", "eco", "service"]},
        ),
        ("binary_sensor", "fault", "off", {"device_class": "problem"}),
        (
            "number",
            "dhw_temperature_setpoint",
            "48",
            {"device_class": "temperature", "min": 35, "max": 60, "step": 1, "mode": "box"},
        ),
        ("number", "circuit_a_heating_curve_slope", "0.6", {"step": 0.05, "device_class": None}),
        ("number", "pv_surplus", "0", {"min": -1, "max": UNBOUNDED, "step": 1}),
        ("select", "system_mode", "eco", {"options": ["off", "comfort", "eco"]}),
        ("switch", "dhw_boost", "off", {}),
        ("button", "acknowledge_faults", STATE_UNKNOWN, {}),
    ],
)
async def test_quantity_and_kind_describe_an_entity(
    hass: HomeAssistant,
    fake: FakeFamily,
    platform: str,
    key: str,
    expected: str,
    attributes: dict[str, Any],
) -> None:
    await set_up(hass, make_entry())
    found = hass.states.get(entity_id(hass, platform, key))
    assert found is not None
    assert found.state == expected
    assert {name: found.attributes.get(name) for name in attributes} == attributes


async def test_every_quantity_makes_an_entity_without_a_warning(
    hass: HomeAssistant, fake: FakeFamily, caplog: pytest.LogCaptureFixture
) -> None:
    fake.points = {
        f"{quantity}_{kind}_{wear}": Point(
            key=f"{quantity}_{kind}_{wear}",
            name=f"{quantity}",
            quantity=quantity,
            kind=kind,
            wear=wear,
            options={1: "one"} if quantity is Quantity.STATE else None,
            enabled=True,
        )
        for quantity in UNITS
        for kind in Kind
        for wear in (None, Wear.EEPROM)
    }
    flags = {Quantity.FLAG: True, Quantity.STATE: "one"}
    fake.prepare = lambda driver: driver.values.update(
        {key: flags.get(point.quantity, 2) for key, point in driver.points.items()}
    )
    caplog.clear()
    await set_up(hass, make_entry())

    states = hass.states.async_all()
    assert len(states) == len(fake.points) + 8
    assert {
        s.state for s in states if "anomaly" not in s.entity_id and "learning" not in s.entity_id
    } == {
        "2",
        "on",
        "one",
    }
    # The last: a busy machine.
    others = ("not been tested", "Executing ")
    complaints = [
        record.getMessage()
        for record in caplog.records
        if record.levelname in {"WARNING", "ERROR"}
        and not any(words in record.getMessage() for words in others)
    ]
    assert not complaints


async def test_only_what_most_owners_want_is_enabled(hass: HomeAssistant, fake: FakeFamily) -> None:
    await set_up(hass, make_entry())
    registry = er.async_get(hass)
    disabled = [
        entity.unique_id
        for entity in er.async_entries_for_config_entry(registry, make_entry().entry_id)
        if entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    ]
    assert disabled == ["idm_supply_voltage"]


def test_the_value_that_means_no_request_can_be_entered() -> None:
    point = POINTS["pv_surplus"]
    assert bounds_of(point) == (-1, UNBOUNDED)
    assert bounds_of(replace(point, default=99, maximum=50)) == (0, 99)
    assert bounds_of(replace(point, default=None, minimum=None)) == (-UNBOUNDED, UNBOUNDED)
