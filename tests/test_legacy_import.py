"""What a forerunner left reaches the history server under our names; nothing is overwritten."""

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.heat_pump_hub.backfill import EVENT, Backfill, Job
from custom_components.heat_pump_hub.const import DOMAIN

from .fakes import FakeFamily
from .servers import VictoriaMetrics, VictoriaMetricsFactory
from .test_backfill import DAY, NOW, act, heat_pump, held, server

__all__ = ["server"]

BEGIN = NOW - 20 * DAY
TIMES = [BEGIN + n * 3000 for n in range(500)]


def line(name: str, values: list[float], **labels: str) -> bytes:
    metric = {"__name__": f"idm_heatpump_{name}", "installation_id": "1", "model": "?"} | labels
    stamps = [at * 1000 for at in TIMES]
    return json.dumps({"metric": metric, "values": values, "timestamps": stamps}).encode() + b"\n"


OLD = b"".join(
    [
        line("temp_outside", [n / 10 for n in range(500)]),
        line("power_solar_surplus", [n / 1000 for n in range(500)]),
        line("evu_lock_status", [n % 2 for n in range(500)]),
        line("of_another_time", [1.0] * 500),
    ]
)


def write(hass: HomeAssistant, name: str, content: bytes) -> None:
    path = Path(hass.config.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


async def import_legacy(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    return await act(hass, "import_legacy", **data)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_series_of_the_collector_are_copied(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    victoria_metrics_factory: VictoriaMetricsFactory,
    elsewhere: bool,
) -> None:
    entry = await heat_pump(hass, server)
    old = victoria_metrics_factory() if elsewhere else server
    await old.post("/api/v1/import", OLD)
    await old.flush()
    source = {"url": old.url} if elsewhere else {}
    events = async_capture_events(hass, EVENT)
    dry = await import_legacy(hass, **source, dry_run=True)
    assert (dry["state"], dry["missing"], dry["unknown"]) == ("counted", 1000, 2)
    assert await held(server, "outdoor_temperature") == {}
    answer = await import_legacy(hass, **source)
    assert (answer["state"], answer["sent"]) == ("done", 1000)
    assert await held(server, "outdoor_temperature") == {at: n / 10 for n, at in enumerate(TIMES)}
    assert await held(server, "pv_surplus") == {at: n for n, at in enumerate(TIMES)}
    assert events[-1].data["action"] == "import_legacy"
    again = await import_legacy(hass, **source)
    assert (again["sent"], again["skipped"]) == (0, 1000)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_is_there_stays(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    ours = {
        "metric": {
            "__name__": "heatpump_outdoor_temperature",
            "heatpump_id": "idm",
            "manufacturer": "IDM",
            "model": "Navigator 2.0",
        },
        "values": [-99.0] * 250,
        "timestamps": [at * 1000 for at in TIMES[::2]],
    }
    await server.post("/api/v1/import", json.dumps(ours).encode() + b"\n" + OLD)
    await server.flush()
    answer = await import_legacy(hass)
    assert (answer["sent"], answer["skipped"]) == (750, 250)
    found = await held(server, "outdoor_temperature")
    assert found == {at: n / 10 if n % 2 else -99.0 for n, at in enumerate(TIMES)}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_of_several_machines_one_is_named(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    other = line("temp_outside", [40.0] * 500, installation_id="2")
    await server.post("/api/v1/import", OLD + other)
    await server.flush()
    with pytest.raises(HomeAssistantError) as raised:
        await import_legacy(hass)
    assert raised.value.translation_key == "backfill_failed"
    assert "idm_heatpump_temp_outside" in raised.value.translation_placeholders["error"]
    assert entry.runtime_data.backfill.job is None
    answer = await import_legacy(hass, labels={"installation_id": "2"})
    assert answer["sent"] == 500
    assert set((await held(server, "outdoor_temperature")).values()) == {40.0}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_an_export_in_files_is_imported(
    hass: HomeAssistant, fake: FakeFamily, server: VictoriaMetrics
) -> None:
    entry = await heat_pump(hass, server)
    # Two files that overlap, and one that is none.
    write(hass, f"{DOMAIN}/import/a.jsonl", OLD)
    write(hass, f"{DOMAIN}/import/b.jsonl", OLD)
    write(hass, f"{DOMAIN}/import/letter.jsonl", b"Dear Sir,")
    dry = await import_legacy(hass, file="import/a.jsonl", dry_run=True)
    assert dry["missing"] == 1000
    answer = await import_legacy(hass, file="import/[ab].jsonl")
    assert (answer["sent"], answer["skipped"]) == (1000, 1000)
    assert len(await held(server, "outdoor_temperature")) == 500
    with pytest.raises(HomeAssistantError, match="letter"):
        await import_legacy(hass, file="import/letter.jsonl")
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("arguments", "where", "wanted"),
    [
        ({"labels": {"installation_id": "9"}}, "http://127.0.0.1:", '{installation_id="9"}'),
        ({"url": "http://cellar:secret@{}"}, "http://127.0.0.1:", "idm_heatpump_*"),
        ({"file": "import/*.jsonl"}, "import/one.jsonl, import/two.jsonl", "idm_heatpump_*"),
        ({"file": "import/*.csv"}, "import/empty.csv", "calculations.*"),
    ],
)
async def test_where_nothing_is_found_is_told(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    caplog: pytest.LogCaptureFixture,
    arguments: dict[str, Any],
    where: str,
    wanted: str,
) -> None:
    entry = await heat_pump(hass, server)
    write(hass, f"{DOMAIN}/import/one.jsonl", b"")
    write(hass, f"{DOMAIN}/import/two.jsonl", line("of_another_time", [1.0] * 500))
    write(hass, f"{DOMAIN}/import/empty.csv", b"timestamp,calculations.ID_WEB_Temperatur_TA\n")
    if "url" in arguments:
        arguments = {"url": arguments["url"].format(server.url.removeprefix("http://"))}
    for dry_run in (True, False):
        with pytest.raises(ServiceValidationError) as raised:
            await import_legacy(hass, **arguments, dry_run=dry_run)
        assert raised.value.translation_key == "import_nothing_found"
        told = raised.value.translation_placeholders or {}
        assert where in told["where"]
        assert wanted in told["wanted"]
        assert "secret" not in told["where"]
        assert entry.runtime_data.backfill.job is None
        notes = str(hass.data.get("persistent_notification", {}))
        assert "Nothing to import" not in notes, "who asked gets the error itself"
        assert "is being sent" not in notes
        assert "import_legacy failed" not in caplog.text
    await hass.config_entries.async_unload(entry.entry_id)


async def test_nothing_found_is_shown_when_who_asked_is_gone(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await heat_pump(hass, server)
    write(hass, f"{DOMAIN}/import/one.jsonl", b"")
    backfill: Backfill = entry.runtime_data.backfill
    files = [hass.config.path(DOMAIN, "import", "one.jsonl")]
    settings = {"files": files, "labels": {}, "time_zone": "Europe/Vienna"}
    asked = hass.async_create_task(backfill.async_do(Job(kind="import_legacy", settings=settings)))
    while backfill._task is None:
        await asyncio.sleep(0)
    asked.cancel()
    async with asyncio.timeout(20):
        while backfill.job is not None:
            await asyncio.sleep(0.01)
    await hass.async_block_till_done()
    assert "Nothing to import" in str(hass.data.get("persistent_notification", {}))
    assert "import_legacy failed" in caplog.text
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("login", "key"),
    [
        ({}, "import_login_missing"),
        ({"username": "me", "password": "wrong"}, "import_login_wrong"),
    ],
)
async def test_a_server_that_asks_for_a_login_is_told(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    victoria_metrics_factory: VictoriaMetricsFactory,
    login: dict[str, str],
    key: str,
) -> None:
    entry = await heat_pump(hass, server)
    old = victoria_metrics_factory("-httpAuth.username=me", "-httpAuth.password=right")
    with pytest.raises(ServiceValidationError) as raised:
        await import_legacy(hass, url=old.url, **login)
    assert raised.value.translation_key == key
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"file": "import/none.csv"}, "import_no_file"),
        ({"file": "../configuration.yaml"}, "import_no_file"),
        ({"file": "/etc/passwd"}, "import_no_file"),
        ({"url": "ftp://victoria"}, "import_url"),
        ({"url": "http://127.0.0.1:1"}, "import_no_server"),
        ({"url": "http://victoria", "file": "import/a.csv"}, "import_two_sources"),
        ({"time_zone": "Middle/Earth"}, "import_time_zone"),
    ],
)
async def test_what_cannot_be_imported_is_refused(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: VictoriaMetrics,
    arguments: dict[str, str],
    key: str,
) -> None:
    entry = await heat_pump(hass, server)
    write(hass, "configuration.yaml", b"secret: 1")
    for ready in (True, False):
        with (
            patch.object(Backfill, "ready", ready),
            pytest.raises(ServiceValidationError) as raised,
        ):
            await import_legacy(hass, **arguments)
        assert raised.value.translation_key == key
    await hass.config_entries.async_unload(entry.entry_id)
