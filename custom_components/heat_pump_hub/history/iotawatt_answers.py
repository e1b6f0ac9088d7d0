"""What an IoTaWatt energy monitor says: its series, its log, pages of minutes, its refusals.

Source: IoTaWatt's Query API (docs.iotawatt.com, query) and its firmware. Everything that is
decoded here may be damaged, or come from something else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
import re
from typing import Any, Final

MINUTE: Final = 60
EARLIEST: Final = 1_420_070_400
"""2015-01-01, s since 1970: there was no unit before. A unit without a clock says less."""
LONGEST_NAME: Final = 64

_UNITS: Final[Mapping[str, str]] = {"watts": "W", "volts": "V", "amps": "A"}
_DECIMALS: Final[Mapping[str, int]] = {"W": 1, "V": 1}
_OTHER_DECIMALS: Final = 3
_NOT_IN_A_NAME: Final = frozenset(",.[]\"'\\\ufffd")
"""The firmware takes a question apart at some of these, and an answer at others."""
_NOT_A_NUMBER: Final = re.compile(rb"(?<=[\[,])\s*[+-]?(?:nan|inf)\w*(?=[\],])", re.IGNORECASE)
"""What the firmware prints for a number it cannot make; no JSON."""
_INVALID_SERIES: Final = re.compile(r"invalid series: *([^\"}]*)", re.IGNORECASE)


class IotawattError(Exception):
    """Base of every error of a unit."""


class InvalidHostError(IotawattError):
    """Not a host name or an address, with or without a port."""


class UnitUnreachableError(IotawattError):
    """The unit cannot be talked to, or stays silent."""


class UnitNameError(UnitUnreachableError):
    """The name of the unit does not resolve."""


class UnitBusyError(IotawattError):
    """The unit cannot answer now (429, 5xx)."""


class PasswordError(IotawattError):
    """The unit asks for a password, or refuses the one it got (401, 403)."""


class UnknownSeriesError(IotawattError):
    """The unit does not know a series, or no longer."""

    def __init__(self, name: str) -> None:
        """Keep the name, as the unit repeats it."""
        super().__init__(f"The unit knows no series {name}")
        self.name = name


class WrongAnswerError(IotawattError):
    """What answers is no IoTaWatt, or an answer was damaged."""


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """An input or an output of a unit."""

    name: str
    unit: str
    """``W``, ``V``, ``A``; others as the unit writes them, such as ``Hz`` or ``PF``."""

    @property
    def decimals(self) -> int:
        """Digits behind the point that are asked for, and stored."""
        return _DECIMALS.get(self.unit, _OTHER_DECIMALS)


@dataclass(frozen=True, slots=True)
class LogSpan:
    """What a log holds: from ``first``, up to ``last`` but without it, s since 1970."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Page:
    """Minutes in a row; ``end`` is where the next page begins, s since 1970."""

    first: int
    end: int
    columns: Sequence[Sequence[float | None]]
    """Means of each series, one a minute; ``None``: the log has nothing of that minute."""


def decode_series(body: bytes) -> list[Series]:
    """Return the series of an answer, without those that cannot be asked for.

    Raises :class:`WrongAnswerError`.
    """
    found: dict[str, Series] = {}
    try:
        for one in _decoded(body)["series"]:
            name, unit = one["name"], one["unit"]
            if not (isinstance(name, str) and isinstance(unit, str)):
                raise WrongAnswerError("The list of series is none")
            if name and len(name) <= LONGEST_NAME and not _NOT_IN_A_NAME & set(name):
                found.setdefault(name, Series(name, _UNITS.get(unit.lower(), unit)))
    except (KeyError, TypeError) as err:
        raise WrongAnswerError("The list of series is none") from err
    found.pop("time", None)
    return list(found.values())


def decode_log(body: bytes) -> LogSpan | None:
    """Return the span of a unit's logs; ``None`` if it does not tell.

    The 5-second log and the 1-minute log each have a first and a last key; the unit answers
    from whichever has the time. Raises :class:`WrongAnswerError`.
    """
    logs = _decoded(body).get("datalogs")
    if isinstance(logs, Mapping):
        logs = list(logs.values())
    if not isinstance(logs, list):
        return None
    spans = [
        (one["firstkey"], one["lastkey"])
        for one in logs
        if isinstance(one, Mapping)
        and all(_is_time(one.get(key)) for key in ("firstkey", "lastkey"))
    ]
    if not spans:
        return None
    first = -(-min(first for first, _ in spans) // MINUTE) * MINUTE
    last = max(last for _, last in spans) // MINUTE * MINUTE
    return LogSpan(first, max(first, last))


def decode_mac(body: bytes) -> str | None:
    """Return the address of a unit's radio, its own for good; ``None`` if it does not tell.

    Source: the firmware's ``/status?wifi=yes``. Raises :class:`WrongAnswerError`.
    """
    wifi = _decoded(body).get("wifi")
    mac = wifi.get("mac") if isinstance(wifi, Mapping) else None
    return mac.lower() if isinstance(mac, str) and mac else None


def decode_first(body: bytes) -> int:
    """Return the time of the first row that has a value, s since 1970.

    Raises :class:`WrongAnswerError`.
    """
    rows = _decoded(body).get("data")
    if not isinstance(rows, list):
        raise WrongAnswerError("The answer holds no rows")
    for row in rows:
        if isinstance(row, list) and len(row) > 1 and _is_time(row[0]) and row[1] is not None:
            return int(row[0])
    raise WrongAnswerError("The log is empty")


def decode_page(body: bytes, names: Sequence[str], first: int, end: int) -> Page:
    """Return a page of minutes from ``first`` up to ``end``; for a thread.

    Every minute must be there, in order, up to ``end`` or where the unit says that it stopped.
    Raises :class:`WrongAnswerError`.
    """
    answer = _decoded(body)
    labels, rows = answer.get("labels"), answer.get("data")
    if not isinstance(rows, list) or not isinstance(labels, list) or labels[1:] != list(names):
        raise WrongAnswerError("The answer is to another question")
    if not rows or len(rows) > (end - first) // MINUTE:
        raise WrongAnswerError(f"{len(rows)} rows came")
    columns: list[list[float | None]] = [[] for _ in names]
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names) + 1:
            raise WrongAnswerError("A row has other columns")
        if row[0] != first + at * MINUTE:
            raise WrongAnswerError("A minute is missing, or is there twice")
        for column, value in zip(columns, row[1:], strict=True):
            column.append(_number(value))
    reached = first + len(rows) * MINUTE
    if reached != end and answer.get("limit") != reached:
        raise WrongAnswerError("The answer ends early")
    return Page(first, reached, columns)


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongAnswerError("A value is no number")
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and EARLIEST <= value < 1 << 32


def _decoded(body: bytes) -> Any:
    try:
        answer = json.loads(_NOT_A_NUMBER.sub(b"null", body).decode(errors="replace"))
    except (ValueError, RecursionError) as err:
        raise WrongAnswerError("The answer is no JSON") from err
    if not isinstance(answer, dict):
        raise WrongAnswerError("The answer is no object")
    return answer


def check_status(status: int, body: bytes) -> None:
    """Raise what a status that is not a success means."""
    if status == 200:
        return
    text = body.decode(errors="replace")
    if status == 400 and (found := _INVALID_SERIES.search(text)):
        raise UnknownSeriesError(found[1].strip()[:LONGEST_NAME])
    if status in (401, 403):
        raise PasswordError("The unit asks for a password")
    if status == 429 or status >= 500:
        raise UnitBusyError(f"The unit answers {status}")
    raise WrongAnswerError(f"It answers {status}")
