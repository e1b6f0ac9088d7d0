"""Polls one heat pump and hands every snapshot, once, to everything that wants it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_HOST
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers.device_registry import ChildDeviceInfo, DeviceInfo
from homeassistant.helpers.event import async_call_later, async_track_time_interval
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from .anomaly import AnomalyWatch
from .anomaly_episodes import Episodes
from .archive import Archive
from .backfill import Backfill
from .companions import Companions
from .const import DOMAIN, LOGGER, SETTINGS_AFTER_WRITE, SETTINGS_INTERVAL
from .control import WriteGuard
from .drivers.driver import (
    Driver,
    DriverError,
    NotThisFamilyError,
    OtherMachineError,
    UnsupportedModelError,
)
from .drivers.points import Failure, Part, Snapshot, Tier, Value
from .history.journal import Journal
from .iotawatt_units import IotawattUnits
from .journals import async_tell
from .reports import Reports

type HubConfigEntry = ConfigEntry[HubData]

ALL_TIERS: Final = frozenset(Tier)
MEASUREMENTS: Final = frozenset({Tier.MEASUREMENT})
SETTINGS: Final = frozenset({Tier.SETTING})

ISSUE_DIFFERENT_MACHINE: Final = "different_machine"
_STRANGE_POLLS: Final = 2
"""Polls in a row after which an owner is told; a controller that boots may look strange once."""

LAST_POLL_TIMEOUT: Final = 3.0
"""Seconds an unload or a stop waits for a poll that is running."""


class Absent(Enum):
    """What an entity shows that has no communication."""

    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """What an entity shows for a state whose number no document names."""

    code: int


type Shown = Value | UnknownCode | Absent
"""What there is to show of a point; ``None`` where the heat pump has no value for it."""


@dataclass(slots=True, kw_only=True)
class HubData:
    """Everything that belongs to one heat pump while its entry is loaded."""

    identity: str
    driver: Driver
    coordinator: HeatPumpCoordinator
    guard: WriteGuard
    anomaly: AnomalyWatch
    episodes: Episodes
    journal: Journal
    archive: Archive | None
    backfill: Backfill | None
    """``None`` without a history server, as are :attr:`archive` and :attr:`iotawatt`."""
    iotawatt: IotawattUnits | None
    reports: Reports
    companions: Companions
    devices: Mapping[Part, DeviceInfo | ChildDeviceInfo]
    teardown: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Takes everything apart in the reverse order of its making."""


class HeatPumpCoordinator(DataUpdateCoordinator[Snapshot]):
    """Reads one heat pump: measurements every poll, settings now and then.

    Between reads of the settings their values stay, so :attr:`values` is what is known
    of the heat pump, while :attr:`data` is what the last poll read.
    """

    config_entry: HubConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: HubConfigEntry, driver: Driver, interval: float
    ) -> None:
        """Prepare to poll every ``interval`` seconds; :meth:`start` begins."""
        super().__init__(
            hass,
            LOGGER,
            config_entry=entry,
            name=entry.title,
            # The base class waits an interval after each poll; the cadence here is fixed.
            update_interval=None,
        )
        self.driver = driver
        self.interval = interval
        self.values: dict[str, Value] = {}
        self.failed: dict[str, Failure] = {}
        self.unknown_codes: dict[str, int] = {}
        self.shown: dict[str, Shown] = {}
        """By key: what its entity shows. One look-up an entity and poll is all there is."""
        self.consumers: list[Callable[[Snapshot], None]] = []
        """Called with every snapshot, after the entities."""
        self.on_missed: list[Callable[[], None]] = []
        """Called when a poll read nothing."""
        self._kept = {
            tier: frozenset(key for key, point in driver.points.items() if point.tier is not tier)
            for tier in Tier
        }
        self._logged: set[tuple[str, int]] = set()
        self._strange = 0
        self._started = False
        self._handed_on: Snapshot | None = None
        self._polls_per_settings = max(1, round(SETTINGS_INTERVAL / interval))
        self._ticks = 0
        self._settings_due = True
        self._measuring = False
        self._tiers: frozenset[Tier] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsub_tick: CALLBACK_TYPE | None = None
        self._unsub_settings: CALLBACK_TYPE | None = None

    @callback
    def start(self) -> None:
        """Hand the first snapshot on and begin the cadence; call it after the first refresh."""
        self._started = True
        self._hand_on()
        if not self.config_entry.pref_disable_polling:
            self._unsub_tick = async_track_time_interval(
                self.hass,
                self._tick,
                timedelta(seconds=self.interval),
                name=f"{self.name} poll",
                cancel_on_shutdown=True,
            )

    @override
    async def async_shutdown(self) -> None:
        """Stop polling; a poll that is running gets a little time to end."""
        await super().async_shutdown()
        if self._unsub_tick is not None:
            self._unsub_tick()
            self._unsub_tick = None
        self._cancel_settings_timer()
        if self._tasks:
            # Cut off in a request, a link is lost; nothing else may use it afterwards.
            _, late = await asyncio.wait(self._tasks, timeout=LAST_POLL_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @callback
    def async_seen(self, key: str, value: Value) -> None:
        """Show a value that the heat pump was seen to hold between two polls."""
        self.values[key] = value
        self.unknown_codes.pop(key, None)
        self.failed.pop(key, None)
        if self.last_update_success:
            self.shown[key] = value
            self.async_update_listeners()

    @callback
    def async_read_settings_soon(self) -> None:
        """Read all settings 2 s after the last call: one write can change others."""
        self._cancel_settings_timer()
        self._unsub_settings = async_call_later(
            self.hass, SETTINGS_AFTER_WRITE, self._read_settings
        )

    @callback
    @override
    def async_update_listeners(self) -> None:
        """Tell the entities first, then whoever else wants the snapshot."""
        super().async_update_listeners()
        if self._started and self.last_update_success:
            self._hand_on()

    @override
    async def _async_update_data(self) -> Snapshot:
        tiers = self._tiers or (ALL_TIERS if self._settings_due else MEASUREMENTS)
        self._measuring = Tier.MEASUREMENT in tiers
        try:
            snapshot = await self.driver.read(tiers)
        except (NotThisFamilyError, UnsupportedModelError) as error:
            unsupported = isinstance(error, UnsupportedModelError)
            raise ConfigEntryError(
                translation_domain=DOMAIN,
                translation_key="unsupported_model" if unsupported else "not_this_family",
            ) from error
        except OtherMachineError as error:
            self._stranger()
            raise UpdateFailed(
                translation_domain=DOMAIN, translation_key="different_machine"
            ) from error
        except DriverError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="cannot_connect",
                translation_placeholders={"error": str(error)},
            ) from error
        finally:
            self._measuring = False
        if self._strange or not self._started:
            self._strange = 0
            async_tell(self.hass, self.config_entry, ISSUE_DIFFERENT_MACHINE, None)
        if Tier.SETTING in tiers:
            self._settings_due = False
        self._merge(snapshot)
        return snapshot

    @callback
    def _stranger(self) -> None:
        """Tell the owner that another machine answers at the address."""
        self._strange += 1
        if self._strange >= _STRANGE_POLLS or not self._started:
            host = self.config_entry.data[CONF_HOST]
            async_tell(self.hass, self.config_entry, ISSUE_DIFFERENT_MACHINE, host)

    @callback
    @override
    def _async_refresh_finished(self) -> None:
        if not self.last_update_success:
            self.shown = dict.fromkeys(self.driver.points, Absent.NO_ANSWER)

    def _merge(self, snapshot: Snapshot) -> None:
        """Replace what the poll asked for, keep the rest."""
        values, failed, codes = (
            dict(snapshot.values),
            dict(snapshot.failed),
            dict(snapshot.unknown_codes),
        )
        if len(snapshot.tiers) == 1:
            (tier,) = snapshot.tiers
            kept = self._kept[tier]
            values = {key: value for key, value in self.values.items() if key in kept} | values
            # what a driver could not read before, it may read in a poll of other things
            failed = {
                key: why
                for key, why in self.failed.items()
                if key in kept and key not in snapshot.values
            } | failed
            codes = {key: code for key, code in self.unknown_codes.items() if key in kept} | codes
        self.values, self.failed, self.unknown_codes = values, failed, codes

        shown: dict[str, Shown] = dict(values)
        for key, code in codes.items():
            shown[key] = UnknownCode(code)
            if (key, code) not in self._logged:
                self._logged.add((key, code))
                LOGGER.warning("%s: %s has the unknown code %d", self.name, key, code)
        for key, why in failed.items():
            if why is Failure.NO_ANSWER:
                shown[key] = Absent.NO_ANSWER
        self.shown = shown

    @callback
    def _hand_on(self) -> None:
        snapshot = self.data
        if snapshot is self._handed_on:
            return
        self._handed_on = snapshot
        for consumer in self.consumers:
            try:
                consumer(snapshot)
            except Exception:  # noqa: BLE001 - one consumer must not cost the others the poll
                LOGGER.exception("%s: a snapshot was not taken", self.name)

    @callback
    def _tick(self, _now: datetime) -> None:
        self._ticks += 1
        if self._ticks % self._polls_per_settings == 0:
            self._settings_due = True
        # A read of settings alone does not cost the interval its poll: that one waits for it.
        if not self._measuring:
            self._begin(None)

    @callback
    def _read_settings(self, _now: datetime) -> None:
        self._unsub_settings = None
        self._begin(SETTINGS)

    def _begin(self, tiers: frozenset[Tier] | None) -> None:
        task = self.config_entry.async_create_background_task(
            self.hass, self._async_read(tiers), f"{self.name} poll", eager_start=True
        )
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _async_read(self, tiers: frozenset[Tier] | None) -> None:
        async with self._debounced_refresh.async_lock():
            self._tiers = tiers
            try:
                await self._async_refresh(scheduled=True)
            finally:
                self._tiers = None
            if not self.last_update_success:
                for missed in self.on_missed:
                    missed()

    def _cancel_settings_timer(self) -> None:
        if self._unsub_settings is not None:
            self._unsub_settings()
            self._unsub_settings = None
