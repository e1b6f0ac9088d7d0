"""How the rows of a Luxtronik's tables become points, and raw numbers values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
import math
from types import MappingProxyType
from typing import Final

from ..decoded import ABSENT, Decoded, Implausible, UnknownCode
from ..points import MACHINE, Kind, Part, PartKind, Point, Quantity, Tier, Value, Wear
from .firmware import Controller, Version

_LOWEST, _HIGHEST = -0x80000000, 0x7FFFFFFF


class Table(StrEnum):
    """What holds a value; also the name the ledger of writes knows."""

    CALCULATION = "calculation"
    PARAMETER = "parameter"


@dataclass(frozen=True, slots=True)
class Form:
    """What kind of number a raw value is."""

    quantity: Quantity
    scale: float = 1.0
    """Raw times scale is the value in the unit of the quantity."""
    decimals: int = 0
    kind: Kind = Kind.ANALOG
    low: float = -math.inf
    high: float = math.inf
    """What physics allows."""
    grain: int = 1
    """Written raw numbers are multiples of it."""


CELSIUS: Final = Form(Quantity.TEMPERATURE, 0.1, 1, low=-60, high=250)
KELVIN: Final = Form(Quantity.TEMPERATURE_DIFFERENCE, 0.1, 1, low=-250, high=250)
BAR: Final = Form(Quantity.PRESSURE, 0.01, 2, low=-1, high=100)
HERTZ: Final = Form(Quantity.FREQUENCY, low=0, high=500)
RPM: Final = Form(Quantity.ROTATION, low=0, high=10_000)
PERCENT: Final = Form(Quantity.RATIO, low=0, high=200)
PERCENT_TENTHS: Final = Form(Quantity.RATIO, 0.1, 1, low=0, high=200)
LITRES_PER_HOUR: Final = Form(Quantity.FLOW_RATE, 1 / 60, 1, low=0, high=1000)
CUBIC_METRES_PER_HOUR: Final = Form(Quantity.FLOW_RATE, 1000 / 60, 0, low=0, high=100_000)
WATT: Final = Form(Quantity.POWER, low=-200_000, high=200_000)
KILOWATT_TENTHS: Final = Form(Quantity.POWER, 100.0, low=-200_000, high=200_000)
ENERGY_TENTHS: Final = Form(Quantity.ENERGY, 0.1, 1, Kind.COUNTER, low=0)
ENERGY_HUNDREDTHS: Final = Form(Quantity.ENERGY, 0.01, 2, Kind.COUNTER, low=0)
VOLT_TENTHS: Final = Form(Quantity.VOLTAGE, 0.1, 1)
VOLT_HUNDREDTHS: Final = Form(Quantity.VOLTAGE, 0.01, 2)
RUN_TIME: Final = Form(Quantity.DURATION, 1 / 3600, 2, Kind.COUNTER, low=0)
"""Seconds, counted for ever."""
SPAN: Final = Form(Quantity.DURATION, 1 / 3600, 3)
"""Seconds, counted since something began."""
CLOCK: Final = Form(Quantity.DURATION, 1 / 3600, 2, Kind.SETPOINT, low=0, high=24, grain=60)
"""Seconds since midnight, a whole minute; shown as hours."""
DELAY_SECONDS: Final = Form(Quantity.DURATION, 1 / 3600, 2, Kind.SETPOINT, low=0, grain=60)
DELAY_TENTHS: Final = Form(Quantity.DURATION, 0.1, 1, Kind.SETPOINT, low=0)
HOURS: Final = Form(Quantity.DURATION, 1.0, 0, Kind.SETPOINT, low=0)
HALF_HOURS: Final = Form(Quantity.DURATION, 0.5, 1, Kind.SETPOINT, low=0)
"""One hour and half an hour for each raw number."""
STARTS: Final = Form(Quantity.COUNT, 1.0, 0, Kind.COUNTER, low=0)
MINUTES: Final = Form(Quantity.COUNT, 1.0, 0, Kind.SETPOINT, low=0)
"""Minutes where hours would be unwieldy: the key says so."""
NUMBER: Final = Form(Quantity.CODE, 1.0, 0, Kind.STATE)
"""A number nobody documented, or one that only a program can use."""
MOMENT: Final = Form(Quantity.CODE, 1.0, 0, Kind.STATE)
"""Seconds since 1970, 0: never."""
STATE: Final = Form(Quantity.STATE, kind=Kind.STATE)
FLAG: Final = Form(Quantity.FLAG, kind=Kind.STATE)
DHW_FREQUENCY: Final = Form(Quantity.FREQUENCY, low=0, high=120, kind=Kind.SETPOINT)
"""0 is automatic, any other raw number 19 Hz less than meant."""

_FLAGS: Final[Mapping[int, bool]] = MappingProxyType({0: False, 1: True})

NO_SENSOR: Final = frozenset({-500, 0, 50, 750, 1500})
"""What inputs without a sensor show (-50.0, 0.0, 5.0, 75.0, 150.0 °C): real values as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where one point lies, and what its raw numbers mean."""

    point: Point
    table: Table
    index: int
    form: Form
    sentinels: frozenset[int] = frozenset()
    """Raw numbers that mean "no sensor" and that no real value can equal."""
    unset: frozenset[int] = frozenset()
    """Raw numbers that mean "no sensor" until any other was seen."""
    states: Mapping[int, str] = MappingProxyType({})
    """Raw number to slug, where several share one or it is not the point's numbering."""

    def decode(self, raw: int, *, seen: bool = True) -> Decoded:
        """Turn a raw number into a value; ``seen``: it once was something else than unset."""
        if raw in self.sentinels or (not seen and raw in self.unset):
            return ABSENT
        form = self.form
        if form.quantity is Quantity.STATE:
            slug = self.states.get(raw)
            return UnknownCode(raw) if slug is None else slug
        if form.quantity is Quantity.FLAG:
            flag = _FLAGS.get(raw)
            return UnknownCode(raw) if flag is None else flag
        if form is DHW_FREQUENCY:
            number: float = raw + 19 if raw else 0
        elif form is HALF_HOURS:
            number = 1 + raw * form.scale
        else:
            number = raw * form.scale
        if not form.low <= number <= form.high:
            return Implausible(raw)
        if form.decimals == 0:
            return round(number)
        return round(number, form.decimals) + 0.0  # no negative zero

    def encode(self, value: Value) -> int:
        """Turn a value into a raw number.

        Raises ``ValueError`` for a slug or a number that the parameter cannot hold.
        """
        form = self.form
        raw: float | None
        if form.quantity is Quantity.STATE:
            raw = next((code for code, slug in self.states.items() if slug == value), None)
        elif form.quantity is Quantity.FLAG:
            raw = next((code for code, flag in _FLAGS.items() if flag is value), None)
        elif isinstance(value, str | bool) or not math.isfinite(value):
            raw = None
        elif form is DHW_FREQUENCY:
            raw = value - 19 if value else 0
            raw = raw if raw >= 0 else None
        elif form is HALF_HOURS:
            raw = (value - 1) / form.scale
        else:
            raw = round(value / form.scale / form.grain) * form.grain
        if raw is None or not _LOWEST <= round(raw) <= _HIGHEST:
            raise ValueError(f"{value!r} does not fit into {self.table} {self.index}")
        return round(raw)


type Bounds = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; a repeated one names its first element."""

    index: int
    key: str
    form: Form
    bounds: Bounds | None = None
    """Minimum, maximum and step of what may be written, in the point's unit."""
    writable: bool = False
    """A flag or a state that may be written."""
    options: Mapping[int, str] | None = None
    same: Mapping[int, str] = MappingProxyType({})
    """More raw numbers for slugs of ``options``."""
    circuit: str = ""
    part: Part = MACHINE
    repeat: tuple[tuple[str, int, int], ...] = ()
    """Of each repetition, outermost first: its placeholder, how many, and the step."""
    sentinels: frozenset[int] = frozenset()
    unset: frozenset[int] = frozenset()
    enabled: bool = False
    diagnostic: bool = False
    moved: tuple[Version, int] | None = None
    """From this firmware on it has another index."""
    old_scale: float | None = None
    """Its scale on firmware V1 and V2, where that differs."""
    wider: tuple[Version, Bounds] | None = None
    """From this firmware on it has other bounds."""

    def registers(self, table: Table, controller: Controller) -> Iterator[Register]:
        """Yield the row's registers on one controller, in the order of their index."""
        spans = [range(count) for _, count, _ in self.repeat]
        for numbers in product(*spans):
            offset = sum(n * step for n, (_, _, step) in zip(numbers, self.repeat, strict=True))
            yield self._register(table, controller, offset, tuple(n + 1 for n in numbers))

    def _register(
        self, table: Table, controller: Controller, offset: int, numbers: tuple[int, ...]
    ) -> Register:
        version = controller.version
        index, bounds, form = self.index, self.bounds, self.form
        # nothing is known of a controller before its first poll: assume a recent one
        if self.moved is not None and (version is None or version >= self.moved[0]):
            index = self.moved[1]
        if self.wider is not None and version is not None and version >= self.wider[0]:
            bounds = self.wider[1]
        if self.old_scale is not None and version is not None and version.series < 3:
            form = Form(form.quantity, self.old_scale, 2, form.kind, form.low, form.high)
        writes = bounds is not None or self.writable
        part = Part(PartKind.CIRCUIT, self.circuit) if self.circuit else self.part
        kind = form.kind
        if kind is Kind.ANALOG and table is Table.PARAMETER:
            kind = Kind.SETPOINT
        low, high, step = bounds or (None, None, None)
        point = Point(
            key="_".join((f"{part.prefix}{self.key}", *map(str, numbers))),
            name=self.key,
            quantity=form.quantity,
            kind=kind,
            part=part,
            tier=Tier.SETTING if table is Table.PARAMETER else Tier.MEASUREMENT,
            wear=Wear.EEPROM if writes else None,
            options=self.options,
            minimum=low,
            maximum=high,
            step=step,
            decimals=form.decimals,
            diagnostic=self.diagnostic,
            enabled=self.enabled,
            placeholders={
                name: str(number) for number, (name, _, _) in zip(numbers, self.repeat, strict=True)
            },
            labels={"circuit": self.circuit} if self.circuit else {},
        )
        return Register(
            point=point,
            table=table,
            index=index + offset,
            form=form,
            sentinels=self.sentinels,
            unset=self.unset,
            states={**(self.options or {}), **self.same},
        )
