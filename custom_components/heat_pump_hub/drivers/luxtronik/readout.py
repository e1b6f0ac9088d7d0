"""One table of a Luxtronik, decoded: only what changed since the last poll is looked at."""

from collections.abc import Collection, Iterable, Mapping

from ..decoded import Absent, Implausible, UnknownCode
from ..points import Value
from .points import Register


class Readout:
    """The values of one table, kept up to date by whole blocks of raw numbers.

    The controller has no partial reads: a poll brings every value of a table, and nearly
    all are as before. Comparing blocks costs a hundredth of decoding them.
    """

    def __init__(self, seen: set[str]) -> None:
        """Share ``seen``: the keys of sensors that once showed a value."""
        self.raw: tuple[int, ...] = ()
        """The block as it came in last."""
        self.values: dict[str, Value] = {}
        self.unknown: dict[str, int] = {}
        self.implausible: dict[str, float] = {}
        """Keys to raw numbers that physics forbids."""
        self.missing: frozenset[str] = frozenset()
        """Keys whose index lies beyond the block."""
        self._seen = seen
        self._registers: dict[int, Register] = {}

    def bind(self, registers: Iterable[Register]) -> None:
        """Say what lies at which index; everything is decoded anew."""
        self._registers = {register.index: register for register in registers}
        raw, self.raw = self.raw, ()
        self.values.clear()
        self.unknown.clear()
        self.implausible.clear()
        if raw:
            self.update(raw)

    @property
    def keys(self) -> Collection[str]:
        """Every key of the table."""
        return [register.point.key for register in self._registers.values()]

    def update(self, raw: tuple[int, ...]) -> None:
        """Take a block; what it does not reach is missing."""
        old = self.raw
        if len(raw) != len(old):
            beyond = [r for index, r in self._registers.items() if index >= len(raw)]
            self.missing = frozenset(register.point.key for register in beyond)
            for register in beyond:
                self._forget(register.point.key)
        changed: Iterable[int]
        if old:
            changed = [i for i, (a, b) in enumerate(zip(raw, old, strict=False)) if a != b]
            changed.extend(range(len(old), len(raw)))
        else:
            changed = range(len(raw))
        self.raw = raw
        registers = self._registers
        for index in changed:
            if (found := registers.get(index)) is not None:
                self._decode(found, raw[index])

    def _forget(self, key: str) -> None:
        self.values.pop(key, None)
        self.unknown.pop(key, None)
        self.implausible.pop(key, None)

    def _decode(self, register: Register, raw: int) -> None:
        key = register.point.key
        if register.unset and raw not in register.unset:
            self._seen.add(key)
        decoded = register.decode(raw, seen=not register.unset or key in self._seen)
        self._forget(key)
        if isinstance(decoded, UnknownCode):
            self.unknown[key] = decoded.raw
        elif isinstance(decoded, Implausible):
            self.implausible[key] = decoded.raw
        elif not isinstance(decoded, Absent):
            self.values[key] = decoded


def at(readout: Readout, index: int) -> int | None:
    """Return a raw number, ``None`` where the block does not reach."""
    return readout.raw[index] if index < len(readout.raw) else None


def numbers(values: Mapping[str, Value], keys: Iterable[str]) -> list[float]:
    """Return the numbers among these values."""
    found = [values.get(key) for key in keys]
    return [
        value for value in found if isinstance(value, int | float) and not isinstance(value, bool)
    ]
