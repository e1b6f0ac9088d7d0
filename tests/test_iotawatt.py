"""Logs of IoTaWatt units reach the history server, whole and once, whatever is off meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
import logging
import time
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub import archive, iotawatt as module, iotawatt_reader as reader
from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.diagnostics import async_get_config_entry_diagnostics
from custom_components.heat_pump_hub.flow import iotawatt as flow_module
from custom_components.heat_pump_hub.history.bulk import Bulk
from custom_components.heat_pump_hub.history.iotawatt import PAGE_ROWS
from custom_components.heat_pump_hub.history.iotawatt_answers import UnitBusyError
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.iotawatt import State, UnitSync
from custom_components.heat_pump_hub.simulator.iotawatt import IotawattUnit, UnitFault
from custom_components.heat_pump_hub.warm_sources import ServerPast

from .fakes import make_entry, set_up
from .servers import VictoriaMetrics, VictoriaMetricsFactory

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
NOW = int(time.time()) // MINUTE * MINUTE
SERIES = {"Mains_1": "W", "Upstairs_Heat": "W", "Voltage": "V"}


pytestmark = pytest.mark.usefixtures("fake")

type Units = Callable[..., IotawattUnit]


@pytest.fixture
def quick() -> Generator[None]:
    """Let nobody wait long."""

    async def sleep(delay: float) -> None:
        await asyncio.sleep(min(delay, 0.1))

    with (
        patch.object(module, "WATCH", 0.02),
        patch.object(module, "HOLD", 0.05),
        patch.object(module, "EVERY", 0.1),
        patch.object(module, "FIRST_DELAY", 0.05),
        patch.object(module, "LONGEST_DELAY", 0.1),
        patch.object(reader, "REST", (0.0, 0.0)),
        patch.object(module, "Bulk", partial(Bulk, sleep=sleep)),
        patch.object(archive, "Shipper", partial(Shipper, hold=0.2)),
        patch("custom_components.heat_pump_hub.history.known.LOOK_EVERY", 0.1),
    ):
        yield


@pytest.fixture
async def server(quick: None, victoria_metrics: VictoriaMetrics) -> AsyncIterator[VictoriaMetrics]:
    """Start a server that shows at once what it gets."""
    async with showing(victoria_metrics):
        yield victoria_metrics


class showing:  # noqa: N801 - reads like a function
    """Make a server show at once what it gets."""

    def __init__(self, server: VictoriaMetrics) -> None:
        self._server = server

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._show())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _show(self) -> None:
        while True:
            with suppress(OSError):
                await self._server.flush()
            await asyncio.sleep(0.05)


@pytest.fixture
def units(socket_enabled: None) -> Iterator[Units]:
    made: list[IotawattUnit] = []

    def make(**more: Any) -> IotawattUnit:
        unit = IotawattUnit(**{"begin": NOW - 3 * DAY, "clock": lambda: NOW + 20} | more)
        unit.start()
        made.append(unit)
        return unit

    yield make
    for unit in made:
        unit.stop()


def subentry(
    unit: IotawattUnit, device: str = "iwatt5", series: dict[str, str] | None = None
) -> ConfigSubentryData:
    return ConfigSubentryData(
        data={"host": f"127.0.0.1:{unit.port}", "device": device, "series": series or SERIES},
        subentry_type="iotawatt",
        title=f"IoTaWatt {device}",
        unique_id=device,
    )


async def heat_pump(
    hass: HomeAssistant, server: VictoriaMetrics | None, *subentries: ConfigSubentryData
) -> MockConfigEntry:
    data = {} if server is None else {"history_url": server.url}
    entry = make_entry(data=data, subentries_data=subentries)
    await set_up(hass, entry)
    return entry


def syncs(entry: MockConfigEntry) -> Sequence[UnitSync]:
    return list(entry.runtime_data.iotawatt.units.values())


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.02)


async def in_step(entry: MockConfigEntry) -> None:
    await until(
        lambda: all(
            one.progress.state is State.IN_STEP and one.progress.lag == 0 for one in syncs(entry)
        )
    )


async def stored(server: VictoriaMetrics, device: str = "iwatt5") -> dict[str, dict[int, float]]:
    """Return what the server has, raw, by series and s since 1970."""
    found: dict[str, dict[int, float]] = {}
    for one in await server.export(f'{{source="iotawatt",device="{device}"}}'):
        times = [at // 1000 for at in one["timestamps"]]
        assert len(set(times)) == len(times)
        found[one["metric"]["series"]] = dict(zip(times, one["values"], strict=True))
    return found


def held(
    unit: IotawattUnit, names: Sequence[str] = tuple(SERIES), last: int = NOW
) -> dict[str, dict[int, float]]:
    """Return what the unit's log has."""
    first = -(-unit.begin // MINUTE) * MINUTE
    return {
        name: {
            at: value
            for at in range(first, last, MINUTE)
            if (value := unit.value(name, at)) is not None
        }
        for name in names
    }


async def test_a_log_is_on_the_server_to_the_minute_and_the_value(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    hole = (NOW - 2 * DAY + 120, NOW - 2 * DAY + 5 * HOUR)
    unit = units(begin=NOW - 16 * DAY - 25, missing=[hole])
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    assert await stored(server) == held(unit)
    labels = {one["metric"]["series"]: one["metric"] for one in await server.export('{source!=""}')}
    assert labels["Mains_1"] == {
        "__name__": "heatpump_companion",
        "heatpump_id": "idm",
        "source": "iotawatt",
        "device": "iwatt5",
        "series": "Mains_1",
        "unit": "W",
        "group": "trunk",
        "pair": "Mains",
    }
    assert labels["Upstairs_Heat"]["group"] == "hvac"
    assert labels["Voltage"]["unit"] == "V"
    # Polls are not taken for stored because of them.
    shipper = entry.runtime_data.archive.shipper
    async with shipper.turn() as asked:
        counts = await asked.counts("idm", (NOW - DAY) * 1000, int(time.time() * 1000))
    polled = await server.export('{heatpump_id="idm",source=""}')
    assert sum(counts.values()) == len(polled) > 0
    # Nor is the past of a circuit taken for that of the heat pump.
    points = entry.runtime_data.driver.points.values()
    past = ServerPast(shipper.turn, hass.async_add_executor_job, points, "idm", idm=True)
    began = await past.begin(
        datetime.fromtimestamp(NOW - 30 * DAY, UTC), datetime.now(UTC) + timedelta(minutes=1)
    )
    assert began is not None
    assert began.timestamp() > NOW - HOUR
    progress = syncs(entry)[0].progress
    assert progress.sent == sum(len(values) for values in held(unit).values())
    assert progress.skipped == 0


async def test_new_minutes_follow(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    now = NOW - HOUR + 20
    unit = units(clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    before = unit.rows
    # The minute that runs is not a mean yet.
    assert max((await stored(server))["Mains_1"]) == NOW - HOUR - MINUTE
    for _ in range(3):
        now += 150
        last = now // MINUTE * MINUTE
        await until(lambda last=last: syncs(entry)[0].progress.last == last)
    assert await stored(server) == held(unit, last=last)
    # Only what is new is asked for; a minute's place was shown by its last.
    assert unit.rows - before <= 3 * len(SERIES) + 8


async def test_a_restart_in_the_middle_goes_on(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 30 * DAY)
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: syncs(entry)[0].progress.sent > 0)
    sent = syncs(entry)[0].progress.sent
    total = sum(len(values) for values in held(unit).values())
    assert sent < total
    await hass.config_entries.async_unload(entry.entry_id)
    rows = unit.rows
    await hass.config_entries.async_setup(entry.entry_id)
    await in_step(entry)
    assert await stored(server) == held(unit)
    assert 0 < syncs(entry)[0].progress.sent <= total - sent
    # What was counted is not read again.
    assert unit.rows - rows <= 30 * DAY // MINUTE - sent // len(SERIES)


async def test_a_killed_server_loses_nothing(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 30 * DAY)
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: syncs(entry)[0].progress.sent > 0)
    await asyncio.to_thread(server.kill)
    await until(lambda: entry.runtime_data.archive.shipper.away or unit.rows > 30_000)
    await asyncio.to_thread(server.start)
    await in_step(entry)
    assert await stored(server) == held(unit)


async def test_what_the_server_lost_in_the_middle_is_brought_again(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 10 * DAY, missing=[(NOW - 3 * DAY, NOW - 2 * DAY)])
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    await hass.config_entries.async_unload(entry.entry_id)
    whole = await stored(server)
    assert whole == held(unit)
    # A server with all but a minute, an hour and a day, as from a backup.
    gone = {
        "Mains_1": [NOW - 9 * DAY],
        "Voltage": [
            *range(NOW - 5 * DAY, NOW - 5 * DAY + HOUR, MINUTE),
            *range(NOW - 8 * DAY, NOW - 7 * DAY, MINUTE),
        ],
    }
    lines = await server.export('{source="iotawatt"}')
    await server.get("/api/v1/admin/tsdb/delete_series", **{"match[]": '{source="iotawatt"}'})
    for line in lines:
        lost = {at * 1000 for at in gone.get(line["metric"]["series"], ())}
        pairs = zip(line["timestamps"], line["values"], strict=True)
        kept = [pair for pair in pairs if pair[0] not in lost]
        line["timestamps"], line["values"] = map(list, zip(*kept, strict=True))
        await server.post("/api/v1/import", module_json(line))
    assert await stored(server) != whole
    rows = unit.rows
    await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: syncs(entry)[0].progress.filled)
    await in_step(entry)
    assert await stored(server) == whole
    assert syncs(entry)[0].progress.filled == sum(map(len, gone.values()))
    # The hole of the log itself is read once, and no more.
    assert unit.rows - rows < 3 * DAY // MINUTE
    rows = unit.rows
    syncs(entry)[0]._looked_back = None
    await until(lambda: syncs(entry)[0]._looked_back is not None)
    assert unit.rows == rows


def module_json(line: dict[str, Any]) -> bytes:
    import json

    return json.dumps(line).encode()


async def test_two_units_and_one_that_is_off(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one, two = units(), units(seed=5, begin=NOW - DAY)
    two.stop()
    entry = await heat_pump(hass, server, subentry(one), subentry(two, "iwatt6"))
    first, second = syncs(entry)
    await until(lambda: first.progress.state is State.IN_STEP)
    await until(lambda: second.progress.state is State.NO_UNIT)
    assert await stored(server) == held(one)
    with patch.object(module, "LONG", 0.0):
        issue = ("heat_pump_hub", f"iotawatt_unreachable_{second.subentry.subentry_id}")
        await until(lambda: issue in ir.async_get(hass).issues)
    await asyncio.to_thread(two.start)
    await in_step(entry)
    assert await stored(server, "iwatt6") == held(two)
    assert issue not in ir.async_get(hass).issues
    # One line down, one up.
    assert caplog.text.count("no history from IoTaWatt iwatt6") == 1
    assert caplog.text.count("history from IoTaWatt iwatt6 goes on") == 1


@pytest.mark.parametrize(
    "fault", [UnitFault.BUSY, UnitFault.CUT, UnitFault.GARBAGE, UnitFault.PASSWORD]
)
async def test_a_fault_of_the_unit_passes(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, fault: UnitFault
) -> None:
    unit = units()
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: unit.rows > 1_000)
    unit.fault = fault
    await until(lambda: syncs(entry)[0].progress.state is State.NO_UNIT)
    unit.fault = None
    await in_step(entry)
    assert await stored(server) == held(unit)


async def test_rows_that_are_wrong_are_a_fault_of_the_unit(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 20 * DAY)
    answer = unit._answer

    def wrong(path: str, asked: dict[str, str]) -> tuple[int, str]:
        status, text = answer(path, asked)
        if "begin" in asked and int(asked["begin"]) > NOW - 6 * DAY:
            text = text.replace(f"[{asked['begin']},", "[7,")
        return status, text

    unit._answer = wrong  # type: ignore[method-assign]
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: syncs(entry)[0].progress.state is State.NO_UNIT)
    # What was read before it is there, and counted.
    assert syncs(entry)[0].progress.last == NOW - 6 * DAY
    assert syncs(entry)[0].progress.error == "WrongAnswerError"
    assert await stored(server) == held(unit, last=NOW - 6 * DAY)
    unit._answer = answer  # type: ignore[method-assign]
    await in_step(entry)
    assert await stored(server) == held(unit)


async def test_a_mistake_of_ours_ends_nothing(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, caplog: pytest.LogCaptureFixture
) -> None:
    unit = units(begin=NOW - HOUR)
    with patch.object(reader, "columns_of", side_effect=ZeroDivisionError):
        entry = await heat_pump(hass, server, subentry(unit))
        await until(lambda: syncs(entry)[0].progress.state is State.FAILED)
        asked = len(unit.asked)
        await until(lambda: len(unit.asked) > asked + 6)
    assert caplog.text.count("Traceback") == 1
    await in_step(entry)
    assert await stored(server) == held(unit)


async def test_a_series_that_is_chosen_later_comes_from_the_beginning(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    now = NOW - DAY
    unit = units(begin=NOW - 10 * DAY, clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit, series={"Mains_1": "W"}))
    await in_step(entry)
    rows = unit.rows
    unit.stop()
    now = NOW
    (chosen,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, chosen, data={**chosen.data, "series": {"Mains_1": "W", "Frequency": "Hz"}}
    )
    await asyncio.to_thread(unit.start)
    await in_step(entry)
    assert await stored(server) == held(unit, ["Mains_1", "Frequency"])
    # What is there already is not read again, and what lacks of both is read at once.
    assert unit.rows - rows == 10 * DAY // MINUTE
    hass.config_entries.async_remove_subentry(entry, chosen.subentry_id)
    assert not syncs(entry)


async def test_a_series_that_is_gone_stops_no_other(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units()
    entry = await heat_pump(hass, server, subentry(unit, series={"Mains_1": "W", "Attic": "W"}))
    await in_step(entry)
    assert await stored(server) == held(unit, ["Mains_1"])
    issue_id = f"iotawatt_series_gone_{syncs(entry)[0].subentry.subentry_id}"
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders == {
        "title": "Cellar",
        "unit": "IoTaWatt iwatt5",
        "details": "Attic",
    }
    unit.series = {"Attic": "Watts"}
    await until(lambda: syncs(entry)[0].progress.gone == ["Mains_1"])
    await hass.config_entries.async_unload(entry.entry_id)
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None


async def test_what_the_server_would_not_keep_is_not_sent(
    hass: HomeAssistant, quick: None, victoria_metrics_factory: VictoriaMetricsFactory, units: Units
) -> None:
    server = victoria_metrics_factory("-retentionPeriod=2d")
    unit = units(begin=NOW - 30 * DAY)
    async with showing(server):
        entry = await heat_pump(hass, server, subentry(unit))
        await in_step(entry)
        found = (await stored(server))["Mains_1"]
    assert NOW - 2 * DAY < min(found) < NOW - 2 * DAY + 2 * HOUR
    assert found == {at: unit.value("Mains_1", at) for at in range(min(found), NOW, MINUTE)}


async def test_a_server_that_does_not_say_what_it_keeps(
    hass: HomeAssistant, quick: None, victoria_metrics_factory: VictoriaMetricsFactory, units: Units
) -> None:
    """Behind a gateway, perhaps: once old minutes are not kept, the last month is sent."""
    server = victoria_metrics_factory("-retentionPeriod=1", "-flagsAuthKey=secret")
    unit = units(begin=NOW - 60 * DAY)
    async with showing(server):
        entry = await heat_pump(hass, server, subentry(unit, series={"Mains_1": "W"}))
        await in_step(entry)
        found = (await stored(server))["Mains_1"]
    assert NOW - 31 * DAY <= min(found) <= NOW - 31 * DAY + 2 * HOUR
    assert found == {at: unit.value("Mains_1", at) for at in range(min(found), NOW, MINUTE)}


async def test_many_series_are_asked_for_some_at_a_time(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    names = [f"Circuit {number}" for number in range(23)]
    unit = units(series=dict.fromkeys(names, "Watts"), begin=NOW - 6 * HOUR)
    entry = await heat_pump(hass, server, subentry(unit, series=dict.fromkeys(names, "W")))
    await in_step(entry)
    assert await stored(server) == held(unit, names)
    assert max(asked.count("Circuit") for asked in unit.asked) == 10


async def test_a_unit_whose_log_begins_now(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    now = NOW - HOUR
    unit = units(begin=now - 20, clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: syncs(entry)[0].progress.state is State.IN_STEP)
    assert await stored(server) == {}
    now += 240
    await in_step(entry)
    assert await stored(server) == held(unit, last=now)


async def test_own_rules_give_labels(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - HOUR)
    options = {"interval": 30, "companion_rules": "volt*: group=grid"}
    entry = make_entry(
        data={"history_url": server.url}, options=options, subentries_data=[subentry(unit)]
    )
    await set_up(hass, entry)
    await in_step(entry)
    groups = {
        one["metric"]["series"]: one["metric"]["group"]
        for one in await server.export('{source="iotawatt"}')
    }
    assert groups == {"Mains_1": "trunk", "Upstairs_Heat": "hvac", "Voltage": "grid"}
    hass.config_entries.async_update_entry(entry, options=options | {"companion_rules": "no rule"})
    await hass.config_entries.async_reload(entry.entry_id)
    await in_step(entry)


async def test_diagnostics_say_how_far_it_is_and_not_where(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units()
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    found = (await async_get_config_entry_diagnostics(hass, entry))["iotawatt"]
    # A server that is slow to show what it took gets some of it once more.
    assert found[0].pop("resent") >= 0
    assert found == [
        {
            "state": "in_step",
            "series": 3,
            "gone": 0,
            "log_first": NOW - 3 * DAY,
            "log_last": NOW,
            "last": NOW,
            "lag": 0,
            "ahead": 0,
            "sent": 3 * 3 * DAY // MINUTE,
            "skipped": 0,
            "filled": 0,
            "error": None,
        }
    ]


async def test_an_address_that_is_none_harms_nobody(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, caplog: pytest.LogCaptureFixture
) -> None:
    unit = units()
    broken = subentry(unit, "iwatt6")
    broken["data"] = {**broken["data"], "host": "a b"}
    entry = await heat_pump(hass, server, broken, subentry(unit))
    await in_step(entry)
    assert len(syncs(entry)) == 1
    assert "This is no host name" in caplog.text


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, "iotawatt"), context={"source": SOURCE_USER}
    )


async def put(hass: HomeAssistant, result: Any, **user_input: Any) -> Any:
    return await hass.config_entries.subentries.async_configure(result["flow_id"], user_input)


async def test_an_owner_adds_a_unit_and_changes_it(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units()
    entry = await heat_pump(hass, server)
    result = await start(hass, entry)
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "user")
    result = await put(hass, result, host=f"HTTP://127.0.0.1:{unit.port}/")
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "series")
    options = result["data_schema"].schema["series"].config["options"]
    assert [one["value"] for one in options] == list(unit.series)
    assert options[0]["label"] == "Voltage (V)"
    result = await put(hass, result, series=[])
    assert result["errors"] == {"series": "iotawatt_no_series"}
    result = await put(hass, result, series=["Mains_1", "Frequency"])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (chosen,) = entry.subentries.values()
    host = f"127.0.0.1:{unit.port}"
    mac = chosen.data["mac"]
    assert dict(chosen.data) == {
        "host": host,
        "mac": mac,
        "device": host,
        "series": {"Mains_1": "W", "Frequency": "Hz"},
    }
    await until(lambda: syncs(entry))
    await in_step(entry)
    assert await stored(server, host) == held(unit, ["Mains_1", "Frequency"])

    # By its address, and under another name by what it says of itself.
    result = await put(hass, await start(hass, entry), host=host)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    with patch.object(flow_module, "parse_host", return_value="cellar.local"):
        result = await put(hass, await start(hass, entry), host=host)
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
        # One that does not tell is another unit, for all that is known.
        unit.tells_mac = False
        result = await put(hass, await start(hass, entry), host=host)
        assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "series")
        with patch.object(flow_module.Iotawatt, "mac", side_effect=UnitBusyError("busy")):
            result = await put(hass, await start(hass, entry), host=host)
        assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "series")

    # It has another address now; its series stay the same.
    moved = units()
    del moved.series["Frequency"]
    result = await entry.start_subentry_reconfigure_flow(hass, chosen.subentry_id)
    assert result["step_id"] == "reconfigure"
    result = await put(hass, result, host=f"127.0.0.1:{moved.port}")
    (field,) = result["data_schema"].schema
    assert field.default() == ["Mains_1"]
    result = await put(hass, result, series=["Mains_1", "Solar"])
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert chosen.data["mac"] != mac
    assert dict(chosen.data) == {
        "host": f"127.0.0.1:{moved.port}",
        "mac": chosen.data["mac"],
        "device": host,
        "series": {"Mains_1": "W", "Solar": "W"},
    }
    await in_step(entry)
    assert (await stored(server, host))["Solar"] == held(moved, ["Solar"])["Solar"]


async def test_without_a_history_server_there_is_nowhere_to_go(hass: HomeAssistant) -> None:
    entry = await heat_pump(hass, None)
    result = await start(hass, entry)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "no_history_server")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (UnitFault.BUSY, "iotawatt_busy"),
        (UnitFault.GARBAGE, "iotawatt_other"),
        (UnitFault.SLOW, "iotawatt_unreachable"),
    ],
)
async def test_an_owner_reads_what_is_wrong(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, fault: UnitFault, error: str
) -> None:
    unit = units()
    unit.fault, unit.delay = fault, 1.0
    entry = await heat_pump(hass, server)
    result = await start(hass, entry)
    with patch.object(flow_module, "TIMEOUT", 0.2):
        result = await put(hass, result, host=f"127.0.0.1:{unit.port}")
    assert result["errors"] == {"host": error}
    unit.fault = None
    result = await put(hass, result, host=f"127.0.0.1:{unit.port}")
    assert result["step_id"] == "series"


async def test_what_is_no_unit_is_told(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(series={})
    entry = await heat_pump(hass, server)
    result = await start(hass, entry)
    result = await put(hass, result, host="a b")
    assert result["errors"] == {"host": "iotawatt_invalid_host"}
    result = await put(hass, result, host=f"127.0.0.1:{unit.port}")
    assert result["errors"] == {"host": "iotawatt_other"}
    with patch.object(flow_module, "parse_host", side_effect=RuntimeError):
        unit.series = {"a": "Watts"}
        with patch.object(flow_module.Iotawatt, "series", side_effect=RuntimeError):
            result = await put(hass, result, host=f"127.0.0.1:{unit.port}")
    assert result["errors"] == {"base": "unknown"}


SECRET = "never to be seen"


async def test_an_owner_logs_in_to_a_unit_with_a_password(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, caplog: pytest.LogCaptureFixture
) -> None:
    unit = units(begin=NOW - HOUR, passwords={"admin": "other", "user": SECRET})
    host = f"127.0.0.1:{unit.port}"
    entry = await heat_pump(hass, server)
    result = await start(hass, entry)
    assert _collapsed(result)
    result = await put(hass, result, host=host)
    assert result["errors"] == {"base": "iotawatt_password"}
    assert not _collapsed(result)
    result = await put(hass, result, host=host, credentials={"password": SECRET})
    assert result["errors"] == {"base": "iotawatt_no_user"}
    for wrong in ({"username": "user"}, {"username": "admin", "password": SECRET}):
        result = await put(hass, result, host=host, credentials=wrong)
        assert result["errors"] == {"base": "iotawatt_wrong_password"}
    login = {"username": "user", "password": SECRET}
    result = await put(hass, result, host=host, credentials=login)
    result = await put(hass, result, series=["Mains_1"])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    (chosen,) = entry.subentries.values()
    assert {key: chosen.data[key] for key in login} == login
    await until(lambda: syncs(entry))
    await in_step(entry)
    assert await stored(server, host) == held(unit, ["Mains_1"])
    found = await async_get_config_entry_diagnostics(hass, entry)
    assert SECRET not in str(found)
    assert SECRET not in caplog.text
    assert not any(SECRET in one for one in unit.logins.seen)


async def test_a_password_that_becomes_wrong_is_told_and_changed(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units, caplog: pytest.LogCaptureFixture
) -> None:
    unit = units(begin=NOW - HOUR)
    entry = await heat_pump(hass, server, subentry(unit, series={"Mains_1": "W"}))
    await in_step(entry)
    unit.passwords = {"admin": SECRET}
    subentry_id = syncs(entry)[0].subentry.subentry_id
    issue_id = f"iotawatt_password_{subentry_id}"
    issues = ir.async_get(hass)
    await until(lambda: issues.async_get_issue(DOMAIN, issue_id))
    assert caplog.text.count("no history from IoTaWatt iwatt5") == 1

    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    host = f"127.0.0.1:{unit.port}"
    login = {"username": "admin", "password": SECRET}
    result = await put(hass, result, host=host, credentials=login)
    result = await put(hass, result, series=["Mains_1"])
    assert result["reason"] == "reconfigure_successful"
    await in_step(entry)
    assert issues.async_get_issue(DOMAIN, issue_id) is None

    # The same user keeps the password that is stored; without a user there is no login.
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    assert not _collapsed(result)
    suggested = result["data_schema"].schema["credentials"].schema.schema
    assert [one.description for one in suggested] == [{"suggested_value": "admin"}, None]
    result = await put(hass, result, host=host, credentials={"username": "admin"})
    result = await put(hass, result, series=["Mains_1"])
    (chosen,) = entry.subentries.values()
    assert chosen.data["password"] == SECRET
    assert chosen.data["device"] == "iwatt5"
    unit.passwords = {}
    result = await entry.start_subentry_reconfigure_flow(hass, subentry_id)
    result = await put(hass, result, host=host, credentials={})
    result = await put(hass, result, series=["Mains_1"])
    assert not {"username", "password"} & chosen.data.keys()


def _collapsed(result: Any) -> bool:
    return bool(result["data_schema"].schema["credentials"].options["collapsed"])


async def test_a_unit_that_was_off_for_a_week_is_brought_up(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    """Home Assistant without its unit, and a unit that went on measuring meanwhile."""
    now = NOW - 8 * DAY
    unit = units(begin=NOW - 10 * DAY, clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    unit.stop()
    await until(lambda: syncs(entry)[0].progress.state is State.NO_UNIT)
    now = NOW
    rows = unit.rows
    await asyncio.to_thread(unit.start)
    await in_step(entry)
    assert await stored(server) == held(unit)
    # Only what is new was read.
    assert unit.rows - rows == 8 * DAY // MINUTE


async def test_a_log_that_begins_anew_is_followed_and_the_old_one_stays(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    """A unit whose memory card was changed."""
    now = NOW - 2 * DAY
    unit = units(begin=NOW - 5 * DAY, clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    before = held(unit, last=now)
    unit.stop()
    await until(lambda: syncs(entry)[0].progress.state is State.NO_UNIT)
    now, unit.begin = NOW, NOW - DAY
    await asyncio.to_thread(unit.start)
    await in_step(entry)
    new = held(unit)
    assert await stored(server) == {name: before[name] | new[name] for name in SERIES}
    # The hours that no log has any more are not looked for again and again.
    rows = unit.rows
    syncs(entry)[0]._looked_back = None
    await until(lambda: syncs(entry)[0]._looked_back is not None)
    assert unit.rows == rows


async def test_a_log_that_wraps_loses_its_oldest_minutes_and_no_others(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 20 * DAY)
    entry = await heat_pump(hass, server, subentry(unit))
    await until(lambda: unit.rows > 2_000)
    # While it is read, its oldest days are overwritten.
    unit.begin = NOW - 5 * DAY + 20
    await in_step(entry)
    found = await stored(server)
    for name, minutes in held(unit).items():
        assert minutes.items() <= found[name].items()
        assert all(unit.value(name, at) in (None, value) for at, value in found[name].items())


async def test_a_unit_whose_clock_is_ahead_fills_no_future(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - DAY, clock=lambda: NOW + DAY + 20)
    entry = await heat_pump(hass, server, subentry(unit))
    progress = syncs(entry)[0].progress
    await until(lambda: progress.state is State.IN_STEP and progress.lag == 0)
    found = await stored(server)
    assert max(found["Mains_1"]) < time.time()
    assert min(found["Mains_1"]) == NOW - DAY
    assert 0 <= DAY - progress.ahead < 10 * MINUTE
    # Set right, it goes on where it is.
    unit._clock = time.time
    await until(lambda: progress.ahead == 0)


async def test_a_unit_whose_clock_is_behind_or_none_is_waited_for(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    now = float(NOW - DAY)
    unit = units(begin=NOW - 2 * DAY, clock=lambda: now)
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    # Without a battery it wakes up in 1970, until it has asked for the time.
    begin, unit.begin, now = unit.begin, 0, 500.0
    await until(lambda: syncs(entry)[0].progress.state is State.NO_UNIT)
    unit.begin, now = begin, float(NOW)
    await in_step(entry)
    assert await stored(server) == held(unit)


async def test_a_series_that_is_renamed_goes_on_under_its_new_name(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units()
    entry = await heat_pump(hass, server, subentry(unit, series={"Mains_1": "W", "Solar": "W"}))
    await in_step(entry)
    before = await stored(server)
    unit.series = {("Roof" if name == "Solar" else name): u for name, u in unit.series.items()}
    (chosen,) = entry.subentries.values()
    issue_id = f"iotawatt_series_gone_{chosen.subentry_id}"
    await until(lambda: ir.async_get(hass).async_get_issue(DOMAIN, issue_id))
    result = await entry.start_subentry_reconfigure_flow(hass, chosen.subentry_id)
    result = await put(hass, result, host=chosen.data["host"])
    await put(hass, result, series=["Mains_1", "Roof"])
    await in_step(entry)
    after = await stored(server)
    assert after["Roof"] == before["Solar"] == after["Solar"]
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None


async def test_a_unit_that_is_removed_is_not_asked_any_more(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    kept, gone = units(), units(seed=5)
    gone.fault = UnitFault.PASSWORD
    entry = await heat_pump(hass, server, subentry(kept), subentry(gone, "iwatt6"))
    first, second = entry.subentries
    issue_id = f"iotawatt_password_{second}"
    await until(lambda: ir.async_get(hass).async_get_issue(DOMAIN, issue_id))
    hass.config_entries.async_remove_subentry(entry, second)
    await hass.async_block_till_done()
    assert ir.async_get(hass).async_get_issue(DOMAIN, issue_id) is None
    asked = len(gone.asked)
    await in_step(entry)
    await until(lambda: len(kept.asked) > 12)
    assert [*entry.runtime_data.iotawatt.units] == [first]
    assert len(gone.asked) <= asked + 1
    assert await stored(server) == held(kept)


async def test_a_page_asks_for_no_more_rows_than_a_unit_gives(
    hass: HomeAssistant, server: VictoriaMetrics, units: Units
) -> None:
    unit = units(begin=NOW - 5 * DAY)
    entry = await heat_pump(hass, server, subentry(unit))
    await in_step(entry)
    pages = [asked for asked in unit.asked if "group=1m" in asked]
    assert all("limit=1000" in asked for asked in pages)
    assert len(pages) == -(-5 * DAY // MINUTE // PAGE_ROWS)
    assert await stored(server) == held(unit)
