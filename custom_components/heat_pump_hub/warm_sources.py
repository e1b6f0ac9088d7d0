"""Where a detector's past comes from: the journal and the history server.

Each source yields samples, oldest first, in lists that are a few milliseconds of work.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
import json
import time
from typing import Any, Final, Protocol

from .drivers.points import Point, Quantity, Snapshot, Tier, Value
from .history.ask import Turn
from .history.forerunner import PREFIX, forerunner
from .history.journal import Journal
from .history.series import Series, canonical, moment
from .history.server import NotVictoriaMetricsError

CHUNK: Final = 60
"""Samples of a list."""
SLICE: Final = timedelta(hours=6)
"""What is asked of a server or a recorder at a time."""
PAUSE: Final = 0.001
"""Seconds of sleep after a millisecond of work in a thread: it would hold the event loop up."""

type Sample = tuple[datetime, Mapping[str, Value]]
type Run = Callable[..., Awaitable[Any]]


class Past(Protocol):
    """A source that may fail, or have nothing."""

    def samples(self, first: datetime, last: datetime) -> AsyncIterator[list[Sample]]:
        """Yield samples between two times, oldest first."""
        ...


async def from_journal(
    journal: Journal, first: datetime, last: datetime
) -> AsyncIterator[list[Sample]]:
    """Yield what the journal recorded. Raises :class:`.history.journal_file.JournalError`."""
    some: list[Sample] = []
    async for snapshot in journal.snapshots(first, last):
        if Tier.MEASUREMENT in snapshot.tiers:
            some.append(_sample(snapshot))
        if len(some) >= CHUNK:
            yield some
            some = []
    if some:
        yield some


def _sample(snapshot: Snapshot) -> Sample:
    return snapshot.time, {**snapshot.values, **snapshot.unknown_codes}


class ServerPast:
    """What a history server has of a heat pump, under our names or the forerunner's."""

    def __init__(
        self, turn: Turn, run: Run, points: Iterable[Point], identity: str, *, idm: bool
    ) -> None:
        """``idm``: the forerunner knew only IDM."""
        self._turn = turn
        self._run = run
        self._identity = identity
        self._known: dict[str, tuple[Point, Series]] = {}
        own = f'heatpump_id={json.dumps(identity)},stat="",source=""'
        self._matches = [f'{{__name__=~"heatpump_.+",{own}}}']
        for point in points:
            for series in (canonical(point), *((forerunner(point),) if idm else ())):
                self._known[series.name] = point, series
        if idm:
            self._matches.append(f'{{__name__=~"{PREFIX}.+",stat=""}}')

    async def begin(self, first: datetime, last: datetime) -> datetime | None:
        """Return when the samples between two times begin; ``None``: there are none.

        Raises :class:`.history.victoriametrics.HistoryError`.
        """
        window = f"[{max(1, int((last - first).total_seconds()))}s]"
        times: list[float] = []
        for match in self._matches:
            async with self._turn() as server:
                found = await server.query(
                    f"min(tfirst_over_time({match}{window}))", at=last.timestamp()
                )
            try:
                times += [float(one["value"][1]) for one in found]
            except (ValueError, KeyError, TypeError) as err:
                raise NotVictoriaMetricsError("The server answers no time") from err
        return datetime.fromtimestamp(min(times), UTC) if times else None

    async def samples(self, first: datetime, last: datetime) -> AsyncIterator[list[Sample]]:
        """Yield polls. Raises :class:`.history.victoriametrics.HistoryError`."""
        begin = first
        while begin < last:
            # Both ends of an export count.
            end = min(begin + SLICE, last) - timedelta(milliseconds=1)
            bodies = []
            for match in self._matches:
                async with self._turn() as server:
                    bodies.append(
                        await server.export_lines(
                            match, start=begin.timestamp(), end=end.timestamp()
                        )
                    )
            for some in batched(await self._run(self._polls, bodies), CHUNK, strict=False):
                yield list(some)
            begin += SLICE

    def _polls(self, bodies: Sequence[bytes]) -> list[Sample]:
        """Turn series into polls; for a thread. Raises ``NotVictoriaMetricsError``."""
        polls: dict[int, dict[str, Value]] = {}
        try:
            for line in (line for body in bodies for line in body.splitlines() if line):
                one = json.loads(line)
                metric = one["metric"]
                known = self._known.get(metric["__name__"])
                # the forerunner knew no more than one heat pump, and gave it no label
                if known is None or metric.get("heatpump_id", self._identity) != self._identity:
                    continue
                point, series = known
                back = reader(point, series)
                for stamp, number in zip(one["timestamps"], one["values"], strict=True):
                    if number is not None and (value := back(number)) is not None:
                        polls.setdefault(stamp, {})[point.key] = value
                time.sleep(PAUSE)
        except (ValueError, KeyError, TypeError) as err:
            raise NotVictoriaMetricsError("The server answers no series") from err
        return [(moment(stamp), polls[stamp]) for stamp in sorted(polls)]


def reader(point: Point, series: Series) -> Callable[[float], Value | None]:
    """Return what turns a stored number back into a value of a point."""
    if point.quantity is Quantity.STATE:
        slugs = {code: slug for slug, code in (series.codes or {}).items()}
        return lambda number: slugs.get(int(number))
    if point.quantity is Quantity.FLAG:
        return lambda number: bool(number) != series.inverted
    if series.factor == 1:
        return lambda number: number
    return lambda number: round(number / series.factor, point.decimals)
