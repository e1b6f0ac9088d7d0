"""Home Assistant's side of the history: one writer for all heat pumps of a server and user."""

import asyncio
from asyncio import Task
from collections.abc import Container, Mapping, Sequence, Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.hass_dict import HassKey
from homeassistant.util.ssl import get_default_context, get_default_no_verify_context

from .const import (
    CONF_HISTORY_NAMES,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_TENANT,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_VERIFY_SSL,
    CONF_MANUFACTURER,
    CONF_MODEL,
    DOMAIN,
    HISTORY_NAMES_FORERUNNER,
    LOGGER,
)
from .drivers.points import Point, Snapshot
from .history.companion_series import with_companions
from .history.feed import Feed
from .history.forerunner import forerunner
from .history.outbox import Outbox
from .history.pool import WriterPool
from .history.series import Encoder, canonical
from .history.server import InvalidTenantError, InvalidUrlError
from .history.shipper import Shipper
from .history.state import Stats, Trouble
from .history.victoriametrics import VictoriaMetrics
from .journals import async_tell

FLUSH_TIMEOUT: Final = 5.0
"""Seconds an unload or a stop waits for the server."""

type WriterKey = tuple[str, str | None, str | None]
"""Address, tenant and user; of a token, which has no user, a fingerprint."""


@dataclass(slots=True)
class Writer:
    """A shipper, the task it runs in, and the entries that use it."""

    shipper: Shipper
    task: Task[None]
    server: VictoriaMetrics
    password: str | None
    entries: list[ConfigEntry] = field(default_factory=list)
    troubles: dict[Trouble, str] = field(default_factory=dict)


DATA_WRITERS: HassKey[WriterPool[WriterKey, Writer]] = HassKey(f"{DOMAIN}_writers")


class Archive:
    """The way of one heat pump's snapshots to its history server."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        key: WriterKey,
        writer: Writer,
        feed: Feed,
        outbox: Outbox,
    ) -> None:
        """Join a writer; use :func:`async_open_archive`."""
        self._hass = hass
        self._entry = entry
        self._key = key
        self._writer = writer
        self._feed = feed
        self.outbox = outbox
        writer.entries.append(entry)
        writer.shipper.attach(outbox)

    @property
    def keys(self) -> Container[str] | None:
        """Which points are sent; ``None``: all."""
        return self._feed.keys

    async def async_begin(self, keys: AbstractSet[str] | None) -> None:
        """Send these points from now on; ``None``: all."""
        await self._hass.async_add_executor_job(self._feed.prepare, keys)
        self._feed.keys = keys

    @property
    def shipper(self) -> Shipper:
        """The writer's shipper, which other heat pumps may share."""
        return self._writer.shipper

    @property
    def encoder(self) -> Encoder:
        """How the points of this heat pump are stored."""
        return self._feed.encoder

    @property
    def stats(self) -> Stats:
        """State of the writer, which other heat pumps may share."""
        return self._writer.shipper.stats

    @callback
    def take(self, snapshot: Snapshot, before: Sequence[Snapshot] = ()) -> None:
        """Send a snapshot, as soon as the server takes it; ``before``: what came since the last."""
        self._feed.take(snapshot, before)

    async def async_close(self) -> None:
        """Leave the writer, which flushes what it has; what is left stays in the journal."""
        writer = self._writer
        if not await writer.shipper.flush(FLUSH_TIMEOUT):
            LOGGER.info("%d samples of history wait in the journal", self.outbox.samples)
        writer.shipper.detach(self.outbox)
        self._report({})
        writer.entries.remove(self._entry)
        for other in writer.entries[:1]:
            for trouble, details in writer.troubles.items():
                async_tell(self._hass, other, trouble, details)
        if self._hass.data[DATA_WRITERS].release(self._key) is not None:
            writer.task.cancel()
            with suppress(asyncio.CancelledError):
                await writer.task
            writer.server.close()

    @callback
    def _report(self, troubles: dict[Trouble, str]) -> None:
        for trouble in Trouble:
            async_tell(self._hass, self._entry, trouble, troubles.get(trouble))


@callback
def history_server(
    hass: HomeAssistant, history: Mapping[str, Any], *, kept: bool = False
) -> VictoriaMetrics:
    """Return the server that an entry's data, or an answer like it, describes.

    ``kept`` keeps a connection open. Raises :class:`InvalidUrlError` and
    :class:`InvalidTenantError`.
    """
    verify = history.get(CONF_HISTORY_VERIFY_SSL, True)
    return VictoriaMetrics(
        async_get_clientsession(hass, verify_ssl=verify),
        history[CONF_HISTORY_URL],
        username=history.get(CONF_HISTORY_USERNAME) or None,
        password=history.get(CONF_HISTORY_PASSWORD) or None,
        tenant=history.get(CONF_HISTORY_TENANT) or None,
        verify_ssl=get_default_context() if verify else get_default_no_verify_context(),
        kept=kept,
    )


@callback
def async_open_archive(
    hass: HomeAssistant,
    entry: ConfigEntry,
    points: Mapping[str, Point],
    identity: str,
    outbox: Outbox,
) -> Archive | None:
    """Return the archive of a heat pump; ``None`` if its owner wants none.

    More may come to ``points`` later.
    """
    if not entry.data.get(CONF_HISTORY_URL):
        return None
    username = entry.data.get(CONF_HISTORY_USERNAME) or None
    password = entry.data.get(CONF_HISTORY_PASSWORD) or None
    tenant = entry.data.get(CONF_HISTORY_TENANT) or None
    try:
        server = history_server(hass, entry.data, kept=True)
    except (InvalidUrlError, InvalidTenantError) as error:
        # Data of a heat pump is worth having without its history.
        LOGGER.error("%s: no history: %s", entry.title, error)
        return None
    user = username
    if user is None and password is not None:
        # Two tokens may be two tenants.
        user = f"token {sha256(password.encode()).hexdigest()[:16]}"
    key = (server.url, tenant, user)

    def make() -> Writer:
        shipper = Shipper(server, on_auth_failed=ask_for_credentials, on_trouble=tell)
        task = hass.async_create_background_task(shipper.run(), f"{DOMAIN} history")
        return Writer(shipper, task, server, password)

    @callback
    def ask_for_credentials() -> None:
        # One question is enough: the answer is taken over by all entries that share the writer.
        for one in writer.entries[:1]:
            one.async_start_reauth(hass)

    @callback
    def tell(trouble: Trouble, details: str | None) -> None:
        writer.troubles.pop(trouble, None)
        if details is not None:
            writer.troubles[trouble] = details
        for one in writer.entries[:1]:
            async_tell(hass, one, trouble, details)

    writer = hass.data.setdefault(DATA_WRITERS, WriterPool()).acquire(key, make)
    if writer.password != password:
        writer.password = password
        writer.server.close()
        writer.server = server
        writer.shipper.replace_server(server)
    naming = (
        forerunner
        if entry.options.get(CONF_HISTORY_NAMES) == HISTORY_NAMES_FORERUNNER
        else canonical
    )
    encoder = Encoder(
        points,
        heatpump_id=identity,
        manufacturer=entry.data.get(CONF_MANUFACTURER, ""),
        model=entry.data.get(CONF_MODEL, ""),
        naming=with_companions(naming),
    )
    feed = Feed(encoder, outbox, writer.shipper)
    return Archive(hass, entry, key, writer, feed, outbox)
