"""Saved state: one checked part per thing learned, so that damage costs only its part."""

from collections.abc import Mapping
from datetime import UTC, datetime
import json
from typing import Any, Final
import zlib

SCHEMA: Final = 1
LONGEST: Final = 20 * 366 * 86_400_000
"""No duration in a state is longer, in ms."""
_LARGEST: Final = 1e15
_CHECK: Final = "check"


class DamagedError(ValueError):
    """A part of a saved state cannot be trusted."""


def seal(part: dict[str, Any]) -> dict[str, Any]:
    """Return the part with a checksum over everything in it."""
    return {**part, _CHECK: _checksum(part)}


def unseal(part: object) -> Mapping[str, Any]:
    """Return the part that :func:`seal` made.

    Raises :class:`DamagedError` if it is anything else.
    """
    if not isinstance(part, Mapping):
        raise DamagedError("not a mapping")
    bare = {name: value for name, value in part.items() if name != _CHECK}
    try:
        expected = _checksum(bare)
    except (TypeError, ValueError, RecursionError) as err:
        raise DamagedError("not JSON") from err
    if part.get(_CHECK) != expected:
        raise DamagedError("wrong checksum")
    return bare


def _checksum(part: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(part, sort_keys=True, allow_nan=False).encode())


def whole(part: Mapping[str, Any], name: str, low: int = 0, high: int = LONGEST) -> int:
    """Return a whole number of the part; raises :class:`DamagedError` if there is none."""
    value = part.get(name)
    if type(value) is not int or not low <= value <= high:
        raise DamagedError(name)
    return value


def optional_whole(
    part: Mapping[str, Any], name: str, low: int = 0, high: int = LONGEST
) -> int | None:
    """Return a whole number or ``None``; raises :class:`DamagedError` if it is neither."""
    return None if part.get(name) is None else whole(part, name, low, high)


def number(part: Mapping[str, Any], name: str) -> float:
    """Return a finite number of the part; raises :class:`DamagedError` if there is none."""
    value = part.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DamagedError(name)
    if not -_LARGEST < value < _LARGEST:
        raise DamagedError(name)
    return float(value)


def optional_number(part: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number or ``None``; raises :class:`DamagedError` if it is neither."""
    return None if part.get(name) is None else number(part, name)


def flag(part: Mapping[str, Any], name: str) -> bool:
    """Return a flag of the part; raises :class:`DamagedError` if there is none."""
    value = part.get(name)
    if not isinstance(value, bool):
        raise DamagedError(name)
    return value


def optional_flag(part: Mapping[str, Any], name: str) -> bool | None:
    """Return a flag or ``None``; raises :class:`DamagedError` if it is neither."""
    return None if part.get(name) is None else flag(part, name)


def text(part: Mapping[str, Any], name: str) -> str:
    """Return a text of the part; raises :class:`DamagedError` if there is none."""
    value = part.get(name)
    if not isinstance(value, str):
        raise DamagedError(name)
    return value


def moment(part: Mapping[str, Any], name: str) -> datetime:
    """Return a UTC time of the part; raises :class:`DamagedError` if there is none."""
    try:
        value = datetime.fromisoformat(text(part, name))
    except ValueError as err:
        raise DamagedError(name) from err
    if value.tzinfo is None:
        raise DamagedError(name)
    return value.astimezone(UTC)


def numbers(part: Mapping[str, Any], name: str, lengths: tuple[int, ...]) -> list[float]:
    """Return a list of finite numbers of one of these lengths.

    Raises :class:`DamagedError` if there is none.
    """
    values = part.get(name)
    if not isinstance(values, list) or len(values) not in lengths:
        raise DamagedError(name)
    return [number({name: value}, name) for value in values]
