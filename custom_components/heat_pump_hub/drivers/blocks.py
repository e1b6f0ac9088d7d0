"""Block reads that learn what a device refuses.

A block is a run of registers read in one request. Blocks never cross an address that
no document defines. What a device refuses (Modbus exception 2) is found by bisection,
is absent for that poll, and is quarantined after three strikes at least ten minutes
apart; one quarantined register is tried again each hour. Addresses of both tables are
numbered in one row here (:attr:`.modbus.Register.place`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .driver import (
    BusyError,
    DriverError,
    LinkError,
    LinkLostError,
    NoAnswerError,
    RefusedError,
    WrongProtocolError,
)
from .link import Link, Table
from .modbus import Absent, Implausible, Register, UnknownCode
from .points import Failure, Value

STRIKES: Final = 3
STRIKE_EVERY: Final = timedelta(minutes=10)
RETRY_EVERY: Final = timedelta(hours=1)
_ILLEGAL_FUNCTION: Final = 1
_ILLEGAL_ADDRESS: Final = 2
_BUSY_IN_A_ROW: Final = 2
_REREADS: Final = 8


@dataclass(slots=True)
class Reading:
    """What one poll brought: values, failures and unknown codes by key."""

    values: dict[str, Value] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    unknown_codes: dict[str, int] = field(default_factory=dict)


class Block:
    """Registers that share one request."""

    __slots__ = ("count", "fields", "place", "registers", "start", "table")

    def __init__(self, registers: tuple[Register, ...]) -> None:
        """Work out what is read, and where in the answer each value lies."""
        first = registers[0]
        self.registers = registers
        self.table: Table = first.space
        """What it is read from."""
        self.start = first.address
        """The first address."""
        self.place = first.place
        """The first place."""
        self.count = max(register.end for register in registers) - self.start + 1
        """How many registers go over the wire."""
        self.fields = tuple(
            (
                register.point.key,
                register.as_field().decode,
                register.address - self.start,
                register.end + 1 - self.start,
            )
            for register in registers
        )
        """Of each value: its key, what decodes its words, and which of the answer they are."""


@dataclass(slots=True)
class _Strike:
    count: int
    last: datetime


class Refusals:
    """What was learned about one device: refused addresses, and where blocks must part."""

    def __init__(self, data: Mapping[str, Any] | None, now: Callable[[], datetime]) -> None:
        """Restore what :meth:`to_json` returned; damage costs only the item it hits."""
        self._now = now
        self.splits: set[int] = set()
        self.seen: set[str] = set()
        self.strikes: dict[int, _Strike] = {}
        self.quarantine: dict[int, datetime] = {}
        self.version = 0
        """Grows with every change worth saving."""
        self.plan_version = 0
        """Grows with every change of how blocks are cut."""
        data = data or {}
        self.splits.update(item for item in _list(data, "splits") if isinstance(item, int))
        self.seen.update(item for item in _list(data, "seen") if isinstance(item, str))
        for item in _list(data, "quarantine"):
            if (known := _address_and_time(item)) is not None:
                self.quarantine[known[0]] = known[1]
        for item in _list(data, "strikes"):
            known = _address_and_time(item)
            if known is not None and len(item) > 2 and isinstance(item[2], int):
                self.strikes[known[0]] = _Strike(item[2], known[1])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "splits": sorted(self.splits),
            "seen": sorted(self.seen),
            "quarantine": [[a, tried.isoformat()] for a, tried in sorted(self.quarantine.items())],
            "strikes": [
                [a, strike.last.isoformat(), strike.count]
                for a, strike in sorted(self.strikes.items())
            ],
        }

    def barrier(self) -> frozenset[int]:
        """Addresses that no block may include beside others."""
        return frozenset(self.strikes) | frozenset(self.quarantine)

    def strike(self, address: int) -> None:
        """Count a refusal while something else answered; the third quarantines."""
        if address in self.quarantine:
            return
        now = self._now()
        known = self.strikes.get(address)
        if known is None:
            self.strikes[address] = _Strike(1, now)
            self.plan_version += 1
        elif now - known.last >= STRIKE_EVERY or known.last > now:
            known.count += 1
            known.last = now
            if known.count >= STRIKES:
                del self.strikes[address]
                self.quarantine[address] = now
                self.plan_version += 1
        else:
            return
        self.version += 1

    def due(self, address: int) -> bool:
        """Whether another refusal of this address would count."""
        known = self.strikes.get(address)
        return known is None or not timedelta() <= self._now() - known.last < STRIKE_EVERY

    def answered(self, address: int) -> None:
        """Forget what was held against an address."""
        if address in self.strikes or address in self.quarantine:
            self.strikes.pop(address, None)
            self.quarantine.pop(address, None)
            self.version += 1
            self.plan_version += 1

    def split(self, address: int) -> None:
        """Remember that a block must start here: read across, the device refuses."""
        self.splits.add(address)
        self.version += 1
        self.plan_version += 1

    def see(self, key: str) -> None:
        """Remember that a sensor is fitted: from then on, -1.0 °C is a temperature."""
        self.seen.add(key)
        self.version += 1

    def next_retry(self, addresses: Iterable[int]) -> int | None:
        """Return the quarantined address to try again, if one is due."""
        waiting = [(self.quarantine[a], a) for a in addresses if a in self.quarantine]
        if not waiting:
            return None
        last = max(tried for tried, _ in waiting)
        now = self._now()
        if timedelta() <= now - last < RETRY_EVERY:
            return None
        address = min(waiting)[1]
        self.quarantine[address] = now
        self.version += 1
        return address


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _address_and_time(item: Any) -> tuple[int, datetime] | None:
    try:
        address, stamp, *_ = item
        when = datetime.fromisoformat(stamp)
    except TypeError, ValueError:
        return None
    if not isinstance(address, int) or when.tzinfo is None:
        return None
    return address, when


def plan(
    registers: Iterable[Register],
    defined: frozenset[int],
    *,
    max_span: int,
    splits: frozenset[int] | set[int] = frozenset(),
    barrier: frozenset[int] = frozenset(),
) -> list[Block]:
    """Group registers into as few blocks as the addresses between them allow.

    ``defined``: addresses that may be read in passing; ``barrier``: addresses that may
    only share a block with one another.
    """
    blocks: list[Block] = []
    run: list[Register] = []
    for register in sorted(registers, key=lambda register: (register.place, register.count)):
        if run and not _joins(run, register, defined, max_span, splits, barrier):
            blocks.append(Block(tuple(run)))
            run = []
        run.append(register)
    if run:
        blocks.append(Block(tuple(run)))
    return blocks


def _joins(
    run: Sequence[Register],
    register: Register,
    defined: frozenset[int],
    max_span: int,
    splits: frozenset[int] | set[int],
    barrier: frozenset[int],
) -> bool:
    last = run[-1]
    if last.alone or register.alone or register.place < last.place + last.count:
        return False
    if register.place + register.count - run[0].place > max_span or register.place in splits:
        return False
    if (last.place in barrier) != (register.place in barrier):
        return False
    between = range(last.place + last.count, register.place)
    return all(place in defined and place not in barrier for place in between)


class BlockReader:
    """Reads the registers of one device."""

    def __init__(
        self,
        link: Link,
        registers: Iterable[Register],
        *,
        defined: frozenset[int],
        anchor: str,
        max_span: int = 40,
        learned: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Plan lazily; ``anchor`` is the key of a register that every machine answers."""
        self._link = link
        self._registers = {register.point.key: register for register in registers}
        self._defined = defined
        self._anchor = self._registers[anchor]
        self._max_span = max_span
        self.refusals = Refusals(learned, now)
        self._plans: dict[frozenset[str], list[Block]] = {}
        self._planned_for = -1
        self._answered = False
        self._refused_whole = False
        self._busy = 0

    def blocks(self, keys: frozenset[str]) -> list[Block]:
        """Return the blocks that a poll of these keys reads, quarantined ones left out."""
        if self._planned_for != self.refusals.plan_version:
            self._plans.clear()
            self._planned_for = self.refusals.plan_version
        blocks = self._plans.get(keys)
        if blocks is None:
            quarantine = self.refusals.quarantine
            blocks = self._plans[keys] = plan(
                (self._registers[k] for k in keys if self._registers[k].place not in quarantine),
                self._defined,
                max_span=self._max_span,
                splits=self.refusals.splits,
                barrier=self.refusals.barrier(),
            )
        return blocks

    async def read(self, keys: frozenset[str]) -> Reading:
        """Poll these points, within a session of the link.

        Raises :class:`LinkError`, :class:`BusyError` or :class:`RefusedError` if nothing
        at all could be read; anything less is in :attr:`Reading.failed`.
        """
        reading = Reading()
        self._answered = False
        self._refused_whole = False
        self._busy = 0
        by_place = {self._registers[key].place: self._registers[key] for key in keys}
        blocks = list(self.blocks(keys))
        retry = self.refusals.next_retry(by_place)
        if retry is not None:
            blocks.append(Block((by_place[retry],)))
        doubtful: list[Register] = []
        refused: list[Register] = []
        for index, block in enumerate(blocks):
            try:
                await self._read_block(block, reading, doubtful, refused)
            except (LinkError, BusyError, RefusedError) as err:
                if not self._answered:
                    raise
                why = Failure.BUSY if isinstance(err, BusyError) else Failure.NO_ANSWER
                if isinstance(err, RefusedError):
                    # it restarts, and refuses all: nothing to hold against an address
                    reading.failed.update((r.point.key, why) for r in refused)
                    refused.clear()
                for rest in blocks[index:]:
                    for register in rest.registers:
                        if register.point.key not in reading.values:
                            reading.failed[register.point.key] = why
                break
        for key in keys:
            if self._registers[key].place in self.refusals.quarantine:
                reading.failed.setdefault(key, Failure.REFUSED)
        for register in refused:
            reading.failed[register.point.key] = Failure.REFUSED
            if self._answered:
                self.refusals.strike(register.place)
        if not self._answered and blocks:
            if self._busy:
                raise BusyError("the device is busy")
            raise RefusedError("the device refuses every address", _ILLEGAL_ADDRESS)
        await self._read_again(doubtful, reading)
        return reading

    async def read_one(self, key: str) -> Value | None:
        """Read one point now, within a session; ``None`` if the device has no value.

        Raises :class:`DriverError`.
        """
        reading = Reading()
        register = self._registers[key]
        raw = await self._fetch(Block((register,)))
        self._take(register, raw[key], reading, [])
        return reading.values.get(key)

    async def _fetch(self, block: Block) -> Mapping[str, Any]:
        read = (
            self._link.read_input_registers
            if block.table == "input"
            else self._link.read_holding_registers
        )
        words = await read(block.start, block.count)
        return {key: decode(words[first:last]) for key, decode, first, last in block.fields}

    async def _read_block(
        self,
        block: Block,
        reading: Reading,
        doubtful: list[Register],
        refused: list[Register],
    ) -> bool:
        """Read a block, or what of it the device answers; return whether anything did."""
        try:
            raw = await self._fetch_or_reconnect(block)
        except BusyError:
            self._busy += 1
            if self._busy >= _BUSY_IN_A_ROW:
                raise
            for register in block.registers:
                reading.failed[register.point.key] = Failure.BUSY
            return False
        except RefusedError as err:
            if err.code != _ILLEGAL_ADDRESS:
                if err.code == _ILLEGAL_FUNCTION and not self._answered:
                    raise
                for register in block.registers:
                    reading.failed[register.point.key] = Failure.REFUSED
                return False
            return await self._bisect(block, reading, doubtful, refused)
        self._answered = True
        self._busy = 0
        for register in block.registers:
            self._take(register, raw[register.point.key], reading, doubtful)
            self.refusals.answered(register.place)
        return True

    async def _fetch_or_reconnect(self, block: Block) -> Mapping[str, Any]:
        try:
            return await self._fetch(block)
        except LinkLostError, WrongProtocolError:
            if not self._link.may_reconnect:
                raise
        return await self._fetch(block)

    async def _bisect(
        self,
        block: Block,
        reading: Reading,
        doubtful: list[Register],
        refused: list[Register],
    ) -> bool:
        registers = block.registers
        if not self._answered or self._refused_whole:
            if not await self._anchor_answers():
                raise RefusedError("the device refuses every address", _ILLEGAL_ADDRESS)
            self._refused_whole = False
        if len(registers) == 1 or not any(self.refusals.due(r.place) for r in registers):
            refused.extend(registers)
            return False
        middle = len(registers) // 2
        halves = [Block(registers[:middle]), Block(registers[middle:])]
        before = len(refused)
        for half in halves:
            await self._read_block(half, reading, doubtful, refused)
        self._refused_whole = len(refused) - before == len(registers)
        if len(refused) == before and halves[1].place not in self.refusals.splits:
            # each half is fine: what lies between them, or the length, is not
            self.refusals.split(halves[1].place)
        return True

    async def _anchor_answers(self) -> bool:
        try:
            await self._fetch(Block((self._anchor,)))
        except RefusedError:
            return False
        self._answered = True
        return True

    def _take(
        self, register: Register, raw: Any, reading: Reading, doubtful: list[Register]
    ) -> None:
        key = register.point.key
        if register.unset and raw is not None and raw not in register.unset:
            if key not in self.refusals.seen:
                self.refusals.see(key)
        value = register.decode(raw, seen=key in self.refusals.seen)
        match value:
            case Absent():
                reading.values.pop(key, None)
            case Implausible():
                doubtful.append(register)
            case UnknownCode(raw=code):
                reading.unknown_codes[key] = code
            case _:
                reading.values[key] = value

    async def _read_again(self, doubtful: list[Register], reading: Reading) -> None:
        """Read what physics forbids once more, singly; some firmware shifts block reads."""
        for count, register in enumerate(doubtful):
            key = register.point.key
            again: list[Register] = []
            if count < _REREADS:
                try:
                    raw = await self._fetch(Block((register,)))
                except NoAnswerError, LinkLostError:
                    reading.failed[key] = Failure.NO_ANSWER
                    continue
                except DriverError:
                    reading.failed[key] = Failure.IMPLAUSIBLE
                    continue
                self._take(register, raw[key], reading, again)
            if count >= _REREADS or again:
                reading.failed[key] = Failure.IMPLAUSIBLE
