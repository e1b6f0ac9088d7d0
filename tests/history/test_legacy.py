"""What forerunners stored becomes what this program would have stored."""

import csv
from datetime import UTC, datetime
import gzip
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, Layout
from custom_components.heat_pump_hub.drivers.points import Point, Quantity, Value
from custom_components.heat_pump_hub.history import luxtronik_logger
from custom_components.heat_pump_hub.history.ask import labels_of
from custom_components.heat_pump_hub.history.forerunner import NAMES, PREFIX, forerunner
from custom_components.heat_pump_hub.history.legacy import (
    CsvFile,
    ExportFile,
    NotReadableError,
    collector_names,
    logger_names,
)
from custom_components.heat_pump_hub.history.series import Encoder, Naming, canonical
from tests.drivers.test_registers import EVERYTHING

IDM = family("idm").create(Address(host="", port=0), EVERYTHING, None).points
LUXTRONIK = (
    family("luxtronik")
    .create(Address(host="", port=0), Layout(circuits=("a", "b", "c")), None)
    .points
)


def encoder(points: dict[str, Point], naming: Naming = canonical) -> Encoder:
    return Encoder(points, heatpump_id="mine", manufacturer="M", model="N", naming=naming)


def values(point: Point) -> list[Value]:
    if point.quantity is Quantity.FLAG:
        return [True, False]
    if point.quantity is Quantity.STATE:
        return list((point.options or {}).values())
    return [0.0, 12.3, -4.4]


@pytest.mark.parametrize("naming", [canonical, forerunner])
def test_every_series_of_the_collector_becomes_ours(naming: Naming) -> None:
    own = encoder(IDM, naming)
    targets = collector_names(own)
    assert len(targets) > 500
    for key, name in NAMES.items():
        if (point := IDM.get(key)) is None:
            continue
        target = targets[PREFIX + name]
        series, metric = own.metric(key)
        assert target.labels == labels_of(metric)
        theirs = forerunner(point)
        for value in values(point):
            stored = theirs.number(value)
            if stored is None or (key == "operating_mode" and value in ("utility_lock", "pool")):
                # The collector had no number of its own for these.
                continue
            assert target.convert(stored) == pytest.approx(series.number(value)), key
        assert target.convert(float("nan")) is None


def test_an_export_is_read_in_pieces(tmp_path: Path) -> None:
    lines = [
        {
            "metric": {"__name__": name, "installation_id": machine},
            "values": [5.5, None, 6.5, 7.5],
            "timestamps": [2000, 3000, 1000, 2000],
        }
        for name in ("idm_heatpump_temp_outside", "idm_heatpump_unheard_of")
        for machine in ("1", "2")
        for _ in range(15)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    plain, zipped = tmp_path / "all.jsonl", tmp_path / "all.jsonl.gz"
    plain.write_bytes(text)
    zipped.write_bytes(gzip.compress(text))
    for path in (plain, zipped):
        reader = ExportFile(path, collector_names(encoder(IDM)), {"installation_id": "2"})
        reader.skip(10)
        found = []
        total = 10
        while (got := reader.read())[0]:
            total += got[0]
            found += got[1]
        reader.close()
        assert total == len(lines)
        assert len(found) == 15
        assert list(found[0].times) == [1000, 2000]
        assert list(found[0].values) == [6.5, 5.5]


def test_what_is_no_export_is_told(tmp_path: Path) -> None:
    path = tmp_path / "letter.jsonl"
    path.write_text("Dear Sir,\n")
    reader = ExportFile(path, {}, {})
    with pytest.raises(NotReadableError, match="letter.jsonl"):
        reader.read()
    reader.close()


def test_columns_of_the_logger_are_keys_of_a_luxtronik() -> None:
    keys = {*luxtronik_logger.IDS.values(), *luxtronik_logger.READABLE.values()}
    assert keys <= LUXTRONIK.keys()


def write(path: Path, header: list[str], *rows: list[str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_a_file_of_the_logger_is_read(tmp_path: Path) -> None:
    path = tmp_path / "2025-08-01_daily.csv"
    prefix = "calculations.ID_WEB_"
    header = [
        f"{prefix}Temperatur_TVL",
        f"{prefix}Zaehler_BetrZeitVD1",
        f"{prefix}WMZ_Durchfluss",
        f"{prefix}WP_BZ_akt",
        f"{prefix}EVUin",
        "parameters.ID_Einst_WK_akt",
        f"{prefix}AktuelleTimeStamp",
    ]
    write(
        path,
        header,
        ["35.5", "7200", "1200", "hot water", "True", "1", "2025-08-01 12:00:00"],
        ["nan", "?", "600", "dancing", "maybe", "1", "2025-08-01 12:00:30"],
        ["36", "7230", "900", "no request", "False", "1", "1754042460"],
        ["37", "7230", "900", "no request", "False", "1", "no time"],
        ["38", "7230"],
    )
    own = encoder(LUXTRONIK)
    reader = CsvFile(path, logger_names(own), ZoneInfo("Europe/Vienna"))
    read, columns = reader.read()
    assert (read, reader.read()[0]) == (5, 0)
    reader.close()
    first = int(datetime(2025, 8, 1, 10, tzinfo=UTC).timestamp()) * 1000
    found = {
        dict(column.labels)["__name__"]: dict(zip(column.times, column.values, strict=True))
        for column in columns
    }
    late = 1754042460000
    assert found["heatpump_flow_temperature"] == {first: 35.5, late: 36}
    assert found["heatpump_compressor_hours"] == {first: 2, late: pytest.approx(2.01, abs=0.01)}
    assert found["heatpump_flow_rate"] == {first: 20, first + 30_000: 10, late: 15}
    assert found["heatpump_operating_mode"] == {first: 2, late: 0}
    assert found["heatpump_evu_unlocked_input"] == {first: 1, late: 0}
    assert all("parameters" not in name for name in found)
    again = CsvFile(path, logger_names(own), ZoneInfo("Europe/Vienna"))
    again.skip(4)
    assert again.read() == (1, [])
    again.close()


def test_a_table_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "shopping.csv"
    for header in (["bread", "milk"], ["timestamp", "milk"], ["Flow Temperature"], []):
        write(path, header, ["1", "2"])
        with pytest.raises(NotReadableError, match="shopping.csv"):
            CsvFile(path, logger_names(encoder(LUXTRONIK)), UTC)


def test_readable_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "readable.csv"
    write(path, ["Flow Temperature", "Current Timestamp"], ["30.25", "1754042460.5"])
    reader = CsvFile(path, logger_names(encoder(LUXTRONIK)), UTC)
    _, (column,) = reader.read()
    reader.close()
    assert list(column.times) == [1754042460500]
    assert dict(column.labels)["heatpump_id"] == "mine"
