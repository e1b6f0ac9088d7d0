"""Tables and files of reports: what a row holds, and what is on the disk."""

import csv
from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest
from xlsxwriter.exceptions import FileCreateError

from custom_components.heat_pump_hub.drivers.points import Kind, Snapshot, Tier, Value
from custom_components.heat_pump_hub.history import report_files, reports
from custom_components.heat_pump_hub.history.report_files import (
    Format,
    ReportFile,
    TooLongError,
    report_file,
)
from custom_components.heat_pump_hub.history.reports import (
    Column,
    DiskFullError,
    Resolution,
    Row,
    Table,
    check_disk,
    remove_old,
)

VIENNA = ZoneInfo("Europe/Vienna")
START = datetime(2026, 1, 10, 11, 0, tzinfo=UTC)
COLUMNS = (
    Column(key="flow", title="Flow, heating", unit="°C"),
    Column(key="running", title="Compressor", kind=Kind.STATE),
    Column(key="mode", title="Mode", kind=Kind.STATE, states={"dhw": "Warmwasser"}),
    Column(key="starts", title="Starts", kind=Kind.COUNTER, decimals=0),
    Column(key="slope", title="Slope", kind=Kind.SETPOINT, tier=Tier.SETTING, decimals=2),
)


def poll(
    seconds: float, values: dict[str, Value], *, settings: bool = False, codes: int | None = None
) -> Snapshot:
    return Snapshot(
        time=START + timedelta(seconds=seconds),
        values=values,
        unknown_codes={} if codes is None else {"mode": codes},
        tiers=frozenset(Tier) if settings else frozenset({Tier.MEASUREMENT}),
    )


def rows(resolution: Resolution, *snapshots: Snapshot) -> list[Row]:
    table = Table(COLUMNS, resolution, VIENNA)
    return [*table.add(snapshots), *table.finish()]


def test_each_sample_is_a_row_in_local_time_with_the_settings_that_hold() -> None:
    found = rows(
        Resolution.SAMPLE,
        poll(0, {"flow": 35.0, "slope": 0.6}, settings=True),
        poll(30, {"flow": 35.2, "running": True}),
        Snapshot(
            time=START + timedelta(seconds=40),
            values={"slope": 0.7},
            tiers=frozenset({Tier.SETTING}),
        ),
        poll(60, {"running": False}, codes=77),
    )
    assert [row.time.hour for row in found] == [12, 12, 12]
    assert [row.values for row in found] == [
        (35.0, None, None, None, 0.6),
        (35.2, True, None, None, 0.6),
        (None, False, 77, None, 0.7),
    ]


def test_a_setting_is_not_repeated_over_a_gap() -> None:
    found = rows(
        Resolution.SAMPLE,
        poll(0, {"slope": 0.6}, settings=True),
        poll(3600, {"flow": 30.0}),
    )
    assert found[-1].values == (30.0, None, None, None, None)


def test_an_hour_is_rolled_up_by_what_a_signal_is() -> None:
    found = rows(
        Resolution.HOUR,
        poll(0, {"flow": 30.0, "running": True, "mode": "dhw", "starts": 7}),
        poll(30, {"flow": 31.0, "running": False, "mode": "heating", "starts": 8}),
        poll(60, {"flow": 31.1, "running": False, "mode": "heating", "starts": 9}),
        poll(3600, {"flow": 40.0}),
    )
    assert [row.values for row in found] == [
        (30.7, 0.33, "heating", 9, None),
        (40.0, None, None, None, None),
    ]
    assert [row.time.isoformat() for row in found] == [
        "2026-01-10T12:00:00+01:00",
        "2026-01-10T13:00:00+01:00",
    ]


def test_the_hour_that_comes_twice_in_autumn_is_two_rows() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    table = Table(COLUMNS, Resolution.HOUR, VIENNA)
    snapshots = [Snapshot(time=first + timedelta(hours=h), values={"flow": 1.0}) for h in (0, 1)]
    found = [*table.add(snapshots), *table.finish()]
    assert [row.time.hour for row in found] == [2, 2]


def test_a_bucket_without_numbers_is_empty_and_text_in_an_analog_signal_is_no_mean() -> None:
    column = Column(key="flow", title="Flow")
    table = Table([column], Resolution.FIVE_MINUTES, UTC)
    table.add([Snapshot(time=START, values={"flow": "odd"})])
    assert table.finish()[0].values == ("odd",)
    assert table.finish() == []


@given(st.lists(st.floats(0, 100_000), max_size=60), st.sampled_from(list(Resolution)))
def test_no_sample_is_lost_and_rows_are_in_order(gaps: list[float], how: Resolution) -> None:
    table = Table([Column(key="flow", title="Flow")], how, VIENNA)
    time = START
    snapshots = [
        Snapshot(time=(time := time + timedelta(seconds=gap)), values={"flow": 1.0}) for gap in gaps
    ]
    found = [*table.add(snapshots), *table.finish()]
    times = [row.time for row in found]
    assert times == sorted(times)
    assert len(found) <= len(gaps)
    assert all(row.values == (1.0,) for row in found)
    if how is Resolution.SAMPLE:
        assert len(found) == len(gaps)


def write(kind: Format, path: Path, *found: Row) -> ReportFile:
    file = report_file(kind, path, COLUMNS, "Zeit")
    file.open()
    file.write(found)
    assert file.commit() == path.stat().st_size
    assert list(path.parent.iterdir()) == [path]
    return file


ROW = Row(START.astimezone(VIENNA), (35.25, True, "dhw", None, 0.6))


def test_csv_has_headers_with_units_and_the_words_of_states(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    write(Format.CSV, path, ROW)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, row = csv.reader(file)
    assert header == ["Zeit", "Flow, heating (°C)", "Compressor", "Mode", "Starts", "Slope"]
    assert row == ["2026-01-10 12:00:00", "35.25", "1", "Warmwasser", "", "0.6"]
    assert path.stat().st_mode & 0o077 == 0


def test_json_has_keys_and_times_with_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write(Format.JSON, path, ROW, ROW)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["columns"][0] == {"key": "flow", "name": "Flow, heating", "unit": "°C"}
    assert report["rows"][1] == [
        "2026-01-10T12:00:00.000+01:00", 35.25, 1, "Warmwasser", None, 0.6
    ]  # fmt: skip


def test_excel_has_numbers_and_dates(tmp_path: Path) -> None:
    from zipfile import ZipFile

    path = tmp_path / "report.xlsx"
    write(Format.XLSX, path, ROW)
    with ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<v>35.25</v>" in sheet
    # days since 1899-12-30
    assert "<v>46032.5</v>" in sheet
    assert "Warmwasser" in sheet


def test_excel_takes_no_more_rows_than_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_files, "EXCEL_ROWS", 1)
    file = report_file(Format.XLSX, tmp_path / "report.xlsx", COLUMNS, "Zeit")
    file.open()
    with pytest.raises(TooLongError):
        file.write([ROW, ROW])
    file.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", list(Format))
def test_an_aborted_report_leaves_the_old_one(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / f"report.{kind}"
    path.write_text("old")
    file = report_file(kind, path, COLUMNS, "Zeit")
    file.open()
    file.write([ROW])
    file.abort()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_workbook_that_cannot_be_written_is_an_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = report_file(Format.XLSX, tmp_path / "report.xlsx", COLUMNS, "Zeit")
    file.open()

    def close(_workbook: object) -> None:
        raise FileCreateError("full")

    monkeypatch.setattr("xlsxwriter.Workbook.close", close)
    with pytest.raises(OSError, match="full"):
        file.commit()
    file.abort()


@pytest.mark.parametrize(("used", "full"), [(89, False), (90, False), (91, True)])
def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int, full: bool
) -> None:
    check_disk(tmp_path)
    usage = SimpleNamespace(total=100, used=used, free=100 - used)
    monkeypatch.setattr(reports.shutil, "disk_usage", lambda _: usage)
    if not full:
        check_disk(tmp_path)
        return
    with pytest.raises(DiskFullError, match="91%"):
        check_disk(tmp_path)


def test_only_old_reports_are_removed(tmp_path: Path) -> None:
    for name in (
        "2026-01-01_daily.csv",
        "2026-01-02_weekly.xlsx",
        "2026-01-03_export-20260104.json",
    ):
        (tmp_path / name).write_text("12345")
        os.utime(tmp_path / name, (0, 1000.0))
    (tmp_path / "2026-02-01_daily.csv").write_text("young")
    (tmp_path / "notes.csv").write_text("mine")
    os.utime(tmp_path / "notes.csv", (0, 1000.0))
    (tmp_path / "2026-01-01_daily.json").mkdir()

    assert remove_old(tmp_path, 2000.0) == (3, 15)
    assert {path.name for path in tmp_path.iterdir()} == {
        "2026-02-01_daily.csv",
        "notes.csv",
        "2026-01-01_daily.json",
    }
    assert remove_old(tmp_path / "none", 2000.0) == (0, 0)
