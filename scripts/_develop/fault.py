"""A heat pump whose detector has seen 45 healthy days and the first days of a fault."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import batched
import json
from pathlib import Path
from typing import Any, Final

from custom_components.heat_pump_hub.const import DOMAIN, STORAGE_VERSION
from custom_components.heat_pump_hub.detection import Detector, Signal
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.points import Point, Snapshot, Tier, is_canonical
from custom_components.heat_pump_hub.history.journal import BATCH_POLLS, DAYS, LIMIT_RECORD
from custom_components.heat_pump_hub.history.journal_file import JournalFile
from custom_components.heat_pump_hub.history.record import pack
from custom_components.heat_pump_hub.simulator.machine_faults import Name
from custom_components.heat_pump_hub.simulator.past import FIRST

from .processes import wait_until
from .pumps import Pump
from .stand import Stand

PAST: Final = "past.jsonl"
"""What the simulated machine showed before it was served."""
NOT_NOTICED: Final = "The fault is under way; in this weather the detector has not noticed it yet."
_SECONDS: Final = 180.0
_STEP: Final = 5
"""Every so many samples reach the history server."""


def arguments(fault: str | None) -> tuple[str, ...]:
    """Return what the simulator is told for a fault."""
    return () if fault is None else ("--fault", fault, "--past", f"{{folder}}/{PAST}")


type Sample = tuple[datetime, dict[str, Any]]


async def preload(stand: Stand, pump: Pump, past: Path, fault: Name) -> str:
    """Give a heat pump its past; return what its detector says. Raises ``DevelopError``."""
    client = stand.client
    entity_id = await pump.entity_id(client, "anomaly")

    async def judged() -> bool:
        return (await client.state(entity_id))["state"] in ("on", "off")

    # Home Assistant reads only files that were there at its start, or that it wrote itself.
    await wait_until(judged, _SECONDS, "the detector is loaded")
    await client.command("config_entries/disable", entry_id=pump.entry_id, disabled_by="user")
    config = stand.folder / "config" / ".storage"
    data: dict[str, Any] = {}

    async def stored() -> bool:
        data.update(await asyncio.to_thread(_entry_data, config, pump.entry_id))
        return bool(data)

    # Home Assistant stores it a little later.
    await wait_until(stored, _SECONDS, "the entry is stored")
    points = _watched(data)
    state, noticed = await asyncio.to_thread(_learned, points, past, fault)
    key = f"{DOMAIN}.{pump.entry_id}.detector"
    content = {"version": STORAGE_VERSION, "minor_version": 1, "key": key, "data": state}
    await asyncio.to_thread((config / key).write_text, json.dumps(content), "utf-8")
    journal = stand.folder / "config" / DOMAIN / "journal" / f"{pump.entry_id}.sqlite"
    await asyncio.to_thread(_record, points, past, journal)
    labels = {
        "heatpump_id": pump.identity,
        "manufacturer": data["manufacturer"],
        "model": data["model"],
    }
    await stand.victoria.load(await asyncio.to_thread(_series, points, past, labels))
    await client.command("config_entries/disable", entry_id=pump.entry_id, disabled_by=None)

    if not noticed:
        return NOT_NOTICED

    async def alarmed() -> bool:
        return bool((await client.state(entity_id))["state"] == "on")

    await wait_until(alarmed, _SECONDS, "the alarm stands")
    found = await client.state(entity_id)
    return str(found["attributes"]["explanation"])


def _entry_data(config: Path, entry_id: str) -> dict[str, Any]:
    path = config / "core.config_entries"
    stored = json.loads(path.read_text(encoding="utf-8"))["data"] if path.exists() else {}
    for entry in stored.get("entries", ()):
        if entry["entry_id"] == entry_id:
            found: dict[str, Any] = entry["data"]
            return found
    return {}


def _watched(data: Mapping[str, Any]) -> dict[str, Point]:
    """Return the points that the detector of an entry watches, in its order."""
    address = Address(host=data["host"], port=data["port"], unit=data["unit"])
    layout = Layout.from_json(data["layout"])
    points = family(data["family"]).create(address, layout, None).points
    return {
        key: point
        for key, point in points.items()
        if (point.enabled or is_canonical(point))
        and point.tier is Tier.MEASUREMENT
        and point.readable
    }


def _samples(points: Mapping[str, Point], past: Path) -> Iterator[Sample]:
    """Yield what a heat pump of these points showed."""
    with past.open(encoding="utf-8") as file:
        for line in file:
            time, values = json.loads(line)
            found = {key: values[key] for key in points if values.get(key) is not None}
            if not found.get("cop"):
                # Nothing is divided while the machine rests.
                found.pop("cop", None)
            yield datetime.fromisoformat(time), found


def _learned(points: Mapping[str, Point], past: Path, fault: Name) -> tuple[dict[str, Any], bool]:
    """Return what a detector has learned, and whether it alarms.

    What it finds before the fault begins is answered as an owner would: it is normal.
    """
    detector = Detector(Signal(key=p.key, kind=p.kind, unit=p.unit) for p in points.values())
    onset = datetime.now(UTC) - timedelta(days=FIRST[fault])
    answered = False
    for time, values in _samples(points, past):
        if not answered and time >= onset:
            answered = True
            if detector.verdict.reasons:
                detector.feedback("normal")
        detector.observe(time, values)
    return detector.to_json(), detector.verdict.alarm


def _record(points: Mapping[str, Point], past: Path, journal: Path) -> None:
    """Let the journal have the last days, for reports and the detector's self-test."""
    end = datetime.now(UTC)
    begin = end - timedelta(days=DAYS)
    file = JournalFile(journal)
    file.open()
    try:
        recent = (
            Snapshot(time=time, values=values, tiers=frozenset({Tier.MEASUREMENT}))
            for time, values in _samples(points, past)
            if time > begin
        )
        for some in batched(recent, BATCH_POLLS, strict=False):
            file.add_record(pack(some), oldest=0, limit=LIMIT_RECORD)
    finally:
        file.close()


def _series(points: Mapping[str, Point], past: Path, labels: Mapping[str, str]) -> list[str]:
    """Return the numbers as lines of VictoriaMetrics' import."""
    found: dict[str, tuple[list[float], list[int]]] = {}
    for index, (time, values) in enumerate(_samples(points, past)):
        if index % _STEP:
            continue
        for key, value in values.items():
            if isinstance(value, int | float):
                numbers, times = found.setdefault(key, ([], []))
                numbers.append(float(value))
                times.append(int(time.timestamp() * 1000))
    return [
        json.dumps(
            {
                "metric": {
                    "__name__": f"heatpump_{points[key].name}",
                    **labels,
                    **points[key].labels,
                },
                "values": numbers,
                "timestamps": times,
            }
        )
        for key, (numbers, times) in found.items()
    ]
