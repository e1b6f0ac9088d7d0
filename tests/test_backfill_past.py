"""What may happen to the past while it is sent: names, entities, clocks and retention change."""

import asyncio
from datetime import datetime
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub import backfill_work

from .fakes import FakeFamily, entity_id
from .servers import VictoriaMetrics, VictoriaMetricsFactory
from .test_backfill import (
    DAY,
    END,
    HOUR,
    NOW,
    START,
    act,
    begun,
    entry,
    heat_pump,
    held,
    long_past,
    moment,
    record_statistics,
    recorded,
    recorder_db_url,
    server,
    slow,
)

__all__ = ["entry", "recorder_db_url", "server"]

LONG = 28 * 288


async def test_an_entity_that_is_renamed_in_between_is_sent_to_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    arguments = await long_past(hass)
    (old,) = arguments["entity_id"]
    with slow(0.2):
        call, _ = await begun(hass, arguments)
        er.async_get(hass).async_update_entity(old, new_entity_id="sensor.outside")
        answer = await call
    assert (answer["state"], answer["sent"]) == ("done", LONG)
    assert len(await held(server, "outdoor_temperature")) == LONG


async def test_an_entity_that_is_renamed_while_a_week_is_looked_at_lacks_no_week(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    arguments = await long_past(hass)
    (old,) = arguments["entity_id"]
    find = backfill_work.gaps

    async def rename_and_find(*args: Any) -> Any:
        registry = er.async_get(hass)
        if registry.async_get(old) is not None:
            registry.async_update_entity(old, new_entity_id="sensor.outside")
            await get_instance(hass).async_block_till_done()
        return await find(*args)

    with patch.object(backfill_work, "gaps", rename_and_find):
        answer = await act(hass, **arguments)
    assert (answer["state"], answer["sent"]) == ("done", LONG)


async def test_an_entity_that_is_renamed_before_it_goes_on_is_sent_to_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    arguments = await long_past(hass)
    (old,) = arguments["entity_id"]
    with slow(0.2):
        call, events = await begun(hass, arguments)
        await hass.config_entries.async_unload(entry.entry_id)
        assert (await call)["state"] == "interrupted"
    er.async_get(hass).async_update_entity(old, new_entity_id="sensor.outside")
    await hass.config_entries.async_setup(entry.entry_id)
    await act_when_done(events)
    assert len(await held(server, "outdoor_temperature")) == LONG


async def act_when_done(events: list[Any]) -> None:
    async with asyncio.timeout(30):
        while events[-1].data["state"] != "done":
            await asyncio.sleep(0.02)


async def test_an_entity_that_is_removed_in_between_holds_no_other_up(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    arguments = await long_past(hass)
    power = entity_id(hass, "sensor", "electrical_power")
    hours = [START // HOUR * HOUR + n * HOUR for n in range(28 * 24)]
    rows = [{"start_ts": at, "mean": 2.0, "min": 1.0, "max": 3.0} for at in hours]
    await recorded(hass, record_statistics, power, rows, "W")
    outdoor = arguments["entity_id"][0]
    both = arguments | {"entity_id": [outdoor, power], "what": ["states", "statistics"]}
    with slow(0.2):
        call, _ = await begun(hass, both)
        er.async_get(hass).async_remove(outdoor)
        answer = await call
    assert answer["state"] == "done"
    assert answer["states"] < LONG
    assert list((await held(server, "electrical_power", "mean")).values()) == [2.0] * 28 * 24


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2025-10-26", 25)], ids=["spring", "autumn"]
)
async def test_days_on_which_the_clock_is_changed_are_whole(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    day: str,
    hours: int,
) -> None:
    zone = ZoneInfo("Europe/Vienna")
    await hass.config.async_set_time_zone(str(zone))
    entry = await heat_pump(hass, server)
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    begin = int(datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=zone).timestamp())
    rows: list[dict[str, float]] = [
        {"start_ts": begin + n * HOUR, "mean": n / 4, "min": 0.0, "max": 9.0}
        for n in range(-3, hours + 3)
    ]
    await recorded(hass, record_statistics, outdoor, rows, "°C")
    # As an owner picks it: without a zone, from midnight to midnight.
    answer = await act(hass, start=f"{day} 00:00:00", end=f"{day} 23:59:59", what=["statistics"])
    assert answer["sent"] == 3 * hours
    assert await held(server, "outdoor_temperature", "mean") == {
        begin + n * HOUR: pytest.approx(n / 4) for n in range(hours)
    }
    await hass.config_entries.async_unload(entry.entry_id)


async def test_statistics_that_lack_columns_give_what_they_have(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    energy = entity_id(hass, "sensor", "electrical_energy")
    hours = [START // HOUR * HOUR + n * HOUR for n in range(4)]
    # Of a temperature: a whole hour, a sum and a state only, a mean without the others.
    await recorded(
        hass,
        record_statistics,
        outdoor,
        [
            {"start_ts": hours[0], "mean": 2.0, "min": 1.0, "max": 3.0},
            {"start_ts": hours[1], "state": 5.0, "sum": 50.0},
            {"start_ts": hours[2], "mean": 4.0},
            {"start_ts": hours[3], "min": 0.5},
        ],
        "°C",
    )
    # Of a power: what is no number.
    power = entity_id(hass, "sensor", "electrical_power")
    whole = {"min": 0.0, "max": 9.0}
    numbers = [{"start_ts": hours[0], "mean": 1.0}, {"start_ts": hours[1], "mean": float("inf")}]
    await recorded(hass, record_statistics, power, [one | whole for one in numbers], "W")
    # Of a counter: a state, a sum only, a mean as if it were none.
    await recorded(
        hass,
        record_statistics,
        energy,
        [
            {"start_ts": hours[0], "state": 7.0, "sum": 1.0},
            {"start_ts": hours[1], "sum": 2.0},
            {"start_ts": hours[2], "mean": 8.0, "min": 8.0, "max": 8.0},
        ],
        "kWh",
    )
    answer = await act(hass, start=moment(START - DAY), end=moment(END), what=["statistics"])
    assert (answer["state"], answer["sent"], answer["resent"]) == ("done", 11, 0)
    assert await held(server, "electrical_power", "mean") == {hours[0]: 1}
    assert await held(server, "electrical_power", "max") == {hours[0]: 9, hours[1]: 9}
    assert await held(server, "outdoor_temperature", "mean") == {hours[0]: 2, hours[2]: 4}
    assert await held(server, "outdoor_temperature", "min") == {hours[0]: 1, hours[3]: 0.5}
    assert await held(server, "outdoor_temperature", "max") == {hours[0]: 3}
    assert await held(server, "electrical_energy", "max") == {hours[0]: 7}
    assert await held(server, "electrical_energy", "mean") == {}


@pytest.fixture
def victoria_metrics(
    request: pytest.FixtureRequest, victoria_metrics_factory: VictoriaMetricsFactory
) -> VictoriaMetrics:
    """Start a server with flags of the test's own."""
    return victoria_metrics_factory(*getattr(request, "param", ()))


@pytest.mark.parametrize("victoria_metrics", [("-retentionPeriod=100d",)], indirect=True)
async def test_of_a_span_longer_than_the_retention_the_younger_part_is_sent(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    begin = NOW - 400 * DAY
    rows = [
        {"start_ts": begin + n * 6 * HOUR, "mean": 1.0, "min": 0.0, "max": 2.0}
        for n in range(395 * 4)
    ]
    await recorded(hass, record_statistics, outdoor, rows, "°C")
    answer = await act(hass, start=moment(begin), end=moment(END), what=["statistics"])
    assert answer["state"] == "done"
    # Told as it is, with the start that was possible; nothing is sent that is not kept.
    kept = datetime.fromisoformat(answer["start"]).timestamp()
    assert NOW - 100 * DAY <= kept <= NOW - 99 * DAY
    within = [row["start_ts"] for row in rows if row["start_ts"] >= kept]
    assert list(await held(server, "outdoor_temperature", "mean")) == within
    assert (answer["sent"], answer["resent"]) == (3 * len(within), 0)
