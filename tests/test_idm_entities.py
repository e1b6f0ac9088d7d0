"""A fully equipped IDM heat pump in Home Assistant: names, icons, descriptions."""

from collections.abc import Mapping
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest

import custom_components.heat_pump_hub as integration
from custom_components.heat_pump_hub import binary_sensor, entity, units
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.idm import _PROBES as FEATURES
from custom_components.heat_pump_hub.drivers.points import Point, Quantity, Value

from .fakes import FakeFamily, make_entry, set_up

FOLDER = Path(integration.__file__).parent


@pytest.fixture(scope="module")
def points() -> Mapping[str, Point]:
    layout = Layout(
        circuits=tuple("abcdefg"),
        zones={str(zone): tuple("12345678") for zone in range(1, 11)},
        features=frozenset(FEATURES),
    )
    return family("idm").create(Address(host="none", port=1), layout, None).points


def value_of(point: Point) -> Value:
    """Return something the point could hold."""
    if point.quantity is Quantity.FLAG:
        return True
    if point.options:
        return next(iter(point.options.values()))
    return 1 if point.minimum is None else point.minimum


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


async def test_every_point_makes_an_entity_without_a_complaint(
    hass: HomeAssistant,
    fake: FakeFamily,
    points: Mapping[str, Point],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake.points = {key: replace(point, enabled=True) for key, point in points.items()}
    fake.prepare = lambda driver: driver.values.update(
        {key: value_of(point) for key, point in points.items()}
    )
    entry = make_entry()
    await set_up(hass, entry)

    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, entry.entry_id)
    fed = sum(entity.is_fed_measurement(point) for point in points.values())
    assert len(entities) == len(points) + fed + 8
    names = [(entity.device_id, entity.domain, entity.original_name) for entity in entities]
    assert all(name for _, _, name in names)
    assert len(set(names)) == len(names)
    assert not [
        record.getMessage()
        for record in caplog.records
        if record.levelname in {"WARNING", "ERROR"}
        and "not been tested" not in record.getMessage()
        and record.name != "asyncio"  # a busy test machine
    ]


def test_icons_are_for_entities_that_exist(points: Mapping[str, Point]) -> None:
    names = load("translations/en.json")["entity"]
    for platform, icons in load("icons.json")["entity"].items():
        assert icons.keys() <= names[platform].keys(), platform
        for key, icon in icons.items():
            if platform not in {"binary_sensor", "switch"}:
                assert icon.get("state", {}).keys() <= names[platform][key].get("state", {}).keys()


def test_every_entity_without_a_device_class_has_an_icon(points: Mapping[str, Point]) -> None:
    icons = load("icons.json")["entity"]
    bare = {
        (platform, point.name)
        for point in points.values()
        if (platform := entity.platform_of(point).value) not in icons
        or point.name not in icons[platform]
        if point.quantity not in units.DEVICE_CLASSES
        and point.name not in binary_sensor.DEVICE_CLASSES
    }
    assert bare == set()


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_state_is_translated(points: Mapping[str, Point], language: str) -> None:
    names = load(f"translations/{language}.json")["entity"]
    missing = {
        (point.name, slug)
        for point in points.values()
        if point.quantity is Quantity.STATE
        for slug in (point.options or {}).values()
        if slug not in names[entity.platform_of(point)][point.name]["state"]
    }
    assert missing == set()
