"""The blueprint that tells of anomalies, in a real automation."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.automation.const import DOMAIN as AUTOMATION
from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed, async_mock_service

SOURCE = Path(__file__).parents[1] / "blueprints"
FOLDER = "heat_pump_hub"
ENGLISH, GERMAN = "anomaly_notify.yaml", "anomaly_notify_de.yaml"
EPISODE = "event.cellar_anomaly"
REASON = "Hot gas is at 91 °C; 82 °C are usual."


@pytest.fixture
def messages(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "send_message")


async def automate(hass: HomeAssistant, name: str = ENGLISH, **inputs: Any) -> None:
    await hass.async_add_executor_job(
        shutil.copytree,
        SOURCE,
        hass.config.path("blueprints"),
        False,
        None,
        shutil.copy2,
        False,
        True,
    )
    hass.states.async_set(EPISODE, "unknown")
    blueprint = {
        "path": f"{FOLDER}/{name}",
        "input": {"episode": EPISODE, "notifiers": ["notify.phone"], "title": "Cellar"} | inputs,
    }
    assert await async_setup_component(
        hass, AUTOMATION, {AUTOMATION: {"alias": "Tell me", "use_blueprint": blueprint}}
    )
    await hass.async_block_till_done()


async def settle() -> None:
    """Let everything run that can; an automation that waits is not waited for."""
    for _ in range(50):
        await asyncio.sleep(0)


async def happen(hass: HomeAssistant, event: str) -> None:
    """Let the event entity say that something happened."""
    hass.states.async_set(
        EPISODE,
        dt_util.utcnow().isoformat(timespec="milliseconds"),
        {"event_type": event, "explanation": REASON},
    )
    await settle()


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, **time: float) -> None:
    freezer.tick(timedelta(**time))
    async_fire_time_changed(hass)
    await settle()


@pytest.fixture(autouse=True)
async def noon(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await hass.config.async_set_time_zone("Europe/Vienna")
    freezer.move_to(datetime(2026, 11, 20, 12, tzinfo=dt_util.get_default_time_zone()))


def told(messages: list[ServiceCall]) -> list[str]:
    return [call.data["message"] for call in messages]


@pytest.mark.parametrize(
    ("name", "over"),
    [
        (ENGLISH, "The heat pump behaves as usual again."),
        (GERMAN, "Die Wärmepumpe verhält sich wieder wie gewohnt."),
    ],
)
async def test_the_reason_is_told_and_when_it_is_over(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    messages: list[ServiceCall],
    name: str,
    over: str,
) -> None:
    await automate(hass, name)
    await happen(hass, "anomaly_started")
    assert told(messages) == [REASON]
    assert messages[0].data["entity_id"] == ["notify.phone"]
    assert messages[0].data["title"] == "Cellar"

    await pass_time(hass, freezer, hours=3)
    await happen(hass, "anomaly_ended")
    assert told(messages) == [REASON, over]


def test_the_german_one_does_the_same() -> None:
    """All that differs is what an owner reads, and where it comes from."""
    english, german = (
        load_yaml_dict(SOURCE / "automation" / FOLDER / name) for name in (ENGLISH, GERMAN)
    )
    for one, name in ((english, ENGLISH), (german, GERMAN)):
        head = one["blueprint"]
        assert head.pop("source_url").endswith(f"/automation/{FOLDER}/{name}")
        texts = [head, *head["input"].values()]
        assert all(text.pop("name") for text in texts)
        for text in texts:
            text.pop("description", None)
        for key in ("title", "cleared"):
            assert head["input"][key].pop("default")
    assert english == german


async def test_in_quiet_hours_nothing_is_told_before_their_end(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, messages: list[ServiceCall]
) -> None:
    await automate(hass)
    await pass_time(hass, freezer, hours=11)
    await happen(hass, "anomaly_started")
    assert told(messages) == []
    await pass_time(hass, freezer, hours=8, seconds=1)
    assert told(messages) == [REASON]


async def test_what_is_over_by_the_morning_is_not_told(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, messages: list[ServiceCall]
) -> None:
    await automate(hass)
    await pass_time(hass, freezer, hours=13)
    await happen(hass, "anomaly_started")
    await happen(hass, "anomaly_ended")
    await pass_time(hass, freezer, hours=6, seconds=1)
    assert told(messages) == []


async def test_after_an_episode_there_is_a_pause_and_what_stands_then_is_told(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, messages: list[ServiceCall]
) -> None:
    await automate(hass, cleared="", quiet_begin="00:00:00", quiet_end="00:00:00")
    await happen(hass, "anomaly_started")
    await happen(hass, "anomaly_ended")
    await pass_time(hass, freezer, hours=1)
    await happen(hass, "anomaly_started")
    assert told(messages) == [REASON]
    await pass_time(hass, freezer, hours=5, seconds=1)
    assert told(messages) == [REASON, REASON]


async def test_an_alarm_that_was_accepted_is_not_told_to_be_over(
    hass: HomeAssistant, messages: list[ServiceCall]
) -> None:
    await automate(hass)
    await happen(hass, "anomaly_started")
    await happen(hass, "anomaly_accepted")
    assert told(messages) == [REASON]


async def test_after_a_restart_only_the_end_is_told(
    hass: HomeAssistant, messages: list[ServiceCall]
) -> None:
    hass.set_state(CoreState.not_running)
    await automate(hass)
    await happen(hass, "anomaly_started")
    await hass.async_start()
    await settle()
    await settle()
    assert told(messages) == []
    await happen(hass, "anomaly_ended")
    assert told(messages) == ["The heat pump behaves as usual again."]


async def test_an_entity_that_appears_is_no_news(
    hass: HomeAssistant, messages: list[ServiceCall]
) -> None:
    await automate(hass)
    hass.states.async_remove(EPISODE)
    await happen(hass, "anomaly_started")
    assert told(messages) == []
