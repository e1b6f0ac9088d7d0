"""One wrong sensor: what it would do to all expectations at once, and whether that is seen.

What weather, frost and habits do moves many relations together, in ways that are learned
as the covariance of their deviations. A sensor that goes astray moves those that it is
part of, or that are regressed on it, by known amounts, and leaves the others alone. Of a
deviation in that direction, what is usual in the others is taken off (generalised least
squares), so that far less remains to be surprised by than in any single relation.
"""

from collections.abc import Mapping, Sequence
import math
from typing import Any, Final

import numpy as np

from . import state
from .arrays import (
    Array,
    Flags,
    Places,
    moved,
    pack,
    pack_triangle,
    places,
    unpack,
    unpack_triangle,
)
from .basis import Relation
from .ceilings import Ceilings

_MEMORY: Final = 2000
"""Windows."""
LEAST: Final = 160
"""Windows before anything is said."""
_FEW: Final = 120.0
"""Windows learned, at which a deviation must be twice as large: some for each relation."""
_WANDER: Final = 0.1
"""What any sensor may be off by, K: nobody would call that wrong."""
_WANDER_GAS: Final = 1.0
"""The same of the hot gas, of which oil and the history of a run have their share."""
_NOISE: Final = 0.02
_SHARE: Final = 0.5
"""Of a day's running, what is looked at."""
_SHORTEST, _LONGEST = 45.0, 600.0
_FORGET: Final = 10 * 1440.0
_MARGIN: Final = 2.2
_CAP: Final = 10.0
_EXPLAINED: Final = 0.4
_RIVAL: Final = 0.7
_RIVAL_ONLY: Final = "outdoor_temperature"
"""Weather is on it, and on little else: it may explain, but does not alarm."""


class Errors:
    """The errors of all temperature sensors that relations of one context would betray."""

    def __init__(self, relations: Sequence[Relation], signals: Sequence[str], base: float) -> None:
        """Begin with nothing learned; ``base`` is the least threshold."""
        about = [{*relation.signals, *relation.given} for relation in relations]
        chosen = [
            (place, key)
            for place, key in enumerate(signals)
            if key.endswith("temperature")
            and not key.startswith("dhw_")
            and any(key in one for one in about)
        ]
        self.sensors = tuple(key for _, key in chosen)
        self._judged: Flags = np.array([key != _RIVAL_ONLY for key in self.sensors], dtype=bool)
        self._places = np.array([place for place, _ in chosen], dtype=np.intp)
        self.about = np.array(
            [[key in one for one in about] for key in self.sensors], dtype=bool
        ).reshape(len(chosen), len(relations))
        """Which relations a sensor is part of."""
        self._wander = np.array(
            [_WANDER_GAS if key.startswith("hot_gas") else _WANDER for key in self.sensors]
        )
        count = len(relations)
        self.n = 0
        self.second: Array = np.zeros((count, count))
        self.mean: Array = np.zeros(count)
        """What the relations were off by in the last half day of running."""
        self.weights: Array = np.zeros((len(chosen), count))
        """Of each sensor, what deviations count: their sum is its error in standard deviations."""
        self._used: Places | None = None
        """The relations that are looked at together; ``None``: too little is known."""
        self.values: Array = np.zeros(len(chosen))
        self.limit = Ceilings((len(chosen),), _MARGIN, base, _CAP)
        self._ran = self._aged = 0.0

    def age(self, minutes: float) -> None:
        """Let the thresholds, and what is known of a day, age by minutes learned."""
        keep = math.exp(-minutes / _FORGET)
        self._ran *= keep
        self._aged = keep * self._aged + minutes
        self.limit.learn(self.limit.blocks[0], minutes)

    def take(self, z: Array, whole: Flags, minutes: float, *, learning: bool) -> None:
        """Take a window's deviations, and which of them are known."""
        if learning:
            self._ran += minutes
        if self._used is not None and not whole[self._used].all():
            # What lacks a part is no sum of all.
            return
        span = _SHORTEST
        if self._aged > 0:
            span = min(max(_SHARE * 1440.0 * self._ran / self._aged, _SHORTEST), _LONGEST)
        self.mean += (1.0 - math.exp(-minutes / span)) * (z - self.mean)
        if learning:
            self.n = min(self.n + 1, _MEMORY)
            part = 1.0 / self.n
            self.second *= 1.0 - part
            # Symmetric to the last bit, as half of it is saved.
            root = math.sqrt(part) * z
            self.second += np.multiply.outer(root, root)
        if self._used is not None:
            self.values = self.weights @ self.mean
            if learning:
                self.limit.learn(np.abs(self.values), 0.0)

    def solve(self, shifts: Array, scale: Array, usable: Flags) -> None:
        """Work out anew how each sensor's error is told from the relations that are usable.

        ``shifts``: by what a signal's unit moves each relation.
        """
        use = np.flatnonzero(usable & (np.diag(self.second) > 1e-6))
        self.weights[:] = 0.0
        if self.n < LEAST or not use.size or not self.sensors:
            self._used = None
            return
        _, found, size = self._told(shifts, scale, use)
        # Nothing that is part of no relation here can be told.
        sure = (size > 1e-3) & self.about[:, use].any(axis=1)
        self.weights[:, use] = np.where(sure, found / np.maximum(size, 1e-3), 0.0).T
        self._used = use

    def _told(self, shifts: Array, scale: Array, use: Places) -> tuple[Array, Array, Array]:
        """Return what each error moves, what is told of it by what, and how sure that is."""
        moves = (shifts[self._places][:, use] / scale[use]).T
        found = np.asarray(np.linalg.solve(self._usual(moves, use), moves), dtype=np.float64)
        size: Array = np.sqrt(np.maximum((found * moves).sum(axis=0), 0.0))
        return moves, found, size

    def _usual(self, moves: Array, use: Places) -> Array:
        """Return the covariance of what is usual, all sensors being off by a little."""
        tolerated = moves * self._wander
        matrix: Array = self.second[np.ix_(use, use)] + tolerated @ tolerated.T
        matrix[np.diag_indices_from(matrix)] += _NOISE
        return matrix

    def loudest(self) -> tuple[int, float]:
        """Return the sensor that is farthest off, and its ratio to the threshold."""
        if self._used is None or not self.limit.known:
            return 0, 0.0
        ratios = self._judged * np.abs(self.values) / self.limit.threshold
        place = int(ratios.argmax())
        return place, float(ratios[place]) / (1.0 + _FEW / self.n)

    def named(self, shifts: Array, scale: Array) -> tuple[str, float] | None:
        """Return the sensor whose error explains enough of all that is unusual, and its sign."""
        use = self._used
        if use is None:
            return None
        moves, found, size = self._told(shifts, scale, use)
        mean = self.mean[use]
        whole = float(mean @ np.linalg.solve(self._usual(moves, use), mean))
        if whole <= 0:
            return None
        shares = (mean @ found) ** 2 / np.maximum(size, 1e-3) ** 2 / whole
        shares[~self.weights.any(axis=1)] = 0.0
        order = np.argsort(-shares)
        first = float(shares[order[0]])
        second = float(shares[order[1]]) if len(order) > 1 else 0.0
        if first < _EXPLAINED or second > _RIVAL * first:
            return None
        return self.sensors[int(order[0])], float(np.sign(self.values[order[0]]))

    def forget(self, *, accept: bool) -> None:
        """Start anew, after counting the present as normal if ``accept``."""
        if accept:
            for place, value in enumerate(np.abs(self.values).tolist()):
                self.limit.accept(place, value)
        self.mean[:] = 0.0
        self.values[:] = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs."""
        return {
            "sensors": list(self.sensors),
            "n": self.n,
            "second": pack_triangle(self.second),
            "mean": pack(self.mean),
            "used": None if self._used is None else self._used.tolist(),
            "weights": pack(self.weights),
            "values": self.values.tolist(),
            "limit": self.limit.to_json(),
            "ran": self._ran,
            "aged": self._aged,
        }

    def restore(self, part: object, count: int, at: Places | None, changed: frozenset[str]) -> None:
        """Take over a saved part of ``count`` relations, of which ``at`` are the places now.

        Raises :class:`~.state.DamagedError`.
        """
        if not isinstance(part, Mapping):
            raise state.DamagedError("errors")
        place = places(part.get("sensors"), self.sensors, changed)
        sensors = len(part["sensors"])
        n = state.whole(part, "n", 0, _MEMORY)
        second = unpack_triangle(part, "second", count)
        second = moved(moved(second, at, 0), at, 1)
        mean = moved(unpack(part, "mean", (count,)), at)
        weights = unpack(part, "weights", (sensors, count))
        values = np.array(state.numbers(part, "values", (sensors,)))
        used = part.get("used")
        if used is not None and (
            not isinstance(used, list)
            or not all(type(one) is int and 0 <= one < count for one in used)
        ):
            raise state.DamagedError("used")
        ran, aged = state.number(part, "ran"), state.number(part, "aged")
        if ran < 0 or aged < 0:
            raise state.DamagedError("aged")
        self.limit.restore(part.get("limit"), place)
        self.n, self.second, self.mean, self._ran, self._aged = n, second, mean, ran, aged
        if at is None and place is None and used is not None:
            self.weights, self.values = weights, values
            self._used = np.array(used, dtype=np.intp)
