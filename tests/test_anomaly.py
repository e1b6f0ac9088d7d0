"""The detector inside Home Assistant: loaded late, fed once a poll, saved."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
import threading
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.heat_pump_hub import anomaly
from custom_components.heat_pump_hub.anomaly import AnomalyWatch
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.driver import LinkLostError
from custom_components.heat_pump_hub.drivers.points import Point

from .fake_detector import QUIET, STUCK, FakeDetector, pass_time
from .fakes import FakeFamily, entity_id, make_entry, set_up, state


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory,
    hass: HomeAssistant,
    fake: FakeFamily,
    detector: FakeDetector,
) -> MockConfigEntry:
    entry = make_entry()
    await set_up(hass, entry)
    return entry


def watch(entry: MockConfigEntry) -> AnomalyWatch:
    found: AnomalyWatch = entry.runtime_data.anomaly
    return found


async def test_setup_does_not_wait_for_the_detector(
    hass: HomeAssistant, entry: MockConfigEntry, detector: FakeDetector
) -> None:
    assert not detector.threads
    assert state(hass, "binary_sensor", "anomaly") == STATE_UNKNOWN
    assert state(hass, "sensor", "anomaly_probability") == STATE_UNKNOWN
    assert state(hass, "sensor", "learning_progress") == STATE_UNKNOWN


async def test_the_detector_is_loaded_after_home_assistant_has_started(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily, detector: FakeDetector
) -> None:
    hass.set_state(CoreState.starting)
    await set_up(hass, make_entry())
    await pass_time(hass, freezer, 5)
    assert not detector.threads
    hass.set_state(CoreState.running)
    hass.bus.async_fire("homeassistant_started")
    await hass.async_block_till_done()
    await pass_time(hass, freezer, 2)
    assert detector.threads


async def test_it_sees_each_poll_in_a_thread_of_its_own(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    await pass_time(hass, freezer, 28)
    await pass_time(hass, freezer, 30)
    assert [values["outdoor_temperature"] for _, values in detector.seen] == [3.5, 3.5]
    assert detector.seen[-1][0] == entry.runtime_data.coordinator.data.time
    assert {name.rpartition("_")[0] for name in detector.threads} == {f"{DOMAIN}_idm"}
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF
    assert state(hass, "sensor", "anomaly_probability") == "2.0"
    assert state(hass, "sensor", "learning_progress") == "25"


async def test_it_watches_what_is_measured(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    watched = {point.key for point in detector.points}
    assert {"outdoor_temperature", "supply_voltage", "heating_today"} <= watched
    assert not watched & {"dhw_temperature_setpoint", "acknowledge_faults"}


async def test_a_read_of_settings_alone_is_nothing_to_it(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    entry.runtime_data.coordinator.async_read_settings_soon()
    await pass_time(hass, freezer, 2)
    assert detector.seen == []


async def test_an_alarm_has_reasons(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    detector.verdict = STUCK
    await pass_time(hass, freezer, 28)
    found = hass.states.get(entity_id(hass, "binary_sensor", "anomaly"))
    assert found is not None
    assert found.state == STATE_ON
    assert found.attributes["learning_state"] == "alarm"
    assert found.attributes["reasons"] == [
        {
            "monitor": "flatline",
            "signals": ["outdoor_temperature"],
            "suspect": "outdoor_temperature",
            "observed": 300.0,
            "expected": 20.0,
            "tolerance": 180.0,
            "unit": None,
            "since": "2026-11-20T06:00:00+00:00",
        }
    ]
    assert state(hass, "sensor", "anomaly_probability") == "90.0"

    detector.verdict = QUIET
    await pass_time(hass, freezer, 30)
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF


async def test_equal_verdicts_write_no_state(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    found = hass.states.get(entity_id(hass, "binary_sensor", "anomaly"))
    assert found is not None
    detector.verdict = replace(QUIET, score=0.0201)
    await pass_time(hass, freezer, 28)
    again = hass.states.get(entity_id(hass, "binary_sensor", "anomaly"))
    assert again is not None
    assert again.last_reported == found.last_reported
    assert watch(entry).verdict == detector.verdict


async def test_without_a_heat_pump_there_is_no_verdict(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    await pass_time(hass, freezer, 2)
    fake.driver.error = LinkLostError("gone")
    await pass_time(hass, freezer, 28)
    assert state(hass, "binary_sensor", "anomaly") == STATE_UNAVAILABLE
    fake.driver.error = None
    await pass_time(hass, freezer, 30)
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF


async def test_what_was_learned_outlives_a_reload(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
) -> None:
    await pass_time(hass, freezer, 2)
    assert detector.restored is None
    await pass_time(hass, freezer, 28)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await pass_time(hass, freezer, 2)
    assert detector.restored is not None
    assert detector.restored["seen"] == 1


async def test_what_was_learned_is_saved_every_six_hours(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
) -> None:
    await pass_time(hass, freezer, 2)
    await pass_time(hass, freezer, timedelta(hours=6).total_seconds())
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}.detector"]["data"]
    assert stored["seen"] == len(detector.seen)
    assert stored["noted"]["settings"] == entry.runtime_data.anomaly.memory.to_json()["settings"]


async def test_snapshots_do_not_pile_up_before_a_busy_thread(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await pass_time(hass, freezer, 2)
    monkeypatch.setattr(anomaly, "BACKLOG", 3)
    detector.gate.clear()
    snapshot = entry.runtime_data.coordinator.data
    for _ in range(5):
        watch(entry).take(snapshot)
    assert watch(entry).skipped == 2
    detector.gate.set()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(detector.seen) == 3


async def test_without_river_everything_else_works(
    hass: HomeAssistant,
    fake: FakeFamily,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    issues = ir.async_get(hass)
    detector.error = ImportError("no river here")
    await pass_time(hass, freezer, 2)
    issue = issues.async_get_issue(DOMAIN, "river_missing")
    assert issue is not None
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.WARNING, False)
    assert state(hass, "binary_sensor", "anomaly") == STATE_UNAVAILABLE
    fake.driver.values["outdoor_temperature"] = 4.0
    await pass_time(hass, freezer, 28)
    assert state(hass, "sensor", "outdoor_temperature") == "4.0"

    detector.error = None
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    await pass_time(hass, freezer, 2)
    assert issues.async_get_issue(DOMAIN, "river_missing") is None
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF


async def test_the_repair_goes_with_the_last_heat_pump(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    detector.error = ImportError("no river here")
    await pass_time(hass, freezer, 2)
    await hass.config_entries.async_remove(entry.entry_id)
    assert ir.async_get(hass).async_get_issue(DOMAIN, "river_missing") is None


async def test_an_unload_while_it_is_loaded_is_fine(
    hass: HomeAssistant, fake: FakeFamily, detector: FakeDetector
) -> None:
    loading = threading.Event()
    ready = threading.Event()

    def load(points: Iterable[Point], saved: Mapping[str, Any] | None) -> Any:
        loading.set()
        ready.wait(10)
        return detector, QUIET

    entry = make_entry()
    with patch.object(anomaly, "_load_detector", load):
        await set_up(hass, entry)
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
        await hass.async_add_executor_job(loading.wait, 10)
        unloading = asyncio.ensure_future(hass.config_entries.async_unload(entry.entry_id))
        await asyncio.sleep(0)
        ready.set()
        assert await unloading
    await hass.async_block_till_done()
    assert not [t for t in threading.enumerate() if t.name.startswith(DOMAIN)]


async def test_the_real_detector_loads_and_judges(hass: HomeAssistant, fake: FakeFamily) -> None:
    with patch.object(anomaly, "LOAD_DELAY", 0.0):
        entry = make_entry()
        await set_up(hass, entry)
        await asyncio.sleep(0)
        await hass.async_block_till_done(wait_background_tasks=True)
    await entry.runtime_data.coordinator.async_refresh()
    await hass.async_block_till_done(wait_background_tasks=True)
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF
    assert await hass.config_entries.async_reload(entry.entry_id)


async def test_a_standing_alarm_is_not_over_while_a_gap_is_learned(
    hass: HomeAssistant,
    fake: FakeFamily,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> None:
    detector.verdict = STUCK
    entry = make_entry()
    await set_up(hass, entry)
    shown: list[str] = []

    async def learn(_self: Any, _detector: Any, _run: Any, on_progress: Any, **_more: Any) -> None:
        on_progress(STUCK)
        shown.append(state(hass, "binary_sensor", "anomaly"))

    with patch("custom_components.heat_pump_hub.warm_start.WarmStart.async_learn", learn):
        await pass_time(hass, freezer, 2)
        assert shown == [STATE_UNKNOWN]
        detector.seen_until = None
        await hass.config_entries.async_reload(entry.entry_id)
        await pass_time(hass, freezer, 2)
    # a new one has nothing to alarm about, and shows how far it is
    assert shown == [STATE_UNKNOWN, STATE_OFF]
