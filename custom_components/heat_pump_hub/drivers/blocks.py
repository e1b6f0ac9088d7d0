"""Block reads that learn what a device refuses.

A block is a run of registers read in one request. Blocks never cross an address that
no document defines. What a device refuses (Modbus exception 2) is found by bisection,
is absent for that poll, and is quarantined after three strikes at least ten minutes
apart; one quarantined register is tried again each hour. Addresses of both tables are
numbered in one row here (:attr:`.modbus.Register.place`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from .crashes import Crashes
from .decoded import Absent, Implausible, UnknownCode
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
from .modbus import Register
from .points import Failure, Snapshot, Tier, Value
from .refusals import Refusals

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

    def snapshot(self, time: datetime, tiers: frozenset[Tier]) -> Snapshot:
        """Return it as what a poll of these tiers brought at this time."""
        return Snapshot(
            time=time,
            values=self.values,
            failed=self.failed,
            unknown_codes=self.unknown_codes,
            tiers=tiers,
        )


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


def plan(
    registers: Iterable[Register],
    defined: frozenset[int],
    *,
    max_span: int,
    splits: frozenset[int] | set[int] = frozenset(),
    barrier: frozenset[int] = frozenset(),
) -> list[Block]:
    """Group registers into as few blocks as the addresses between them allow.

    ``defined``: addresses that may be read in passing; ``barrier``: registers that only
    share a block with one another, and are never read in passing.
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
        self.crashes = Crashes(self.refusals)
        self._doubted: set[str] = set()
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
            blocks = self._plans[keys] = self._cut(keys)
        return blocks

    def _cut(self, keys: frozenset[str]) -> list[Block]:
        """Cut registers into blocks; what is suspected of crashing comes last, by itself."""
        refusals = self.refusals
        registers = [
            register
            for register in (self._registers[key] for key in keys)
            if register.place not in refusals.quarantine
        ]
        suspects = self.crashes.suspects
        suspected = frozenset[int]().union(*suspects)
        groups = [
            [register for register in registers if register.place not in suspected],
            *([r for r in registers if r.place in places] for places in suspects),
        ]
        barrier = refusals.barrier() | suspected
        return [
            block
            for group in groups
            for block in plan(
                group,
                self._defined,
                max_span=self._max_span,
                splits=refusals.splits,
                barrier=barrier,
            )
        ]

    async def read(self, keys: frozenset[str]) -> Reading:
        """Poll these points, within a session of the link.

        Raises :class:`LinkError`, :class:`BusyError` or :class:`RefusedError` if nothing
        at all could be read; anything less is in :attr:`Reading.failed`.
        """
        reading = Reading()
        self._answered = False
        self._refused_whole = False
        self._busy = 0
        blocks = list(self.blocks(keys))
        if self.refusals.quarantine:
            by_place = {self._registers[key].place: self._registers[key] for key in keys}
            retry = self.refusals.next_retry(by_place)
            if retry is not None:
                blocks.append(Block((by_place[retry],)))
        doubtful: list[Register] = []
        refused: list[Register] = []
        if blocks and all(self.crashes.suspected(block.place) for block in blocks):
            # without an answer before it, a drop says nothing about a register
            await self._anchor_answers()
        for index, block in enumerate(blocks):
            try:
                await self._read_block(block, reading, doubtful, refused)
            except (LinkError, BusyError, RefusedError) as err:
                if isinstance(err, LinkLostError):
                    places = tuple(register.place for register in block.registers)
                    self.crashes.dropped(places, proven=self._answered)
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
        if self.refusals.quarantine:
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
        for _ in range(2):  # what physics forbids is read once more
            doubtful: list[Register] = []
            raw = await self._fetch(Block((register,)))
            self._take(register, raw[key], reading, doubtful)
            if not doubtful:
                break
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
        self.crashes.answered(block.place)
        for register in block.registers:
            self._take(register, raw[register.point.key], reading, doubtful)
        if self.refusals.strikes or self.refusals.quarantine:
            for register in block.registers:
                self.refusals.answered(register.place)
        return True

    async def _fetch_or_reconnect(self, block: Block) -> Mapping[str, Any]:
        try:
            return await self._fetch(block)
        except LinkLostError, WrongProtocolError:
            if not self._link.may_reconnect or (
                self._answered and self.crashes.suspected(block.place)
            ):
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
        """Read what physics forbids once more, singly; some firmware shifts block reads.

        What was forbidden singly, too, is not asked again until a block read allows it.
        """
        new = [register for register in doubtful if register.point.key not in self._doubted]
        self._doubted -= reading.values.keys()
        for register in doubtful:
            reading.failed[register.point.key] = Failure.IMPLAUSIBLE
        for register in new[:_REREADS]:
            key = register.point.key
            again: list[Register] = []
            try:
                raw = await self._fetch(Block((register,)))
            except NoAnswerError, LinkLostError:
                reading.failed[key] = Failure.NO_ANSWER
                continue
            except DriverError:
                continue
            self._take(register, raw[key], reading, again)
            if again:
                self._doubted.add(key)
            else:
                del reading.failed[key]
