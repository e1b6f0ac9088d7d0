"""Which values a point takes, and when two of them are the same."""

import math

from ..drivers.points import Point, Quantity, Value
from .errors import ValueNotAllowedError

_TINY = 1e-9


def allowed(point: Point, value: Value) -> Value:
    """Return the value to write, rounded to the point's step or resolution.

    A cyclic input also takes its default ("no request"), which may lie outside its
    bounds. Raises :class:`ValueNotAllowedError`.
    """
    if point.options is not None:
        slugs = point.writable_options
        slugs = frozenset(point.options.values()) if slugs is None else slugs
        if not isinstance(value, str) or value not in slugs:
            raise ValueNotAllowedError(point, value, tuple(sorted(slugs)))
        return value
    if point.quantity is Quantity.FLAG:
        if not isinstance(value, bool):
            raise ValueNotAllowedError(point, value, ("off", "on"))
        return value
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueNotAllowedError(point, value)
    if point.default is not None and value == point.default:
        return point.default
    return _rounded(point, value)


def _rounded(point: Point, value: float) -> float:
    """Return a finite number within bounds and on the steps, which start at the minimum."""
    low = -math.inf if point.minimum is None else point.minimum
    high = math.inf if point.maximum is None else point.maximum
    if not low - _TINY <= value <= high + _TINY:
        raise ValueNotAllowedError(point, value)
    if not point.step:
        return min(max(round(value, point.decimals), low), high)
    base = point.minimum or 0
    steps = round((value - base) / point.step)
    # Templates give 21.500000000000004; a thousandth of a step is noise, not intent.
    if abs(value - base - steps * point.step) > point.step / 1000:
        raise ValueNotAllowedError(point, value)
    return round(base + steps * point.step, 9)


def holds(point: Point, shown: Value | None, wanted: Value) -> bool:
    """Return whether what the device shows is the wanted value.

    Numbers are equal within half of the resolution or of the step, whichever is finer.
    """
    if shown is None:
        # The value that means "no request" is the sentinel of several inputs.
        return point.default is not None and wanted == point.default
    if isinstance(wanted, str) or isinstance(shown, str):
        return shown == wanted
    if isinstance(wanted, bool):
        return bool(shown) is wanted
    resolution = 10.0**-point.decimals
    half = min(resolution, point.step or resolution) / 2
    # 1e-7: the relative precision of a float32 register.
    return math.isclose(shown, wanted, rel_tol=1e-7, abs_tol=half + _TINY)
