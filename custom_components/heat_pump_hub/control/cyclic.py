"""Inputs made for regular writes: kept alive while in use, made safe on stop.

IDM's temperature requests (1696, 1698) lapse 10 minutes after their last write, its
heating and cooling requests on a restart of the controller (IDM Navigator 2.0 Modbus
TCP document). Nothing is written on start, and nothing the owner did not feed through
us in this run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from ..drivers.points import Wear
from .errors import ControlError, NotWritableError, UnknownPointError
from .guard import WriteGuard

REFRESH: Final = 300.0
"""Seconds; half of the 10 minutes after which IDM forgets a request."""


class CyclicInputs:
    """The cyclic inputs the owner switched on."""

    def __init__(self, guard: WriteGuard, *, interval: float = REFRESH) -> None:
        """``interval`` is the seconds after which a value is written again."""
        self._guard = guard
        self._interval = interval
        self._keys: set[str] = set()

    @property
    def keys(self) -> frozenset[str]:
        """What is switched on."""
        return frozenset(self._keys)

    def register(self, key: str) -> None:
        """Switch a cyclic input on; writes nothing.

        Raises :class:`UnknownPointError`, or :class:`NotWritableError` for a point that
        is not cyclic: we write no other of our own accord.
        """
        if (point := self._guard.points.get(key)) is None:
            raise UnknownPointError(key)
        if point.wear is not Wear.CYCLIC:
            raise NotWritableError(key)
        self._keys.add(key)

    async def refresh(self, *, everything: bool = False) -> Mapping[str, ControlError]:
        """Write every value again that is older than the interval; call it each minute.

        ``everything``: whatever its age, as after an outage. Returns the errors by key; what failed is due again at the next call.
        """
        now = self._guard.monotonic()
        due = [
            key
            for key, fed in self._guard.fed.items()
            if key in self._keys and (everything or now - fed.at >= self._interval)
        ]
        return await _each(due, self._guard.refresh)

    async def stop(self, keys: Iterable[str] | None = None) -> Mapping[str, ControlError]:
        """Set what was fed in this run to its safe value; also when its source is lost.

        Without ``keys``: all. Returns the errors by key. On unload this comes before
        :meth:`WriteGuard.close`.
        """
        wanted = self._keys if keys is None else self._keys.intersection(keys)
        fed = [key for key in self._guard.fed if key in wanted]
        return await _each(fed, self._guard.make_safe)


async def _each(
    keys: Iterable[str], write: Callable[[str], Awaitable[object]]
) -> dict[str, ControlError]:
    """Write all of them, whatever becomes of the others."""
    failed: dict[str, ControlError] = {}

    async def one(key: str) -> None:
        try:
            await write(key)
        except ControlError as err:
            failed[key] = err

    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(one(key))
    return failed
