"""The past of a heat pump reaches its history server: by itself, and when asked."""

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
import json
import logging
import time
from typing import Any
from unittest.mock import patch

from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.db_schema import (
    StateAttributes,
    States,
    StatesMeta,
    Statistics,
    StatisticsMeta,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import session_scope
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.heat_pump_hub import archive, backfill as module
from custom_components.heat_pump_hub.backfill import EVENT, Backfill
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.history.bulk import Bulk
from custom_components.heat_pump_hub.history.shipper import Shipper

from .fakes import FakeFamily, entity_id, families, make_entry, set_up
from .servers import VictoriaMetrics

HOUR = 3600
NOW = int(time.time()) // HOUR * HOUR
DAY = 24 * HOUR


@pytest.fixture
def recorder_db_url(recorder_db_url: str) -> str:
    """Use the usual database, without a line in the log for each statement."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    return recorder_db_url


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    with families(fake):
        yield fake


@pytest.fixture
async def server(victoria_metrics: VictoriaMetrics) -> AsyncIterator[VictoriaMetrics]:
    """Start a server that shows at once what it gets, and let nobody wait long."""

    async def show() -> None:
        while True:
            with suppress(OSError):
                await victoria_metrics.flush()
            await asyncio.sleep(0.05)

    async def sleep(delay: float) -> None:
        await asyncio.sleep(min(delay, 0.3))
        with suppress(OSError):
            await victoria_metrics.flush()

    task = asyncio.create_task(show())
    with (
        patch.object(module, "WATCH", 0.02),
        patch.object(module, "HOLD", 0.05),
        patch.object(module, "SHOW_EVERY", 0.0),
        patch.object(module, "Bulk", partial(Bulk, sleep=sleep)),
        patch.object(archive, "Shipper", partial(Shipper, hold=0.2)),
        patch("custom_components.heat_pump_hub.history.shipper.LOOK_EVERY", 0.1),
    ):
        yield victoria_metrics
    task.cancel()


async def settled(entry: MockConfigEntry) -> Backfill:
    """Wait until what comes by itself has come."""
    backfill: Backfill = entry.runtime_data.backfill
    async with asyncio.timeout(20):
        while backfill.resumed["state"] in ("waiting", "running"):
            await asyncio.sleep(0.02)
    return backfill


async def heat_pump(hass: HomeAssistant, server: VictoriaMetrics) -> MockConfigEntry:
    entry = make_entry(data={"history_url": server.url})
    await set_up(hass, entry)
    await settled(entry)
    return entry


def record_states(
    hass: HomeAssistant,
    entity: str,
    states: list[tuple[float, str]],
    unit: str | None = None,
) -> None:
    """Put states of the past into the recorder, as it would have stored them."""
    with session_scope(hass=hass) as session:
        meta = session.query(StatesMeta).filter_by(entity_id=entity).first()
        if meta is None:
            meta = StatesMeta(entity_id=entity)
            session.add(meta)
        attributes = StateAttributes(
            shared_attrs=json.dumps({"unit_of_measurement": unit} if unit else {}), hash=1
        )
        session.add(attributes)
        session.flush()
        session.add_all(
            States(
                state=state,
                last_updated_ts=at,
                metadata_id=meta.metadata_id,
                attributes_id=attributes.attributes_id,
            )
            for at, state in states
        )


def record_statistics(
    hass: HomeAssistant, entity: str, rows: list[dict[str, float]], unit: str | None
) -> None:
    with session_scope(hass=hass) as session:
        meta = session.query(StatisticsMeta).filter_by(statistic_id=entity).first()
        if meta is None:
            meta = StatisticsMeta(
                statistic_id=entity, source="recorder", unit_of_measurement=unit, mean_type=1
            )
            session.add(meta)
            session.flush()
        session.add_all(Statistics(metadata_id=meta.id, **row) for row in rows)


async def recorded(hass: HomeAssistant, job: Any, *arguments: Any) -> None:
    from homeassistant.helpers.recorder import get_instance

    await async_wait_recording_done(hass)
    await get_instance(hass).async_add_executor_job(job, hass, *arguments)


async def held(server: VictoriaMetrics, key: str, stat: str = "") -> dict[int, float]:
    """Return samples by time in s; a time held twice is an error."""
    await server.flush()
    found = await server.export(f'heatpump_{key}{{stat="{stat}"}}')
    assert len(found) <= 1
    samples: dict[int, float] = {}
    for one in found:
        assert len(set(one["timestamps"])) == len(one["timestamps"])
        samples = dict(zip(one["timestamps"], one["values"], strict=True))
    return {at // 1000: value for at, value in samples.items() if at < (NOW - 2 * HOUR) * 1000}


async def act(hass: HomeAssistant, name: str = "backfill", **data: Any) -> dict[str, Any]:
    answer = await hass.services.async_call(DOMAIN, name, data, blocking=True, return_response=True)
    assert isinstance(answer, dict)
    return answer


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


START, END = NOW - 30 * DAY, NOW - 3 * HOUR


async def test_states_of_the_recorder_fill_what_lacks(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    mode = entity_id(hass, "sensor", "operating_mode")
    fault = entity_id(hass, "binary_sensor", "fault")
    power = entity_id(hass, "sensor", "electrical_power")
    states = [(START + 100.5 + n * 30, f"{n % 50 / 10}") for n in range(2 * 20160 + 50)]
    await recorded(hass, record_states, outdoor, states, "°C")
    kelvin = [(NOW - DAY, "50.0"), (NOW - DAY + 60, "unavailable"), (NOW - DAY + 90, "41")]
    await recorded(hass, record_states, outdoor, kelvin, "°F")
    await recorded(hass, record_states, outdoor, [(NOW - DAY + 95, "7")], "km")
    await recorded(
        hass,
        record_states,
        mode,
        [(START + 7, "eco"), (START + 9, "unknown"), (START + 80, "service"), (START + 99, "?")],
    )
    await recorded(hass, record_states, fault, [(START, "on"), (START + 5, "off"), (START + 6, "")])
    await recorded(hass, record_states, power, [(START, "1.25"), (START + 60, "inf")], "kW")

    events = async_capture_events(hass, EVENT)
    dry = await act(hass, start=moment(START - 60), end=moment(END), what="states", dry_run=True)
    assert dry["state"] == "counted"
    assert await held(server, "outdoor_temperature") == {}
    assert not events

    answer = await act(hass, start=moment(START - 60), end=moment(END), what="states")
    expected = {int(at): float(state) for at, state in states}
    expected |= {NOW - DAY: 10.0, NOW - DAY + 90: 5.0}
    assert await held(server, "outdoor_temperature") == expected
    assert await held(server, "operating_mode") == {START + 7: 2, START + 80: 9}
    assert await held(server, "fault") == {START: 1, START + 5: 0}
    assert await held(server, "electrical_power") == {START: 1250}
    assert answer["sent"] == dry["missing"] == len(expected) + 5
    assert answer["without_unit"] == 1
    assert (answer["state"], answer["resent"], answer["skipped"]) == ("done", 0, 0)
    assert [event.data["state"] for event in events][-1] == "done"
    assert [event.data["percent"] for event in events] == sorted(
        event.data["percent"] for event in events
    )
    assert len(events) >= 6
    notes = hass.data["persistent_notification"]
    (note,) = notes.values()
    assert str(answer["sent"]) in note["message"]

    # Again: nothing lacks.
    again = await act(hass, start=moment(START - 60), end=moment(END), what="states")
    assert (again["sent"], again["skipped"]) == (0, 0)
    assert await held(server, "outdoor_temperature") == expected
    await hass.config_entries.async_unload(entry.entry_id)


async def test_statistics_become_series_of_their_own(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    energy = entity_id(hass, "sensor", "electrical_energy")
    begin = NOW - 400 * DAY
    rows = [
        {"start_ts": begin + n * HOUR, "mean": 50 + n % 9 / 3, "min": 41.0, "max": 59.0}
        for n in range(400)
    ]
    await recorded(hass, record_statistics, outdoor, rows, "°F")
    counter = [{"start_ts": begin + n * HOUR, "state": n / 10, "sum": n / 10} for n in range(400)]
    await recorded(hass, record_statistics, energy, counter, "MWh")
    arguments = {"start": moment(begin), "end": moment(END), "what": ["statistics"]}
    dry = await act(hass, **arguments, dry_run=True)
    answer = await act(hass, **arguments)
    hours = [begin + n * HOUR for n in range(400)]
    assert await held(server, "outdoor_temperature", "mean") == {
        at: round((50 + n % 9 / 3 - 32) / 1.8, 3) for n, at in enumerate(hours)
    }
    assert await held(server, "outdoor_temperature", "min") == dict.fromkeys(hours, 5.0)
    assert await held(server, "outdoor_temperature", "max") == dict.fromkeys(hours, 15.0)
    assert await held(server, "electrical_energy", "max") == {
        at: pytest.approx(n * 100) for n, at in enumerate(hours)
    }
    assert await held(server, "electrical_energy", "mean") == {}
    assert await held(server, "outdoor_temperature") == {}
    assert answer["sent"] == dry["missing"] == 1600
    again = await act(hass, **arguments)
    assert (again["sent"], again["skipped"]) == (0, 1600)
    only = await act(hass, **arguments, entity_id=[energy], dry_run=True)
    assert (only["missing"], only["statistics"]) == (0, 400)
    await hass.config_entries.async_unload(entry.entry_id)
