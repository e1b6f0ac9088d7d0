"""Home Assistant's side of the history: one writer for all heat pumps of a server and user."""

from asyncio import CancelledError, Task
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.hass_dict import HassKey

from .const import (
    CONF_HISTORY_NAMES,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_VERIFY_SSL,
    CONF_MANUFACTURER,
    CONF_MODEL,
    DOMAIN,
    HISTORY_NAMES_FORERUNNER,
    LOGGER,
)
from .drivers.driver import Driver
from .drivers.points import Snapshot
from .history.forerunner import forerunner
from .history.outbox import MemoryOutbox
from .history.series import Encoder, canonical
from .history.shipper import Shipper, Stats, WriterPool
from .history.victoriametrics import InvalidUrlError, VictoriaMetrics

FLUSH_TIMEOUT: Final = 5.0
"""Seconds an unload or a stop waits for the server."""

type WriterKey = tuple[str, str | None]


@dataclass(slots=True)
class Writer:
    """A shipper, the task it runs in, and the entries that use it."""

    shipper: Shipper
    outbox: MemoryOutbox
    task: Task[None]
    password: str | None
    entries: list[ConfigEntry] = field(default_factory=list)


@dataclass(slots=True)
class Writers:
    """Everything about history that outlives a single entry."""

    pool: WriterPool[WriterKey, Writer] = field(default_factory=WriterPool)
    parked: dict[WriterKey, MemoryOutbox] = field(default_factory=dict)
    """What a server had not taken when its last entry was unloaded; a reload goes on with it."""


DATA_WRITERS: HassKey[Writers] = HassKey(f"{DOMAIN}_writers")


class Archive:
    """The way of one heat pump's snapshots to its history server."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        key: WriterKey,
        writer: Writer,
        encoder: Encoder,
    ) -> None:
        """Join a writer; use :func:`async_open_archive`."""
        self._hass = hass
        self._entry = entry
        self._key = key
        self._writer = writer
        self._encoder = encoder
        self.keys: Container[str] | None = ()
        """Which points are sent; ``None``: all."""
        writer.entries.append(entry)

    @property
    def stats(self) -> Stats:
        """State of the writer, which other heat pumps may share."""
        return self._writer.shipper.stats

    @callback
    def take(self, snapshot: Snapshot) -> None:
        """Send a snapshot, as soon as the server takes it."""
        for frame in self._encoder.encode((snapshot,), self.keys):
            self._writer.shipper.put(frame)

    async def async_close(self) -> None:
        """Leave the writer; the last one flushes it, and keeps what the server did not take."""
        writers = self._hass.data[DATA_WRITERS]
        self._writer.entries.remove(self._entry)
        if (writer := writers.pool.release(self._key)) is None:
            return
        writer.task.cancel()
        with suppress(CancelledError):
            await writer.task
        if not await writer.shipper.flush(FLUSH_TIMEOUT):
            LOGGER.warning("%d samples of history wait for their server", writer.outbox.samples)
            writers.parked[self._key] = writer.outbox


@callback
def async_open_archive(
    hass: HomeAssistant, entry: ConfigEntry, driver: Driver, identity: str
) -> Archive | None:
    """Return the archive of a heat pump; ``None`` if its owner wants none."""
    if not (url := entry.data.get(CONF_HISTORY_URL)):
        return None
    username = entry.data.get(CONF_HISTORY_USERNAME) or None
    password = entry.data.get(CONF_HISTORY_PASSWORD) or None
    try:
        server = VictoriaMetrics(
            async_get_clientsession(hass, verify_ssl=entry.data.get(CONF_HISTORY_VERIFY_SSL, True)),
            url,
            username=username,
            password=password,
        )
    except InvalidUrlError as error:
        # Data of a heat pump is worth having without its history.
        LOGGER.error("%s: no history: %s", entry.title, error)
        return None
    key = (server.url, username)
    writers = hass.data.setdefault(DATA_WRITERS, Writers())

    def make() -> Writer:
        outbox = writers.parked.pop(key, None) or MemoryOutbox()
        shipper = Shipper(server, outbox=outbox, on_auth_failed=ask_for_credentials)
        task = hass.async_create_background_task(shipper.run(), f"{DOMAIN} history")
        return Writer(shipper, outbox, task, password)

    @callback
    def ask_for_credentials() -> None:
        # One question is enough: the answer is taken over by all entries that share the writer.
        for user in writer.entries[:1]:
            user.async_start_reauth(hass)

    writer = writers.pool.acquire(key, make)
    if writer.password != password:
        writer.password = password
        writer.shipper.replace_server(server)
    naming = (
        forerunner
        if entry.options.get(CONF_HISTORY_NAMES) == HISTORY_NAMES_FORERUNNER
        else canonical
    )
    return Archive(
        hass,
        entry,
        key,
        writer,
        Encoder(
            driver.points,
            heatpump_id=identity,
            manufacturer=entry.data.get(CONF_MANUFACTURER, ""),
            model=entry.data.get(CONF_MODEL, ""),
            naming=naming,
        ),
    )
