"""Every entity of every maker has an icon: its own, or that of its device class."""

import json
from pathlib import Path

import pytest

from custom_components.heat_pump_hub import binary_sensor, entity, units
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.nibe_points import LISTED

ICONS = json.loads(Path(entity.__file__).with_name("icons.json").read_text("utf-8"))["entity"]


@pytest.mark.parametrize("key", ["idm", "luxtronik", "nibe", "daikin"])
def test_every_entity_without_a_device_class_has_an_icon(key: str) -> None:
    kind = family(key)
    layout = Layout(circuits=("a", "b", "c"), zones={"1": ("1",)} if key == "idm" else {})
    driver = kind.create(Address(host="", port=1, unit=kind.unit), layout, None)
    bare = {
        (platform, point.name)
        for point in driver.points.values()
        if point.name not in ICONS[platform := entity.platform_of(point).value]
        if point.quantity not in units.DEVICE_CLASSES
        and point.name not in binary_sensor.DEVICE_CLASSES
    }
    assert bare == set()


def test_values_that_only_a_list_knows_have_an_icon() -> None:
    assert set(LISTED) <= ICONS["sensor"].keys()
    assert LISTED[True] in ICONS["number"]
