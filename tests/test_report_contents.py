"""What stands in a report: entities of others, units and words of its owner, days of 23 and 25 h."""

from collections.abc import Generator
import csv
from datetime import UTC, date, datetime, timedelta
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zipfile import ZipFile

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
import pytest

from custom_components.heat_pump_hub import reports
from custom_components.heat_pump_hub.drivers.driver import NoAnswerError
from custom_components.heat_pump_hub.drivers.points import Snapshot
from custom_components.heat_pump_hub.history.journal_file import Record
from custom_components.heat_pump_hub.history.record import pack
from custom_components.heat_pump_hub.history.reports import keys_in
from custom_components.heat_pump_hub.history.series import milliseconds

from .fakes import FakeFamily, entity_id, families, set_up
from .test_companions import PUMP, PV, ROOM, WATT, poll, with_options
from .test_reports import export, table, take, text

NOON = "2026-01-14 11:00:00+00:00"
CELLAR = "sensor.cellar"
SINCE = {"period": "custom", "start": "2026-01-14 00:00"}


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    # a frozen clock lets no sleep end
    with families(fake), patch.object(reports, "PAUSE", 0):
        yield fake


@pytest.fixture(autouse=True)
async def vienna(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    await hass.config.async_set_time_zone("Europe/Vienna")
    freezer.move_to(NOON)


def mode(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


def sheet(path: str) -> str:
    with ZipFile(path) as book:
        return book.read("xl/worksheets/sheet1.xml").decode()


async def house(hass: HomeAssistant, freezer: FrozenDateTimeFactory, fake: FakeFamily) -> Any:
    """Poll twice, the second time without the heat pump; return the entry."""
    hass.states.async_set(PV, "2.5", {"unit_of_measurement": "kW", "friendly_name": "Roof"})
    room = er.async_get(hass).async_get_or_create(
        "sensor", "zha", "1", original_name="Kitchen", suggested_object_id="kitchen"
    )
    assert room.entity_id == ROOM
    hass.states.async_set(ROOM, "68", {"unit_of_measurement": "°F", "friendly_name": "Kitchen"})
    hass.states.async_set(PUMP, "on", {"friendly_name": "Pump"})
    entry = with_options({}, companions=[PV, ROOM, PUMP])
    await set_up(hass, entry)
    fake.driver.error = NoAnswerError("off")
    freezer.tick(timedelta(seconds=30))
    hass.states.async_set(PV, "2.75", {"unit_of_measurement": "kW", "friendly_name": "Roof"})
    hass.states.async_set(PUMP, "off", {"friendly_name": "Pump"})
    freezer.tick(timedelta(seconds=30))
    await poll(hass, entry)
    return entry


async def test_entities_of_others_are_in_a_report_of_every_format(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    await house(hass, freezer, fake)
    freezer.tick(timedelta(seconds=30))

    done = await export(hass, **SINCE)
    header, first, second = table(done["file"])
    assert header[-3:] == ["Kitchen (°F)", "Roof (kW)", "Pump"]
    assert first[-3:] == ["68.0", "2.5", "1"]
    # The heat pump was away; what else there is does not hide with it.
    outdoor = header.index("Outdoor temperature (°C)")
    assert (first[outdoor], second[outdoor]) == ("3.5", "")
    setpoint = header.index("Hot water Temperature setpoint (°C)")
    assert (first[setpoint], second[setpoint]) == ("48", "")
    assert first[0] == "2026-01-14 12:00:00"
    assert second[0] == "2026-01-14 12:01:00"
    assert second[-3:] == ["68.0", "2.75", "0"]

    done = await export(hass, **SINCE, format="json")
    found = json.loads(text(done["file"]))
    assert found["columns"][-2] == {
        "key": f"companion:{PV}:W",
        "name": "Roof",
        "unit": "kW",
    }
    assert [row[-2] for row in found["rows"]] == [2.5, 2.75]

    done = await export(hass, **SINCE, format="xlsx")
    assert done["rows"] == 2
    assert "Roof (kW)" in sheet(done["file"])
    assert "<v>2.75</v>" in sheet(done["file"])


async def test_signals_select_entities_of_others(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    await house(hass, freezer, fake)
    freezer.tick(timedelta(seconds=30))
    outdoor = entity_id(hass, "sensor", "outdoor_temperature")
    done = await export(hass, signals=[ROOM, outdoor], **SINCE)
    assert table(done["file"])[0] == ["Time", "Outdoor temperature (°C)", "Kitchen (°F)"]
    done = await export(hass, signals=[f"companion:{PV}:W"], **SINCE)
    assert table(done["file"])[0] == ["Time", "Roof (kW)"]
    with pytest.raises(ServiceValidationError) as raised:
        await export(hass, signals=[CELLAR], **SINCE)
    assert raised.value.translation_key == "unknown_signal"


async def test_an_hour_of_entities_is_rolled_up(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    entry = await house(hass, freezer, fake)
    hass.states.async_set(CELLAR, "12.345678", {"unit_of_measurement": "kWh"})
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE, resolution="hour")
    ((_, *_, room, power, pump),) = table(done["file"])[1:]
    assert (room, power, pump) == ("68.0", "2.625", "0.5")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_entities_that_are_none_of_the_history_any_more_are_in_its_past(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    entry = await house(hass, freezer, fake)
    hass.config_entries.async_update_entry(entry, options={"interval": 30})
    fake.driver.error = None
    await hass.config_entries.async_reload(entry.entry_id)
    for gone in (PV, PUMP, ROOM):
        hass.states.async_remove(gone)
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE, resolution="hour")
    header, row = table(done["file"])
    # Of what is in no list nobody knows the name now, nor in which unit it was shown.
    assert header[-3:] == ["Kitchen (°C)", f"{PV} (W)", PUMP]
    assert row[-2] == "2625.0"
    assert row[-1] == "0.5"


async def test_two_entities_of_one_name_have_two_headers(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    for one in (PV, CELLAR):
        hass.states.async_set(one, "1", WATT | {"friendly_name": "Power"})
    await set_up(hass, with_options({}, companions=[PV, CELLAR]))
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE, signals=[PV, CELLAR])
    assert table(done["file"])[0] == ["Time", f"Power {CELLAR} (W)", f"Power {PV} (W)"]


async def test_units_are_those_the_owner_sees(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    entry = with_options({}, history_everything=True)
    await set_up(hass, entry)
    power = entity_id(hass, "sensor", "electrical_power")
    er.async_get(hass).async_update_entity_options(power, "sensor", {"unit_of_measurement": "kW"})
    await hass.async_block_till_done()
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE)
    header, first, *_ = table(done["file"])
    shown = dict(zip(header, first, strict=True))
    assert shown["Outdoor temperature (°F)"] == "38.3"
    assert shown["Electrical power (kW)"] == "1.5"
    # A setting has the unit of its entity, too; a difference is not shifted by 32.
    assert shown["Hot water Temperature setpoint (°F)"] == "118.0"
    for key, platform in (("outdoor_temperature", "sensor"), ("superheat", "sensor")):
        found = hass.states.get(entity_id(hass, platform, key))
        assert found is not None
        title = found.attributes["friendly_name"].removeprefix("Cellar ")
        unit = found.attributes["unit_of_measurement"]
        assert float(shown[f"{title} ({unit})"]) == pytest.approx(float(found.state), abs=0.06)


@pytest.mark.parametrize("language", ["en", "de"])
async def test_numbers_are_numbers_in_every_language(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory, language: str
) -> None:
    """CSV has points, so that a program reads it anywhere; Excel shows what its user is used to."""
    hass.config.language = language
    await set_up(hass, with_options({}))
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE, signals=["outdoor_temperature"])
    lines = text(done["file"]).splitlines()
    assert lines[1] == "2026-01-14 12:00:00,3.5"
    assert list(csv.reader(lines))[1][1] == "3.5"
    done = await export(hass, **SINCE, signals=["outdoor_temperature"], format="xlsx")
    # A number in a cell, and no text: t="s" or inlineStr would be one.
    assert '<c r="B2"><v>3.5</v></c>' in sheet(done["file"])


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 1, 14), 24)],
)
async def test_a_day_has_the_hours_it_has(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    day: date,
    hours: int,
) -> None:
    zone = dt_util.get_default_time_zone()
    begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    freezer.move_to(begin + timedelta(days=1, hours=12))
    entry = with_options({})
    await set_up(hass, entry)
    # A poll each half an hour, from an hour before the day to an hour behind it.
    take(entry, *(begin + timedelta(minutes=30 * step) for step in range(-2, 2 * hours + 2)))
    done = await export(hass, date=day.isoformat(), format="json", resolution="hour")
    rows = json.loads(text(done["file"]))["rows"]
    assert len(rows) == hours
    times = [datetime.fromisoformat(row[0]) for row in rows]
    assert times == [begin + timedelta(hours=hour) for hour in range(hours)]
    length = datetime.fromisoformat(done["end"]) - datetime.fromisoformat(done["start"])
    assert done["rows"] == hours
    assert length.total_seconds() == hours * 3600
    done = await export(hass, date=day.isoformat())
    assert done["rows"] == 2 * hours


def test_a_batch_that_reaches_beyond_a_period_gives_it_no_empty_column() -> None:
    start = datetime(2026, 1, 14, tzinfo=UTC)
    record = pack(
        [
            Snapshot(time=start, values={"a": 1.0}, unknown_codes={"mode": 7}),
            Snapshot(time=start + timedelta(seconds=30), values={"b": 1.0}),
        ]
    )
    first = milliseconds(start)
    assert keys_in(record, first, first) == {"a", "mode"}
    assert keys_in(record, first + 1, first + 30_000) == {"b"}
    assert keys_in(Record(first, first, b"damaged"), first, first) == set()


@pytest.mark.parametrize(("monday", "hours"), [("2026-03-23", 167), ("2026-10-19", 169)])
async def test_a_week_has_the_hours_it_has(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    monday: str,
    hours: int,
) -> None:
    day = date.fromisoformat(monday)
    zone = dt_util.get_default_time_zone()
    begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    freezer.move_to(begin + timedelta(days=7, hours=12))
    entry = with_options({})
    await set_up(hass, entry)
    take(entry, *(begin + timedelta(hours=step) for step in range(-1, hours + 1)))
    done = await export(hass, period="week", date=f"{day + timedelta(days=3)}", format="json")
    assert done["file"].endswith(f"{monday}_weekly.json")
    assert done["rows"] == hours
    times = [row[0] for row in json.loads(text(done["file"]))["rows"]]
    assert datetime.fromisoformat(times[0]) == begin
    assert datetime.fromisoformat(times[-1]) == begin + timedelta(hours=hours - 1)


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
async def test_nobody_else_reads_a_report(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory, kind: str
) -> None:
    await set_up(hass, with_options({}))
    freezer.tick(timedelta(seconds=30))
    done = await export(hass, **SINCE, format=kind)
    assert mode(done["file"]) == 0o600
    assert "www" not in done["file"]
