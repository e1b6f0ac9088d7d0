"""What a detector learns from the past is what it would have learned by watching."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched
import json
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
)

from custom_components.heat_pump_hub.detection import Detector, Signal
from custom_components.heat_pump_hub.drivers.points import (
    OPERATING_MODES,
    Kind,
    Point,
    Quantity,
    Snapshot,
    Tier,
)
from custom_components.heat_pump_hub.history.codec import Coding
from custom_components.heat_pump_hub.history.journal import Journal
from custom_components.heat_pump_hub.history.series import Encoder
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.victoriametrics import VictoriaMetrics
from custom_components.heat_pump_hub.warm_recorder import RecorderPast
from custom_components.heat_pump_hub.warm_sources import Sample, ServerPast
from custom_components.heat_pump_hub.warm_start import WarmStart

from .servers import VictoriaMetrics as Server

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
PERIOD = timedelta(minutes=5)
MEASURED = frozenset({Tier.MEASUREMENT})


def point(key: str, quantity: Quantity, kind: Kind = Kind.ANALOG, **more: Any) -> Point:
    return Point(key=key, name=key, quantity=quantity, kind=kind, **more)


POINTS = {
    one.key: one
    for one in (
        point("outdoor_temperature", Quantity.TEMPERATURE),
        point("flow_temperature", Quantity.TEMPERATURE),
        point("electrical_power", Quantity.POWER, decimals=0),
        point("compressor_running", Quantity.FLAG, Kind.STATE),
        point("utility_lock", Quantity.FLAG, Kind.STATE),
        point("operating_mode", Quantity.STATE, Kind.STATE, options=OPERATING_MODES),
    )
}
SIGNALS = [Signal(one.key, one.kind, one.unit) for one in POINTS.values()]


def polls(first: datetime, last: datetime) -> list[Snapshot]:
    """Return polls whose values depend on their time alone."""
    found = []
    time = first
    while time < last:
        minute = int(time.timestamp()) // 60
        on = minute % 90 < 40
        found.append(
            Snapshot(
                time=time,
                values={
                    "outdoor_temperature": 3 + minute * 7 % 50 / 10,
                    "flow_temperature": 30 + minute * 13 % 80 / 10,
                    "electrical_power": 1500 + minute % 70 if on else 0,
                    "compressor_running": on,
                    "utility_lock": minute % 1000 < 10,
                    "operating_mode": "heating" if on else "off",
                },
                tiers=MEASURED,
            )
        )
        time += PERIOD
    return found


def watched(*parts: Iterable[Snapshot]) -> Detector:
    """Return a detector that watched these polls."""
    detector = Detector(SIGNALS)
    for part in parts:
        for snapshot in part:
            detector.observe(snapshot.time, snapshot.values)
    return detector


def same(one: Detector, other: Detector) -> bool:
    return json.dumps(one.to_json()) == json.dumps(other.to_json())


async def in_thread(job: Any, *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, job, *arguments)


@pytest.fixture
async def journal(hass: HomeAssistant, tmp_path: Path) -> AsyncIterator[Journal]:
    executor = ThreadPoolExecutor(1)
    journal = Journal(tmp_path / "journal.sqlite", "idm", executor, days=60)
    journal.keys = None
    await journal.open()
    yield journal
    await journal.close()
    executor.shutdown()


async def record(journal: Journal, snapshots: Iterable[Snapshot]) -> None:
    for some in batched(snapshots, 100, strict=False):
        for snapshot in some:
            journal.take(snapshot)
        await journal.flush()


async def test_a_new_detector_learns_what_the_journal_has(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    past = polls(NOW - timedelta(days=3), NOW)
    await record(journal, past)
    detector = Detector(SIGNALS)
    progress: list[float] = []
    warm = WarmStart("Cellar", journal)

    await warm.async_learn(detector, in_thread, lambda verdict: progress.append(verdict.progress))

    assert same(detector, watched(past))
    assert warm.counts == {"recorder": 0, "server": 0, "journal": len(past)}
    assert progress == sorted(progress)
    assert progress[-1] > 0.05
    assert f"learned {len(past)} samples of the past" in caplog.text


async def test_a_saved_detector_learns_only_what_it_missed(journal: Journal) -> None:
    seen, missed = NOW - timedelta(days=2), NOW - timedelta(hours=5)
    before, gap = polls(seen, missed), polls(missed, NOW)
    await record(journal, [*before, *gap])
    detector = Detector.from_json(SIGNALS, json.loads(json.dumps(watched(before).to_json())))
    warm = WarmStart("Cellar", journal)
    await warm.async_learn(detector, in_thread, lambda _: None)
    assert warm.counts["journal"] == len(gap)
    assert same(detector, watched(before, gap))
    # and nothing twice
    await warm.async_learn(detector, in_thread, lambda _: None)
    assert warm.counts["journal"] == len(gap)


async def test_settings_alone_are_no_sample(journal: Journal) -> None:
    time = NOW - timedelta(hours=1)
    await record(
        journal,
        [Snapshot(time=time, values={"electrical_power": 9}, tiers=frozenset({Tier.SETTING}))],
    )
    warm = WarmStart("Cellar", journal)
    await warm.async_learn(Detector(SIGNALS), in_thread, lambda _: None)
    assert warm.counts["journal"] == 0


@pytest.fixture
async def shipper(hass: HomeAssistant, victoria_metrics: Server) -> Shipper:
    return Shipper(VictoriaMetrics(async_get_clientsession(hass), victoria_metrics.url))


async def store(hass: HomeAssistant, server: Server, snapshots: list[Snapshot]) -> None:
    """Let a server have what a heat pump's polls were, and others besides."""
    client = VictoriaMetrics(async_get_clientsession(hass), server.url)
    for identity, some in (("idm", snapshots), ("other", snapshots[:50])):
        encoder = Encoder(POINTS, heatpump_id=identity, manufacturer="IDM", model="2.0")
        for snapshot in some:
            for frame in encoder.encode([snapshot]):
                await client.write(frame.body, Coding.ZSTD)
    await server.flush()


async def test_what_is_older_than_the_journal_comes_from_the_server(
    hass: HomeAssistant, journal: Journal, shipper: Shipper, victoria_metrics: Server
) -> None:
    older = polls(NOW - timedelta(days=2), NOW - timedelta(days=1))
    younger = polls(NOW - timedelta(days=1), NOW)
    await store(hass, victoria_metrics, [*older, *younger[:40]])
    await record(journal, younger)
    server = ServerPast(shipper.turn, in_thread, POINTS.values(), "idm", idm=True)
    detector = Detector(SIGNALS)
    warm = WarmStart("Cellar", journal, server=server)

    await warm.async_learn(detector, in_thread, lambda _: None)

    assert warm.counts == {"recorder": 0, "server": len(older), "journal": len(younger)}
    assert same(detector, watched(older, younger))


async def test_the_series_of_the_forerunner_are_understood(
    hass: HomeAssistant, journal: Journal, shipper: Shipper, victoria_metrics: Server
) -> None:
    time = NOW - timedelta(hours=3)
    stamp = int(time.timestamp() * 1000)
    lines = [
        {"metric": {"__name__": name, "job": "idm"}, "values": [value], "timestamps": [stamp]}
        for name, value in (
            ("idm_heatpump_temp_outside", 4.5),
            ("idm_heatpump_power_current_draw", 1.75),
            ("idm_heatpump_nobody_knows", 3),
        )
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    await victoria_metrics.post("/api/v1/import", body)
    await victoria_metrics.flush()
    server = ServerPast(shipper.turn, in_thread, POINTS.values(), "idm", idm=True)
    assert await server.begin(NOW - timedelta(days=1), NOW) == time
    samples = [one async for some in server.samples(time, NOW) for one in some]
    assert samples == [(time, {"outdoor_temperature": 4.5, "electrical_power": 1750})]


async def test_a_server_that_is_away_costs_only_its_part(
    hass: HomeAssistant,
    journal: Journal,
    shipper: Shipper,
    victoria_metrics: Server,
    caplog: pytest.LogCaptureFixture,
) -> None:
    past = polls(NOW - timedelta(hours=5), NOW)
    await record(journal, past)
    server = ServerPast(shipper.turn, in_thread, POINTS.values(), "idm", idm=False)
    await hass.async_add_executor_job(victoria_metrics.kill)
    detector = Detector(SIGNALS)
    await WarmStart("Cellar", journal, server=server).async_learn(
        detector, in_thread, lambda _: None
    )
    assert same(detector, watched(past))
    assert caplog.text.count("nothing is learned from the history server") == 1


async def test_entities_of_another_integration_are_learned_from(
    recorder_mock: Any, hass: HomeAssistant, journal: Journal
) -> None:
    begin = datetime.now(UTC) - timedelta(hours=4)
    for minute in range(0, 120, 10):
        stamp = (begin + timedelta(minutes=minute)).timestamp()
        hass.states.async_set(
            "sensor.old_outdoor",
            str(40 + minute / 10),
            {"unit_of_measurement": "°F"},
            timestamp=stamp,
        )
        hass.states.async_set(
            "binary_sensor.old_compressor", "on" if minute % 20 else "off", timestamp=stamp
        )
    hass.states.async_set("sensor.old_outdoor", "unavailable", timestamp=stamp + 60)
    await async_wait_recording_done(hass)
    entities = {
        "outdoor_temperature": "sensor.old_outdoor",
        "compressor_running": "binary_sensor.old_compressor",
        "no_such_point": "sensor.whatever",
    }
    recorder = RecorderPast(hass, in_thread, entities, POINTS)
    found: list[Sample] = [
        one
        async for some in recorder.samples(begin - timedelta(days=1), begin + timedelta(hours=4))
        for one in some
    ]
    assert found[0][1]["outdoor_temperature"] == pytest.approx(4.44, abs=0.01)
    assert {values.get("compressor_running") for _, values in found} == {True, False}
    # a sample a minute while a state is known, and half an hour beyond the last one
    assert 110 + 28 <= len(found) <= 110 + 32

    detector = Detector(SIGNALS)
    warm = WarmStart("Cellar", journal, recorder=recorder, entities=entities)
    await warm.async_learn(detector, in_thread, lambda _: None)
    assert warm.counts["recorder"] == len(found)


async def test_without_a_recorder_there_are_no_entities(hass: HomeAssistant) -> None:
    recorder = RecorderPast(hass, in_thread, {"outdoor_temperature": "sensor.a"}, POINTS)
    assert [some async for some in recorder.samples(NOW - timedelta(days=1), NOW)] == []


async def test_what_was_over_is_not_asked_about(journal: Journal) -> None:
    past = polls(NOW - timedelta(days=4), NOW)
    odd = [
        Snapshot(time=one.time, values={**one.values, "outdoor_temperature": 300.0}, tiers=MEASURED)
        if timedelta(hours=20) < NOW - one.time < timedelta(hours=24)
        else one
        for one in past
    ]
    await record(journal, odd)
    detector = Detector(SIGNALS)
    await WarmStart("Cellar", journal).async_learn(detector, in_thread, lambda _: None)
    assert watched(odd).verdict.unanswered is False or watched(odd).verdict.alarm is False
    assert not detector.verdict.unanswered
    assert not detector.verdict.alarm
