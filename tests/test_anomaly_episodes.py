"""Episodes of anomalies: events, answers, the repair, and what the logbook says."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.heat_pump_hub.anomaly_episodes import EVENT_ANOMALY
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.detection import Reason, Verdict
from custom_components.heat_pump_hub.logbook import async_describe_events

from .fake_detector import QUIET, STUCK, FakeDetector, pass_time
from .fakes import FakeFamily, entity_id, make_entry, set_up, state

HOUR = 3600.0
ANSWERS = ("normal", "fixed", "confirmed")
ISSUE = "anomaly_01FIXED0000000000000000000"
ACCEPTED = replace(
    STUCK,
    alarm=False,
    state="normal",
    unanswered=True,
    reasons=(replace(STUCK.reasons[0], context={"accepted": True, "confirmed": False}),),
)
COLD = Reason(
    monitor="relation_fast",
    signals=("circuit_a_flow_temperature",),
    suspect=None,
    observed=21.0,
    expected=31.0,
    tolerance=2.0,
    since=datetime(2026, 11, 20, 9, tzinfo=UTC),
    context={"unit": "°C", "mode": "heating", "causes": "pump,strainer"},
)


type Events = list[Event[Any]]
type Judge = Callable[..., Awaitable[None]]


@pytest.fixture
async def entry(
    freezer: FrozenDateTimeFactory, hass: HomeAssistant, fake: FakeFamily, detector: FakeDetector
) -> MockConfigEntry:
    entry = make_entry()
    await set_up(hass, entry)
    await pass_time(hass, freezer, 2)
    return entry


@pytest.fixture
def events(hass: HomeAssistant) -> Events:
    return async_capture_events(hass, EVENT_ANOMALY)


@pytest.fixture
def judge(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
) -> Judge:
    """Let the detector come to a verdict, and some time pass."""

    async def judge(verdict: Verdict, seconds: float = 30) -> None:
        detector.verdict = verdict
        await pass_time(hass, freezer, seconds)

    return judge


def issue(hass: HomeAssistant) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, ISSUE)


def answers(hass: HomeAssistant) -> list[str]:
    return [key for key in ANSWERS if state(hass, "button", f"anomaly_{key}") != STATE_UNAVAILABLE]


async def press(hass: HomeAssistant, answer: str) -> None:
    await hass.services.async_call(
        "button",
        "press",
        {"entity_id": entity_id(hass, "button", f"anomaly_{answer}")},
        blocking=True,
    )
    await hass.async_block_till_done(wait_background_tasks=True)


def kinds(events: Events) -> list[str]:
    return [event.data["type"].removeprefix("anomaly_") for event in events]


async def test_an_episode_is_an_event_with_a_sentence(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    assert state(hass, "event", "anomaly_episode") == STATE_UNKNOWN
    alarm = replace(STUCK, reasons=(COLD, *STUCK.reasons))
    await judge(alarm)
    found = hass.states.get(entity_id(hass, "event", "anomaly_episode"))
    assert found is not None
    attributes = found.attributes
    assert attributes["event_type"] == "anomaly_started"
    assert attributes["event_types"] == ["anomaly_started", "anomaly_ended", "anomaly_accepted"]
    sentence = (
        "“Circuit A Flow temperature” is at 21.0 °C; "
        "31.0 °C ± 2.0 K would be usual in this situation."
    )
    assert attributes["sentence"] == sentence
    assert attributes["explanation"].startswith(f"{sentence} Since 20 November, ")
    assert attributes["monitor"] == "relation_fast"
    assert attributes["suspect"] is None
    assert (attributes["observed"], attributes["expected"]) == (21.0, 31.0)
    assert attributes["unit"] == "°C"
    assert attributes["causes"] == [
        "a weak circulation pump, air in the pipes or a closed valve",
        "a clogged strainer or filter",
    ]
    anomaly_state = hass.states.get(entity_id(hass, "binary_sensor", "anomaly"))
    assert anomaly_state is not None
    assert anomaly_state.attributes["explanation"] == attributes["explanation"]
    assert kinds(events) == ["started"]
    assert events[0].data["message"] == f"reports unusual behaviour: {sentence}"
    assert events[0].data["entity_id"] == found.entity_id


async def test_everything_that_is_told_has_the_units_of_the_owner(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    await judge(replace(STUCK, reasons=(COLD,)))
    sentence = (
        "“Circuit A Flow temperature” is at 69.8 °F; "
        "87.8 °F ± 3.6 °F would be usual in this situation."
    )
    happened = hass.states.get(entity_id(hass, "event", "anomaly_episode"))
    assert happened is not None
    assert happened.attributes["sentence"] == sentence
    assert happened.attributes["explanation"].startswith(sentence)
    numbers = {key: happened.attributes[key] for key in ("observed", "expected", "unit")}
    assert numbers == {"observed": 69.8, "expected": 87.8, "unit": "°F"}
    assert events[0].data["message"].endswith(sentence)
    found = issue(hass)
    assert found is not None
    assert found.translation_placeholders is not None
    assert found.translation_placeholders["explanation"].startswith(sentence)
    shown = hass.states.get(entity_id(hass, "binary_sensor", "anomaly"))
    assert shown is not None
    assert shown.attributes["explanation"].startswith(sentence)
    (one,) = shown.attributes["reasons"]
    assert (one["observed"], one["tolerance"], one["unit"]) == (69.8, 3.6, "°F")


async def test_quiet_for_less_than_six_hours_is_the_same_episode(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    await judge(STUCK)
    await judge(QUIET)
    await judge(QUIET, 5.9 * HOUR)
    await judge(STUCK)
    await judge(QUIET)
    await judge(QUIET, 5.9 * HOUR)
    assert kinds(events) == ["started"]
    await judge(QUIET, 0.2 * HOUR)
    assert kinds(events) == ["started", "ended"]
    await judge(STUCK)
    assert kinds(events) == ["started", "ended", "started"]


async def test_answers_are_offered_while_they_mean_something(
    hass: HomeAssistant, judge: Judge, detector: FakeDetector
) -> None:
    assert answers(hass) == []
    await judge(STUCK)
    assert answers(hass) == ["normal", "fixed", "confirmed"]
    await press(hass, "confirmed")
    assert answers(hass) == ["normal", "fixed"]
    assert detector.answers == ["confirmed"]


@pytest.mark.parametrize("answer", ["normal", "fixed"])
async def test_an_answer_ends_the_episode(
    hass: HomeAssistant, judge: Judge, detector: FakeDetector, events: Events, answer: str
) -> None:
    await judge(STUCK)
    detector.after[answer] = QUIET
    await press(hass, answer)
    assert detector.answers == [answer]
    assert state(hass, "binary_sensor", "anomaly") == STATE_OFF
    assert kinds(events) == ["started", "ended"]
    assert issue(hass) is None
    assert answers(hass) == []
    await judge(STUCK)
    assert kinds(events) == ["started", "ended", "started"]
    assert issue(hass) is not None


async def test_a_confirmed_fault_alarms_until_it_is_over(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    await judge(STUCK)
    await press(hass, "confirmed")
    await judge(STUCK)
    assert state(hass, "binary_sensor", "anomaly") == STATE_ON
    assert issue(hass) is None
    await judge(QUIET)
    assert kinds(events) == ["started", "ended"]
    assert answers(hass) == []


async def test_the_repair_stays_after_three_days(
    hass: HomeAssistant, judge: Judge, detector: FakeDetector, events: Events
) -> None:
    await judge(STUCK)
    await judge(ACCEPTED)
    await judge(ACCEPTED, 12 * HOUR)
    assert kinds(events) == ["started", "accepted"]
    found = issue(hass)
    assert found is not None
    assert found.translation_placeholders is not None
    assert "three days" in found.translation_placeholders["state"]
    assert answers(hass) == ["normal", "fixed", "confirmed"]
    # the detector alarms again about what was accepted, if its owner calls it a fault
    detector.after["confirmed"] = STUCK
    await press(hass, "confirmed")
    await judge(STUCK)
    assert kinds(events) == ["started", "accepted"]
    assert issue(hass) is None


async def test_another_alarm_after_an_accepted_one_is_another_episode(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    await judge(ACCEPTED)
    assert kinds(events) == []
    await judge(STUCK)
    await judge(ACCEPTED)
    await judge(replace(STUCK, reasons=(COLD, *ACCEPTED.reasons)))
    assert kinds(events) == ["started", "accepted", "started"]


async def test_the_repair_stays_when_the_episode_ended_by_itself(
    hass: HomeAssistant, judge: Judge
) -> None:
    await judge(STUCK)
    await judge(QUIET)
    await judge(QUIET, 7 * HOUR)
    found = issue(hass)
    assert found is not None
    assert found.translation_placeholders is not None
    assert "ended by itself" in found.translation_placeholders["state"]
    assert answers(hass) == ["normal", "fixed", "confirmed"]
    await press(hass, "fixed")
    assert issue(hass) is None
    assert answers(hass) == []


@pytest.mark.parametrize("ended", [False, True])
async def test_the_repair_and_the_episode_outlive_a_restart(
    hass: HomeAssistant,
    judge: Judge,
    entry: MockConfigEntry,
    detector: FakeDetector,
    hass_storage: dict[str, Any],
    events: Events,
    ended: bool,
) -> None:
    await judge(STUCK)
    if ended:
        await judge(QUIET)
        await judge(QUIET, 7 * HOUR)
    before = issue(hass)
    assert before is not None
    await hass.config_entries.async_unload(entry.entry_id)
    assert issue(hass) is None
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    after = issue(hass)
    assert after is not None
    assert after.translation_placeholders == before.translation_placeholders
    seen = len(events)
    await judge(detector.verdict, 2)
    await judge(detector.verdict)
    assert len(events) == seen
    assert issue(hass) is not None


@pytest.mark.parametrize("damage", [{"reasons": None}, {"reasons": [{}]}, {"answer": 1}])
async def test_a_damaged_episode_is_raised_again_by_the_verdict(
    hass: HomeAssistant,
    judge: Judge,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    damage: dict[str, Any],
) -> None:
    await judge(STUCK)
    await hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"{DOMAIN}.{entry.entry_id}.episode"]["data"] = damage
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert issue(hass) is None
    await judge(STUCK, 2)
    assert issue(hass) is not None


async def test_the_repair_goes_with_the_heat_pump(
    hass: HomeAssistant, judge: Judge, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    await judge(STUCK)
    await hass.config_entries.async_remove(entry.entry_id)
    assert issue(hass) is None
    assert f"{DOMAIN}.{entry.entry_id}.episode" not in hass_storage


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_repair_takes_each_answer(
    hass: HomeAssistant,
    judge: Judge,
    hass_client: ClientSessionGenerator,
    detector: FakeDetector,
    answer: str,
) -> None:
    assert await async_setup_component(hass, "repairs", {})
    await judge(replace(STUCK, reasons=(COLD,)))
    found = issue(hass)
    assert found is not None
    assert (found.is_fixable, found.severity) == (True, ir.IssueSeverity.WARNING)
    client = await hass_client()
    menu = await (
        await client.post("/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": ISSUE})
    ).json()
    assert (menu["type"], menu["menu_options"]) == ("menu", list(ANSWERS))
    words = menu["description_placeholders"]
    assert words["title"] == "Cellar"
    assert "is at 21.0 °C" in words["explanation"]
    assert "Possible causes: a weak circulation pump" in words["explanation"]
    if answer != "confirmed":
        detector.after[answer] = QUIET
    result = await (
        await client.post(
            f"/api/repairs/issues/fix/{menu['flow_id']}", json={"next_step_id": answer}
        )
    ).json()
    if answer == "confirmed":
        assert (result["type"], result["reason"]) == ("abort", "confirmed")
    else:
        assert result["type"] == "create_entry"
    await hass.async_block_till_done(wait_background_tasks=True)
    assert detector.answers == [answer]
    assert issue(hass) is None
    assert state(hass, "binary_sensor", "anomaly") == (
        STATE_ON if answer == "confirmed" else STATE_OFF
    )


@pytest.mark.parametrize("late", [False, True])
async def test_a_heat_pump_that_is_not_loaded_takes_no_answer(
    hass: HomeAssistant,
    judge: Judge,
    hass_client: ClientSessionGenerator,
    entry: MockConfigEntry,
    detector: FakeDetector,
    late: bool,
) -> None:
    assert await async_setup_component(hass, "repairs", {})
    await judge(STUCK)
    client = await hass_client()
    url = "/api/repairs/issues/fix"
    body = {"handler": DOMAIN, "issue_id": ISSUE}
    if late:
        menu = await (await client.post(url, json=body)).json()
        await hass.config_entries.async_unload(entry.entry_id)
        url, body = f"{url}/{menu['flow_id']}", {"next_step_id": "normal"}
    else:
        await hass.config_entries.async_unload(entry.entry_id)
        ir.async_create_issue(
            hass,
            DOMAIN,
            ISSUE,
            data={"entry_id": entry.entry_id},
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key="anomaly",
        )
    response = await client.post(url, json=body)
    assert response.status == HTTPStatus.OK
    result = await response.json()
    assert (result["type"], result["reason"]) == ("abort", "not_loaded")
    assert detector.answers == []


async def test_it_can_be_paused(
    hass: HomeAssistant,
    judge: Judge,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
    events: Events,
) -> None:
    await judge(STUCK)
    switch = entity_id(hass, "switch", "anomaly_pause")
    assert state(hass, "switch", "anomaly_pause") == STATE_OFF
    await hass.services.async_call("switch", "turn_on", {"entity_id": switch}, blocking=True)
    assert state(hass, "switch", "anomaly_pause") == STATE_ON
    assert detector.paused
    await pass_time(hass, freezer, 8 * HOUR)
    # what was asked before is still asked
    assert issue(hass) is not None
    assert kinds(events) == ["started"]
    # and what stood stands, so that no automation hears of it again
    assert state(hass, "binary_sensor", "anomaly") == STATE_ON
    await hass.services.async_call("switch", "turn_off", {"entity_id": switch}, blocking=True)
    assert state(hass, "switch", "anomaly_pause") == STATE_OFF
    assert state(hass, "binary_sensor", "anomaly") == STATE_ON
    assert kinds(events) == ["started"]


async def test_the_logbook_tells_it_in_a_sentence(
    hass: HomeAssistant, judge: Judge, events: Events
) -> None:
    described: list[dict[str, str]] = []
    await judge(STUCK)
    async_describe_events(
        hass, lambda _domain, _type, describe: described.append(describe(events[0]))
    )
    assert described == [
        {
            "name": "Cellar",
            "message": events[0].data["message"],
            "entity_id": entity_id(hass, "event", "anomaly_episode"),
        }
    ]
    assert (
        events[0]
        .data["message"]
        .startswith("reports unusual behaviour: “Outdoor temperature” has ")
    )


async def test_an_episode_does_not_end_while_the_past_is_learned(
    hass: HomeAssistant,
    judge: Judge,
    entry: MockConfigEntry,
    detector: FakeDetector,
    freezer: FrozenDateTimeFactory,
    events: Events,
) -> None:
    await judge(STUCK)
    await press(hass, "confirmed")
    detector.seen_until = None

    async def learn(_self: Any, _detector: Any, _run: Any, on_progress: Any, **_more: Any) -> None:
        on_progress(QUIET)

    with patch("custom_components.heat_pump_hub.warm_start.WarmStart.async_learn", learn):
        await hass.config_entries.async_reload(entry.entry_id)
        await pass_time(hass, freezer, 2)
    assert kinds(events) == ["started"]
    assert answers(hass) == ["normal", "fixed"]
