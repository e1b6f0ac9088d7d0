"""What the guard keeps over restarts: the stamps and the ledger, saved as one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, tzinfo
import logging
import math
from typing import Any, Final

from .ledger import Ledger
from .stamps import Stamps

_LOGGER = logging.getLogger(__name__)

VERSION: Final = 1

type Save = Callable[[dict[str, Any]], Awaitable[None]]
"""Puts the state on disk; returns only when it is there."""
type Load = Callable[[], Awaitable[Mapping[str, Any] | None]]
"""Returns the state of the last run; ``None`` if there was none."""


class State:
    """Stamps and ledger of one heat pump, and their way to disk and back."""

    def __init__(
        self,
        identity: str,
        load: Load,
        save: Save,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        zone: tzinfo,
    ) -> None:
        """Start empty; :meth:`load` takes over the last run."""
        self.identity = identity
        self.stamps = Stamps(now, monotonic)
        self.ledger = Ledger(zone)
        self.unsaved = False
        """Whether something changed since the last save."""
        self._load = load
        self._save = save
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._loaded = False
        self._saved_at = -math.inf

    @property
    def age(self) -> float:
        """Seconds since the last save."""
        return self._monotonic() - self._saved_at

    async def load(self) -> None:
        """Take over the state of the last run, once.

        What cannot be read counts as written now: for its register, or for all.
        """
        async with self._lock:
            if self._loaded:
                return
            try:
                data: object = await self._load()
            except Exception:
                _LOGGER.exception("What was written to %s before is unknown", self.identity)
                data = ()
            self._restore(data)
            self._loaded = True

    def _restore(self, data: object) -> None:
        if data is None:
            return
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            self.stamps.restore(None)
            return
        if data.get("identity", self.identity) != self.identity:
            _LOGGER.warning("The saved writes are not those of %s", self.identity)
            return
        self.stamps.restore(data.get("stamps"))
        self.ledger.restore(data)

    def to_json(self) -> dict[str, Any]:
        """Return what is saved."""
        return {
            "version": VERSION,
            "identity": self.identity,
            "stamps": self.stamps.to_json(),
            **self.ledger.to_json(),
        }

    async def save(self) -> None:
        """Put everything on disk. Raises what the save callable raises."""
        # One at a time: an older state must not overtake a younger one on its way to disk.
        async with self._lock:
            self.unsaved = False
            try:
                await self._save(self.to_json())
            except BaseException:
                self.unsaved = True
                raise
            self._saved_at = self._monotonic()

    async def save_if_possible(self) -> None:
        """Save what became of a write; its stamp is on disk already, so failing is no harm."""
        try:
            await self.save()
        except Exception:
            _LOGGER.exception("The write ledger of %s could not be saved", self.identity)
