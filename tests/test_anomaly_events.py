"""What is known of, as the real detector hears of it through Home Assistant."""

from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub import anomaly
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.driver import LinkLostError
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Tier, Value, Wear

from .fake_detector import pass_time
from .fakes import POINTS, FakeFamily, entity_id, families, make_entry, set_up

HOUR = 3600.0
DAY = 24 * HOUR


def setting(key: str, quantity: Quantity, **more: Any) -> Point:
    return Point(
        key=key,
        name=key,
        quantity=quantity,
        kind=Kind.STATE,
        tier=Tier.SETTING,
        wear=Wear.EEPROM,
        **more,
    )


MORE = {
    point.key: point
    for point in (
        setting(
            "heating_mode",
            Quantity.STATE,
            options={0: "automatic", 3: "holidays", 4: "off"},
            writable_options=frozenset({"automatic", "off"}),
        ),
        setting("presence", Quantity.STATE, options={0: "home", 2: "away"}),
        setting("pool_mode", Quantity.STATE, options={0: "automatic", 3: "holidays"}),
        setting("away_mode", Quantity.CODE),
        setting("holiday_function", Quantity.CODE),
        setting("away_dhw_start", Quantity.CODE),
        setting("away_dhw_end", Quantity.CODE),
    )
}


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    fake.points = POINTS | MORE
    fake.prepare = lambda driver: driver.values.update(
        heating_mode="automatic", presence="home", pool_mode="automatic", away_mode=0,
        holiday_function=0, away_dhw_start=0, away_dhw_end=0,
    )  # fmt: skip
    with families(fake), patch.object(anomaly, "LOAD_DELAY", 2.0):
        yield fake


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily
) -> MockConfigEntry:
    # As the last options have it, so that a day takes no thousand polls.
    entry = make_entry(options={"interval": 300})
    await set_up(hass, entry)
    await pass_time(hass, freezer, 2)
    return entry


class House:
    """The heat pump in Home Assistant, and its time."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        fake: FakeFamily,
        freezer: FrozenDateTimeFactory,
    ) -> None:
        self._hass = hass
        self.entry = entry
        self.fake = fake
        self._freezer = freezer

    async def change(self, **values: Value) -> None:
        """Let somebody change something at the machine."""
        self.fake.driver.values.update(values)
        await self.settings()

    async def settings(self) -> None:
        self.entry.runtime_data.coordinator.async_read_settings_soon()
        await pass_time(self._hass, self._freezer, 2)
        await self.wait(300)

    async def wait(self, seconds: float) -> None:
        """Poll for a while, every five minutes."""
        for _ in range(max(1, round(seconds / 300))):
            await pass_time(self._hass, self._freezer, 300)

    async def restart(self, off: float = 1.0, **values: Value) -> None:
        """Be off for some seconds; what is changed meanwhile is there afterwards."""
        await self._hass.config_entries.async_unload(self.entry.entry_id)
        self._freezer.tick(off)
        with patch.object(
            self.fake, "prepare", lambda driver: driver.values.update(self._before | values)
        ):
            await self._hass.config_entries.async_setup(self.entry.entry_id)
        await self._hass.async_block_till_done()
        await pass_time(self._hass, self._freezer, 2)
        await self.wait(300)

    @property
    def _before(self) -> dict[str, Value]:
        return dict(self.fake.driver.values)

    @property
    def known(self) -> set[str]:
        """What explains what the detector may see."""
        verdict = self.entry.runtime_data.anomaly.verdict
        assert verdict is not None
        return set(verdict.explained) - {"commissioning"}


@pytest.fixture
async def house(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
) -> House:
    house = House(hass, entry, fake, freezer)
    await house.settings()
    return house


async def test_a_new_heat_pump_is_being_commissioned(house: House) -> None:
    verdict = house.entry.runtime_data.anomaly.verdict
    assert verdict is not None
    assert verdict.explained == ("commissioning",)


async def test_a_setting_changed_here(house: House, hass: HomeAssistant) -> None:
    number = entity_id(hass, "number", "dhw_temperature_setpoint")
    await hass.services.async_call(
        "number", "set_value", {"entity_id": number, "value": 50}, blocking=True
    )
    await house.settings()
    assert house.known == {"setting"}


async def test_a_setting_changed_at_the_machine(house: House) -> None:
    await house.change(circuit_a_heating_curve_slope=1.2)
    assert house.known == {"setting"}
    await house.wait(12.5 * HOUR)
    assert house.known == set()


async def test_a_setting_changed_while_home_assistant_was_off(house: House) -> None:
    await house.restart(60, circuit_a_heating_curve_slope=1.2)
    assert house.known == {"setting"}


async def test_what_a_schedule_changes_is_news_only_at_first(house: House) -> None:
    for day in range(3):
        await house.change(circuit_a_heating_curve_slope=1.2)
        assert house.known == ({"setting"} if day == 0 else set())
        await house.wait(12.5 * HOUR)
        await house.change(circuit_a_heating_curve_slope=0.6)
        assert house.known == set()
        await house.wait(11 * HOUR)
    # a restart makes no news of it
    await house.restart()
    assert house.known == set()


async def test_firmware_that_changed(house: House) -> None:
    house.fake.driver.known["firmware"] = "3.90.0"
    await house.settings()
    assert house.known == set()
    house.fake.driver.known["firmware"] = "3.91.0"
    await house.settings()
    assert house.known == {"firmware"}


async def test_firmware_that_changed_while_home_assistant_was_off(house: House) -> None:
    house.fake.driver.known["firmware"] = "3.90.0"
    await house.settings()
    create = house.fake.create

    def renewed(*arguments: Any) -> Any:
        driver = create(*arguments)
        driver.known["firmware"] = "3.91.0"
        return driver

    with patch.object(house.fake, "create", renewed):
        await house.restart()
    assert house.known == {"firmware"}


async def test_a_heat_pump_that_did_not_answer(house: House) -> None:
    house.fake.driver.error = LinkLostError("gone")
    await house.wait(900)
    house.fake.driver.error = None
    await house.wait(300)
    assert house.known == {"power_cut"}


@pytest.mark.parametrize(("off", "expected"), [(240, set()), (HOUR, {"power_cut"})])
async def test_home_assistant_that_was_off(house: House, off: float, expected: set[str]) -> None:
    await house.restart(off)
    assert house.known == expected


@pytest.mark.parametrize(
    "holiday",
    [
        {"heating_mode": "holidays"},
        {"holiday_function": 1},
        {
            "away_dhw_start": datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
            "away_dhw_end": datetime(2099, 1, 1, tzinfo=UTC).timestamp(),
        },
    ],
)
async def test_a_holiday_until_it_ends(house: House, holiday: dict[str, Value]) -> None:
    before = {key: house.fake.driver.values[key] for key in holiday}
    await house.change(**holiday)
    assert house.known == {"holiday", "setting"}
    await house.wait(13 * HOUR)
    assert house.known == {"holiday"}
    await house.restart()
    assert house.known == {"holiday"}
    await house.change(**before)
    assert "holiday" not in house.known
    assert "holiday_end" in house.known


@pytest.mark.parametrize("away", [{"presence": "away"}, {"away_mode": 1}])
async def test_away_for_longer_than_a_day_is_a_holiday(
    house: House, away: dict[str, Value]
) -> None:
    before = {key: house.fake.driver.values[key] for key in away}
    await house.change(**away)
    assert "holiday" not in house.known
    await house.wait(20 * HOUR)
    await house.restart()
    assert "holiday" not in house.known
    await house.wait(5 * HOUR)
    assert "holiday" in house.known
    await house.change(**before)
    assert "holiday_end" in house.known
    # a day at work is none
    await house.wait(37 * HOUR)
    await house.change(**away)
    await house.wait(9 * HOUR)
    await house.change(**before)
    assert not house.known & {"holiday", "holiday_end"}


async def test_a_holiday_of_the_pool_is_none(house: House) -> None:
    await house.change(pool_mode="holidays")
    assert "holiday" not in house.known


async def test_a_holiday_that_stood_from_the_first_is_no_news(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    fake.prepare = lambda driver: driver.values.update(away_mode=1, holiday_function=1)
    entry = make_entry(options={"interval": 300})
    await set_up(hass, entry)
    await pass_time(hass, freezer, 2)
    house = House(hass, entry, fake, freezer)
    await house.settings()
    await house.wait(DAY)
    assert house.known == set()
    await house.change(away_mode=0, holiday_function=0)
    assert "holiday_end" in house.known


@pytest.mark.parametrize(
    "noted",
    [
        "nonsense",
        {"settings": 5, "known": [], "changed": None, "firmware": {}, "holiday": "yes"},
        {
            "settings": {"circuit_a_heating_curve_slope": [1]},
            "known": {"circuit_a_heating_curve_slope": 5},
            "changed": {"circuit_a_heating_curve_slope": "yesterday"},
            "away_since": 7,
        },
    ],
)
async def test_damage_costs_only_what_was_noted(
    house: House, hass_storage: dict[str, Any], hass: HomeAssistant, noted: object
) -> None:
    await hass.config_entries.async_unload(house.entry.entry_id)
    hass_storage[f"{DOMAIN}.{house.entry.entry_id}.detector"]["data"]["noted"] = noted
    await house.restart()
    assert house.known == set()
    await house.change(circuit_a_heating_curve_slope=1.2)
    assert house.known == {"setting"}
