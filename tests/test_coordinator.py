"""When a heat pump is read, and what becomes of what was read."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
import logging
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED, STATE_UNKNOWN
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.heat_pump_hub import coordinator as module
from custom_components.heat_pump_hub.coordinator import HeatPumpCoordinator
from custom_components.heat_pump_hub.drivers.driver import BusyError, LinkLostError
from custom_components.heat_pump_hub.drivers.points import Failure, Snapshot, Tier

from .fakes import FakeFamily, entity_id, make_entry, set_up, state, unavailable

ALL = frozenset(Tier)
MEASUREMENT = frozenset({Tier.MEASUREMENT})
SETTING = frozenset({Tier.SETTING})


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily
) -> MockConfigEntry:
    """Set up under the frozen clock: timers of the real one would all be due."""
    entry = make_entry()
    await set_up(hass, entry)
    return entry


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


async def polls(hass: HomeAssistant, freezer: FrozenDateTimeFactory, count: int) -> None:
    for _ in range(count):
        await pass_time(hass, freezer, 30)


def coordinator(entry: MockConfigEntry) -> HeatPumpCoordinator:
    found: HeatPumpCoordinator = entry.runtime_data.coordinator
    return found


async def test_one_read_an_interval(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await pass_time(hass, freezer, 15)
    assert fake.driver.reads == [ALL]
    await pass_time(hass, freezer, 15)
    assert fake.driver.reads == [ALL, MEASUREMENT]
    await polls(hass, freezer, 3)
    assert fake.driver.reads == [ALL] + [MEASUREMENT] * 4


async def test_a_device_that_is_down_is_asked_once_an_interval_too(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    fake.driver.error = LinkLostError("gone")
    await polls(hass, freezer, 5)
    assert len(fake.driver.reads) == 1 + 5


async def test_settings_are_read_every_ten_minutes(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await polls(hass, freezer, 41)
    assert [index for index, tiers in enumerate(fake.driver.reads) if Tier.SETTING in tiers] == [
        0,
        20,
        40,
    ]


async def test_settings_that_could_not_be_read_are_read_next_time(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await polls(hass, freezer, 19)
    fake.driver.error = LinkLostError("gone")
    await polls(hass, freezer, 2)
    fake.driver.error = None
    await polls(hass, freezer, 2)
    assert fake.driver.reads[-4:] == [ALL, ALL, ALL, MEASUREMENT]


async def test_settings_that_fall_due_during_a_poll_are_read_next_time(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    await polls(hass, freezer, 18)
    answer = asyncio.Event()
    fake.driver.hold = answer.wait
    for _ in range(2):
        freezer.tick(30)
        async_fire_time_changed(hass)
        await asyncio.sleep(0)
    answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    await polls(hass, freezer, 2)
    assert fake.driver.reads[-3:] == [MEASUREMENT, ALL, MEASUREMENT]


async def test_settings_stay_between_their_reads(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    del fake.driver.values["dhw_temperature_setpoint"]
    del fake.driver.values["outdoor_temperature"]
    await polls(hass, freezer, 1)
    assert state(hass, "number", "dhw_temperature_setpoint") == "48"
    assert state(hass, "sensor", "outdoor_temperature") == STATE_UNKNOWN
    assert "dhw_temperature_setpoint" not in coordinator(entry).data.values

    await polls(hass, freezer, 19)
    assert state(hass, "number", "dhw_temperature_setpoint") == STATE_UNKNOWN


async def test_failures_of_settings_stay_between_their_reads(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    fake.driver.failed = {"system_mode": Failure.NO_ANSWER}
    fake.driver.unknown_codes = {"dhw_boost": 7}
    await polls(hass, freezer, 20)
    fake.driver.failed, fake.driver.unknown_codes = {}, {}
    await polls(hass, freezer, 1)
    assert coordinator(entry).failed == {"system_mode": Failure.NO_ANSWER}
    assert coordinator(entry).unknown_codes == {"dhw_boost": 7}
    await polls(hass, freezer, 19)
    assert not coordinator(entry).failed
    assert not coordinator(entry).unknown_codes


async def test_a_setting_that_a_driver_makes_up_for_is_shown_at_once(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What failed comes with a poll of measurements: it need not wait for the settings."""
    fake.driver.failed = {"system_mode": Failure.NO_ANSWER, "dhw_boost": Failure.NO_ANSWER}
    await polls(hass, freezer, 20)
    assert entity_id(hass, "select", "system_mode") in unavailable(hass)
    fake.driver.failed = {}
    read = fake.driver.read

    async def more(tiers: Iterable[Tier]) -> Snapshot:
        snapshot = await read(tiers)
        return replace(snapshot, values={**snapshot.values, "system_mode": "comfort"})

    monkeypatch.setattr(fake.driver, "read", more)
    await polls(hass, freezer, 1)
    assert state(hass, "select", "system_mode") == "comfort"
    assert coordinator(entry).failed == {"dhw_boost": Failure.NO_ANSWER}


async def test_a_poll_that_takes_longer_than_the_interval_is_the_only_one(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    answer = asyncio.Event()
    fake.driver.hold = answer.wait
    for _ in range(3):
        freezer.tick(30)
        async_fire_time_changed(hass)
        await asyncio.sleep(0)
    assert len(fake.driver.reads) == 2
    answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(fake.driver.reads) == 2
    await polls(hass, freezer, 1)
    assert len(fake.driver.reads) == 3


async def test_a_poll_waits_for_a_read_of_the_settings(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    answer = asyncio.Event()
    fake.driver.hold = answer.wait
    coordinator(entry).async_read_settings_soon()
    freezer.tick(2)
    async_fire_time_changed(hass)
    await asyncio.sleep(0)
    assert fake.driver.reads == [ALL, SETTING]
    freezer.tick(28)
    async_fire_time_changed(hass)
    await asyncio.sleep(0)
    assert fake.driver.reads == [ALL, SETTING]
    answer.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert fake.driver.reads == [ALL, SETTING, MEASUREMENT]


async def test_several_writes_cause_one_read_of_the_settings(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    coordinator(entry).async_read_settings_soon()
    await pass_time(hass, freezer, 1)
    coordinator(entry).async_read_settings_soon()
    await pass_time(hass, freezer, 1)
    assert fake.driver.reads == [ALL]
    await pass_time(hass, freezer, 1)
    assert fake.driver.reads == [ALL, SETTING]


async def test_nothing_is_read_after_an_unload(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    coordinator(entry).async_read_settings_soon()
    await hass.config_entries.async_unload(entry.entry_id)
    await pass_time(hass, freezer, 700)
    assert fake.driver.reads == [ALL]


async def test_a_poll_that_hangs_is_cut_off_by_an_unload(
    hass: HomeAssistant, fake: FakeFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LAST_POLL_TIMEOUT", 0.01)
    entry = make_entry()
    await set_up(hass, entry)
    fake.driver.hold = asyncio.Event().wait
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=30))
    await asyncio.sleep(0)
    assert len(fake.driver.reads) == 2
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert fake.driver.closed


async def test_polling_can_be_switched_off(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily
) -> None:
    await set_up(hass, make_entry(pref_disable_polling=True))
    await polls(hass, freezer, 2)
    assert fake.driver.reads == [ALL]


async def test_an_owner_may_ask_for_a_read(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry
) -> None:
    seen: list[Snapshot] = []
    coordinator(entry).consumers.append(seen.append)
    await coordinator(entry).async_refresh()
    assert fake.driver.reads == [ALL, MEASUREMENT]
    assert seen == [coordinator(entry).data]


async def test_equal_values_write_no_state(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    written: list[str] = []

    @callback
    def note(event: Event) -> None:
        written.append(event.data["entity_id"])

    @callback
    def every(_data: Mapping[str, Any]) -> bool:
        return True

    hass.bus.async_listen(EVENT_STATE_CHANGED, note, every)
    hass.bus.async_listen(EVENT_STATE_REPORTED, note, every)
    await polls(hass, freezer, 20)
    assert written == []

    fake.driver.values["outdoor_temperature"] = 3.6
    await polls(hass, freezer, 1)
    assert written == [entity_id(hass, "sensor", "outdoor_temperature")]


async def test_an_outage_is_seen_and_over_at_once(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="custom_components.heat_pump_hub")
    caplog.clear()
    unanswerable = unavailable(hass)
    entities = {s.entity_id for s in hass.states.async_all() if s.domain != "event"}
    fake.driver.error = BusyError("not now")
    await polls(hass, freezer, 4)
    assert unavailable(hass) == entities
    changes = async_capture_events(hass, EVENT_STATE_CHANGED)
    await polls(hass, freezer, 1)
    assert not changes

    fake.driver.error = None
    await polls(hass, freezer, 2)
    assert unavailable(hass) == unanswerable
    assert state(hass, "sensor", "outdoor_temperature") == "3.5"
    lines = [r.getMessage() for r in caplog.records if r.name.endswith("heat_pump_hub")]
    assert len([line for line in lines if "cannot be reached: not now" in line]) == 1
    assert len([line for line in lines if "recovered" in line]) == 1


async def test_only_what_did_not_answer_is_unavailable(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    unanswerable = unavailable(hass)
    fake.driver.failed = {
        "outdoor_temperature": Failure.NO_ANSWER,
        "superheat": Failure.REFUSED,
        "flow_rate": Failure.BUSY,
        "cop": Failure.IMPLAUSIBLE,
    }
    await polls(hass, freezer, 1)
    assert unavailable(hass) - unanswerable == {entity_id(hass, "sensor", "outdoor_temperature")}
    for key in ("superheat", "flow_rate", "cop"):
        assert state(hass, "sensor", key) == STATE_UNKNOWN
    assert state(hass, "sensor", "electrical_power") == "1500"

    fake.driver.failed = {}
    await polls(hass, freezer, 1)
    assert unavailable(hass) == unanswerable
    assert state(hass, "sensor", "outdoor_temperature") == "3.5"


async def test_an_unknown_code_is_kept_and_logged_once(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown = entity_id(hass, "sensor", "operating_mode")

    def raw_code() -> object:
        found = hass.states.get(shown)
        assert found is not None
        return found.state, found.attributes.get("raw_code")

    fake.driver.unknown_codes = {"operating_mode": 17}
    await polls(hass, freezer, 3)
    assert raw_code() == (STATE_UNKNOWN, 17)
    fake.driver.unknown_codes = {"operating_mode": 18}
    await polls(hass, freezer, 1)
    assert raw_code() == (STATE_UNKNOWN, 18)
    fake.driver.unknown_codes = {}
    await polls(hass, freezer, 1)
    assert raw_code() == ("comfort", None)

    assert caplog.text.count("operating_mode has the unknown code 17") == 1
    assert caplog.text.count("operating_mode has the unknown code 18") == 1


async def test_everyone_gets_every_snapshot_once_and_entities_first(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    seen: list[tuple[Snapshot, str]] = []
    coordinator(entry).consumers.append(
        lambda snapshot: seen.append((snapshot, state(hass, "sensor", "outdoor_temperature")))
    )
    fake.driver.values["outdoor_temperature"] = -1.0
    await polls(hass, freezer, 1)
    coordinator(entry).async_update_listeners()
    assert seen == [(coordinator(entry).data, "-1.0")]
    fake.driver.error = LinkLostError("gone")
    await polls(hass, freezer, 1)
    assert len(seen) == 1


async def test_a_consumer_that_fails_does_not_cost_the_others_the_snapshot(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Snapshot] = []

    def fail(_snapshot: Snapshot) -> None:
        raise ValueError("broken")

    coordinator(entry).consumers[:] = [fail, seen.append]
    await polls(hass, freezer, 1)
    assert seen == [coordinator(entry).data]
    assert "a snapshot was not taken" in caplog.text


async def test_a_value_seen_during_an_outage_waits_for_its_end(
    hass: HomeAssistant, fake: FakeFamily, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    fake.driver.error = LinkLostError("gone")
    await polls(hass, freezer, 1)
    coordinator(entry).async_seen("dhw_temperature_setpoint", 50)
    assert entity_id(hass, "number", "dhw_temperature_setpoint") in unavailable(hass)
    fake.driver.error = None
    await polls(hass, freezer, 1)
    assert state(hass, "number", "dhw_temperature_setpoint") == "50"


async def test_the_interval_is_an_option(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily
) -> None:
    await set_up(hass, make_entry(options={"interval": 10}))
    for _ in range(3):
        await pass_time(hass, freezer, 10)
    assert len(fake.driver.reads) == 4
