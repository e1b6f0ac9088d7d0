"""A meter beside the heat pump gives its electricity."""

from dataclasses import replace
from typing import Any

import pytest

from custom_components.heat_pump_hub.drivers.metered import MeteredDriver
from custom_components.heat_pump_hub.drivers.points import Failure, Kind, Point, Quantity, Tier

from ..fakes import POINTS, FakeDriver

BOTH = ("electrical_power", "electrical_energy")
THERMAL = Point(
    key="thermal_power", name="thermal_power", quantity=Quantity.POWER, kind=Kind.ANALOG
)


class Learning(FakeDriver):
    """Has learned something three times."""

    learned_version = 3


def heat_pump(*without: str, **values: Any) -> FakeDriver:
    """Return a heat pump that gives 6 kW of heat, without some points."""
    points = {**POINTS, THERMAL.key: THERMAL}
    driver = Learning({key: point for key, point in points.items() if key not in without}, None)
    driver.values |= {THERMAL.key: 6000} | values
    return driver


async def test_a_heat_pump_without_a_meter_gets_power_energy_and_cop() -> None:
    own = heat_pump(*BOTH, "cop")
    driver = MeteredDriver(
        own, lambda: {"electrical_power": 1500.04, "electrical_energy": 812.3456}, BOTH
    )
    assert {key for key in driver.points if key not in own.points} == {*BOTH, "cop"}
    assert driver.points["electrical_power"].unit == "W"
    assert driver.points["electrical_energy"].unit == "kWh"
    values = (await driver.read(frozenset(Tier))).values
    assert values["electrical_power"] == 1500.0
    assert values["electrical_energy"] == 812.346
    assert values["cop"] == 4.0
    assert values["outdoor_temperature"] == 3.5
    assert await driver.read_point("electrical_power") == 1500.04
    assert await driver.read_point("outdoor_temperature") == 3.5


async def test_a_preferred_meter_stands_for_what_the_heat_pump_says() -> None:
    own = heat_pump()
    own.points = {
        **own.points,
        "electrical_energy": replace(POINTS["electrical_energy"], tier=Tier.SETTING),
    }
    driver = MeteredDriver(own, lambda: {"electrical_power": 2000, "electrical_energy": 7}, BOTH)
    assert driver.points.keys() == own.points.keys()
    assert driver.points["electrical_energy"].tier is Tier.MEASUREMENT
    snapshot = await driver.read({Tier.MEASUREMENT})
    assert (snapshot.values["electrical_power"], snapshot.values["cop"]) == (2000, 3.0)
    assert snapshot.values["electrical_energy"] == 7
    # A read of settings alone looks at no meter, and takes nothing from the heat pump for it.
    settings = await driver.read({Tier.SETTING})
    assert not settings.values.keys() & {*BOTH, "cop"}


@pytest.mark.parametrize("compressor", [True, False])
async def test_a_meter_without_a_value_leaves_it_absent(compressor: bool) -> None:
    own = heat_pump(compressor_running=compressor)
    own.failed = {"electrical_power": Failure.NO_ANSWER, "cop": Failure.NO_ANSWER}
    driver = MeteredDriver(own, dict, BOTH)
    snapshot = await driver.read({Tier.MEASUREMENT})
    assert not snapshot.values.keys() & {*BOTH, "cop"}
    assert not snapshot.failed


async def test_without_heat_there_is_no_cop_and_why_is_told() -> None:
    own = heat_pump()
    own.failed = {"thermal_power": Failure.REFUSED}
    driver = MeteredDriver(own, lambda: {"electrical_power": 1500}, ["electrical_power"])
    snapshot = await driver.read({Tier.MEASUREMENT})
    assert "cop" not in snapshot.values
    assert snapshot.failed == dict.fromkeys(("thermal_power", "cop"), Failure.REFUSED)
    # What the meter does not have stays the heat pump's.
    assert snapshot.values["electrical_energy"] == 4200.5


async def test_a_meter_of_energy_alone_leaves_the_cop_alone() -> None:
    driver = MeteredDriver(heat_pump(), lambda: {"electrical_energy": 5}, ["electrical_energy"])
    values = (await driver.read({Tier.MEASUREMENT})).values
    assert (values["cop"], values["electrical_power"], values["electrical_energy"]) == (
        3.71,
        1500,
        5,
    )


async def test_all_else_is_the_drivers() -> None:
    own = heat_pump()
    own.known = {"a": 1}
    driver = MeteredDriver(own, dict, BOTH)
    driver.expect({"serial": "1"})
    await driver.write("dhw_temperature_setpoint", 50)
    assert own.expected == {"serial": "1"}
    assert own.writes == [("dhw_temperature_setpoint", 50)]
    assert driver.traffic is own.traffic
    assert driver.learned() == {"a": 1}
    assert driver.learned_version == 3
    assert driver.register("cop") == own.register("cop")
    assert driver.report() == {"plan": "everything", "metered": sorted(BOTH)}
    await driver.close()
    assert own.closed
