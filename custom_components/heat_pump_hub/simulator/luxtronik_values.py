"""What a simulated Luxtronik holds: the tables it answers with, from model and settings."""

from dataclasses import dataclass
from typing import Final

from . import luxtronik_table as table
from .physics import HeatPumpModel

_SERIAL: Final = (874, 875, 876)


@dataclass(frozen=True, slots=True, kw_only=True)
class LuxtronikMachine:
    """What one simulated controller is. Raises ``ValueError`` for what cannot be."""

    firmware: str = "V3.90.1"
    model_code: int = 84
    """Calculation 78; 84 is an air machine."""
    second_model_code: int = 0
    serial: tuple[int, int, int] = (200_114, 0x0C3A, 7)
    """All 0: a controller that was never given one."""
    mixing: int = 1
    """Mixing circuits, 0 to 3."""
    smart_grid: bool = False
    shi: bool = False
    """Whether its Smart Home Interface is switched on."""
    metered: bool = True
    """Whether it measures what it takes from the grid."""
    calculations: int = 269
    parameters: int = 1180
    visibilities: int = 380
    status: int = 0
    """What stands between the echo and the length of calculations."""

    def __post_init__(self) -> None:
        """Check sizes and circuits."""
        if not 0 <= self.mixing <= len(table.MIXING):
            raise ValueError(f"no such number of mixing circuits: {self.mixing}")
        if min(self.calculations, self.parameters, self.visibilities) < 1:
            raise ValueError("a controller has values of every kind")
        if self.shi and self.release < (3, 90, 1):
            raise ValueError(f"firmware {self.firmware} has no Smart Home Interface")
        if len(self.firmware) > 10:
            raise ValueError(f"a firmware has ten characters: {self.firmware!r}")

    @property
    def series(self) -> int:
        """1 or 2: a Luxtronik 2.0; 3: a Luxtronik 2.1."""
        return int(self.firmware[1])

    @property
    def release(self) -> tuple[int, ...]:
        """The firmware as numbers."""
        return tuple(int(part) for part in self.firmware[1:].split("."))

    @property
    def restarts_on_write(self) -> bool:
        """Whether it is one of the two that a write brings down."""
        return self.firmware.startswith(("V1.90", "V2.90"))

    @property
    def dhw_setpoint(self) -> int:
        """The parameter that holds it."""
        return 105 if self.release > (3, 90, 0) else 2


class Values:
    """The tables of one controller."""

    def __init__(self, model: HeatPumpModel, machine: LuxtronikMachine) -> None:
        """Fill them. Raises ``ValueError`` if the model lacks a circuit of the machine."""
        missing = set("a" + table.MIXING[: machine.mixing]) - {c.name for c in model.circuits}
        if missing:
            raise ValueError(f"the model has no circuits {sorted(missing)}")
        self.model = model
        self.machine = machine
        self.held: dict[int, int] = {}
        """Raw calculations that are shown whatever the model does."""
        self._errors: list[tuple[int, int]] = []
        self._parameters = self._initial()
        self._visibilities = self._shown()

    def _initial(self) -> list[int]:
        """Return what the parameters hold at first."""
        machine = self.machine
        circuit = self.model.settings
        values = {
            **table.SETTINGS,
            **table.PASSWORD,
            **dict(zip(_SERIAL, machine.serial, strict=True)),
            machine.dhw_setpoint: round(float(circuit["dhw_temperature_setpoint"] or 0) * 10),
            11: round(table.end_point(self._setting("heating_curve_slope"), self._room) * 10),
            700: round(self._setting("heating_limit") * 10),
            1030: 3 if machine.smart_grid else 0,
        }
        for number, index in enumerate((42, 130, 780)):
            values[index] = 1 if number < machine.mixing else 0
        return [values.get(index, 0) for index in range(machine.parameters)]

    def _shown(self) -> list[int]:
        """Return which values the panel shows."""
        shown = {7: self.machine.mixing > 0, 8: self.machine.mixing > 1, 23: True, 29: True}
        shown[211] = self.machine.mixing > 2
        return [int(shown.get(index, index % 3 == 0)) for index in range(self.machine.visibilities)]

    def _setting(self, key: str) -> float:
        value = self.model.settings[f"circuit_a_{key}"]
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def _room(self) -> float:
        return self._setting("room_temperature_setpoint")

    def calculations(self) -> list[int]:
        """Return the raw calculations of this moment."""
        machine, model = self.machine, self.model
        state = model.state
        values = {index: round(read(model, state)) for index, read in table.CALCULATIONS.items()}
        for index, (number, key, factor) in table.MIXING_CALCULATIONS.items():
            circuit = f"circuit_{table.MIXING[number]}_"
            fitted = number < machine.mixing
            values[index] = round(float(state[circuit + key]) * factor) if fitted else 50
        for at, character in enumerate(machine.firmware):
            values[81 + at] = ord(character)
        values[78], values[230] = machine.model_code, machine.second_model_code
        self._contacts(values)
        self._remember(values)
        values.update(self.held)
        return [values.get(index, 0) for index in range(machine.calculations)]

    def _contacts(self, values: dict[int, int]) -> None:
        """Set the inputs of the utility: an EVU contact, or both of smart grid."""
        mode = str(self.model.settings["smart_grid_mode"])
        if not self.machine.smart_grid:
            values[31] = int(mode != "locked")
            return
        first, second = {"locked": (1, 0), "normal": (0, 1)}.get(mode, (1, 1))
        if self.machine.series == 3:
            values[31], values[185] = first, second
        else:
            values[31], values[23] = 1 - first, -50 if second else 50

    def _remember(self, values: dict[int, int]) -> None:
        """Keep the last five faults."""
        code = int(float(self.model.state["fault_code"]))
        if code and (not self._errors or self._errors[0][1] != code):
            self._errors = [(int(self.model.now.timestamp()), code), *self._errors][:5]
        for slot, (when, number) in enumerate(self._errors):
            values[95 + slot], values[100 + slot] = when, number
        values[105] = len(self._errors)

    def parameters(self) -> list[int]:
        """Return the raw parameters of this moment."""
        values = list(self._parameters)
        model, state = self.model, self.model.state
        for index, read in table.COUNTERS.items():
            if index < len(values) and (self.machine.metered or index < 1135):
                values[index] = round(read(model, state))
        heater = float(state["backup_heater_energy"])
        at, factor = (1140, 10.0) if self.machine.release >= (3, 88) else (1059, 100.0)
        if self.machine.series == 3:
            factor = 10.0
        if at < len(values):
            values[at] = round(heater * factor)
        return values

    def visibilities(self) -> list[int]:
        """Return which values the panel shows."""
        return self._visibilities

    def apply(self, index: int, raw: int) -> None:
        """Make a parameter act."""
        self._parameters[index] = raw
        model = self.model
        if index == self.machine.dhw_setpoint:
            model.set("dhw_temperature_setpoint", raw / 10)
        elif index in (3, 4):
            model.set("system_mode", table.system_mode(self._parameters[3], self._parameters[4]))
        elif index == 11:
            model.set("circuit_a_heating_curve_slope", table.slope(raw / 10, self._room))
        elif index == 1:
            model.set("circuit_a_heating_curve_shift", raw / 10)
        elif index == 700:
            model.set("circuit_a_heating_limit", raw / 10)
        elif index in (695, 696, 779) and raw in table.CIRCUIT_MODES:
            number = (695, 696, 779).index(index)
            if number < self.machine.mixing:
                model.set(f"circuit_{table.MIXING[number]}_mode", table.CIRCUIT_MODES[raw])
