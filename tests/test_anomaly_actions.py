"""Asking a detector: a self-test on the heat pump's own data, and the numbers behind a verdict."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util, yaml
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.heat_pump_hub import anomaly, anomaly_actions
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.detection import Signal
from custom_components.heat_pump_hub.detection.basis import relations_of
from custom_components.heat_pump_hub.detection.self_test import FAULTS, OF_SENSOR, watches
from custom_components.heat_pump_hub.drivers.points import Kind, Snapshot, Tier
from custom_components.heat_pump_hub.history.journal_file import JournalError
from custom_components.heat_pump_hub.names import entity_of

from .detection.plant import PLANT
from .fakes import POINTS, VALUES, FakeFamily, make_entry, set_up

INTEGRATION = Path(anomaly_actions.__file__).parent


async def watching(hass: HomeAssistant) -> MockConfigEntry:
    """Return an entry whose detector, a real one, watches."""
    entry = make_entry()
    with patch.object(anomaly, "LOAD_DELAY", 0.0):
        await set_up(hass, entry)
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=1))
        await hass.async_block_till_done(wait_background_tasks=True)
    return entry


async def live(entry: MockConfigEntry, hours: int, **values: Any) -> None:
    """Let the journal have hours of polls, one in five minutes."""
    begin = dt_util.utcnow() - timedelta(hours=hours)
    measured = {k: v for k, v in VALUES.items() if not POINTS[k].writable}
    for number in range(hours * 12):
        entry.runtime_data.journal.take(
            Snapshot(
                time=begin + timedelta(minutes=5 * number),
                values={**measured, "outdoor_temperature": 3 + number % 7 / 2, **values},
                tiers=frozenset({Tier.MEASUREMENT}),
            )
        )
        if not number % 50:
            await entry.runtime_data.journal.flush()


async def ask(hass: HomeAssistant, action: str, **data: Any) -> dict[str, Any]:
    return await hass.services.async_call(DOMAIN, action, data, blocking=True, return_response=True)


async def test_a_self_test_plays_the_own_data_with_a_fault(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = await watching(hass)
    await live(entry, 24)
    before = entry.runtime_data.anomaly.verdict

    answer = await ask(
        hass, "self_test", fault="offset", signal="outdoor_temperature", severity=5, days=1
    )
    assert answer["noticed"] is False
    assert answer["signal"] == "outdoor_temperature"
    assert 23 < answer["played_hours"] <= 24
    # the detector itself saw nothing of it
    assert entry.runtime_data.anomaly.verdict == before


async def test_what_was_noticed_is_told_with_its_reason(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = await watching(hass)
    await live(entry, 24)
    # what no detector has to learn first
    with patch(
        "custom_components.heat_pump_hub.detection.self_test._change",
        lambda values, key, factor=1.0, plus=0.0: values.update({key: 500.0}),
    ):
        answer = await ask(hass, "self_test", signal="outdoor_temperature", days=2)
    assert answer["noticed"] is True
    assert answer["hours"] < 1
    assert answer["reason"]["monitor"] == "range"
    assert answer["reason"]["suspect"] == "outdoor_temperature"


async def test_the_numbers_behind_a_verdict(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = await watching(hass)
    entry.runtime_data.anomaly.take(entry.runtime_data.coordinator.data)
    await hass.async_block_till_done(wait_background_tasks=True)
    answer = await ask(hass, "explain")
    assert answer["state"] == "learning"
    assert answer["warm_ups"]["range"] == 1.0
    assert (await ask(hass, "explain", relations=["electrical_power"]))["reasons"] == []


async def test_a_signal_may_be_named_by_its_entity(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = await watching(hass)
    await live(entry, 24)
    identity = entry.runtime_data.identity
    entity = entity_of(hass, identity, POINTS["outdoor_temperature"])
    assert entity is not None
    answer = await ask(hass, "self_test", fault="stuck", signal=entity.entity_id, days=0.1)
    assert answer["signal"] == "outdoor_temperature"
    # a fault of the machine needs no signal, also where there is no return temperature
    answer = await ask(hass, "self_test", fault="icing", days=0.1)
    assert answer["signal"] is None

    power = entity_of(hass, identity, POINTS["electrical_power"])
    assert power is not None
    assert (await ask(hass, "explain", relations=[power.entity_id]))["reasons"] == []


def test_relations_are_found_by_their_signals() -> None:
    services = yaml.load_yaml_dict(str(INTEGRATION / "services.yaml"))
    example = services["explain"]["fields"]["relations"]["example"]
    known = {one.name: one.signals for one in relations_of(PLANT)}
    found = anomaly_actions._related(known, example)
    assert {"spread", "condenser_gap"} <= set(found)
    assert all(example in known[name] for name in found)
    assert anomaly_actions._related(known, "spread") == ["spread"]
    assert anomaly_actions._related(known, "nonsense") == []


def test_what_is_watched_for_a_fault_of_a_sensor() -> None:
    signals = [*PLANT, Signal(key="my_own_valve", kind=Kind.ANALOG, unit=None)]
    assert watches(signals, "stuck", "return_temperature")
    assert watches(signals, "stuck", "my_own_valve")
    assert not watches(signals, "stuck", "operating_mode")
    assert not watches(signals, "drift", "no_such")
    assert watches(signals, "icing", "no_such")


async def test_a_relation_that_there_is_not_is_said_with_those_that_there_are(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = await watching(hass)
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, "explain", relations=["electrical_power", "nonsense", "more", "more"])
    assert raised.value.translation_key == "unknown_relation"
    told = raised.value.translation_placeholders
    assert told is not None
    assert told["relations"] == "nonsense, more"
    assert "electrical_power" in told["known"].split(", ")
    assert set(told["known"].split(", ")) == set(entry.runtime_data.anomaly.relations)


async def test_without_any_relation_that_is_said(hass: HomeAssistant, fake: FakeFamily) -> None:
    watch = (await watching(hass)).runtime_data.anomaly
    watch._points = []
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, "explain", relations=["spread"])
    assert raised.value.translation_key == "no_relations"


async def test_numbers_have_sensible_digits(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = await watching(hass)
    explained = {
        "score": 0.123456789,
        "relations": [{"points": [["2026-11-20T00:00:00+00:00", 4254.51234, -31.23456, 0.0]]}],
        "measures": [{"usual": 123456.7, "judged": True, "threshold": float("inf")}],
        "time": None,
    }
    with patch.object(entry.runtime_data.anomaly, "async_explain", return_value=explained):
        answer = await ask(hass, "explain")
    assert answer == {
        "score": 0.123,
        "relations": [{"points": [["2026-11-20T00:00:00+00:00", 4255.0, -31.23, 0.0]]}],
        "measures": [{"usual": 123457.0, "judged": True, "threshold": float("inf")}],
        "time": None,
    }


async def test_a_detector_that_does_not_watch_says_so(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    for action in ("self_test", "explain"):
        data = {"signal": "outdoor_temperature"} if action == "self_test" else {}
        with pytest.raises(ServiceValidationError) as raised:
            await ask(hass, action, **data)
        assert raised.value.translation_key == "not_watching"


async def test_what_cannot_be_tested_is_said(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = await watching(hass)
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, "self_test", signal="no_such")
    assert raised.value.translation_key == "self_test_unknown_signal"
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, "self_test", fault="burglary")
    assert raised.value.translation_key == "not_a_choice"
    # a mode may rest for days, and so may what no relation is about
    for fault, signal in (
        ("stuck", "operating_mode"),
        ("offset", "operating_mode"),
        ("stuck", "electricity_price"),
    ):
        with pytest.raises(ServiceValidationError) as raised:
            await ask(hass, "self_test", fault=fault, signal=signal)
        assert raised.value.translation_key == "self_test_not_watched"

    entry.runtime_data.journal._batch.clear()
    with pytest.raises(ServiceValidationError) as raised:
        await ask(hass, "self_test", signal="outdoor_temperature")
    assert raised.value.translation_key == "self_test_no_data"

    with (
        patch.object(entry.runtime_data.journal, "snapshots", side_effect=JournalError("gone")),
        pytest.raises(HomeAssistantError, match="gone") as failed,
    ):
        await ask(hass, "self_test", signal="outdoor_temperature")
    assert failed.value.translation_key == "self_test_unreadable"


@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_fault_has_its_words(hass: HomeAssistant, language: str) -> None:
    assert anomaly_actions.FAULTS == FAULTS
    assert anomaly_actions.FAULTS_OF_SENSOR == OF_SENSOR
    texts = await async_get_translations(hass, language, "selector", {DOMAIN})
    prefix = f"component.{DOMAIN}.selector.self_test_fault.options."
    assert {key.removeprefix(prefix) for key in texts if key.startswith(prefix)} == set(FAULTS)
