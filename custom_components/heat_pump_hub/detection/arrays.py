"""Arrays of numbers in a saved state: little-endian doubles in base64, checked on the way in."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import state

type Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


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
