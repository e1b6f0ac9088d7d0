"""Every write that went out: when, what, who asked, and what became of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum
import logging
import math
from typing import Any, Final

from ..drivers.points import Value, Wear

_LOGGER = logging.getLogger(__name__)

ENTRIES: Final = 1000
DAYS: Final = 100
"""How long the count of each day is kept."""

_FOLDED: Final = frozenset({Wear.CYCLIC, Wear.VOLATILE})


class Origin(StrEnum):
    """Why a write happens."""

    ASKED = "asked"
    """A person or their automation."""
    REFRESH = "refresh"
    """A cyclic input that lapses unless it is written again."""
    STOP = "stop"
    """A cyclic input that is set to its safe value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked for a write, as far as the context tells."""

    user: str | None = None
    """Home Assistant's user id."""
    automation: str | None = None
    """Entity id of the automation or script."""
    context: str | None = None
    parent: str | None = None
    origin: Origin = Origin.ASKED

    def same(self, other: Asker) -> bool:
        """Return whether two requests come from one source, each with its own context."""
        return (self.user, self.automation, self.origin) == (
            other.user,
            other.automation,
            other.origin,
        )

    def to_json(self) -> dict[str, str]:
        """Return a JSON-able dict without what is not known."""
        known = {
            "user": self.user,
            "automation": self.automation,
            "context": self.context,
            "parent": self.parent,
            "origin": self.origin.value,
        }
        return {name: text for name, text in known.items() if text is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Asker:
        """Restore what :meth:`to_json` returned. Raises ``ValueError`` if it is damaged."""
        if not all(isinstance(text, str) for text in data.values()):
            raise ValueError("who asked is not text")
        return cls(
            user=data.get("user"),
            automation=data.get("automation"),
            context=data.get("context"),
            parent=data.get("parent"),
            origin=Origin(data.get("origin", Origin.ASKED)),
        )


class Outcome(StrEnum):
    """What became of a write that went out."""

    VERIFIED = "verified"
    """Read back as written."""
    UNVERIFIED = "unverified"
    """Could not be read back, or nobody waited for it."""
    NOT_ACCEPTED = "not_accepted"
    """The device keeps showing something else."""
    REFUSED = "refused"
    """The device refused; its register was not written."""
    SENT = "sent"
    """Taken by the device; a command has no value to read back."""
    SUPERSEDED = "superseded"
    """Written again before it was read back."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One write, or for cyclic and volatile points a day's equal ones of one asker."""

    time: datetime
    """Of the first one, UTC."""
    key: str
    table: str
    address: int
    old: Value | None
    """``None``: not known."""
    new: Value
    asked_by: Asker
    wear: Wear
    outcome: Outcome = Outcome.UNVERIFIED
    count: int = 1
    last: datetime | None = None
    """Time of the latest, where ``count`` is more than 1; ``new`` is its value."""

    @property
    def register(self) -> str:
        """What the write wore out: ``holding:1032``."""
        return f"{self.table}:{self.address}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        data: dict[str, Any] = {
            "time": self.time.isoformat(),
            "key": self.key,
            "table": self.table,
            "address": self.address,
            "old": self.old,
            "new": self.new,
            "asked_by": self.asked_by.to_json(),
            "wear": self.wear.value,
            "outcome": self.outcome.value,
        }
        if self.last is not None:
            data |= {"count": self.count, "last": self.last.isoformat()}
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Restore what :meth:`to_json` returned.

        Raises ``AttributeError``, ``KeyError``, ``TypeError``, ``ValueError`` or
        ``OverflowError`` if it is damaged.
        """
        last = data.get("last")
        old = data["old"]
        return cls(
            time=_time(data["time"]),
            key=_typed(data["key"], str),
            table=_typed(data["table"], str),
            address=_count(data["address"], least=0),
            old=None if old is None else _value(old),
            new=_value(data["new"]),
            asked_by=Asker.from_json(data["asked_by"]),
            wear=Wear(data["wear"]),
            outcome=Outcome(data["outcome"]),
            count=_count(data.get("count", 1)),
            last=None if last is None else _time(last),
        )


_DAMAGE: Final = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


def _typed[T](value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _count(value: object, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{value!r} is not a count")
    return value


def _value(value: object) -> Value:
    if isinstance(value, bool | str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{value!r} is not a value")


@dataclass(slots=True)
class _Register:
    """How often one register was written."""

    total: int = 0
    days: Counter[str] = field(default_factory=Counter)


class Ledger:
    """The last writes, and how often each register was written on each day.

    Bounded by :data:`ENTRIES`. Writes of cyclic and volatile points are folded per day,
    asker and outcome, so that a PV automation does not push out a year of settings.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        """Begin empty; a day is one of ``zone``."""
        self._zone = zone
        self._entries: list[Entry] = []
        self._registers: dict[str, _Register] = {}
        self.blocked: Counter[str] = Counter()
        """Requests that were turned away before anything went out, by key."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The writes, oldest first."""
        return tuple(self._entries)

    def totals(self) -> dict[str, int]:
        """Return how often each register (``holding:1032``) was written by us, ever."""
        return {name: counted.total for name, counted in self._registers.items()}

    def daily(self) -> dict[str, dict[str, int]]:
        """Return the writes of each register by ISO date."""
        return {name: dict(counted.days) for name, counted in self._registers.items()}

    def add(self, entry: Entry) -> None:
        """Note a write that is about to go out, as unverified."""
        self._entries.append(entry)
        del self._entries[:-ENTRIES]
        counted = self._registers.setdefault(entry.register, _Register())
        counted.total += 1
        counted.days[self._day(entry.time)] += 1
        while len(counted.days) > DAYS:
            del counted.days[min(counted.days)]

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        """Note what became of a write; one that was refused did not wear the register."""
        entry.outcome = outcome
        if outcome is Outcome.REFUSED:
            self._uncount(entry)
        if entry.wear in _FOLDED:
            self._fold(entry)

    def discard(self, entry: Entry) -> None:
        """Take out a write that never went out."""
        self._uncount(entry)
        self._drop(entry)

    def _uncount(self, entry: Entry) -> None:
        counted = self._registers[entry.register]
        day = self._day(entry.time)
        counted.total -= 1
        counted.days[day] -= 1
        if counted.days[day] <= 0:
            del counted.days[day]

    def _drop(self, entry: Entry) -> None:
        self._entries = [other for other in self._entries if other is not entry]

    def _fold(self, entry: Entry) -> None:
        day = self._day(entry.time)
        for other in reversed(self._entries):
            if (
                other is not entry
                and other.key == entry.key
                and other.outcome is entry.outcome
                and other.asked_by.same(entry.asked_by)
                and self._day(other.time) == day
            ):
                other.count += entry.count
                other.last = entry.time
                other.new = entry.new
                other.asked_by = entry.asked_by
                self._drop(entry)
                return

    def _day(self, time: datetime) -> str:
        return time.astimezone(self._zone).date().isoformat()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "ledger": [entry.to_json() for entry in self._entries],
            "counts": {
                name: {"total": counted.total, "days": dict(counted.days)}
                for name, counted in self._registers.items()
            },
            "blocked": dict(self.blocked),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what :meth:`to_json` returned; damage costs only what is damaged."""
        damaged = 0
        entries = data.get("ledger")
        for item in entries if isinstance(entries, list) else ():
            try:
                self._entries.append(Entry.from_json(item))
            except _DAMAGE:
                damaged += 1
        del self._entries[:-ENTRIES]
        for name, item in _items(data.get("counts")):
            try:
                self._registers[name] = _register(item)
            except _DAMAGE:
                damaged += 1
        for name, item in _items(data.get("blocked")):
            try:
                self.blocked[name] = _count(item)
            except ValueError:
                damaged += 1
        if damaged:
            _LOGGER.warning("%d damaged records of the write ledger were dropped", damaged)


def _items(data: object) -> list[tuple[str, Any]]:
    return list(data.items()) if isinstance(data, Mapping) else []


def _register(data: Mapping[str, Any]) -> _Register:
    days = {
        date.fromisoformat(day).isoformat(): _count(number) for day, number in data["days"].items()
    }
    return _Register(_count(data["total"], least=0), Counter(days))
