"""IoTaWatt units of a heat pump: their logs go to its history server, and are kept in step.

Each unit is a subentry and has a task of its own. It asks the server for the last point of each
series, reads what the unit has since then in chunks, and sends it; a chunk counts once the
server was found to hold all of it. So nothing has to be kept here, and a restart goes on where
the server is. What a server lost in the middle is found by counting the hours.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
import time
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_HOST, CONF_PASSWORD, CONF_USERNAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .archive import Archive
from .const import CONF_DEVICE, CONF_SERIES, DOMAIN, LOGGER
from .history.ask import labels_of
from .history.bulk import Batch, Bulk, NotKeptError
from .history.companion_rules import Rules
from .history.iotawatt import Iotawatt
from .history.iotawatt_answers import MINUTE, IotawattError, LogSpan, PasswordError, Series
from .history.iotawatt_log import Chunk
from .history.server import HistoryError
from .history.shipper import HOLD
from .iotawatt_reader import LogReader

METRIC: Final = "heatpump_companion"
SOURCE: Final = "iotawatt"
EVERY: Final = 300.0
"""Seconds between two looks at a unit."""
LOOK_BACK_EVERY: Final = 24 * 3600.0
"""Seconds between two searches for what the server lost."""
FIRST_DELAY: Final = 30.0
LONGEST_DELAY: Final = 600.0
"""A unit or a server that fails is asked again after pauses from one to the other, s."""
LONG: Final = 24 * 3600.0
"""Seconds without a unit after which its owner is told."""
REFUSED: Final = 2
"""Times in a row that a unit refuses its password, after which its owner is told."""
WATCH: Final = 5.0
"""Seconds between two looks at a server that is not ready."""
RETENTION_MARGIN: Final = timedelta(hours=1)
DEFAULT_RETENTION: Final = 31 * 24 * 3600 - 3600
"""What VictoriaMetrics keeps if it is not told otherwise, and does not tell, s."""

ISSUE_UNREACHABLE: Final = "iotawatt_unreachable"
ISSUE_SERIES_GONE: Final = "iotawatt_series_gone"
ISSUE_PASSWORD: Final = "iotawatt_password"  # noqa: S105 - the name of a repair


class State(StrEnum):
    """What a unit's task does."""

    WAITING = "waiting"
    """For the history server."""
    BACKFILL = "backfill"
    IN_STEP = "in_step"
    NO_UNIT = "no_unit"
    """The unit does not answer, or not as it should."""
    NO_SERVER = "no_server"
    FAILED = "failed"
    """By a mistake of ours; it is tried again."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a unit is, for diagnostics."""

    state: State = State.WAITING
    log_first: int | None = None
    log_last: int | None = None
    """What the unit has, s since 1970."""
    ahead: int = 0
    """What it has of the future: its clock is wrong by so much, s."""
    last: int | None = None
    """Up to here the server has all series, s since 1970."""
    sent: int = 0
    skipped: int = 0
    """Samples that were read from the unit, and there already."""
    resent: int = 0
    """Samples that the server had taken, and lost."""
    filled: int = 0
    """Samples of the middle that the server had lost."""
    gone: list[str] = field(default_factory=list)
    """Series that the unit has no longer."""
    error: str | None = None

    @property
    def lag(self) -> int | None:
        """Return how far the server is behind the unit, s."""
        return None if self.last is None or self.log_last is None else self.log_last - self.last


class UnitSync:
    """Keeps the series of one unit in step."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        archive: Archive,
        identity: str,
        subentry: ConfigSubentry,
        rules: Rules,
    ) -> None:
        """Prepare. Raises :class:`InvalidHostError`."""
        self._hass = hass
        self._entry = entry
        self._archive = archive
        self.subentry = subentry
        # Home Assistant changes a subentry in place, and gives it other data.
        self.data = subentry.data
        self.progress = Progress()
        self._unit = Iotawatt(
            async_get_clientsession(hass),
            subentry.data[CONF_HOST],
            hass.async_add_executor_job,
            username=subentry.data.get(CONF_USERNAME),
            password=subentry.data.get(CONF_PASSWORD),
        )
        self._bulk = Bulk(archive.shipper, hass.async_add_executor_job, hold=HOLD)
        chosen = [Series(name, unit) for name, unit in subentry.data[CONF_SERIES].items()]
        self._labels = {
            one: labels_of(
                rules.labels(one.name)
                | {
                    "__name__": METRIC,
                    "heatpump_id": identity,
                    "source": SOURCE,
                    "device": subentry.data[CONF_DEVICE],
                    "series": one.name,
                    "unit": one.unit,
                }
            )
            for one in chosen
        }
        self._reader = LogReader(hass, archive, self._bulk, self._unit, self._labels)
        self._looked_back: float | None = None
        self._floor = 0
        """The server was seen not to keep what is older, s since 1970."""
        self._told = False
        self._down_since: float | None = None
        self._refused = 0

    async def async_run(self) -> None:
        """Keep in step until cancelled."""
        delay = FIRST_DELAY
        while True:
            while not self._ready:
                self.progress.state = State.WAITING
                await asyncio.sleep(WATCH)
            try:
                await self._async_step()
            except IotawattError as err:
                self._failed(State.NO_UNIT, err)
            except HistoryError as err:
                self._failed(State.NO_SERVER, err)
                # It may have less than before.
                self._reader.next.clear()
                if isinstance(err, NotKeptError):
                    self._floor = int(time.time()) - DEFAULT_RETENTION
            except Exception as err:  # noqa: BLE001 - it must not end for good
                if self.progress.error != type(err).__name__:
                    LOGGER.exception("%s: %s", self._entry.title, self._name)
                self.progress.state, self.progress.error = State.FAILED, type(err).__name__
            else:
                self._succeeded()
                delay = FIRST_DELAY
                await asyncio.sleep(EVERY)
                continue
            await asyncio.sleep(delay)
            delay = min(LONGEST_DELAY, 2.0 * delay)

    @callback
    def async_forget(self) -> None:
        """Take back what the owner was told."""
        for issue in (ISSUE_UNREACHABLE, ISSUE_SERIES_GONE, ISSUE_PASSWORD):
            self._tell(issue, None)

    def report(self) -> dict[str, Any]:
        """Return what diagnostics show: no address."""
        one = self.progress
        return {
            "state": one.state,
            "series": len(self._labels),
            "gone": len(one.gone),
            "log_first": one.log_first,
            "log_last": one.log_last,
            "last": one.last,
            "lag": one.lag,
            "ahead": one.ahead,
            "sent": one.sent,
            "skipped": one.skipped,
            "resent": one.resent,
            "filled": one.filled,
            "error": one.error,
        }

    @property
    def _ready(self) -> bool:
        """Tell whether the server is there, and shows what it has."""
        shipper = self._archive.shipper
        info = shipper.server_info
        return info is not None and info.readable and not shipper.away

    async def _async_step(self) -> None:
        """Bring the server to where the unit is."""
        present = set(await self._unit.series())
        series = [one for one in self._labels if one in present]
        self._gone(sorted(one.name for one in self._labels if one not in present))
        if not series:
            return
        log = await self._unit.log(series)
        progress = self.progress
        # A unit whose clock is ahead would fill the future.
        ends = min(log.last, int(time.time()) // MINUTE * MINUTE)
        progress.log_first, progress.log_last = log.first, ends
        progress.ahead = log.last - ends
        log = LogSpan(max(log.first, self._earliest()), ends)
        if log.last <= log.first:
            return
        reader = self._reader
        await reader.find(series, log)
        if any(reader.next[one] < log.last - 2 * EVERY for one in series):
            progress.state = State.BACKFILL
        await self._async_send(reader.newer(series, log), series)
        progress.last = min(reader.next[one] for one in series)
        now = self._hass.loop.time()
        if self._looked_back is None or now - self._looked_back >= LOOK_BACK_EVERY:
            await self._async_send(reader.lost(series, log), ())
            self._looked_back = now

    async def _async_send(self, chunks: AsyncIterator[Chunk], following: Sequence[Series]) -> None:
        """Send chunks; ``following`` are the series whose newest minutes they are."""
        trouble: IotawattError | None = None

        async def batches() -> AsyncIterator[Batch[Chunk]]:
            nonlocal trouble
            try:
                async for chunk in chunks:
                    yield Batch(chunk.columns, chunk, alone=True)
            except IotawattError as err:
                # What was read before it is sent and counted all the same.
                trouble = err

        progress = self.progress
        async for done in self._bulk.deliver(batches()):
            progress.sent += done.sent
            progress.resent += done.resent
            if following:
                progress.skipped += done.skipped
                for one in done.tag.series:
                    self._reader.next[one] = done.tag.end
                progress.last = min(self._reader.next[one] for one in following)
            else:
                progress.filled += done.sent
        if trouble is not None:
            raise trouble

    def _earliest(self) -> int:
        """Return since when the server keeps what it gets, s since 1970."""
        info = self._archive.shipper.server_info
        earliest = self._floor
        if info is not None and info.retention is not None:
            kept = (info.retention - RETENTION_MARGIN).total_seconds()
            earliest = max(earliest, int(time.time() - kept))
        return -(-earliest // MINUTE) * MINUTE

    def _gone(self, names: list[str]) -> None:
        if names != self.progress.gone:
            self.progress.gone = names
            self._tell(ISSUE_SERIES_GONE, ", ".join(names) or None)

    def _failed(self, state: State, err: Exception) -> None:
        self.progress.state, self.progress.error = state, type(err).__name__
        if state is not State.NO_UNIT:
            # What is wrong with the server is told by its shipper.
            return
        refused = isinstance(err, PasswordError)
        # Of what a unit refuses once, another who asks it may be the reason.
        self._refused = self._refused + 1 if refused else 0
        if self._refused == REFUSED:
            self._tell(ISSUE_PASSWORD, self.subentry.data[CONF_HOST])
        now = self._hass.loop.time()
        if self._down_since is None:
            self._down_since = now
            LOGGER.warning("%s: no history from %s: %s", self._entry.title, self._name, err)
        elif now - self._down_since >= LONG and not self._told and not refused:
            self._told = True
            self._tell(ISSUE_UNREACHABLE, self.subentry.data[CONF_HOST])

    def _succeeded(self) -> None:
        self.progress.state, self.progress.error = State.IN_STEP, None
        if self._down_since is None:
            return
        LOGGER.info("%s: history from %s goes on", self._entry.title, self._name)
        self._down_since = None
        self._told = False
        self._refused = 0
        self._tell(ISSUE_UNREACHABLE, None)
        self._tell(ISSUE_PASSWORD, None)

    @property
    def _name(self) -> str:
        return self.subentry.title

    @callback
    def _tell(self, issue: str, details: str | None) -> None:
        """Raise a repair, or clear it if there are no details."""
        issue_id = f"{issue}_{self.subentry.subentry_id}"
        if details is None:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=issue,
            translation_placeholders={
                "title": self._entry.title,
                "unit": self._name,
                "details": details,
            },
        )
