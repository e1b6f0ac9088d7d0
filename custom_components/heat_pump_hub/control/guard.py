"""The one gate every write to a heat pump goes through.

A setting is written only when a person or their automation asks, only if it differs,
at most once per cooldown, and is then read back. The guard itself never starts a
write; :mod:`.cyclic` does, for inputs the owner switched on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
import math
import time
from typing import Any, Final, Literal, Protocol

from ..drivers.driver import DriverError, RefusedError
from ..drivers.points import Point, Value, Wear
from .errors import (
    ControlOffError,
    CooldownError,
    GuardClosedError,
    NotAcceptedError,
    NotReadError,
    NotSavedError,
    NotWritableError,
    UnknownPointError,
    UnverifiedError,
    ValueNotAllowedError,
    refusal,
)
from .ledger import Asker, Entry, Ledger, Origin, Outcome
from .state import Load, Save, State
from .values import allowed, holds

COOLDOWN: Final = 300.0
"""Seconds between two writes of a register that wears; also of an unknown one."""
VOLATILE_COOLDOWN: Final = 10.0
SAVE_INTERVAL: Final = 300.0
"""Seconds between two saves that only concern cyclic inputs: they need no stamp."""


class Writable(Protocol):
    """What the guard needs of a :class:`~..drivers.driver.Driver`."""

    @property
    def points(self) -> Mapping[str, Point]:
        """Every served point by key."""
        ...

    async def read_point(self, key: str) -> Value | None:
        """Read one point now."""
        ...

    async def write(self, key: str, value: Value) -> None:
        """Write one point."""
        ...

    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What became of a request that raised nothing."""

    outcome: Literal["written", "unchanged"]
    value: Value
    """What the point holds, rounded to its step or resolution."""
    old: Value | None
    """What it held before; ``None``: no value, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class Fed:
    """The value a cyclic input was last given in this run."""

    value: Value
    at: float
    """Monotonic seconds."""


class WriteGuard:
    """Wear, cooldown, read-back and ledger of one heat pump."""

    def __init__(
        self,
        driver: Writable,
        identity: str,
        *,
        load: Load,
        save: Save,
        cooldown: float = COOLDOWN,
        allow_control: bool = True,
        read_back: tuple[float, ...] = (1.0, 3.0, 8.0, 20.0),
        on_verified: Callable[[str, Value], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        zone: tzinfo = UTC,
    ) -> None:
        """``cooldown`` and ``read_back`` are seconds; ``zone`` is where the ledger's days are.

        ``on_verified`` is told what the device was seen to hold: when a write was
        verified, was not needed, or was not accepted. Raises ``ValueError`` for a
        cooldown that would switch the guard off.
        """
        if not (math.isfinite(cooldown) and cooldown > 0):
            raise ValueError(f"a cooldown of {cooldown} s protects nothing")
        self.allow_control = allow_control
        self._state = State(identity, load, save, now, monotonic, zone)
        self._driver = driver
        self._cooldown = cooldown
        self._read_back_at = read_back
        self._on_verified = on_verified
        self._now = now
        self.monotonic = monotonic
        self._sleep = sleep
        self._fed: dict[str, Fed] = {}
        self._latest: dict[str, Entry] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._closing = asyncio.Event()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def ledger(self) -> Ledger:
        """Every write that went out."""
        return self._state.ledger

    @property
    def fed(self) -> Mapping[str, Fed]:
        """The cyclic inputs written in this run that are not known to be at their default."""
        return self._fed

    @property
    def points(self) -> Mapping[str, Point]:
        """The driver's points by key."""
        return self._driver.points

    async def load(self) -> None:
        """Take over the state of the last run, once; called by the first write at the latest.

        What cannot be read counts as written now: for its register, or for all.
        """
        await self._state.load()

    def to_json(self) -> dict[str, Any]:
        """Return the state that is saved."""
        return self._state.to_json()

    def seconds_left(self, key: str) -> int:
        """Return the seconds until a point may be written, 0 if it may be now.

        Raises ``KeyError`` for an unknown key.
        """
        point = self._driver.points[key]
        table, address = self._driver.register(key)
        return self._seconds_left(point, f"{table}:{address}")

    def _seconds_left(self, point: Point, register: str) -> int:
        match point.wear:
            case None | Wear.CYCLIC:
                return 0
            case Wear.VOLATILE:
                cooldown = VOLATILE_COOLDOWN
            case _:
                cooldown = self._cooldown
        left = cooldown - self._state.stamps.elapsed(register)
        return math.ceil(left) if left > 0 else 0

    async def write(self, key: str, value: Value, *, asked_by: Asker) -> WriteResult:
        """Write a point because someone asked, and wait until the device shows it.

        Takes up to the last read-back (20 s) and the time-outs of the link. Raises a
        :class:`~.errors.ControlError`: before anything went out :class:`ControlOffError`,
        :class:`UnknownPointError`, :class:`NotWritableError`,
        :class:`ValueNotAllowedError`, :class:`NotReadError`, :class:`CooldownError`,
        :class:`NotSavedError` or :class:`GuardClosedError`; afterwards
        :class:`WriteRefusedError`, :class:`FirmwareRestartsError`, :class:`FirmwareUnknownError`,
        :class:`NotAcceptedError` or :class:`UnverifiedError`.
        """
        point = self._point(key)
        if not self.allow_control:
            self._block(key)
            raise ControlOffError(key)
        if asked_by.origin is not Origin.ASKED and point.wear is not Wear.CYCLIC:
            raise NotWritableError(key)
        try:
            wanted = allowed(point, value)
        except ValueNotAllowedError:
            self._block(key)
            raise
        result = await self._run(point, asked_by, lambda: wanted)
        assert result is not None
        return result

    async def refresh(self, key: str) -> WriteResult | None:
        """Write the last value of a cyclic input again; ``None`` if it has none.

        Raises as :meth:`write` does.
        """
        point = self._point(key)
        if not self.allow_control:
            return None
        asked_by = Asker(origin=Origin.REFRESH)
        # Looked up under the lock: the owner may have asked for another value meanwhile.
        return await self._run(
            point, asked_by, lambda: self._fed[key].value if key in self._fed else None
        )

    async def make_safe(self, key: str) -> None:
        """Write the safe value of a cyclic input written in this run, if it has one.

        It is not read back: the link is about to be closed. Raises as :meth:`write` does.
        """
        point = self._point(key)
        await self._run(
            point,
            Asker(origin=Origin.STOP),
            lambda: point.default if key in self._fed else None,
        )

    async def close(self) -> None:
        """End every read-back, let no write begin any more, and save what is unsaved.

        The guard that follows may load the state once this has returned.
        """
        self._closing.set()
        await self._idle.wait()
        if self._state.unsaved:
            await self._state.save_if_possible()

    def _point(self, key: str) -> Point:
        point = self._driver.points.get(key)
        if point is None:
            raise UnknownPointError(key)
        if not point.writable:
            raise NotWritableError(key)
        return point

    def _block(self, key: str) -> None:
        self.ledger.blocked[key] += 1
        self._state.unsaved = True

    async def _run(
        self, point: Point, asked_by: Asker, wanted: Callable[[], Value | None]
    ) -> WriteResult | None:
        """Write under the register's lock; nothing if ``wanted`` is ``None`` by then."""
        self._under_way += 1
        self._idle.clear()
        try:
            await self.load()
            table, address = self._driver.register(point.key)
            register = f"{table}:{address}"
            async with self._locks.setdefault(register, asyncio.Lock()):
                if self._closing.is_set():
                    raise GuardClosedError(point.key)
                if (value := wanted()) is None:
                    return None
                sent = await self._send(point, table, address, value, asked_by)
                # A cyclic input may be written again while it is read back.
                if isinstance(sent, WriteResult) or point.wear is not Wear.CYCLIC:
                    return await self._result(sent)
            return await self._result(sent)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _send(
        self, point: Point, table: str, address: int, value: Value, asked_by: Asker
    ) -> WriteResult | _Sent:
        """Write once, or find that it is not needed. Raises as :meth:`write` does."""
        key = point.key
        wear = point.wear or Wear.UNKNOWN
        register = f"{table}:{address}"
        old: Value | None = None
        if point.readable and asked_by.origin is not Origin.STOP:
            try:
                old = await self._driver.read_point(key)
            except DriverError as err:
                raise NotReadError(key) from err
            if wear is not Wear.CYCLIC and holds(point, old, value):
                self._tell(key, old)
                return WriteResult(outcome="unchanged", value=value, old=old)
        if left := self._seconds_left(point, register):
            self._block(key)
            raise CooldownError(key, left)
        entry = Entry(
            time=self._now().astimezone(UTC),
            key=key,
            table=table,
            address=address,
            old=old,
            new=value,
            asked_by=asked_by,
            wear=wear,
        )
        stamp = self._state.stamps.get(register)
        self.ledger.add(entry)
        self._state.unsaved = True
        if wear is not Wear.CYCLIC:
            self._state.stamps.set(register)
            try:
                await self._state.save()
            except BaseException as err:
                self._state.stamps.put_back(register, stamp)
                self.ledger.discard(entry)
                if isinstance(err, Exception):
                    raise NotSavedError(key) from err
                raise
        sent = _Sent(point, entry)
        before = self._fed.get(key)
        if wear is Wear.CYCLIC:
            sent.fed = self._fed[key] = Fed(value, self.monotonic())
        try:
            await self._driver.write(key, value)
        except RefusedError as err:
            self._state.stamps.put_back(register, stamp)
            self._feed(key, before)
            await self._settle(sent, Outcome.REFUSED)
            raise refusal(key, value, err) from err
        except DriverError as err:
            sent.error = err
        except asyncio.CancelledError:
            self._went_out(sent)
            self.ledger.settle(entry, Outcome.UNVERIFIED)
            raise
        self._went_out(sent)
        return sent

    def _feed(self, key: str, fed: Fed | None) -> None:
        if fed is None:
            self._fed.pop(key, None)
        else:
            self._fed[key] = fed

    def _went_out(self, sent: _Sent) -> None:
        """Count cooldown and read-backs from the end of the write: sending takes time."""
        sent.at = self.monotonic()
        self._latest[sent.entry.register] = sent.entry
        if sent.entry.wear is not Wear.CYCLIC:
            self._state.stamps.set(sent.entry.register)

    async def _result(self, sent: WriteResult | _Sent) -> WriteResult:
        if isinstance(sent, WriteResult):
            return sent
        try:
            outcome, shown = await self._read_back(sent)
        except asyncio.CancelledError:
            self.ledger.settle(sent.entry, Outcome.UNVERIFIED)
            raise
        key, value = sent.point.key, sent.entry.new
        if outcome in (Outcome.VERIFIED, Outcome.SENT) and value == sent.point.default:
            # Nothing is left to keep alive, unless it was fed again meanwhile.
            if self._fed.get(key) is sent.fed:
                self._fed.pop(key, None)
        await self._settle(sent, outcome)
        if outcome is Outcome.UNVERIFIED:
            raise UnverifiedError(key, value) from sent.error
        if outcome in (Outcome.VERIFIED, Outcome.NOT_ACCEPTED):
            self._tell(key, shown)
        if outcome is Outcome.NOT_ACCEPTED:
            raise NotAcceptedError(key, value, shown) from sent.error
        return WriteResult(outcome="written", value=value, old=sent.entry.old)

    async def _read_back(self, sent: _Sent) -> tuple[Outcome, Value | None]:
        """Read the point until it shows what was written; at most to the last read-back."""
        point, entry = sent.point, sent.entry
        if not point.readable or entry.asked_by.origin is Origin.STOP:
            return (Outcome.UNVERIFIED if sent.error else Outcome.SENT), None
        outcome: Outcome = Outcome.UNVERIFIED
        shown: Value | None = None
        for seconds in self._read_back_at:
            if not await self._pause(sent.at + seconds):
                return Outcome.UNVERIFIED, None
            if self._superseded(entry):
                break
            try:
                shown = await self._driver.read_point(point.key)
            except DriverError as err:
                sent.error = err
                outcome = Outcome.UNVERIFIED
                continue
            if holds(point, shown, entry.new):
                return Outcome.VERIFIED, shown
            outcome = Outcome.NOT_ACCEPTED
        return (Outcome.SUPERSEDED, None) if self._superseded(entry) else (outcome, shown)

    def _superseded(self, entry: Entry) -> bool:
        return self._latest[entry.register] is not entry

    async def _pause(self, until: float) -> bool:
        """Sleep to a monotonic time; ``False`` if the guard is being closed."""
        sleep = asyncio.ensure_future(self._sleep(max(0.0, until - self.monotonic())))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait((sleep, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            closing.cancel()
            await asyncio.gather(sleep, closing, return_exceptions=True)
        return not self._closing.is_set()

    def _tell(self, key: str, shown: Value | None) -> None:
        if self._on_verified is not None and shown is not None:
            self._on_verified(key, shown)

    async def _settle(self, sent: _Sent, outcome: Outcome) -> None:
        self.ledger.settle(sent.entry, outcome)
        self._state.unsaved = True
        lasting = sent.entry.wear in (Wear.EEPROM, Wear.UNKNOWN)
        if lasting or self._state.age >= SAVE_INTERVAL:
            await self._state.save_if_possible()


@dataclass(slots=True)
class _Sent:
    """A write that went out."""

    point: Point
    entry: Entry
    error: DriverError | None = None
    """The driver's last error: of the write, or of reading it back."""
    fed: Fed | None = None
    """Of a cyclic input."""
    at: float = 0.0
    """Monotonic seconds when the device had answered."""
