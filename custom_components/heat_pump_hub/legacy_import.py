"""The action ``import_legacy``: what forerunners stored goes to the history server, renamed.

Nothing is ever written to a heat pump, and nothing on the history server is overwritten.
"""

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
import probatio as vol

from .archive import Archive, history_server
from .backfill import Backfill, Job, Step
from .backfill_actions import ATTR_DRY_RUN, async_work, backfill_of, check_idle
from .const import CONF_HISTORY_PASSWORD, CONF_HISTORY_URL, CONF_HISTORY_USERNAME, DOMAIN
from .coordinator import HubConfigEntry
from .errors import invalid
from .history.address import parse_url
from .history.ask import HOUR, Labels, Turn, decode_export, quoted
from .history.bulk import Batch, Column
from .history.forerunner import PREFIX
from .history.legacy import (
    CsvFile,
    ExportFile,
    NothingFoundError,
    NotReadableError,
    Target,
    collector_names,
    logger_names,
    translated,
)
from .history.luxtronik_logger import PREFIX as LOGGER_PREFIX
from .history.server import AuthRejectedError, HistoryError, InvalidUrlError, Server
from .history.victoriametrics import VictoriaMetrics

KIND: Final = "import_legacy"
DAY: Final = 24 * HOUR
SERIES_A_REQUEST: Final = 8
"""A day of so many series is about half a megabyte."""
BATCH_SAMPLES: Final = 200_000

ATTR_URL: Final = "url"
ATTR_USERNAME: Final = "username"
ATTR_PASSWORD: Final = "password"  # noqa: S105 - the name of a field
ATTR_FILE: Final = "file"
ATTR_LABELS: Final = "labels"
ATTR_ZONE: Final = "time_zone"

IMPORT_FIELDS: Final[dict[vol.Marker, Any]] = {
    vol.Optional(ATTR_URL): cv.string,
    vol.Optional(ATTR_FILE): cv.string,
    vol.Optional(ATTR_USERNAME): cv.string,
    vol.Optional(ATTR_PASSWORD): cv.string,
    vol.Optional(ATTR_LABELS, default=dict): {cv.string: cv.string},
    vol.Optional(ATTR_ZONE): cv.string,
    vol.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
}


async def async_import(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """Send what a forerunner stored to the history server."""
    backfill = backfill_of(entry)
    if ATTR_URL in call.data and ATTR_FILE in call.data:
        raise invalid("import_two_sources")
    settings: dict[str, Any] = {
        key: call.data[key]
        for key in (ATTR_URL, ATTR_USERNAME, ATTR_PASSWORD, ATTR_LABELS)
        if key in call.data
    }
    zone = call.data.get(ATTR_ZONE, hass.config.time_zone)
    try:
        await hass.async_add_executor_job(ZoneInfo, zone)
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise invalid("import_time_zone", zone=zone) from err
    settings[ATTR_ZONE] = zone
    if ATTR_FILE in call.data:
        files = await hass.async_add_executor_job(
            _files, Path(hass.config.path(DOMAIN)), call.data[ATTR_FILE]
        )
        if not files:
            raise invalid("import_no_file", file=call.data[ATTR_FILE])
        settings["files"] = files
    elif ATTR_URL in settings:
        try:
            # Once, before a job that is patient with servers: a wrong address is told at once.
            await _client(hass, settings).query("1")
        except InvalidUrlError as err:
            raise invalid("import_url") from err
        except AuthRejectedError as err:
            if ATTR_USERNAME in settings:
                raise invalid("import_login_wrong") from err
            raise invalid("import_login_missing") from err
        except HistoryError as err:
            raise invalid("import_no_server", error=str(err)) from err
    check_idle(backfill)
    job = Job(kind=KIND, settings=settings)
    return await async_work(backfill, job, call.data[ATTR_DRY_RUN])


def _client(hass: HomeAssistant, settings: Mapping[str, Any]) -> VictoriaMetrics:
    """Return the server that is imported from. Raises ``InvalidUrlError``."""
    return history_server(
        hass,
        {
            CONF_HISTORY_URL: settings[ATTR_URL],
            CONF_HISTORY_USERNAME: settings.get(ATTR_USERNAME),
            CONF_HISTORY_PASSWORD: settings.get(ATTR_PASSWORD),
        },
    )


def _files(folder: Path, pattern: str) -> list[str]:
    """Return the files in a folder that match, none outside of it."""
    root = folder.resolve()
    try:
        found = sorted(path.resolve() for path in folder.glob(pattern) if path.is_file())
    except ValueError, NotImplementedError:
        # So pathlib answers an empty pattern, and one that begins at the root of the disk.
        return []
    return [str(path) for path in found if path.is_relative_to(root)]


class Legacy:
    """Makes the batches of one heat pump's imports."""

    def __init__(self, hass: HomeAssistant, archive: Archive, identity: str) -> None:
        """Send under the names of an archive."""
        self._hass = hass
        self._archive = archive
        self._identity = identity

    async def batches(self, backfill: Backfill, job: Job) -> AsyncIterator[Batch[Step | None]]:
        """Yield what a job imports, from its cursor on.

        Raises ``HistoryError``, ``OSError`` and :class:`NotReadableError`; of these
        ``NothingFoundError`` when there was nothing.
        """
        run = self._files if "files" in job.settings else self._server
        async for batch in run(backfill, job):
            found = sum(len(column.times) for column in batch.columns)
            job.notes["found"] = job.notes.get("found", 0) + found
            yield batch
        if not job.notes.get("found"):
            raise NothingFoundError(*_sought(backfill, job.settings))

    async def _files(self, backfill: Backfill, job: Job) -> AsyncIterator[Batch[Step | None]]:
        files: Sequence[str] = job.settings["files"]
        zone = await dt_util.async_get_time_zone(job.settings[ATTR_ZONE])
        if zone is None:
            raise NotReadableError("The time zone is unknown")
        begin, skip = job.cursor or (0, 0)
        columns: list[Column] = []
        for index in range(begin, len(files)):
            path = Path(files[index])
            reader: CsvFile | ExportFile
            if path.suffix.lower() == ".csv":
                names = logger_names(self._archive.encoder)
                reader = await backfill.run(CsvFile, path, names, zone)
            else:
                series = collector_names(self._archive.encoder)
                match = job.settings[ATTR_LABELS]
                reader = await backfill.run(ExportFile, path, series, match)
            try:
                done = skip if index == begin else 0
                await backfill.run(reader.skip, done)
                while True:
                    read, more = await backfill.run(reader.read)
                    done += read
                    columns += more
                    if not read or sum(len(one.times) for one in columns) >= BATCH_SAMPLES:
                        cursor = [index, done] if read else [index + 1, 0]
                        merged = await backfill.run(_merged, columns)
                        yield Batch(merged, Step(cursor, (index + 1) / len(files)))
                        columns = []
                    if not read:
                        break
            finally:
                await backfill.run(reader.close)

    async def _server(self, backfill: Backfill, job: Job) -> AsyncIterator[Batch[Step | None]]:
        settings = job.settings
        ask = backfill.bulk.ask
        turn: Turn = self._archive.shipper.turn
        if ATTR_URL in settings:
            turn = _turn(_client(self._hass, settings))
        names = collector_names(self._archive.encoder)
        matchers = [f'__name__=~"{PREFIX}.+"', f"heatpump_id!={quoted(self._identity)}"]
        matchers += [f"{label}={quoted(value)}" for label, value in settings[ATTR_LABELS].items()]
        match = f"{{{','.join(matchers)}}}"

        async def edges(function: str) -> dict[str, int]:
            async with turn() as server:
                found = await server.query(f"{function}({match}[10y]) keep_metric_names")
            times: dict[str, int] = {}
            for one in found:
                name = one["metric"]["__name__"]
                if name in times and name in names:
                    raise NotReadableError(
                        f"{name} is there of several machines: name one by its labels"
                    )
                times[name] = round(float(one["value"][1]) * 1000)
            return times

        first = {
            name: at
            for name, at in (await ask(lambda: edges("tfirst_over_time"))).items()
            if name in names
        }
        last = await ask(lambda: edges("tlast_over_time"))
        job.notes["unknown"] = len(last.keys() - names.keys())
        if not first:
            return
        start, end = min(first.values()), max(last[name] for name in first)
        begin = job.cursor[0] if job.cursor else start
        for day in range(begin, end + 1, DAY):
            until = min(day + DAY - 1, end)
            there = [name for name in first if first[name] <= until and last[name] >= day]
            columns: list[Column] = []
            for place in range(0, len(there), SERIES_A_REQUEST):
                some = there[place : place + SERIES_A_REQUEST]
                wanted = "|".join(some)
                selector = match.replace(f"{PREFIX}.+", wanted)

                async def export(
                    selector: str = selector, day: int = day, until: int = until
                ) -> bytes:
                    async with turn() as server:
                        return await server.export_lines(
                            selector, start=day / 1000, end=until / 1000
                        )

                columns += await backfill.run(_exported, await ask(export), names)
            share = (until - start + 1) / (end - start + 1)
            yield Batch(columns, Step([until + 1], share))


def _sought(backfill: Backfill, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return where was looked, and what for, without credentials."""
    labels = ",".join(f"{label}={quoted(value)}" for label, value in settings[ATTR_LABELS].items())
    wanted = f"{PREFIX}*{{{labels}}}" if labels else f"{PREFIX}*"
    if files := settings.get("files"):
        root = Path(backfill.hass.config.path(DOMAIN)).resolve()
        if any(name.lower().endswith(".csv") for name in files):
            wanted = f"{LOGGER_PREFIX}*"
        return ", ".join(str(Path(name).relative_to(root)) for name in files), wanted
    url = settings.get(ATTR_URL, backfill.entry.data[CONF_HISTORY_URL])
    return parse_url(url).url, wanted


def _exported(body: bytes, names: dict[str, Target[float]]) -> list[Column]:
    """Return an export as ours; for a thread."""
    return [
        translated(names[one.metric["__name__"]], one.timestamps, one.values)
        for one in decode_export(body)
    ]


def _merged(columns: Sequence[Column]) -> list[Column]:
    """Return one column a series, each time once: daily and weekly files overlap."""
    by_labels: dict[Labels, list[Column]] = {}
    for column in columns:
        if column.times:
            by_labels.setdefault(column.labels, []).append(column)
    merged = []
    for labels, some in by_labels.items():
        if len(some) == 1:
            merged += some
            continue
        samples = {
            at: value for one in some for at, value in zip(one.times, one.values, strict=True)
        }
        times = array("q", sorted(samples))
        numbers = array("d", [samples[at] for at in times])
        merged.append(Column(labels, times, numbers, some[0].decimals))
    return merged


def _turn(server: VictoriaMetrics) -> Turn:
    @asynccontextmanager
    async def turn() -> AsyncIterator[Server]:
        yield server

    return turn
