"""A simulated IDM Navigator on Modbus TCP, in front of a model.

Behaviour follows the IDM Navigator 2.0 Modbus TCP document and field notes: floats low word
first, exception 2 at addresses that are not there, sentinels for sensors that are not
fitted, settings that read back late.
"""

from collections.abc import Iterable
from random import Random
from typing import override

from pymodbus.constants import ExcCodes

from .clock import Clock
from .idm_table import OVERLAPS, Row
from .idm_values import IdmMachine, Link, Reading, acceptable, decode, encode, link, reading, stored
from .late import Late
from .physics import HeatPumpModel
from .server import RegisterServer, Request, Write

__all__ = ["IdmMachine", "IdmServer", "Request", "Write"]


class IdmServer(RegisterServer):
    """Serves one model as one IDM machine; all methods belong to the server's loop."""

    def __init__(
        self,
        model: HeatPumpModel,
        machine: IdmMachine | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unit: int = 1,
        speed: float = 1.0,
        read_back_delay: tuple[float, float] = (0.0, 15.0),
        seed: int = 0,
        silent_unit: bool = False,
    ) -> None:
        """Prepare; nothing listens before :meth:`start`.

        ``read_back_delay`` bounds, in seconds, how long a written setting (not a cyclic
        input) still reads as before. A request to another unit is answered with
        exception 11, or not at all if ``silent_unit``. Raises ``ValueError`` if the model
        lacks a circuit of the machine.
        """
        self.model = model
        self.machine = machine or IdmMachine()
        super().__init__(
            host=host,
            port=port,
            unit=unit,
            silent_unit=silent_unit,
            max_read=self.machine.max_read,
        )
        self.clock = Clock(model, speed)
        self.read_back_delay = read_back_delay
        missing = set(self.machine.circuits.lower()) - {c.name for c in model.circuits}
        if missing:
            raise ValueError(f"the model has no circuits {sorted(missing)}")
        self._random = Random(seed)
        self._held: dict[str, tuple[int, ...]] = {}
        self._late = Late(self._apply)
        self._values: dict[str, float] = {}
        self._unfitted: set[str] = set()
        self._rows: dict[str, Row] = {}
        self._starts: dict[int, Row] = {}
        self._links: dict[str, Link] = {}
        self._readings: list[tuple[Row, Reading]] = []
        self._set_up_rows()
        self._defined = {address for row in self._rows.values() for address in row.addresses}
        self._shared = {
            first: (self._starts[first], self._starts[second])
            for first, second in OVERLAPS.items()
            if first in self._starts and second in self._starts
        }
        self._hidden = {row.address for row in self._rows.values() if not row.readable}
        # One spare at the end: pymodbus looks one register past the last.
        self._image = [0] * (max(self._defined) + 2)
        """One word for every address; at a shared one, the register that starts there."""
        self._floats: dict[int, int] = {}
        """First address of an overlapping float to its second word."""
        self._shared_words = {
            row.key: encode(row, None) for pair in self._shared.values() for row in pair
        }
        self._seen: object = None
        """The state the image was made from."""
        self._dirty = True

    def _set_up_rows(self) -> None:
        """Sort the rows into what is stored, linked to the model, or measured."""
        for row, fitted in self.machine.rows():
            self._rows[row.key] = row
            self._starts[row.address] = row
            found = link(row)
            source = reading(row)
            if row.absent == 0.0 and row.circuit and not self.model.cooling:
                # Cooling setpoints are 0.0 where cooling is not configured.
                fitted = False
            if not fitted:
                self._unfitted.add(row.key)
                self._values[row.key] = row.sentinel
            elif row.access == "r" or (row.room and source is not None and row.wear == "cyclic"):
                if source is None:
                    self._values[row.key] = row.sentinel
                else:
                    self._readings.append((row, source))
            elif found is not None:
                self._links[row.key] = found
            else:
                self._values[row.key] = stored(row)

    # -- for tests -----------------------------------------------------------------

    def row(self, key: str) -> Row:
        """Return a row by its key. Raises ``KeyError`` if this machine does not have it."""
        return self._rows[key]

    def value(self, key: str) -> float:
        """Return what a register holds now. Raises ``KeyError``."""
        self._refresh()
        row = self._rows[key]
        words = self._image[row.address : row.address + row.type.words]
        if row.address in self._floats:
            words[1] = self._floats[row.address]
        return decode(row, tuple(words))

    def set_value(self, key: str, value: float) -> None:
        """Change a setting as at the machine's own panel: at once, not recorded as a write.

        Raises ``KeyError`` if the machine has no such setting.
        """
        if key not in self._links and key not in self._values:
            raise KeyError(key)
        self._late.take(key, value)

    def hold(
        self, key: str, value: float | None = None, *, words: Iterable[int] | None = None
    ) -> None:
        """Show a value, or raw words, whatever the model does, until :meth:`release`.

        Without either, the sentinel of an absent sensor. Raises ``KeyError``.
        """
        row = self._rows[key]
        self._held[key] = tuple(words) if words is not None else encode(row, value)
        self._dirty = True

    def release(self, key: str) -> None:
        """Let the model decide again what is shown."""
        self._held.pop(key, None)
        self._dirty = True

    # -- registers -----------------------------------------------------------------

    @override
    def defined(self) -> Iterable[int]:
        """Return every address this machine answers."""
        return self._defined

    @override
    def load(self, address: int, count: int) -> list[int] | ExcCodes:
        """Return words; a float that shares its second address only shows whole alone."""
        if any(address <= hidden < address + count for hidden in self._hidden):
            return ExcCodes.ILLEGAL_ADDRESS
        self._refresh()
        words = self._image[address : address + count]
        if count == 2 and address in self._floats:
            words[1] = self._floats[address]
        return words

    @override
    def store(self, address: int, words: tuple[int, ...]) -> ExcCodes | None:
        """Check a write as a whole, then take it."""
        changes: list[tuple[Row, float]] = []
        at = address
        while at < address + len(words):
            row = self._starts.get(at)
            if row is None or row.access == "r" or row.key in self._unfitted:
                return ExcCodes.ILLEGAL_ADDRESS
            part = words[at - address : at - address + row.type.words]
            # Half a float cannot be written, nor a shared address along with its float.
            if len(part) < row.type.words or (at in self._shared and len(words) > 2):
                return ExcCodes.ILLEGAL_ADDRESS
            value = decode(row, part)
            if not acceptable(row, value):
                return ExcCodes.ILLEGAL_VALUE
            changes.append((row, value))
            at += row.type.words
        for row, value in changes:
            delay = 0.0 if row.wear == "cyclic" else self._random.uniform(*self.read_back_delay)
            self._late.take(row.key, value, delay)
        return None

    # -- values --------------------------------------------------------------------

    def _apply(self, key: str, value: float) -> None:
        """Make a setting act."""
        self._dirty = True
        if key == "acknowledge_faults":
            self.model.clear("fault")
        elif (found := self._links.get(key)) is not None:
            self.model.set(found.setting, found.to_model(value))
        elif value == -1.0 and self._rows[key].wear == "cyclic" and self._rows[key].room:
            # The room's own sensor counts again.
            self._values.pop(key, None)
        else:
            self._values[key] = value

    @override
    def tick(self) -> None:
        """Let time pass in the model, and settings arrive."""
        self.clock.tick()
        self._late.arrive()

    def _refresh(self) -> None:
        """Write every value into the image, if anything changed."""
        state = self.model.state
        if state is self._seen and not self._dirty:
            return
        self._seen = state
        self._dirty = False
        for row, source in self._readings:
            self._put(row, source(self.model, state))
        for key, found in self._links.items():
            self._put(self._rows[key], found.from_model(self.model.settings[found.setting]))
        for key, value in self._values.items():
            self._put(self._rows[key], value)
        for first, (whole, other) in self._shared.items():
            self._image[first], self._floats[first] = self._shared_words[whole.key]
            (self._image[first + 1],) = self._shared_words[other.key]

    def _put(self, row: Row, value: float | None) -> None:
        """Put one value, or what is held in its place, into the image."""
        words = self._held.get(row.key)
        if words is None:
            words = encode(row, value)
        if row.key in self._shared_words:
            self._shared_words[row.key] = words
        else:
            self._image[row.address : row.address + row.type.words] = words
