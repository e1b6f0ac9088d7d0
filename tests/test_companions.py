"""Entities of others in a heat pump's history, and one of them as its electricity meter."""

import asyncio
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
import json
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.heat_pump_hub import archive
from custom_components.heat_pump_hub.companions import SPACING_MS
from custom_components.heat_pump_hub.diagnostics import async_get_config_entry_diagnostics
from custom_components.heat_pump_hub.drivers.driver import NoAnswerError
from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity
from custom_components.heat_pump_hub.history.codec import decompress
from custom_components.heat_pump_hub.history.outbox import Outbox
from custom_components.heat_pump_hub.history.series import Frame, milliseconds
from custom_components.heat_pump_hub.history.shipper import Shipper
from custom_components.heat_pump_hub.history.state import Stats
from custom_components.heat_pump_hub.meter import FRESH_ENERGY, FRESH_POWER
from custom_components.heat_pump_hub.units import normal

from .fakes import POINTS, FakeFamily, entity_id, history_server, make_entry, set_up, state
from .servers import VictoriaMetrics
from .test_archive import HISTORY, lines as sent_lines, sent

PV = "sensor.solar_1"
ROOM = "sensor.kitchen"
PUMP = "switch.pump"
WATT = {"unit_of_measurement": "W", "state_class": "measurement"}
THERMAL = Point(
    key="thermal_power", name="thermal_power", quantity=Quantity.POWER, kind=Kind.ANALOG
)


@pytest.fixture
def server(aioclient_mock: AiohttpClientMocker) -> AiohttpClientMocker:
    history_server(aioclient_mock)
    return aioclient_mock


class Sent(list[dict[str, Any]]):
    """The lines that were put into the outbox of a heat pump, in order."""


@pytest.fixture
def lines(server: AiohttpClientMocker) -> Generator[Sent]:
    """Keep what is on its way to a server; when it is sent is nothing of ours."""
    found = Sent()
    put = Outbox.put

    def keep(outbox: Outbox, frame: Frame) -> None:
        found.extend(map(json.loads, decompress(frame.body).splitlines()))
        put(outbox, frame)

    with patch.object(Outbox, "put", keep):
        yield found


def names(lines: Sent) -> set[str]:
    return {line["metric"]["__name__"] for line in lines}


def with_options(data: dict[str, Any] | None = None, **options: Any) -> MockConfigEntry:
    """Return the entry of a heat pump that is polled by the test alone."""
    return make_entry(
        data=data if data is not None else HISTORY,
        options={"interval": 30, "allow_control": True, "cooldown": 300} | options,
        # A clock that jumps would poll by itself.
        pref_disable_polling=True,
    )


def samples(lines: Sent, entity: str) -> list[tuple[float, dict[str, str]]]:
    """Return values and labels of what was sent of an entity, oldest first."""
    found = [
        (at, value, line["metric"])
        for line in lines
        if line["metric"].get("entity_id") == entity
        for at, value in zip(line["timestamps"], line["values"], strict=True)
    ]
    times = [at for at, _, _ in found]
    assert times == sorted(set(times)), "no sample twice, and in order"
    return [(value, metric) for _, value, metric in found]


async def poll(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Poll as the timer does."""
    await entry.runtime_data.coordinator._async_read(None)
    await hass.async_block_till_done()


async def test_companions_are_sampled_with_each_poll(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent
) -> None:
    hass.states.async_set(PV, "2.5", {"unit_of_measurement": "kW"})
    hass.states.async_set(ROOM, "unavailable")
    hass.states.async_set(PUMP, "on")
    entry = with_options(companions=[PV, ROOM, PUMP, "sensor.nobody"])
    await set_up(hass, entry)
    await poll(hass, entry)

    of_pump = {"heatpump_id": "idm", "manufacturer": "IDM", "model": "Navigator 2.0"}
    (value, labels), (again, _) = samples(lines, PV)
    assert value == again == 2500
    assert labels == of_pump | {
        "__name__": "heatpump_companion",
        "entity_id": PV,
        "unit": "W",
        "group": "trunk",
        "pair": "solar",
    }
    assert samples(lines, PUMP)[0] == (
        1,
        of_pump | {"__name__": "heatpump_companion", "entity_id": PUMP, "group": "circuit"},
    )
    assert samples(lines, ROOM) == samples(lines, "sensor.nobody") == []
    # Under the same time as the poll.
    polled = [line for line in lines if line["metric"].get("entity_id") == PV]
    outdoor = [
        line for line in lines if line["metric"]["__name__"] == "heatpump_outdoor_temperature"
    ]
    assert [line["timestamps"] for line in polled] == [line["timestamps"] for line in outdoor]
    report = await async_get_config_entry_diagnostics(hass, entry)
    assert report["companions"] == {PV: 2500, ROOM: None, PUMP: True, "sensor.nobody": None}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_changes_between_polls_are_samples_of_their_own(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    freezer: FrozenDateTimeFactory,
) -> None:
    spacing = timedelta(milliseconds=SPACING_MS)
    hass.states.async_set(PV, "1", WATT)
    entry = with_options(companions=[PV])
    await set_up(hass, entry)
    freezer.tick(timedelta(seconds=2))
    hass.states.async_set(PV, "2", WATT)
    changed = datetime.now(UTC)
    freezer.tick(spacing / 2)
    hass.states.async_set(PV, "3", WATT)  # too soon
    freezer.tick(spacing)
    hass.states.async_set(PV, "3", WATT | {"icon": "mdi:flash"})  # no change
    hass.states.async_set(PV, "unknown", WATT)
    freezer.tick(spacing)
    hass.states.async_set(PV, "4", WATT)
    freezer.tick(timedelta(seconds=1))
    await poll(hass, entry)
    assert [value for value, _ in samples(lines, PV)] == [1, 2, 4, 4]
    times = [
        at for line in lines if line["metric"].get("entity_id") == PV for at in line["timestamps"]
    ]
    assert times[1] == round(changed.timestamp() * 1000)

    freezer.tick(spacing)
    hass.states.async_remove(PV)
    freezer.tick(timedelta(seconds=1))
    await poll(hass, entry)
    assert len(samples(lines, PV)) == 4
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_changed_while_the_heat_pump_answered_belongs_to_the_next_poll(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    freezer: FrozenDateTimeFactory,
) -> None:
    hass.states.async_set(PV, "1", WATT)
    entry = with_options(companions=[PV])
    await set_up(hass, entry)
    freezer.tick(timedelta(seconds=30))
    coordinator = entry.runtime_data.coordinator
    read = coordinator.driver.read

    async def slow(tiers: Any) -> Any:
        snapshot = await read(tiers)
        freezer.tick(timedelta(seconds=2))
        hass.states.async_set(PV, "9", WATT)
        return snapshot

    coordinator.driver.read = slow
    await poll(hass, entry)
    coordinator.driver.read = read
    freezer.tick(timedelta(seconds=28))
    await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    assert [value for value, _ in samples(lines, PV)] == [1, 1, 9, 9]


async def test_companions_go_on_while_the_heat_pump_is_away(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    freezer: FrozenDateTimeFactory,
) -> None:
    hass.states.async_set(PV, "1", WATT)
    entry = with_options(companions=[PV])
    await set_up(hass, entry)
    fake.driver.error = NoAnswerError("off")
    for value in ("2", "3"):
        freezer.tick(timedelta(seconds=10))
        hass.states.async_set(PV, value, WATT)
        freezer.tick(timedelta(seconds=20))
        await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    assert [value for value, _ in samples(lines, PV)] == [1, 2, 2, 3, 3]
    outdoor = [
        line for line in lines if line["metric"]["__name__"] == "heatpump_outdoor_temperature"
    ]
    assert len(outdoor) == 1


async def test_what_waits_is_kept_on_unload(
    hass: HomeAssistant,
    fake: FakeFamily,
    server: AiohttpClientMocker,
    freezer: FrozenDateTimeFactory,
) -> None:
    hass.states.async_set(PV, "1", WATT)
    entry = with_options(companions=[PV])
    await set_up(hass, entry)
    history_server(server, status=503)
    freezer.tick(timedelta(seconds=10))
    hass.states.async_set(PV, "2", WATT)
    changed = round(datetime.now(UTC).timestamp() * 1000)
    freezer.tick(timedelta(seconds=1))
    await hass.config_entries.async_unload(entry.entry_id)
    history_server(server)
    await hass.config_entries.async_setup(entry.entry_id)
    await sent(hass)
    await hass.config_entries.async_unload(entry.entry_id)
    # What was not verified is sent again: it was taken under the same time.
    stored = {
        at: value
        for line in sent_lines(server)
        if line["metric"].get("entity_id") == PV
        for at, value in zip(line["timestamps"], line["values"], strict=True)
    }
    assert stored[changed] == 2


async def test_the_record_has_companions_without_a_server(
    hass: HomeAssistant, fake: FakeFamily
) -> None:
    hass.states.async_set(ROOM, "68", {"unit_of_measurement": "°F"})
    entry = with_options({}, companions=[ROOM])
    await set_up(hass, entry)
    now = datetime.now(UTC)
    journal = entry.runtime_data.journal
    (snapshot,) = [one async for one in journal.snapshots(now - timedelta(hours=1), now)]
    assert snapshot.values[f"companion:{ROOM}:°C"] == 20
    assert snapshot.values["outdoor_temperature"] == 3.5
    # Nobody else sees them.
    assert not any(key.startswith("companion") for key in entry.runtime_data.coordinator.values)
    await hass.config_entries.async_unload(entry.entry_id)


async def test_own_rules_and_names_of_the_registry_make_labels(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent
) -> None:
    one = er.async_get(hass).async_get_or_create(
        "sensor", "iotawatt", "1", original_name="Mains_1", suggested_object_id="input_1"
    )
    hass.states.async_set(one.entity_id, "5", WATT)
    hass.states.async_set(ROOM, "20", {"friendly_name": "Furnace"})
    hass.states.async_set(PUMP, "off")
    rules = "pump: group=pump, floor=cellar"
    entry = with_options(companions=[one.entity_id, ROOM, PUMP], companion_rules=rules)
    await set_up(hass, entry)
    await sent(hass)
    (_, mains), (_, room), (off, pump) = (
        samples(lines, entity)[0] for entity in entry.options["companions"]
    )
    assert (mains["group"], mains["pair"]) == ("trunk", "Mains")
    assert room["group"] == "hvac"
    assert "unit" not in room
    assert (off, pump["group"], pump["floor"]) == (0, "pump", "cellar")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_broken_rules_cost_nothing_but_themselves(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hass.states.async_set(PV, "1", WATT)
    entry = with_options(companions=[PV], companion_rules="nonsense")
    await set_up(hass, entry)
    await sent(hass)
    assert samples(lines, PV)[0][1]["group"] == "trunk"
    assert "line 1: no_rule" in caplog.text
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_renamed_entity_is_followed(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent
) -> None:
    registry = er.async_get(hass)
    solar = registry.async_get_or_create("sensor", "pv", "1", suggested_object_id="solar_1")
    meter = registry.async_get_or_create("sensor", "pv", "2", suggested_object_id="meter")
    hass.states.async_set(solar.entity_id, "1", WATT)
    entry = with_options(companions=[solar.entity_id], meter_power=meter.entity_id)
    await set_up(hass, entry)
    registry.async_update_entity(solar.entity_id, new_entity_id="sensor.roof")
    await hass.async_block_till_done()
    registry.async_update_entity("sensor.roof", name="Roof")
    registry.async_update_entity(meter.entity_id, new_entity_id="sensor.grid")
    await hass.async_block_till_done()
    assert entry.options["companions"] == ["sensor.roof"]
    assert entry.options["meter_power"] == "sensor.grid"
    hass.states.async_set("sensor.roof", "7", WATT)
    await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    assert samples(lines, "sensor.roof")[-1][0] == 7
    # Nor is it lost on one that is not loaded, nor on one that names no meter.
    registry.async_update_entity("sensor.roof", new_entity_id="sensor.shed")
    await hass.async_block_till_done()
    assert entry.options["companions"] == ["sensor.shed"]
    assert entry.state is ConfigEntryState.NOT_LOADED


async def test_a_real_server_holds_companions_verified(
    hass: HomeAssistant,
    fake: FakeFamily,
    victoria_metrics: VictoriaMetrics,
    freezer: FrozenDateTimeFactory,
) -> None:
    hass.states.async_set(PV, "1.5", {"unit_of_measurement": "kW"})
    entry = with_options({"history_url": victoria_metrics.url}, companions=[PV])
    await set_up(hass, entry)
    freezer.tick(timedelta(seconds=10))
    hass.states.async_set(PV, "1.75", {"unit_of_measurement": "kW"})
    freezer.tick(timedelta(seconds=20))
    await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    await victoria_metrics.flush()
    (found,) = await victoria_metrics.export("heatpump_companion")
    assert found["values"] == [1500, 1750, 1750]
    assert found["metric"]["entity_id"] == PV


async def test_what_a_killed_server_lost_of_companions_is_sent_again(
    hass: HomeAssistant, fake: FakeFamily, victoria_metrics: VictoriaMetrics
) -> None:
    hass.states.async_set(PV, "1500", WATT)
    hass.states.async_set(ROOM, "21.5", {"unit_of_measurement": "°C"})
    entry = with_options({"history_url": victoria_metrics.url}, companions=[PV, ROOM])

    async def until(
        done: Callable[[Stats], bool], *, flush: bool = False, polls: bool = False
    ) -> None:
        async with asyncio.timeout(30):
            while not done(entry.runtime_data.archive.stats):
                await asyncio.sleep(0.1)
                if flush:
                    await victoria_metrics.flush()
                if polls:
                    await poll(hass, entry)

    with (
        patch.object(archive, "Shipper", partial(Shipper, hold=1.0)),
        patch("custom_components.heat_pump_hub.history.known.LOOK_EVERY", 0.1),
    ):
        await set_up(hass, entry)
        # It is known to store what it gets.
        await until(lambda stats: stats.verified > 0, flush=True)
        hass.states.async_set(PV, "1600", WATT)
        now = hass.states.get(PV)
        assert now is not None
        changed = round(now.last_updated_timestamp * 1000)
        await asyncio.sleep(0.01)
        await poll(hass, entry)
        polled = milliseconds(entry.runtime_data.coordinator.data.time)
        await until(lambda stats: stats.queued_samples == 0)
        taken = entry.runtime_data.archive.stats.posted
        # It has said yes, and has written nothing to its disk.
        victoria_metrics.kill()
        victoria_metrics.start()
        await until(lambda stats: stats.verified >= taken, flush=True, polls=True)
    assert entry.runtime_data.archive.stats.lost > 0
    await hass.config_entries.async_unload(entry.entry_id)
    await victoria_metrics.flush()
    stored = {
        one["metric"]["entity_id"]: dict(zip(one["timestamps"], one["values"], strict=True))
        for one in await victoria_metrics.export("heatpump_companion")
    }
    assert stored[PV][polled] == 1600
    assert stored[ROOM][polled] == 21.5
    assert stored[PV][changed] == 1600


@pytest.mark.parametrize("text", ["inf", "nan", "", "idle", "1e999"])
async def test_a_state_that_is_no_number_is_no_sample(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent, text: str
) -> None:
    hass.states.async_set(PV, text, WATT)
    hass.states.async_set(PUMP, "unavailable")
    entry = with_options(companions=[PV, PUMP])
    await set_up(hass, entry)
    hass.states.async_set(PV, f"{text} ", WATT)
    await poll(hass, entry)
    assert samples(lines, PV) == samples(lines, PUMP) == []
    assert names(lines) >= {"heatpump_outdoor_temperature"}
    await hass.config_entries.async_unload(entry.entry_id)


async def test_with_everything_stored_companions_are_too(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent
) -> None:
    hass.states.async_set(PV, "3", WATT)
    entry = with_options(companions=[PV], history_everything=True)
    await set_up(hass, entry)
    assert samples(lines, PV)[0][0] == 3
    await hass.config_entries.async_unload(entry.entry_id)


def test_units() -> None:
    assert normal("°F")[1](212) == pytest.approx(100)
    for unit, own, factor in (
        ("kW", "W", 1000),
        ("MWh", "kWh", 1000),
        ("mV", "V", 0.001),
        ("mA", "A", 0.001),
        ("m³/h", "L/min", 1000 / 60),
        ("W", "W", 1),
        ("K", "K", 1),
        ("EUR/kWh", "EUR/kWh", 1),
        (None, None, 1),
    ):
        found, convert = normal(unit)
        assert (found, convert(2)) == (own, pytest.approx(2 * factor))


def without_meter(fake: FakeFamily) -> None:
    """Let the heat pump know nothing of electricity, and give 6 kW of heat."""
    unknown = {"electrical_power", "electrical_energy", "cop"}
    fake.points = {key: one for key, one in POINTS.items() if key not in unknown} | {
        THERMAL.key: THERMAL
    }
    fake.prepare = lambda driver: driver.values.update(thermal_power=6000)


async def test_a_meter_gives_electricity_and_cop_to_entities_and_history(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    freezer: FrozenDateTimeFactory,
) -> None:
    without_meter(fake)
    hass.states.async_set("sensor.meter", "1.5", {"unit_of_measurement": "kW"})
    hass.states.async_set("sensor.count", "2.5", {"unit_of_measurement": "MWh"})
    entry = with_options(meter_power="sensor.meter", meter_energy="sensor.count")
    await set_up(hass, entry)
    await sent(hass)
    assert state(hass, "sensor", "electrical_power") == "1500.0"
    assert state(hass, "sensor", "electrical_energy") == "2500.0"
    assert state(hass, "sensor", "cop") == "4.0"
    stored = {line["metric"]["__name__"]: line["values"] for line in lines}
    assert stored["heatpump_electrical_power"] == [1500]
    assert stored["heatpump_cop"] == [4]

    freezer.tick(FRESH_POWER + timedelta(seconds=1))
    await poll(hass, entry)
    assert state(hass, "sensor", "electrical_power") == "unknown"
    assert state(hass, "sensor", "cop") == "unknown"
    assert state(hass, "sensor", "electrical_energy") == "2500.0"
    freezer.tick(FRESH_ENERGY)
    await poll(hass, entry)
    assert state(hass, "sensor", "electrical_energy") == "unknown"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("shown", "unit"),
    [("unavailable", "W"), ("-20", "W"), ("nan", "W"), ("5", "kWh"), ("5", None)],
)
async def test_a_meter_that_shows_no_power_gives_none(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent, shown: str, unit: str
) -> None:
    without_meter(fake)
    hass.states.async_set("sensor.meter", shown, {"unit_of_measurement": unit})
    entry = with_options(meter_power="sensor.meter")
    await set_up(hass, entry)
    assert state(hass, "sensor", "electrical_power") == "unknown"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(("preferred", "power"), [(False, "1500"), (True, "900.0")])
async def test_the_owner_chooses_between_heat_pump_and_meter(
    hass: HomeAssistant, fake: FakeFamily, preferred: bool, power: str
) -> None:
    hass.states.async_set("sensor.meter", "900", WATT)
    entry = with_options({}, meter_power="sensor.meter", meter_preferred=preferred)
    await set_up(hass, entry)
    assert state(hass, "sensor", "electrical_power") == power
    registry = er.async_get(hass)
    found = registry.async_get(entity_id(hass, "sensor", "electrical_power"))
    assert found is not None
    assert found.unique_id == "idm_electrical_power"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("odd", [["W"], {"a": 1}, 7, ""])
async def test_an_entity_with_strange_attributes_holds_nobody_up(
    hass: HomeAssistant,
    fake: FakeFamily,
    lines: Sent,
    freezer: FrozenDateTimeFactory,
    odd: object,
) -> None:
    without_meter(fake)
    strange = {"unit_of_measurement": odd, "friendly_name": odd, "state_class": odd}
    hass.states.async_set(PV, "5", strange)
    hass.states.async_set(ROOM, "20", {"unit_of_measurement": "°C"})
    hass.states.async_set("sensor.meter", "1500", strange)
    entry = with_options(companions=[PV, ROOM], meter_power="sensor.meter")
    await set_up(hass, entry)
    assert entry.state is ConfigEntryState.LOADED
    hass.states.async_set(PV, "6", strange)
    freezer.tick(timedelta(seconds=1))
    await poll(hass, entry)
    assert [value for value, _ in samples(lines, ROOM)] == [20, 20]
    assert [value for value, _ in samples(lines, PV)][-1] == 6
    # What has no unit is no power.
    assert state(hass, "sensor", "electrical_power") == "unknown"
    assert state(hass, "sensor", "outdoor_temperature") == "3.5"
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("power", "power_unit", "energy", "energy_unit"),
    [
        ("1500", "W", "2500000", "Wh"),
        ("1.5", "kW", "2500", "kWh"),
        ("0.0015", "MW", "2.5", "MWh"),
    ],
)
async def test_a_meter_may_count_in_any_unit(
    hass: HomeAssistant,
    fake: FakeFamily,
    power: str,
    power_unit: str,
    energy: str,
    energy_unit: str,
) -> None:
    without_meter(fake)
    hass.states.async_set("sensor.meter", power, {"unit_of_measurement": power_unit})
    hass.states.async_set("sensor.count", energy, {"unit_of_measurement": energy_unit})
    entry = with_options({}, meter_power="sensor.meter", meter_energy="sensor.count")
    await set_up(hass, entry)
    assert state(hass, "sensor", "electrical_power") == "1500.0"
    assert state(hass, "sensor", "electrical_energy") == "2500.0"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_counter_that_begins_anew_is_believed_and_one_that_starts_is_not(
    hass: HomeAssistant, fake: FakeFamily, lines: Sent
) -> None:
    without_meter(fake)
    unit = {"unit_of_measurement": "kWh"}
    shown = ["2500", "0", "2501", "unavailable", "2502", "3", "3.5", "4"]
    hass.states.async_set("sensor.count", shown[0], unit)
    entry = with_options(meter_energy="sensor.count")
    await set_up(hass, entry)
    for text in shown[1:]:
        hass.states.async_set("sensor.count", text, unit)
        await poll(hass, entry)
    await hass.config_entries.async_unload(entry.entry_id)
    stored = [
        value
        for line in lines
        if line["metric"]["__name__"] == "heatpump_electrical_energy"
        for value in line["values"]
    ]
    # Neither the moment of 0, nor the first look at a counter that begins anew.
    assert stored == [2500, 2501, 2502, 3.5, 4]
