"""Heat Pump Hub: heat pumps of several makers in Home Assistant.

This module puts one heat pump together and takes it apart.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import CONF_HOST, CONF_PORT, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import (
    config_validation as cv,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.storage import Store
from homeassistant.helpers.typing import ConfigType
from homeassistant.util import dt as dt_util

from .actions import async_register_actions
from .anomaly import ISSUE_RIVER_MISSING, AnomalyWatch
from .anomaly_episodes import Episodes, issue_of
from .anomaly_notes import AnomalyNotes
from .anomaly_texts import AnomalyTexts
from .archive import Archive, async_open_archive
from .backfill import STORE as BACKFILL_STORE, Backfill
from .backfill_work import KIND as BACKFILL, Past
from .companions import Companions, async_follow_renames
from .const import (
    CONF_ALLOW_CONTROL,
    CONF_COOLDOWN,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_HISTORY_EVERYTHING,
    CONF_IDENTITY,
    CONF_INTERVAL,
    CONF_LAYOUT,
    CONF_LEARN_FROM,
    CONF_UNIT,
    DEFAULT_COOLDOWN,
    DOMAIN,
    FAMILY_MAP,
    LOGGER,
    PLATFORMS,
    STORAGE_VERSION,
)
from .control import CyclicInputs, WriteGuard
from .coordinator import ISSUE_DIFFERENT_MACHINE, HeatPumpCoordinator, HubConfigEntry, HubData
from .devices import async_register_devices
from .drivers import family
from .drivers.driver import Address, Driver, Family, Layout
from .drivers.points import Point, Snapshot, Tier, Wear, is_canonical
from .feeding import Feeding
from .guard_file import GuardFile
from .history.journal import Journal
from .iotawatt_units import IotawattUnits
from .journals import async_close_journal, async_open_journal, async_remove_journal, async_tell
from .legacy_import import KIND as IMPORT, Legacy
from .map_files import async_forget_map, async_set_up_map
from .meter import Meter
from .names import key_of
from .reports import Reports
from .warm_recorder import RecorderPast
from .warm_sources import ServerPast
from .warm_start import WarmStart
from .whereabouts import async_watch

if TYPE_CHECKING:
    from .simulator.demo import DemoHeatPump

CONFIG_SCHEMA: Final = cv.config_entry_only_config_schema(DOMAIN)
STORES: Final = ("detector", "episode", "map", BACKFILL_STORE)
SAFE_TIMEOUT: Final = 10.0
"""Seconds an unload or a stop waits until cyclic inputs are made safe."""


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register the actions: they are known, and checked, whether or not a heat pump is loaded."""
    async_register_actions(hass)
    async_follow_renames(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HubConfigEntry) -> bool:
    """Set a heat pump up.

    Raises ``ConfigEntryNotReady`` while it cannot be reached, ``ConfigEntryError`` if what
    answers is no heat pump of this family or generation.
    """
    async_watch(hass)
    async with AsyncExitStack() as stack:
        entry.runtime_data = data = await _async_assemble(hass, entry, stack)
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        data.journal.keys = keys = _archived_keys(hass, entry)
        if data.archive is not None:
            await data.archive.async_begin(keys)
        data.companions.start(keys)
        data.teardown = stack.pop_all()
    data.coordinator.start()
    if data.backfill is not None:
        await data.backfill.async_start()
    if data.iotawatt is not None:
        data.iotawatt.start()
    data.anomaly.start()
    data.reports.start()
    # Entries are not unloaded when Home Assistant stops.
    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, _on_stop(data)))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HubConfigEntry) -> bool:
    """Take a heat pump apart: nothing of it stays behind."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    async_tell(hass, entry, ISSUE_DIFFERENT_MACHINE, None)
    ir.async_delete_issue(hass, DOMAIN, issue_of(entry))
    await entry.runtime_data.teardown.aclose()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: HubConfigEntry) -> None:
    """Delete what was stored for a heat pump; its series on a history server stay."""
    await GuardFile(hass, entry.entry_id).async_remove()
    await async_remove_journal(hass, entry)
    async_tell(hass, entry, ISSUE_DIFFERENT_MACHINE, None)
    async_forget_map(hass, entry)
    for kind in STORES:
        await _store(hass, entry, kind).async_remove()
    if not hass.config_entries.async_entries(DOMAIN):
        ir.async_delete_issue(hass, DOMAIN, ISSUE_RIVER_MISSING)


async def async_migrate_entry(hass: HomeAssistant, entry: HubConfigEntry) -> bool:
    """Accept entries of this version; what a later one stored cannot be read."""
    return entry.version == 1


async def _async_assemble(
    hass: HomeAssistant, entry: HubConfigEntry, stack: AsyncExitStack
) -> HubData:
    """Make the parts of a heat pump; how each is taken apart goes on the stack beside it."""
    kind = await _async_family(hass, entry)
    demo = bool(entry.data.get(CONF_DEMO))
    identity = f"demo-{entry.entry_id}" if demo else entry.data[CONF_IDENTITY]
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{DOMAIN}_{identity}")
    stack.push_async_callback(_async_end_thread, hass, executor)
    address = (
        await _async_start_demo(hass, kind, stack)
        if demo
        else Address(
            host=entry.data[CONF_HOST],
            port=entry.data[CONF_PORT],
            unit=entry.data.get(CONF_UNIT, kind.unit),
        )
    )

    map_store = _store(hass, entry, "map")
    learned = await map_store.async_load()
    layout = Layout.from_json(entry.data.get(CONF_LAYOUT, {}))
    # a table of 1,300 points takes its time
    driver = await hass.async_add_executor_job(kind.create, address, layout, learned)
    stack.push_async_callback(driver.close)
    driver = Meter(hass, entry.options).on(driver)
    driver.expect(entry.data.get(CONF_FINGERPRINT, {}))
    keeper = _MapKeeper(driver, map_store, learned)
    stack.push_async_callback(keeper.async_save)

    coordinator = HeatPumpCoordinator(
        hass, entry, driver, entry.options.get(CONF_INTERVAL, kind.interval)
    )
    guard = _guard(hass, entry, kind, driver, identity, coordinator.async_seen)
    stack.push_async_callback(guard.close)
    cyclic = CyclicInputs(guard)
    for key, point in driver.points.items():
        if point.wear is Wear.CYCLIC:
            cyclic.register(key)
    stack.push_async_callback(_async_make_safe, entry, cyclic)
    feeding = Feeding(hass, coordinator, cyclic)
    stack.push_async_callback(feeding.async_stop)

    journal = await async_open_journal(hass, entry, identity, executor)
    stack.push_async_callback(async_close_journal, hass, entry, journal)
    points = dict(driver.points)
    reports = Reports(hass, entry, identity, points, journal, executor)
    stack.push_async_callback(reports.async_close)
    archive = async_open_archive(hass, entry, points, identity, journal.outbox)
    backfill = iotawatt = None
    if archive is not None:
        stack.push_async_callback(archive.async_close)
        backfill = _backfill(hass, entry, journal, archive, identity, coordinator.interval)
        stack.push_async_callback(backfill.async_close)
        iotawatt = IotawattUnits(hass, entry, archive, identity)
        stack.push_async_callback(iotawatt.async_close)
    companions = Companions(hass, entry, points, journal, archive)
    stack.push_async_callback(companions.async_close)
    coordinator.consumers += [companions.record, companions.send]
    coordinator.on_missed.append(companions.missed)
    watched = {
        key: point for key, point in driver.points.items() if point.enabled or is_canonical(point)
    }
    anomaly = AnomalyWatch(
        hass,
        entry,
        _store(hass, entry, "detector"),
        executor,
        watched.values(),
        _warm_start(hass, entry, journal, archive, identity, watched),
    )
    stack.push_async_callback(anomaly.async_close)
    episodes = Episodes(
        hass,
        entry,
        identity,
        anomaly,
        AnomalyTexts(hass, identity, driver.points),
        _store(hass, entry, "episode"),
    )
    stack.push_async_callback(episodes.async_close)
    notes = AnomalyNotes(anomaly, driver)
    coordinator.consumers += [notes.take, anomaly.take, partial(keeper.take, hass, entry)]
    # Last in, first out: no poll begins while the rest is taken apart.
    stack.push_async_callback(coordinator.async_shutdown)

    await coordinator.async_config_entry_first_refresh()
    await episodes.async_open()
    feeding.start()
    return HubData(
        identity=identity,
        driver=driver,
        coordinator=coordinator,
        guard=guard,
        anomaly=anomaly,
        episodes=episodes,
        journal=journal,
        archive=archive,
        backfill=backfill,
        iotawatt=iotawatt,
        reports=reports,
        companions=companions,
        devices=async_register_devices(
            hass, entry, identity, (point.part for point in driver.points.values())
        ),
    )


async def _async_family(hass: HomeAssistant, entry: HubConfigEntry) -> Family:
    """Return the family of an entry. Raises ``ConfigEntryNotReady`` if its map is unusable."""
    key: str = entry.data[CONF_FAMILY]
    if key == FAMILY_MAP:
        return await async_set_up_map(hass, entry)
    return await hass.async_add_import_executor_job(family, key)


def _guard(
    hass: HomeAssistant,
    entry: HubConfigEntry,
    kind: Family,
    driver: Driver,
    identity: str,
    on_verified: Callable[[str, Any], None],
) -> WriteGuard:
    file = GuardFile(hass, entry.entry_id)
    return WriteGuard(
        driver,
        identity,
        load=file.async_load,
        save=file.async_save,
        cooldown=entry.options.get(CONF_COOLDOWN, DEFAULT_COOLDOWN),
        allow_control=entry.options.get(CONF_ALLOW_CONTROL, True),
        read_back=kind.read_back,
        on_verified=on_verified,
        zone=dt_util.get_default_time_zone(),
    )


def _backfill(
    hass: HomeAssistant,
    entry: HubConfigEntry,
    journal: Journal,
    archive: Archive,
    identity: str,
    interval: float,
) -> Backfill:
    past = Past(hass, entry, archive, identity, interval)
    return Backfill(
        hass,
        entry,
        journal,
        archive,
        works={BACKFILL: past.backfill, IMPORT: Legacy(hass, archive, identity).batches},
        resume=(past.from_journal, past.from_recorder),
    )


def _warm_start(
    hass: HomeAssistant,
    entry: HubConfigEntry,
    journal: Journal,
    archive: Archive | None,
    identity: str,
    points: Mapping[str, Point],
) -> WarmStart:
    server = None
    if archive is not None:
        server = ServerPast(
            archive.shipper.turn,
            hass.async_add_executor_job,
            points.values(),
            identity,
            idm=entry.data[CONF_FAMILY] == "idm",
        )
    entities: Mapping[str, str] = entry.options.get(CONF_LEARN_FROM, {})
    recorder = RecorderPast(hass, hass.async_add_executor_job, entities, points)
    return WarmStart(entry.title, journal, server=server, recorder=recorder, entities=entities)


def _store(hass: HomeAssistant, entry: HubConfigEntry, kind: str) -> Store[dict[str, Any]]:
    """Return one of the stores of an entry."""
    return Store(
        hass,
        STORAGE_VERSION,
        f"{DOMAIN}.{entry.entry_id}.{kind}",
        atomic_writes=True,
        # A detector's state is large, and nobody changes a dict that is being saved.
        serialize_in_event_loop=False,
    )


def _archived_keys(hass: HomeAssistant, entry: HubConfigEntry) -> set[str] | None:
    """Return which points history gets: canonical ones, and those whose entity is enabled.

    Enabling an entity reloads the entry, so this need not be followed.
    """
    if entry.options.get(CONF_HISTORY_EVERYTHING):
        return None
    data = entry.runtime_data
    enabled = {
        key_of(entity, data.identity)
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.disabled_by is None
    }
    return {
        key for key, point in data.driver.points.items() if key in enabled or is_canonical(point)
    }


class _MapKeeper:
    """Keeps what the driver learned about its device, so that the next start knows it."""

    def __init__(
        self, driver: Driver, store: Store[dict[str, Any]], saved: dict[str, Any] | None
    ) -> None:
        self._driver = driver
        self._store = store
        self._saved = saved

    @callback
    def take(self, hass: HomeAssistant, entry: HubConfigEntry, snapshot: Snapshot) -> None:
        """Save with each read of the settings, if there is something new."""
        if Tier.SETTING in snapshot.tiers:
            entry.async_create_background_task(hass, self.async_save(), f"{DOMAIN} map")

    async def async_save(self) -> None:
        """Save if there is something new."""
        if (learned := self._driver.learned()) != self._saved:
            self._saved = learned
            await self._store.async_save(learned)


async def _async_start_demo(hass: HomeAssistant, kind: Family, stack: AsyncExitStack) -> Address:
    """Start the simulated heat pump; it has a thread and a loop of its own."""

    def make() -> DemoHeatPump:
        # Imported only when asked for: few owners keep a demo.
        from .simulator.demo import DemoHeatPump

        return DemoHeatPump()

    demo = await hass.async_add_import_executor_job(make)
    try:
        port = await hass.async_add_executor_job(demo.start)
    except OSError as error:
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="cannot_connect",
            translation_placeholders={"error": str(error)},
        ) from error

    async def stop() -> None:
        await hass.async_add_executor_job(demo.stop)

    stack.push_async_callback(stop)
    return Address(host="127.0.0.1", port=port, unit=kind.unit)


async def _async_make_safe(entry: HubConfigEntry, cyclic: CyclicInputs) -> None:
    """Set the inputs that were fed in this run to their safe values."""
    try:
        async with asyncio.timeout(SAFE_TIMEOUT):
            failed = await cyclic.stop()
    except TimeoutError:
        LOGGER.warning("%s: inputs were not reset, the heat pump is too slow", entry.title)
        return
    for error in failed.values():
        LOGGER.warning("%s: an input was not reset: %s", entry.title, error)


async def _async_end_thread(hass: HomeAssistant, executor: ThreadPoolExecutor) -> None:
    # It may be importing River: waiting for it would hold the loop up.
    await hass.async_add_executor_job(partial(executor.shutdown, wait=True, cancel_futures=True))


def _on_stop(data: HubData) -> Callable[[Event], Coroutine[Any, Any, None]]:
    async def stop(_event: Event) -> None:
        await data.teardown.aclose()

    return stop
