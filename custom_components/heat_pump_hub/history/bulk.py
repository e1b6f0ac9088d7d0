"""Samples with times of their own, in bulk: sent once, counted, and sent again if they lack.

Whoever has old samples (a backfill, an import, a meter with a log) makes :class:`Batch`
objects and hands them to :meth:`Bulk.deliver`, which gives each back when the server is known
to hold all of it. Nothing is overwritten: what is on the server already, at the same time in
the same series, is not sent. A batch must not hold two samples of one series and time, and
nobody else may write to its series in its span meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
import json
import logging
from random import Random
import time
from typing import Any, Final

from .ask import Labels, Span, count, decode_export, export, head_of, labels_of
from .codec import Coding, Compressor, decompress
from .server import AuthRejectedError, HistoryError, OverloadedError, RefusedError, UnreachableError
from .shipper import HOLD, Shipper
from .thread import RunInThread

_LOGGER = logging.getLogger(__name__)

LINE_SAMPLES: Final = 2_000
"""Samples of one line; making it takes about 1 ms."""
FRAME_TEXT: Final = 128 * 1024
BODY_LIMIT: Final = 48 * 1024
"""Bytes of one request: what the event loop hands to the network in less than a millisecond."""
SLICE_TEXT: Final = 32 * 1024
HELD_BYTES: Final = 32 * 1024 * 1024
"""Bytes of bodies that are held until they are counted; then the next batch waits."""
MAKING: Final = 3
"""Batches that are made ready and sent at a time: one is sent, the others are encoded."""
MOST_REFUSED: Final = 20
"""Series of a batch that may be refused, by a server that took others."""
TRIES: Final = 5
"""Times a batch is sent until it is given up: the server does not keep it."""
ATTEMPTS: Final = 12
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 120.0
"""A request is tried :data:`ATTEMPTS` times, with pauses from one to the other, in seconds."""
PAUSE: Final = 0.0002
"""Seconds a thread leaves the interpreter to the event loop, after each millisecond or so."""


class NotKeptError(HistoryError):
    """The server takes these samples and does not hold them later: too old, or its disk is full."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Samples of one series, oldest first."""

    labels: Labels
    """Name (``__name__``) and labels, as :func:`~.ask.labels_of` makes them."""
    times: Sequence[int]
    """ms since 1970; columns may share one sequence. Best an ``array``: where there are many, a
    list takes four times the memory, and holds the event loop up when it is freed."""
    values: Sequence[float]
    """Finite."""
    decimals: int | None = 1
    """Numbers are rounded to so many; ``None``: they are sent as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch[T]:
    """What is sent and counted together; up to a few hundred thousand samples."""

    columns: Sequence[Column]
    tag: T
    """Given back with :class:`Delivered`; where to go on, for instance."""
    absent: bool = False
    """None of it is on the server: the caller has looked."""
    alone: bool = False
    """Only such batches fill these series: one that has as many samples as a batch holds, in
    its span, has them all. Others, and those that hold some, are compared by their times."""


@dataclass(frozen=True, slots=True)
class Delivered[T]:
    """A batch the server is known to hold."""

    tag: T
    sent: int
    """Samples sent for it, those sent again not counted twice."""
    skipped: int
    """Samples that were there already."""
    resent: int
    """Samples the server had taken, and lost, and got once more."""
    refused: int = 0
    """Samples of series the server refuses, which others must not wait for; they are not sent."""


@dataclass(slots=True, eq=False)
class _Held:
    """What was made of a batch; from when the server has taken it, it is held."""

    bodies: list[bytes]
    coding: Coding
    span: Span
    wanted: dict[Labels, int]
    sent: int
    skipped: int
    due: float
    resent: int = 0
    refused: int = 0
    tries: int = 1

    @property
    def size(self) -> int:
        return sum(map(len, self.bodies))


@dataclass(frozen=True, slots=True, eq=False)
class _Flow[T]:
    """A batch on its way: it is made ready, sent in its turn, and held until it is counted.

    Its columns are left behind: a year of them would lie in memory for the time of a hold.
    """

    tag: T
    series: Sequence[Labels]
    span: Span | None
    task: asyncio.Task[_Held]

    def overlaps(self, batch: Batch[T], whole: Span | None) -> bool:
        """Tell whether a batch, of a ``whole`` span, holds series and times of this one."""
        span = self.span
        # Most end before or begin after all that is on its way: their columns need no look.
        if span is None or whole is None or whole.first > span.last or whole.last < span.first:
            return False
        own = set(self.series)
        return any(
            column.labels in own and column.times[0] <= span.last
            for column in batch.columns
            if column.times and column.times[-1] >= span.first
        )


class Bulk:
    """Sends batches through a shipper's server, a request at a time, in turn with its own."""

    def __init__(
        self,
        shipper: Shipper,
        run: RunInThread,
        *,
        hold: float = HOLD,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Random | None = None,
    ) -> None:
        """``run`` runs a job in a thread; ``hold`` is the time from an answer to the count, s."""
        self._shipper = shipper
        self._run = run
        self._hold = hold
        self._sleep = sleep
        self._rng = rng or Random()
        self._takes = False

    async def deliver[T](self, batches: AsyncIterable[Batch[T]]) -> AsyncGenerator[Delivered[T]]:
        """Send batches; yield each, in order, once all of it was found on the server.

        The next ones are sent while the first is held. Raises :class:`NotKeptError` for what
        a server loses again and again, and ``HistoryError`` if it does not answer for long.
        """
        flow: deque[_Flow[T]] = deque()
        try:
            async with aclosing(_ahead(batches)) as made:
                async for batch in made:
                    span = _span(batch.columns)
                    while any(one.overlaps(batch, span) for one in flow):
                        # Else samples of one would be counted for the other.
                        yield await self._delivered(flow)
                    if len(flow) >= MAKING:
                        await flow[-MAKING].task
                    while flow and flow[0].task.done() and self._presses(flow):
                        yield await self._delivered(flow)
                    before = flow[-1].task if flow else None
                    task = asyncio.create_task(self._put(batch, span, before))
                    flow.append(_Flow(batch.tag, [c.labels for c in batch.columns], span, task))
            while flow:
                yield await self._delivered(flow)
        finally:
            for one in flow:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in flow), return_exceptions=True)

    async def missing(self, columns: Sequence[Column], *, alone: bool = False) -> list[Column]:
        """Return the samples that are not on the server. Raises ``HistoryError``.

        ``alone`` is that of a :class:`Batch`.
        """
        columns = [column for column in columns if column.times]
        if not columns:
            return []
        span = Span.of(column.times for column in columns)
        there = await self._count([column.labels for column in columns], span)
        return await self._without_known(columns, there, alone=alone)

    async def ask[R](self, request: Callable[[], Awaitable[R]]) -> R:
        """Return what a request gives; one that fails for now is tried again, more rarely.

        Raises the ``HistoryError`` of the last attempt, and at once what will not pass.
        """
        attempt = 0
        while True:
            try:
                return await request()
            except (UnreachableError, OverloadedError, AuthRejectedError) as err:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (attempt - 1))
                asked = err.retry_after if isinstance(err, OverloadedError) else None
                delay = max(longest, min(asked or 0.0, LONGEST_DELAY))
                await self._sleep(delay * self._rng.uniform(0.5, 1.0))

    def _presses(self, flow: Sequence[_Flow[Any]]) -> bool:
        """Tell whether the oldest batch, which was sent, is to be counted before more is sent."""
        if flow[0].task.result().due <= self._now():
            return True
        return sum(one.task.result().size for one in flow if one.task.done()) > HELD_BYTES

    async def _delivered[T](self, flow: deque[_Flow[T]]) -> Delivered[T]:
        """Return the oldest batch, once it was found on the server."""
        held = await flow[0].task
        one = flow.popleft()
        await self._confirm(held)
        return Delivered(one.tag, held.sent, held.skipped, held.resent, held.refused)

    async def _put(
        self, batch: Batch[Any], span: Span | None, before: asyncio.Task[_Held] | None
    ) -> _Held:
        """Make a batch ready while those before it are sent, then send it."""
        held = await self._ready(batch, span)
        if before is not None:
            await before
        await self._post(held)
        return held

    async def _ready(self, batch: Batch[Any], span: Span | None) -> _Held:
        """Encode what of a batch is not on the server."""
        if span is None:
            return _Held([], self._shipper.coding, Span(0, 0), {}, 0, 0, self._now())
        columns = [column for column in batch.columns if column.times]
        total = sum(len(column.times) for column in columns)
        there = await self._count([column.labels for column in columns], span)
        if not batch.absent:
            columns = await self._without_known(columns, there, alone=batch.alone)
        sent = sum(len(column.times) for column in columns)
        coding = self._shipper.coding
        wanted = await self._run(_wanted, columns, there)
        bodies = await self._run(encode, columns, coding)
        return _Held(bodies, coding, span, wanted, sent, total - sent, self._now())

    async def _post(self, held: _Held) -> None:
        """Send what was made ready; the hold begins with the last answer.

        Raises ``RefusedError`` where it is not some series that are wrong: many are refused, or
        nothing was ever taken.
        """
        refused: dict[Labels, int] = {}
        for body in held.bodies:
            await self._offer(body, held.coding, refused)
        for labels, samples in refused.items():
            held.wanted[labels] -= samples
            held.sent -= samples
            held.refused += samples
        held.due = self._now() + (self._hold if held.bodies else 0.0)

    async def _offer(self, body: bytes, coding: Coding, refused: dict[Labels, int]) -> None:
        """Send a body; in halves if it is refused, until what is refused stands alone."""
        try:
            await self.ask(partial(self._send, body, coding))
            self._takes = True
        except RefusedError as err:
            halves = await self._run(_halves, body, coding)
            for half in halves:
                await self._offer(half, coding, refused)
            if halves:
                return
            (alone,) = await self._run(decode, [body])
            refused[alone.labels] = refused.get(alone.labels, 0) + len(alone.times)
            if len(refused) > (MOST_REFUSED if self._takes else 1):
                raise
            _LOGGER.warning("The history server refuses %s: %s", dict(alone.labels), err)

    async def _confirm(self, held: _Held) -> None:
        """Wait until a batch can be counted, and send again what of it lacks."""
        while held.wanted:
            await self._sleep(max(0.0, held.due - self._now()))
            found = await self._count(held.wanted, held.span)
            short = {key for key, wanted in held.wanted.items() if found.get(key, 0) < wanted}
            if not short:
                break
            if held.tries == TRIES:
                raise NotKeptError(
                    f"The server takes samples and does not keep them, {len(short)} series"
                )
            columns = [one for one in await self._run(decode, held.bodies) if one.labels in short]
            again = await self._ready(Batch(columns, None), _span(columns))
            await self._post(again)
            if again.sent:
                _LOGGER.info("The history server had lost %d samples of a backfill", again.sent)
            held.wanted = again.wanted
            held.bodies = again.bodies
            held.span = again.span
            held.resent += again.sent
            held.tries += 1
            held.due = again.due + self._hold * (2.0 ** (held.tries - 2) - 1)

    async def _send(self, body: bytes, coding: Coding) -> None:
        async with self._shipper.turn() as server:
            await server.write(body, coding)

    async def _count(self, series: Iterable[Labels], span: Span) -> dict[Labels, int]:
        return await self.ask(lambda: count(self._shipper.turn, self._run, series, span))

    async def _without_known(
        self, columns: Sequence[Column], there: dict[Labels, int], *, alone: bool
    ) -> list[Column]:
        """Leave out what is on the server at the same time in the same series."""
        wanted: dict[Labels, int] = {}
        for column in columns:
            wanted[column.labels] = wanted.get(column.labels, 0) + len(column.times)
        new: list[Column] = []
        for column in columns:
            if not (known := there.get(column.labels)):
                new.append(column)
            elif not alone or known != wanted[column.labels]:
                own = Span.of([column.times])

                async def times(column: Column = column, own: Span = own) -> bytes:
                    return await export(self._shipper.turn, [column.labels], own)

                rest = await self._run(_without, column, await self.ask(times))
                if rest.times:
                    new.append(rest)
        return new

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _wanted(columns: Iterable[Column], there: dict[Labels, int]) -> dict[Labels, int]:
    """Return how many samples the series of columns have once these are added; for a thread."""
    wanted: dict[Labels, int] = {}
    for column in columns:
        before = wanted.get(column.labels, there.get(column.labels, 0))
        wanted[column.labels] = before + len(column.times)
    return wanted


def _span(columns: Iterable[Column]) -> Span | None:
    """Return the span of columns; ``None`` if they hold no sample."""
    every = [column.times for column in columns if column.times]
    return Span.of(every) if every else None


async def _ahead[T](batches: AsyncIterable[T]) -> AsyncGenerator[T]:
    """Yield batches; the next one is made while the last is sent."""
    source = aiter(batches)

    async def make() -> tuple[T, ...]:
        try:
            return (await anext(source),)
        except StopAsyncIteration:
            return ()

    task = asyncio.create_task(make())
    try:
        while found := await task:
            task = asyncio.create_task(make())
            yield found[0]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def encode(columns: Sequence[Column], coding: Coding) -> list[bytes]:
    """Return request bodies of at most about :data:`BODY_LIMIT` bytes; for a thread."""
    compressor = Compressor()
    bodies: list[bytes] = []
    frames: list[bytes] = []
    lines: list[str] = []
    text = size = 0

    def frame() -> None:
        nonlocal text, size
        made = compressor.compress("".join(lines).encode("ascii"), coding)
        lines.clear()
        text = 0
        if size and size + len(made) > BODY_LIMIT:
            bodies.append(b"".join(frames))
            frames.clear()
            size = 0
        frames.append(made)
        size += len(made)

    busy = 0
    for line in _lines(columns):
        if text and text + len(line) > FRAME_TEXT:
            frame()
        lines.append(line)
        text += len(line)
        busy += len(line)
        if busy >= SLICE_TEXT:
            busy = 0
            time.sleep(PAUSE)
    if lines:
        frame()
    if frames:
        bodies.append(b"".join(frames))
    return bodies


def _lines(columns: Iterable[Column]) -> Iterable[str]:
    shared: Sequence[int] | None = None
    stamps: dict[int, str] = {}
    for column in columns:
        if column.times is not shared:
            shared, stamps = column.times, {}
        head = head_of(column.labels)
        whole = len(column.times)
        for start in range(0, whole, LINE_SAMPLES):
            end = min(whole, start + LINE_SAMPLES)
            if (text := stamps.get(start)) is None:
                text = stamps[start] = ",".join(map(str, column.times[start:end]))
            numbers = column.values[start:end]
            if column.decimals is None:
                values = ",".join(map(repr, numbers))
            else:
                values = ",".join([f"%.{column.decimals}f"] * (end - start)) % tuple(numbers)
            yield f'{head}{values}],"timestamps":[{text}]}}\n'


def _halves(body: bytes, coding: Coding) -> list[bytes]:
    """Return the lines of a body in two bodies, or nothing if it is but one; for a thread."""
    lines = decompress(body).splitlines(keepends=True)
    middle = len(lines) // 2
    compressor = Compressor()
    some = (lines[:middle], lines[middle:]) if middle else ()
    return [compressor.compress(b"".join(half), coding) for half in some]


def decode(bodies: Iterable[bytes]) -> list[Column]:
    """Return the samples of bodies, one column a line; for a thread. Raises ``DamagedError``."""
    columns = []
    for body in bodies:
        for line in decompress(body).splitlines():
            one = json.loads(line)
            columns.append(Column(labels_of(one["metric"]), one["timestamps"], one["values"], None))
            time.sleep(PAUSE)
    return columns


def _without(column: Column, body: bytes) -> Column:
    """Leave out what an export holds; for a thread."""
    known = {at for series in decode_export(body) for at in series.timestamps}
    places = [index for index, at in enumerate(column.times) if at not in known]
    return replace(
        column,
        times=[column.times[index] for index in places],
        values=[column.values[index] for index in places],
    )
