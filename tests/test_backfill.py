"""The past of a heat pump reaches its history server: by itself, and when asked."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
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
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import session_scope
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.heat_pump_hub import archive, backfill as module
from custom_components.heat_pump_hub.backfill import EVENT, Backfill
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.bulk import Bulk
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.recorder_source import RecorderSource

from .fakes import FakeFamily, entity_id, make_entry, set_up
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
        patch("custom_components.heat_pump_hub.history.known.LOOK_EVERY", 0.1),
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


@pytest.fixture
async def entry(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> AsyncIterator[MockConfigEntry]:
    """Add a heat pump whose past the recorder has and the server lacks; it is unloaded at last."""
    entry = await heat_pump(hass, server)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


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
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
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


async def test_companions_have_a_past_too(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    power, pump, gone = "sensor.solar_1", "switch.pump", "sensor.gone"
    hass.states.async_set(power, "1", {"unit_of_measurement": "kW"})
    hass.states.async_set(pump, "on")
    entry = make_entry(
        data={"history_url": server.url},
        options={"interval": 30, "companions": [power, pump, gone]},
    )
    await set_up(hass, entry)
    await settled(entry)
    await recorded(hass, record_states, power, [(START, "1.5"), (START + 60, "?")], "kW")
    await recorded(hass, record_states, power, [(START + 90, "700")], "W")
    await recorded(hass, record_states, power, [(START + 95, "700")], "V")
    await recorded(hass, record_states, pump, [(START, "on"), (START + 80, "off")])
    hours = [START // HOUR * HOUR + n * HOUR for n in range(3)]
    rows = [{"start_ts": at, "mean": 2.0, "min": 1.0, "max": 3.0} for at in hours]
    await recorded(hass, record_statistics, power, rows, "kW")

    span = {"start": moment(START - HOUR), "end": moment(END)}
    answer = await act(hass, **span, entity_id=[power, pump])
    assert (answer["states"], answer["statistics"], answer["without_unit"]) == (4, 9, 1)
    await server.flush()
    stored = {
        (one["metric"]["entity_id"], one["metric"].get("stat", "")): [
            (at // 1000, value)
            for at, value in zip(one["timestamps"], one["values"], strict=True)
            if at < END * 1000
        ]
        for one in await server.export("heatpump_companion")
    }
    assert stored[power, ""] == [(START, 1500), (START + 90, 700)]
    assert stored[pump, ""] == [(START, 1), (START + 80, 0)]
    assert stored[power, "mean"] == [(at, 2000) for at in hours]
    assert stored[power, "max"] == [(at, 3000) for at in hours]
    again = await act(hass, **span)
    assert again["sent"] == 0
    await hass.config_entries.async_unload(entry.entry_id)


async def test_companions_that_were_away_are_filled_by_themselves(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    registered = er.async_get(hass).async_get_or_create(
        "sensor",
        "pv",
        "1",
        suggested_object_id="solar_1",
        unit_of_measurement="kWh",
        capabilities={"state_class": "total_increasing"},
    )
    past = NOW - 2 * DAY
    await recorded(hass, record_states, registered.entity_id, [(past, "7")], "kWh")
    entry = make_entry(
        data={"history_url": server.url},
        options={"interval": 30, "companions": [registered.entity_id]},
    )
    await set_up(hass, entry)
    backfill = await settled(entry)
    assert backfill.resumed["from_recorder"] == 1
    await server.flush()
    (found,) = await server.export("heatpump_companion")
    assert (found["values"], found["metric"]["unit"]) == ([7], "kWh")
    hour = {"start_ts": past // HOUR * HOUR, "state": 7.0, "sum": 7.0}
    await recorded(hass, record_statistics, registered.entity_id, [hour], "kWh")
    await act(
        hass,
        start=moment(START),
        end=moment(END),
        what="statistics",
        entity_id=registered.entity_id,
    )
    await server.flush()
    (counted,) = await server.export('heatpump_companion{stat!=""}')
    assert (counted["values"], counted["metric"]["stat"]) == ([7], "max")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_statistics_become_series_of_their_own(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
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


async def test_holes_in_the_middle_are_found_and_filled(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    begin = NOW - 5 * DAY
    polls = {begin + n * 30: 1.0 for n in range(2000) if not 700 <= n < 800 and n != 1500}
    metric = {
        "__name__": "heatpump_outdoor_temperature",
        "heatpump_id": "idm",
        "manufacturer": "IDM",
        "model": "Navigator 2.0",
    }
    line = {
        "metric": metric,
        "values": list(polls.values()),
        "timestamps": [at * 1000 for at in polls],
    }
    await server.post("/api/v1/import", json.dumps(line).encode())
    await server.flush()
    # The state of each poll is recorded a little after it; only those of the hole are sent.
    states = [(begin + n * 30 + 0.2, "2.0") for n in range(2000)]
    await recorded(hass, record_states, outdoor, states, "°C")
    answer = await act(
        hass,
        start=moment(begin),
        end=moment(begin + 1999 * 30),
        what="states",
        entity_id=outdoor,
    )
    found = await held(server, "outdoor_temperature")
    assert answer["sent"] == 100
    assert found == polls | {begin + n * 30: 2.0 for n in range(700, 800)}


async def test_what_the_recorder_keeps_comes_by_itself(
    recorder_mock: Recorder, hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = make_entry(data={"history_url": server.url})
    entry.add_to_hass(hass)
    await set_up(hass, entry)
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    await hass.config_entries.async_unload(entry.entry_id)
    states = [(NOW - 2 * DAY + n * 30, f"{n % 9}") for n in range(500)]
    # Older than it promises to keep.
    states.insert(0, (NOW - 11 * DAY, "99"))
    await recorded(hass, record_states, outdoor, states, "°C")
    await set_up(hass, entry)
    backfill = await settled(entry)
    expected = {int(at): float(state) for at, state in states[1:]}
    assert await held(server, "outdoor_temperature") == expected
    assert backfill.resumed["from_recorder"] >= 500
    assert backfill.resumed["state"] == "done"
    # After the next start nothing lacks.
    await hass.config_entries.async_reload(entry.entry_id)
    again = await settled(entry)
    assert await held(server, "outdoor_temperature") == expected
    assert again.resumed.get("from_recorder", 0) < 50
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_server_that_lost_everything_gets_companions_back(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    power, pump = "sensor.solar_1", "switch.pump"
    hass.states.async_set(power, "1", {"unit_of_measurement": "kW"})
    hass.states.async_set(pump, "on")
    entry = make_entry(
        data={"history_url": server.url}, options={"interval": 30, "companions": [power, pump]}
    )
    await set_up(hass, entry)
    await settled(entry)
    start = datetime.now(UTC) - timedelta(days=3)
    for n in range(100):
        values = {"companion:sensor.solar_1:W": n + 0.5, "companion:switch.pump:": n % 2 == 0}
        entry.runtime_data.journal.take(
            Snapshot(time=start + timedelta(seconds=30 * n), values=values)
        )
    await hass.config_entries.async_unload(entry.entry_id)
    await set_up(hass, entry)
    backfill = await settled(entry)
    assert backfill.resumed["from_journal"] == 200
    await server.flush()
    found = {
        one["metric"]["entity_id"]: one["values"][:100]
        for one in await server.export("heatpump_companion")
    }
    assert found == {
        power: [n + 0.5 for n in range(100)],
        pump: [int(n % 2 == 0) for n in range(100)],
    }
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_server_that_lost_everything_gets_the_journal_back(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    start = datetime.now(UTC) - timedelta(days=3)
    for n in range(400):
        entry.runtime_data.journal.take(
            Snapshot(time=start + timedelta(seconds=30 * n), values={"outdoor_temperature": n / 10})
        )
        if n % 50 == 49:
            await entry.runtime_data.journal.flush()
    await hass.config_entries.async_unload(entry.entry_id)
    # Never sent: as if the server had lost them, or were another one.
    assert await held(server, "outdoor_temperature") == {}
    await set_up(hass, entry)
    backfill = await settled(entry)
    found = await held(server, "outdoor_temperature")
    assert list(found.values()) == [n / 10 for n in range(400)]
    assert backfill.resumed["from_journal"] == 400
    await hass.config_entries.async_unload(entry.entry_id)


def slow(delay: float, read: list[float] | None = None) -> Any:
    """Let every slice of the recorder take a while, and note where it begins."""
    original = RecorderSource._states

    def rows(self: RecorderSource, *arguments: Any) -> Any:
        time.sleep(delay)
        if read is not None:
            read.append(arguments[1])
        return original(self, *arguments)

    return patch.object(RecorderSource, "_states", rows)


async def long_past(hass: HomeAssistant) -> dict[str, Any]:
    """Record 28 days, and return the arguments of an action that sends them."""
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    states = [(START + 0.5 + n * 300, f"{n % 50 / 10}") for n in range(28 * 288)]
    await recorded(hass, record_states, outdoor, states, "°C")
    return {
        "start": moment(START),
        "end": moment(START + 28 * DAY),
        "what": ["states"],
        "entity_id": [outdoor],
    }


async def some_sent(events: list[Any]) -> None:
    async with asyncio.timeout(20):
        while not any(event.data["sent"] for event in events):
            await asyncio.sleep(0.01)


async def begun(
    hass: HomeAssistant, arguments: Mapping[str, Any]
) -> tuple[asyncio.Task[dict[str, Any]], list[Event[Any]]]:
    """Begin a backfill, and come back when some of it was sent."""
    events = async_capture_events(hass, EVENT)
    call = hass.async_create_task(act(hass, **arguments))
    await some_sent(events)
    return call, events


async def test_a_restart_in_the_middle_goes_on(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    server: VictoriaMetrics,
    hass_storage: dict[str, Any],
) -> None:
    arguments = await long_past(hass)
    with slow(0.2):
        call, events = await begun(hass, arguments)
        await hass.config_entries.async_unload(entry.entry_id)
        answer = await call
    assert answer["state"] == "interrupted"
    assert 0 < answer["sent"] < 28 * 288
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}.backfill"]["data"]
    assert stored["cursor"][1] > START * 1000
    before = len(events)
    read: list[float] = []
    with slow(0, read):
        await set_up(hass, entry)
        await settled(entry)
        async with asyncio.timeout(20):
            while events[-1].data["state"] != "done":
                await asyncio.sleep(0.02)
    # The chunks that were done are not read again.
    assert min(read) >= stored["cursor"][1] / 1000 - 1
    # What came by itself after the start is not sent once more.
    assert 28 * 288 >= events[-1].data["sent"] >= events[before].data["sent"] >= answer["sent"]
    assert len(await held(server, "outdoor_temperature")) == 28 * 288
    assert entry.runtime_data.backfill.job is None
    async with asyncio.timeout(20):
        while f"{DOMAIN}.{entry.entry_id}.backfill" in hass_storage:
            await asyncio.sleep(0.02)


async def test_a_cancelled_backfill_stays_cancelled(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    server: VictoriaMetrics,
    hass_storage: dict[str, Any],
) -> None:
    with pytest.raises(ServiceValidationError) as nothing:
        await act(hass, "cancel_backfill")
    assert nothing.value.translation_key == "backfill_not_running"
    arguments = await long_past(hass)
    with slow(0.2):
        call, events = await begun(hass, arguments)
        with pytest.raises(ServiceValidationError) as running:
            await act(hass, **arguments)
        assert running.value.translation_key == "backfill_running"
        answer = await act(hass, "cancel_backfill")
        assert (await call)["state"] == answer["state"] == "cancelled"
    assert 0 < answer["sent"] < 28 * 288
    assert events[-1].data["state"] == "cancelled"
    (note,) = hass.data["persistent_notification"].values()
    assert "cancelled" in note["message"]
    await hass.config_entries.async_reload(entry.entry_id)
    assert entry.runtime_data.backfill.job is None
    assert f"{DOMAIN}.{entry.entry_id}.backfill" not in hass_storage
    # It may be begun anew, and sends the rest only.
    again = await act_when_ready(hass, entry, **arguments)
    assert again["sent"] <= 28 * 288 - answer["sent"]
    assert len(await held(server, "outdoor_temperature")) == 28 * 288


async def act_when_ready(
    hass: HomeAssistant, entry: MockConfigEntry, **data: Any
) -> dict[str, Any]:
    await settled(entry)
    return await act(hass, **data)


async def test_a_server_killed_in_the_middle_has_everything_in_the_end(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    arguments = await long_past(hass)
    events = async_capture_events(hass, EVENT)
    with slow(0.15), patch.object(entry.runtime_data.backfill.bulk, "_hold", 1.0):
        call = hass.async_create_task(act(hass, **arguments))
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.start)
        answer = await call
    assert answer["state"] == "done"
    assert answer["sent"] == 28 * 288
    assert len(await held(server, "outdoor_temperature")) == 28 * 288
    assert events[-1].data["state"] == "done"


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"start": END, "end": START}, "backfill_start_after_end"),
        ({"start": START, "end": START}, "backfill_start_after_end"),
        ({"start": NOW + 2 * DAY}, "backfill_future"),
        ({"start": START, "end": NOW + 2 * DAY}, "backfill_future"),
        ({"start": NOW - 3700 * DAY, "end": NOW - 3680 * DAY}, "backfill_outside_retention"),
    ],
)
async def test_a_span_without_sense_is_refused(
    hass: HomeAssistant, entry: MockConfigEntry, arguments: dict[str, float], key: str
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, **{name: moment(at) for name, at in arguments.items()})
    assert raised.value.translation_key == key
    with (
        patch.object(Backfill, "ready", False),
        pytest.raises(ServiceValidationError) as unknown,
    ):
        await act(hass, start=moment(START), entity_id=["sensor.kitchen"])
    assert unknown.value.translation_key == "backfill_unknown_entity"
    assert unknown.value.translation_placeholders == {"entities": "sensor.kitchen"}
    for what, named in ((["states", "events"], "events"), ("", ""), ([], "")):
        with pytest.raises(ServiceValidationError) as chosen:
            await act(hass, start=moment(START), what=what)
        assert chosen.value.translation_key == "not_a_choice"
        assert chosen.value.translation_placeholders == {
            "field": "what",
            "value": named,
            "choices": "states, statistics",
        }


async def test_without_a_server_or_a_recorder_nothing_begins(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    with pytest.raises(ServiceValidationError) as raised:
        await act(hass, start=moment(START))
    assert raised.value.translation_key == "backfill_no_recorder"
    await asyncio.to_thread(server.stop)
    await entry.runtime_data.coordinator.async_refresh()
    async with asyncio.timeout(20):
        while not entry.runtime_data.archive.shipper.away:
            await asyncio.sleep(0.05)
    with pytest.raises(HomeAssistantError) as away:
        await act(hass, "import_legacy")
    assert away.value.translation_key == "history_not_ready"
    await hass.config_entries.async_unload(entry.entry_id)
    none = make_entry(entry_id="02SECOND", unique_id="two", data={"identity": "two"})
    await set_up(hass, none)
    for name, data in (("backfill", {"start": moment(START)}), ("cancel_backfill", {})):
        with pytest.raises(ServiceValidationError) as refused:
            await act(hass, name, config_entry_id=none.entry_id, **data)
        assert refused.value.translation_key == "history_no_server"
    await hass.config_entries.async_unload(none.entry_id)


async def test_a_backfill_goes_on_when_the_server_is_back(
    hass: HomeAssistant, entry: MockConfigEntry, server: VictoriaMetrics
) -> None:
    arguments = await long_past(hass)
    with slow(0.1), patch("custom_components.heat_pump_hub.history.bulk.ATTEMPTS", 2):
        call, events = await begun(hass, arguments)
        await asyncio.to_thread(server.stop)
        with pytest.raises(HomeAssistantError) as raised:
            await call
    assert raised.value.translation_key == "backfill_failed"
    # It may have begun again, if nobody knows yet that the server is away.
    assert "failed" in [event.data["state"] for event in events]
    with pytest.raises(ServiceValidationError):
        await act(hass, **arguments)
    await asyncio.to_thread(server.start)
    await entry.runtime_data.coordinator.async_refresh()
    async with asyncio.timeout(30):
        while events[-1].data["state"] != "done":
            await asyncio.sleep(0.05)
    assert len(await held(server, "outdoor_temperature")) == 28 * 288
