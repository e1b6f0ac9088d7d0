"""Arrays of numbers in a saved state: little-endian doubles in base64, checked on the way in."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import state

type Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
type Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
type Places = np.ndarray[tuple[int, ...], np.dtype[np.intp]]


def places(before: object, now: Sequence[str], changed: frozenset[str]) -> Places | None:
    """Return for each present name its place among those saved, -1 for what is new.

    ``None`` if nothing changed. Raises :class:`~.state.DamagedError` if these are no names.
    """
    if not isinstance(before, list) or not all(isinstance(one, str) for one in before):
        raise state.DamagedError("names")
    if before == list(now) and changed.isdisjoint(before):
        return None
    known = {name: place for place, name in enumerate(before) if name not in changed}
    return np.array([known.get(name, -1) for name in now], dtype=np.intp)


def moved(array: Array, at: Places | None, axis: int = -1, fill: float = 0.0) -> Array:
    """Return the array with what was saved where it is now; ``fill`` for what is new."""
    if at is None:
        return array
    if not array.shape[axis]:
        shape = list(array.shape)
        shape[axis] = len(at)
        return np.full(shape, fill)
    found: Array = np.take(array, np.maximum(at, 0), axis=axis)
    fresh = np.moveaxis(found, axis, -1)
    fresh[..., at < 0] = fill
    return found


def pack(array: Array) -> str:
    """Return the array as text, restored bit for bit by :func:`unpack`."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def unpack(part: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Array:
    """Return an array of this shape and of finite numbers only.

    Raises :class:`~.state.DamagedError` if there is none.
    """
    try:
        raw = base64.b64decode(state.text(part, name), validate=True)
    except (binascii.Error, ValueError) as err:
        raise state.DamagedError(name) from err
    size = 1
    for length in shape:
        size *= length
    if len(raw) != 8 * size:
        raise state.DamagedError(name)
    array = np.frombuffer(raw, dtype="<f8").astype(np.float64).reshape(shape)
    if not np.isfinite(array).all() or (size and float(np.abs(array).max()) > 1e15):
        raise state.DamagedError(name)
    return array


def pack_triangle(matrix: Array) -> str:
    """Return the upper triangle of a symmetric matrix as text."""
    return pack(matrix[np.triu_indices(matrix.shape[0])])


def unpack_triangle(part: Mapping[str, Any], name: str, size: int) -> Array:
    """Return a symmetric matrix; raises :class:`~.state.DamagedError` if there is none."""
    flat = unpack(part, name, (size * (size + 1) // 2,))
    matrix = np.zeros((size, size))
    rows, columns = np.triu_indices(size)
    matrix[rows, columns] = flat
    matrix[columns, rows] = flat
    return matrix
