"""How long a state of the recorder stood: long enough to be learned, never when it was dead."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.db_schema import RecorderRuns
from homeassistant.components.recorder.util import session_scope
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.heat_pump_hub.drivers.points import OPERATING_MODES, Kind, Quantity, Value
from custom_components.heat_pump_hub.warm_recorder import RecorderPast
from custom_components.heat_pump_hub.warm_sources import Sample

from .test_warm_start import in_thread, point

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
BEGIN = NOW - timedelta(hours=40)
"""Before everything in these tests."""
POINTS = {
    one.key: one
    for one in (
        point("outdoor_temperature", Quantity.TEMPERATURE),
        point("dhw_temperature", Quantity.TEMPERATURE),
        point("operating_mode", Quantity.STATE, Kind.STATE, options=OPERATING_MODES),
    )
}
ENTITIES = {key: f"sensor.old_{key}" for key in POINTS}
CELSIUS = {"unit_of_measurement": "°C"}


def hours(number: float) -> datetime:
    return BEGIN + timedelta(hours=number)


class Past:
    """What another integration showed, hour by hour."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass
        self._shown: list[tuple[datetime, str, str]] = []

    def show(self, key: str, at: float, state: str) -> None:
        self._shown.append((hours(at), key, state))

    def weather(self, first: float, last: float) -> None:
        """Show another temperature outdoors every ten minutes."""
        for number in range(round((last - first) * 6) + 1):
            self.show("outdoor_temperature", first + number / 6, str(number % 7))

    async def record(self) -> None:
        for time, key, state in sorted(self._shown):
            self._hass.states.async_set(
                ENTITIES[key],
                state,
                {} if key == "operating_mode" else CELSIUS,
                timestamp=time.timestamp(),
            )
        await async_wait_recording_done(self._hass)

    async def runs(self, *runs: tuple[float, float, bool]) -> None:
        """Let the recorder have had runs: begin, end, and whether that was a crash."""

        def write() -> None:
            with session_scope(hass=self._hass) as session:
                for first, last, crashed in runs:
                    session.add(
                        RecorderRuns(start=hours(first), end=hours(last), closed_incorrect=crashed)
                    )

        await get_instance(self._hass).async_add_executor_job(write)

    async def learned(self, first: float = 0.0, last: float = 39.0) -> list[Sample]:
        past = RecorderPast(self._hass, in_thread, ENTITIES, POINTS)
        return [sample async for some in past.samples(hours(first), hours(last)) for sample in some]


@pytest.fixture
async def past(recorder_mock: Any, hass: HomeAssistant) -> Past:
    return Past(hass)


def when(
    samples: Iterable[Sample], key: str, value: Value | None = None
) -> tuple[float, float, int]:
    """Return the first and the last hour in which a value was there, and how many minutes."""
    there = [
        (time - BEGIN) / timedelta(hours=1)
        for time, values in samples
        if (key in values if value is None else values.get(key) == value)
    ]
    return (round(there[0], 2), round(there[-1], 2), len(there)) if there else (0, 0, 0)


def near(hour: float) -> Any:
    return pytest.approx(hour, abs=0.04)


async def test_a_mode_stands_until_the_next_one(past: Past) -> None:
    past.weather(0.5, 20)
    past.show("operating_mode", 1, "heating")
    past.show("operating_mode", 15, "off")
    await past.record()

    samples = await past.learned()

    assert when(samples, "operating_mode", "heating") == (near(1), near(15), 14 * 60)
    # the last one, too, as long as the heat pump shows anything at all
    assert when(samples, "operating_mode", "off")[:2] == (near(15), near(20.5))
    assert when(samples, "outdoor_temperature")[:2] == (near(0.5), near(20.5))


async def test_what_stood_before_is_known_from_the_beginning(past: Past) -> None:
    past.show("operating_mode", 1, "heating")
    past.weather(0.5, 20)
    await past.record()
    samples = await past.learned(first=10)
    assert when(samples, "operating_mode", "heating")[:2] == (near(10), near(20.5))


@pytest.mark.parametrize("gone", ["unavailable", "unknown", "a mode that nobody knows"])
async def test_a_state_that_is_gone_ends_it(past: Past, gone: str) -> None:
    past.weather(0.5, 20)
    past.show("operating_mode", 1, "heating")
    past.show("operating_mode", 4, gone)
    past.show("operating_mode", 9, "off")
    await past.record()
    samples = await past.learned()
    assert when(samples, "operating_mode", "heating") == (near(1), near(4), 180)
    assert when(samples, "operating_mode", "off")[0] == near(9)


async def test_what_was_read_again_and_again_stands_until_it_was_not(past: Past) -> None:
    past.weather(0.5, 25)
    for number in range(13):
        past.show("dhw_temperature", 1 + number, "48.5")
        past.show("operating_mode", 1 + number, "heating")
    past.show("dhw_temperature", 22, "50.5")
    past.show("operating_mode", 22, "off")
    await past.record()
    samples = await past.learned()
    # the reports ended at 13, and a state that nobody reports is not believed for long
    assert when(samples, "dhw_temperature", 48.5) == (
        near(1),
        near(13.5),
        pytest.approx(750, abs=2),
    )
    assert when(samples, "operating_mode", "heating")[:2] == (near(1), near(13.5))
    assert when(samples, "dhw_temperature", 50.5)[0] == near(22)


async def test_what_is_reported_only_when_it_changes_stands_for_hours(past: Past) -> None:
    past.weather(0.5, 25)
    past.show("dhw_temperature", 1, "48.5")
    past.show("dhw_temperature", 5, "47.0")
    past.show("dhw_temperature", 15, "46.0")
    await past.record()
    samples = await past.learned()
    assert when(samples, "dhw_temperature", 48.5) == (near(1), near(5), 240)
    # longer than six hours no measured value stands still: that sensor was dead for a while
    assert when(samples, "dhw_temperature", 47.0) == (near(5), near(11), 360)


async def test_a_sensor_that_died_is_not_believed(past: Past) -> None:
    past.weather(0.5, 25)
    past.show("operating_mode", 0.5, "heating")
    for number in range(60):
        past.show("dhw_temperature", 1 + number / 30, str(40 + number / 10))
    await past.record()
    samples = await past.learned()
    _, last, _ = when(samples, "dhw_temperature")
    assert last == near(3.46)
    # the rest is learned all the same
    assert when(samples, "operating_mode")[1] == near(25.5)


async def test_when_nothing_is_reported_nothing_is_learned(past: Past) -> None:
    past.show("operating_mode", 0.5, "heating")
    past.weather(1, 3)
    past.weather(10, 12)
    past.show("operating_mode", 30, "off")
    await past.record()
    samples = await past.learned()
    silent = [time for time, _ in samples if hours(3.6) < time < hours(9.9)]
    assert not silent
    assert when(samples, "operating_mode", "heating")[2] == pytest.approx(30 + 150 + 150, abs=4)


@pytest.mark.parametrize(
    ("crashed", "end"),
    [
        (False, 9.0),
        # nobody knows when it was; the last that was written is the last that is known
        (True, 8.0),
    ],
)
async def test_nothing_stands_while_home_assistant_was_off(
    past: Past, crashed: bool, end: float
) -> None:
    past.weather(0.5, 8)
    past.show("operating_mode", 1, "heating")
    past.weather(11, 14)
    past.show("operating_mode", 13, "off")
    await past.record()
    await past.runs((0, 11 if crashed else 9, crashed))
    samples = await past.learned()
    last = min(end, 8.5)
    assert when(samples, "operating_mode", "heating")[:2] == (near(1), near(last))
    # neither does it after the start, as it was written anew then, or not at all
    assert not [values for time, values in samples if hours(9.1) < time < hours(10.9)]
    assert when(samples, "operating_mode", "off")[0] == near(13)


async def test_the_present_is_known_from_home_assistant(past: Past, hass: HomeAssistant) -> None:
    """What a present state's last report was is not recorded before the next one comes."""
    past.weather(30, 39.9)
    past.show("dhw_temperature", 31, "48.5")
    await past.record()
    # the recorder has written the state by now, and does so only once
    hass.states.async_set(
        ENTITIES["dhw_temperature"], "48.5", CELSIUS, timestamp=hours(39.8).timestamp()
    )
    samples = await past.learned(first=30, last=39.9)
    assert when(samples, "dhw_temperature", 48.5)[:2] == (near(31), near(39.9))


async def test_slices_make_no_difference(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    past.weather(0.5, 30)
    past.show("operating_mode", 1, "heating")
    past.show("operating_mode", 12, "off")
    past.show("dhw_temperature", 1, "48.5")
    past.show("dhw_temperature", 14, "48.0")
    past.show("dhw_temperature", 17, "47.0")
    await past.record()
    found: list[list[tuple[datetime, Mapping[str, Value]]]] = []
    for length in (1, 6, 100):
        monkeypatch.setattr(
            "custom_components.heat_pump_hub.warm_recorder.SLICE", timedelta(hours=length)
        )
        found.append(await past.learned())
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == pytest.approx(30 * 60, abs=2)
