"""What the detector is told, so that it does not alarm about what somebody did.

Settings that change, by this integration or at the machine, also while Home Assistant was off;
firmware that changes; a holiday that the heat pump knows of. Inputs that are fed all the time are
no news. Gaps in the data are noticed where samples are shown, and a new heat pump where its
detector is made: :mod:`.warm_start`, :mod:`.anomaly`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from homeassistant.core import callback

from .anomaly import AnomalyWatch
from .drivers.driver import Driver
from .drivers.points import Kind, Point, Quantity, Snapshot, Tier, Value, Wear

VALUES: Final = 12
"""A setting with more values than that is the machine's own work."""
SELDOM: Final = timedelta(days=3)
"""What changes more often, between values it had before, is a schedule and no news."""
FIRMWARE: Final = ("firmware_version", "firmware_version_legacy")
HOLIDAY: Final = frozenset({"holiday", "holidays", "vacation"})
AWAY: Final = frozenset({"away", "absent"})
"""States in which nobody is at home, be it for a day's work: a holiday once it is longer."""
AWAY_FOR: Final = timedelta(days=1)
ELSEWHERE: Final = ("pool", "solar", "ventilation")
"""Parts whose holiday is none of heating or hot water."""
HOLIDAY_FLAGS: Final = frozenset({"holiday_function", "holiday_mode", "holiday_active"})
AWAY_FLAGS: Final = frozenset({"away_mode"})
"""Numbers and flags that are not 0 then: NIBE registers 19 and 5390."""
HOLIDAY_DATES: Final = (
    ("away_heating_start", "away_heating_end"),
    ("away_dhw_start", "away_dhw_end"),
)
"""Luxtronik parameters 731, 6, 732 and 7: seconds since 1970, 0: never."""


class Absence(IntEnum):
    """How long a value says that nobody will be at home."""

    NONE = 0
    AWAY = 1
    HOLIDAY = 2


class AnomalyNotes:
    """Watches the snapshots of one heat pump for what explains anomalies."""

    def __init__(self, watch: AnomalyWatch, driver: Driver) -> None:
        """Know nothing of before, unless ``watch`` has it stored."""
        self._watch = watch
        self._driver = driver
        self._known: dict[str, list[Value]] = {}
        """The values that each setting was seen to have."""
        self._last: dict[str, Value] = {}
        self._changed: dict[str, datetime] = {}
        self._firmware: Value | None = None
        self._telling = {
            key: kind for key, point in driver.points.items() for kind in _absence_of(point)
        }
        self._absent: dict[str, Absence] = {}
        """What the values say of a holiday."""
        self._away_since: datetime | None = None
        self._holiday: bool | None = None
        self._time: datetime | None = None
        watch.memory = self

    @callback
    def take(self, snapshot: Snapshot) -> None:
        """Compare a snapshot with those before."""
        self._time = snapshot.time
        self._look_for_holiday(snapshot)
        self._compare_holiday(snapshot.time)
        if Tier.SETTING in snapshot.tiers:
            points = self._driver.points
            self._compare_settings(
                {
                    key: value
                    for key, value in snapshot.values.items()
                    if key in points and is_setting(points[key])
                },
                snapshot.time,
            )
            self._compare_firmware(self._firmware_of(snapshot.values), snapshot.time)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes."""
        return {
            "settings": dict(self._last),
            "known": {key: list(values) for key, values in self._known.items()},
            "firmware": self._firmware,
            "changed": {key: time.isoformat() for key, time in self._changed.items()},
            "away_since": None if self._away_since is None else self._away_since.isoformat(),
            "holiday": self._holiday,
        }

    @callback
    def restore(self, saved: object) -> None:
        """Compare what was seen until now with what was stored; what is damaged is forgotten."""
        if not isinstance(saved, Mapping) or self._time is None:
            return
        last, firmware = self._last, self._firmware
        self._last = {
            key: value for key, value in _mapping(saved, "settings").items() if _is_value(value)
        }
        for key, values in _mapping(saved, "known").items():
            if isinstance(values, list):
                self._known[key] = [value for value in values if _is_value(value)]
        for key, value in _mapping(saved, "changed").items():
            if (time := _moment(value)) is not None:
                self._changed[key] = time
        self._firmware = saved["firmware"] if _is_value(saved.get("firmware")) else None
        self._holiday = saved["holiday"] if isinstance(saved.get("holiday"), bool) else None
        self._away_since = _moment(saved.get("away_since"))
        self._compare_settings(last, self._time)
        self._compare_firmware(firmware, self._time)
        self._compare_holiday(self._time)

    def _compare_settings(self, values: Mapping[str, Value], time: datetime) -> None:
        news = False
        for key, value in values.items():
            before = self._last.get(key)
            self._last[key] = value
            known = self._known.setdefault(key, [])
            new = value not in known
            if new and len(known) <= VALUES:
                known.append(value)
            if before is None or before == value:
                continue
            changed = self._changed.get(key)
            self._changed[key] = time
            seldom = changed is None or time - changed >= SELDOM
            news |= len(known) <= VALUES and (new or seldom)
        if news:
            self._watch.note("setting", time)

    def _compare_firmware(self, firmware: Value | None, time: datetime) -> None:
        if firmware is None:
            return
        if self._firmware not in (None, firmware):
            self._watch.note("firmware", time)
        self._firmware = firmware

    def _compare_holiday(self, time: datetime) -> None:
        if not self._absent:
            return
        deepest = max(self._absent.values())
        if deepest is Absence.AWAY:
            self._away_since = self._away_since or time
        else:
            self._away_since = None
        first = self._holiday is None
        holiday = deepest is Absence.HOLIDAY or (
            self._away_since is not None
            and (first or self._holiday or time - self._away_since >= AWAY_FOR)
        )
        # One that stood from the first may be a function that is always on.
        if not first and holiday is not self._holiday:
            self._watch.note("holiday" if holiday else "holiday_end", time)
        self._holiday = holiday

    def _look_for_holiday(self, snapshot: Snapshot) -> None:
        values = snapshot.values
        for key, kind in self._telling.items():
            if (value := values.get(key)) is None:
                continue
            if kind is not None:
                self._absent[key] = kind if value else Absence.NONE
            elif value in AWAY:
                self._absent[key] = Absence.AWAY
            else:
                self._absent[key] = Absence.HOLIDAY if value in HOLIDAY else Absence.NONE
        now = snapshot.time.timestamp()
        for first, last in HOLIDAY_DATES:
            begin, end = values.get(first), values.get(last)
            if isinstance(begin, int | float) and isinstance(end, int | float):
                inside = 0 < begin <= now < end
                self._absent[last] = Absence.HOLIDAY if inside else Absence.NONE

    def _firmware_of(self, values: Mapping[str, Value]) -> Value | None:
        found = (values[key] for key in FIRMWARE if key in values)
        firmware: Value | None = next(found, self._driver.learned().get("firmware"))
        return firmware


def _absence_of(point: Point) -> tuple[Absence | None, ...]:
    """Return what it means that a point is not 0, ``None`` for a state; nothing for all others."""
    if point.name.startswith(ELSEWHERE):
        return ()
    if point.quantity is Quantity.STATE:
        told = not (HOLIDAY | AWAY).isdisjoint((point.options or {}).values())
        return (None,) if told else ()
    if point.name in HOLIDAY_FLAGS:
        return (Absence.HOLIDAY,)
    return (Absence.AWAY,) if point.name in AWAY_FLAGS else ()


def is_setting(point: Point) -> bool:
    """Whether somebody sets it, now and then, and it matters to what the machine does."""
    return (
        point.tier is Tier.SETTING
        and point.writable
        and point.wear is not Wear.CYCLIC
        and point.kind is not Kind.COUNTER
    )


def _mapping(saved: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = saved.get(name)
    return part if isinstance(part, Mapping) else {}


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | float)


def _moment(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
