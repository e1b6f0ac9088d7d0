"""Reports inside Home Assistant: on demand, every morning, and when something is wrong."""

from collections.abc import Generator
import csv
from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.heat_pump_hub import reports
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers.points import Snapshot, Tier
from custom_components.heat_pump_hub.history.journal_file import JournalError

from .fakes import POINTS, VALUES, FakeFamily, entity_id, families, make_entry, set_up

OPTIONS = {"interval": 30, "allow_control": True, "cooldown": 300}
DAILY = OPTIONS | {"reports": True, "report_format": "csv", "report_days": 30}
MEASUREMENTS = frozenset({Tier.MEASUREMENT})


@pytest.fixture
def fake() -> Generator[FakeFamily]:
    fake = FakeFamily()
    # a frozen clock lets no sleep end
    with (
        families(fake),
        patch.object(reports, "RETRY_AFTER", 0),
        patch.object(reports, "PAUSE", 0),
    ):
        yield fake


@pytest.fixture(autouse=True)
async def vienna(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Vienna")


def take(entry: MockConfigEntry, *times: datetime, **values: Any) -> None:
    """Let the journal have seen polls."""
    for time in times:
        entry.runtime_data.journal.take(
            Snapshot(
                time=time,
                values={k: v for k, v in VALUES.items() if not POINTS[k].writable} | values,
                tiers=MEASUREMENTS,
            )
        )


async def export(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    return await hass.services.async_call(
        DOMAIN, "export_report", data, blocking=True, return_response=True
    )


def yesterday(hour: int = 12, days: int = 1) -> datetime:
    noon = dt_util.now().replace(hour=hour, minute=0, second=0, microsecond=0)
    return (noon - timedelta(days=days)).astimezone(UTC)


def folder(hass: HomeAssistant) -> Path:
    return Path(hass.config.path(DOMAIN, "reports", "idm"))


def table(path: str | Path) -> list[list[str]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def text(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def size(path: str) -> int:
    return Path(path).stat().st_size


async def test_a_day_is_exported_in_the_words_of_its_owner(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    hass.config.language = "de"
    entry = make_entry()
    await set_up(hass, entry)
    take(entry, yesterday(8), yesterday(9), operating_mode="comfort")

    done = await export(hass)

    day = dt_util.now().date() - timedelta(days=1)
    assert done["file"] == str(folder(hass) / f"{day:%Y-%m-%d}_daily.csv")
    assert done["rows"] == 2
    header, first, _ = table(done["file"])
    assert header[0] == "Zeit"
    assert "Außentemperatur (°C)" in header
    assert "Heizkreis A Vorlauftemperatur (°C)" in header
    assert first[0] == f"{day:%Y-%m-%d} 08:00:00"
    assert first[header.index("Außentemperatur (°C)")] == "3.5"
    assert done["bytes"] == size(done["file"])
    # what another period has is not in this one
    assert datetime.fromisoformat(done["end"]) - datetime.fromisoformat(done["start"]) in (
        timedelta(hours=23),
        timedelta(hours=24),
        timedelta(hours=25),
    )


async def test_a_week_is_rolled_up_by_the_hour(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    monday = dt_util.now().date() - timedelta(days=7 + dt_util.now().weekday())
    start = datetime(monday.year, monday.month, monday.day, 10, tzinfo=UTC)
    take(entry, start, start + timedelta(seconds=30), start + timedelta(days=6))
    done = await export(hass, period="week", format="json")
    assert done["file"].endswith(f"{monday:%Y-%m-%d}_weekly.json")
    assert len(json.loads(text(done["file"]))["rows"]) == 2


async def test_signals_may_be_entities_or_keys(hass: HomeAssistant, fake: FakeFamily) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    start = dt_util.utcnow() - timedelta(hours=2)
    take(entry, start, start + timedelta(hours=1))
    done = await export(
        hass,
        config_entry_id=entry.entry_id,
        period="custom",
        start=(start - timedelta(minutes=1)).isoformat(),
        signals=[entity_id(hass, "sensor", "cop"), "flow_rate"],
        resolution="5_minutes",
        format="xlsx",
    )
    assert done["signals"] == 2
    # the poll at start has been recorded as well
    assert done["rows"] == 3


async def test_custom_reports_of_one_second_do_not_overwrite_each_other(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(WEDNESDAY)
    entry = make_entry()
    await set_up(hass, entry)
    take(entry, dt_util.now() - timedelta(hours=2))
    start = (dt_util.now() - timedelta(hours=3)).isoformat()
    done = [await export(hass, period="custom", start=start, format="json") for _ in range(3)]
    assert [Path(one["file"]).name for one in done] == [
        "2026-01-14_export-20260114-060000.json",
        "2026-01-14_export-20260114-060000-2.json",
        "2026-01-14_export-20260114-060000-3.json",
    ]
    assert len(list(folder(hass).iterdir())) == 3


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"format": "pdf"}, "not_a_choice"),
        ({"period": "year"}, "not_a_choice"),
        ({"resolution": "second"}, "not_a_choice"),
        ({"date": "2099-01-01"}, "period_in_future"),
        ({"period": "custom"}, "period_incomplete"),
        (
            {"period": "custom", "start": "2026-01-02 00:00", "end": "2026-01-01"},
            "period_backwards",
        ),
        ({"period": "custom", "start": "2099-01-01"}, "period_in_future"),
        (
            {"period": "custom", "start": "2026-01-01", "date": "2026-01-01"},
            "period_custom_date",
        ),
        ({"start": "2026-01-01"}, "period_not_custom"),
        ({"period": "week", "end": "2026-01-01"}, "period_not_custom"),
        ({"signals": ["sensor.nothing"]}, "unknown_signal"),
        ({"date": "2020-01-01"}, "report_no_data"),
    ],
)
async def test_what_cannot_be_is_said(
    hass: HomeAssistant, fake: FakeFamily, data: dict[str, Any], error: str
) -> None:
    await set_up(hass, make_entry())
    with pytest.raises(ServiceValidationError) as raised:
        await export(hass, **data)
    assert raised.value.translation_key == error


async def test_a_disk_that_is_nearly_full_gets_no_report(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    take(entry, yesterday())
    with (
        patch("custom_components.heat_pump_hub.history.reports.DISK_LIMIT", 0.0),
        pytest.raises(HomeAssistantError) as raised,
    ):
        await export(hass)
    assert raised.value.translation_key == "report_disk_full"
    assert list(folder(hass).iterdir()) == []


async def test_a_report_that_fails_leaves_nothing_and_says_why(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    take(entry, yesterday())
    with (
        patch(
            "custom_components.heat_pump_hub.history.report_files.CsvFile._row",
            side_effect=OSError("broken disk"),
        ),
        pytest.raises(HomeAssistantError, match="broken disk") as raised,
    ):
        await export(hass)
    assert raised.value.translation_key == "report_failed"
    assert list(folder(hass).iterdir()) == []


async def test_excel_that_is_too_long_names_the_limit(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    entry = make_entry()
    await set_up(hass, entry)
    take(entry, yesterday(8), yesterday(9))
    with (
        patch("custom_components.heat_pump_hub.history.report_files.EXCEL_ROWS", 1),
        pytest.raises(ServiceValidationError) as raised,
    ):
        await export(hass, format="xlsx")
    assert raised.value.translation_key == "report_too_long"


async def morning(hass: HomeAssistant, freezer: FrozenDateTimeFactory, days: int = 0) -> None:
    """Let it become seven o'clock."""
    now = dt_util.now()
    seven = now.replace(hour=7, minute=0, second=0, microsecond=0) + timedelta(days=days)
    if seven <= now:
        seven += timedelta(days=1)
    freezer.move_to(seven)
    async_fire_time_changed(hass, seven)
    await hass.async_block_till_done(wait_background_tasks=True)


WEDNESDAY = "2026-01-14 05:00:00+00:00"


async def test_every_morning_the_day_before_is_written_and_old_reports_go(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(WEDNESDAY)
    entry = make_entry(options=DAILY)
    await set_up(hass, entry)
    take(entry, datetime(2026, 1, 13, 12, tzinfo=UTC), datetime(2026, 1, 7, 12, tzinfo=UTC))
    folder(hass).mkdir(parents=True)
    old = folder(hass) / "2025-11-01_daily.csv"
    old.write_text("old")
    os.utime(old, (0, datetime(2025, 11, 2, tzinfo=UTC).timestamp()))

    await morning(hass, freezer)

    assert {path.name for path in folder(hass).iterdir()} == {
        "2026-01-13_daily.csv",
        "2026-01-05_weekly.csv",
    }
    assert "1 old reports removed, 3 bytes" in caplog.text


async def test_a_report_that_was_missed_is_made_later(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to("2026-01-14 20:00:00+00:00")
    entry = make_entry(options=OPTIONS)
    await set_up(hass, entry)
    take(entry, datetime(2026, 1, 13, 12, tzinfo=UTC))
    hass.config_entries.async_update_entry(entry, options=DAILY)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    path = folder(hass) / "2026-01-13_daily.csv"
    assert path.exists()
    path.write_text("the owner's own notes")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert path.read_text() == "the owner's own notes"


async def test_no_data_is_warned_of_once(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to("2026-01-19 05:00:00+00:00")
    await set_up(hass, make_entry(options=DAILY))
    await morning(hass, freezer)
    assert caplog.text.count("no report 2026-01-18_daily: no data") == 1
    assert not folder(hass).exists()


async def test_a_scheduled_report_is_tried_twice(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(WEDNESDAY)
    entry = make_entry(options=DAILY)
    await set_up(hass, entry)
    take(entry, datetime(2026, 1, 13, 12, tzinfo=UTC))
    real = reports.check_disk
    calls = 0

    def full_at_first(path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise reports.DiskFullError("95%")
        real(path)

    with patch.object(reports, "check_disk", full_at_first):
        await morning(hass, freezer)
    assert (folder(hass) / "2026-01-13_daily.csv").exists()
    assert "no report" not in caplog.text

    with patch.object(reports, "check_disk", side_effect=reports.DiskFullError("95%")) as check:
        take(entry, datetime(2026, 1, 14, 12, tzinfo=UTC))
        await morning(hass, freezer)
    assert check.call_count == 2
    assert "no report 2026-01-14_daily: the disk is nearly full (95%)" in caplog.text

    with patch.object(entry.runtime_data.journal, "snapshots", side_effect=JournalError("gone")):
        await morning(hass, freezer)
    assert "no report 2026-01-15_daily: gone" in caplog.text


async def test_old_reports_make_room_before_a_new_one_is_written(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(WEDNESDAY)
    entry = make_entry(options=DAILY | {"report_days": 7})
    await set_up(hass, entry)
    take(entry, datetime(2026, 1, 13, 12, tzinfo=UTC))
    folder(hass).mkdir(parents=True)
    ages = {
        "2026-01-06_daily.csv": 8,
        ".2026-01-06_export-20260106-070000.csv.partial": 8,
        "2026-01-08_daily.csv": 6,
        "notes.txt": 1000,
    }
    for name, days in ages.items():
        path = folder(hass) / name
        path.write_text("old")
        os.utime(path, (0, datetime(2026, 1, 14, tzinfo=UTC).timestamp() - days * 86_400))

    def full_with_old_ones(path: Path) -> None:
        if (path / "2026-01-06_daily.csv").exists():
            raise reports.DiskFullError("95%")

    with patch.object(reports, "check_disk", full_with_old_ones):
        await morning(hass, freezer)
    assert {path.name for path in folder(hass).iterdir()} == {
        "2026-01-08_daily.csv",
        "2026-01-13_daily.csv",
        "notes.txt",
    }
    assert "2 old reports removed, 6 bytes" in caplog.text


async def test_old_reports_that_cannot_be_removed_are_told(
    hass: HomeAssistant,
    fake: FakeFamily,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    freezer.move_to(WEDNESDAY)
    await set_up(hass, make_entry(options=DAILY))
    with patch.object(reports, "remove_old", side_effect=PermissionError("not yours")):
        await morning(hass, freezer)
    assert "old reports were not removed: not yours" in caplog.text


async def test_a_job_does_not_overlap_itself_and_ends_with_the_entry(
    hass: HomeAssistant, fake: FakeFamily, freezer: FrozenDateTimeFactory
) -> None:
    freezer.move_to(WEDNESDAY)
    entry = make_entry(options=DAILY)
    await set_up(hass, entry)
    take(entry, datetime(2026, 1, 13, 12, tzinfo=UTC))
    begun = 0
    real = reports.keys_in

    def count(*args: Any) -> Any:
        nonlocal begun
        begun += 1
        return real(*args)

    # longer than the days that the clock is moved by
    with patch.object(reports, "PAUSE", 864_000.0), patch.object(reports, "keys_in", count):
        for _ in range(2):
            seven = dt_util.now().replace(hour=7, minute=0, second=0, microsecond=0)
            seven += timedelta(days=1)
            freezer.move_to(seven)
            async_fire_time_changed(hass, seven)
            await hass.async_block_till_done()
            while not begun:
                await hass.async_add_executor_job(float)
        assert begun == 1
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert list(folder(hass).parent.rglob("*.partial")) == []
