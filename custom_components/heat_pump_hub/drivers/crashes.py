"""Reads at which a device drops the link again and again: some registers crash firmware.

What was being read when the link dropped is suspected, and from then on read last, so
that the rest of a poll is not lost with it. A drop counts only if the same poll was
answered before it; a machine that is off answers nothing, so nothing is held against a
register then. After three such drops the suspected registers are halved, one more drop
a step, until one register is left: that one is quarantined. An answer acquits.
"""

from dataclasses import dataclass
from typing import Final

from .refusals import Refusals

DROPS: Final = 3


@dataclass(slots=True)
class _Suspect:
    places: tuple[int, ...]
    drops: int = 0


class Crashes:
    """The suspected reads of one device; what is certain goes to its refusals."""

    def __init__(self, refusals: Refusals) -> None:
        """Suspect nothing: what a restart forgets is found again."""
        self._refusals = refusals
        self._suspects: list[_Suspect] = []
        self._halved: set[tuple[int, ...]] = set()

    @property
    def suspects(self) -> list[tuple[int, ...]]:
        """The places of each suspected read, in the order in which they are read."""
        return [suspect.places for suspect in self._suspects]

    def suspected(self, place: int) -> bool:
        """Whether a place is to be read last, and not tried again in the same poll."""
        return place in self._refusals.quarantine or self._of(place) is not None

    def answered(self, place: int) -> None:
        """Acquit the read that begins at this place."""
        if (suspect := self._of(place)) is not None:
            self._suspects.remove(suspect)
            self._refusals.plan_version += 1

    def dropped(self, places: tuple[int, ...], *, proven: bool) -> None:
        """Count that the link was lost in a read; ``proven``: after others were answered."""
        if places[0] in self._refusals.quarantine:
            return
        suspect = self._of(places[0])
        if suspect is None:
            self._suspects.append(_Suspect(places))
            self._refusals.plan_version += 1
            return
        if not proven:
            return
        suspect.drops += 1
        if suspect.drops < DROPS:
            return
        self._suspects.remove(suspect)
        self._refusals.plan_version += 1
        middle = len(places) // 2
        if not middle:
            self._refusals.condemn(places[0])
        elif places in self._halved:
            # each half was answered alone: it is the length, or what lies between
            self._refusals.split(places[middle])
        else:
            self._halved.add(places)
            for half in (places[:middle], places[middle:]):
                self._suspects.append(_Suspect(half, DROPS - 1))

    def _of(self, place: int) -> _Suspect | None:
        return next((suspect for suspect in self._suspects if place in suspect.places), None)
