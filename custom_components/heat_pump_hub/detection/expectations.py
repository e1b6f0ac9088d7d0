"""Cuts time into windows of five steady minutes and gives them to the models of their context."""

from collections.abc import Iterable, Mapping
import math
from typing import Any

import numpy as np

from . import state
from .arrays import Array, pack, unpack
from .basis import DRIVERS, relations_of
from .relations import CONTEXTS, WINDOW, Deviation, Model
from .signals import Signal
from .situation import Situation

_SETTLING = 20.0
_AGING = 60.0


class Expectations:
    """All conditional expectations of one heat pump."""

    def __init__(self, signals: Iterable[Signal]) -> None:
        """Begin with nothing learned."""
        everything = tuple(signals)
        self.relations = relations_of(everything)
        self.keys = tuple(
            dict.fromkeys(
                [key for relation in self.relations for key in relation.signals]
                + [s.key for s in everything if s.analog and s.key in DRIVERS]
            )
        )
        self.models = {name: Model(name, self.relations, self.keys) for name in CONTEXTS}
        self._sum: Array = np.zeros(len(self.keys))
        self._count: Array = np.zeros(len(self.keys))
        self._open: list[Array] = []
        """Samples of the window that are not in its sums yet."""
        self._minutes = 0.0
        self._samples = 0
        self._aged = 0.0
        self._context: str | None = None

    def discard(self) -> None:
        """Forget the window that is open."""
        if self._samples:
            self._sum[:] = 0.0
            self._count[:] = 0.0
            self._open = []
        self._minutes = 0.0
        self._samples = 0

    def observe(
        self,
        values: Array,
        situation: Situation,
        minutes: float,
        *,
        learning: bool,
    ) -> Model | None:
        """Take a sample (in the order of :attr:`keys`, NaN: missing); return a model that judged."""
        if learning:
            self._aged += minutes
            if self._aged >= _AGING:
                for one in self.models.values():
                    one.age(self._aged)
                self._aged = 0.0
        context = situation.mode
        if (
            not self.relations
            or context not in self.models
            or not situation.steady
            or situation.heater
        ):
            self.discard()
            self._context = None
            return None
        if context != self._context:
            self.discard()
            self._context = context
        self._open.append(values)
        self._samples += 1
        self._minutes += minutes
        if self._minutes < WINDOW - 0.01:
            return None
        model = self.models[context]
        if situation.air:
            model.defrosts()
        self._add_up()
        length = min(self._minutes, 60.0)
        enough = self._count * 2 > self._samples
        mean = np.where(enough, self._sum / np.maximum(self._count, 1.0), np.nan)
        settling = math.exp(-situation.since_start / _SETTLING)
        judged = model.window(mean, length, situation.since_defrost, settling, learning=learning)
        self.discard()
        return model if judged else None

    def _add_up(self) -> None:
        if not self._open:
            return
        # One after the other, so that it does not matter when they are added.
        samples = np.vstack([self._sum, *self._open])
        there = np.isfinite(samples)
        self._sum = np.add.reduce(np.where(there, samples, 0.0), axis=0)
        self._count += np.add.reduce(there[1:], axis=0)
        self._open = []

    def deviations(self) -> list[Deviation]:
        """Return everything that deviates, in all contexts."""
        return [found for model in self.models.values() for found in model.deviations()]

    def to_json(self) -> dict[str, Any]:
        """Return the open window; models are saved one by one."""
        self._add_up()
        return {
            "keys": list(self.keys),
            "sum": pack(self._sum),
            "count": pack(self._count),
            "minutes": self._minutes,
            "samples": self._samples,
            "aged": self._aged,
            "context": self._context,
        }

    def restore(self, part: Mapping[str, Any]) -> None:
        """Take over an open window; raises :class:`~.state.DamagedError`."""
        context = part.get("context")
        if part.get("keys") != list(self.keys) or context not in (None, *CONTEXTS):
            raise state.DamagedError("window")
        total = unpack(part, "sum", (len(self.keys),))
        count = unpack(part, "count", (len(self.keys),))
        minutes = state.number(part, "minutes")
        aged = state.number(part, "aged")
        self._samples = state.whole(part, "samples")
        self._aged = aged
        self._sum, self._count, self._minutes, self._context = total, count, minutes, context
        self._open = []
