"""Rows of a register map with two tables, and the registers they describe."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import math
from types import MappingProxyType
from typing import Final

from .link import Table
from .modbus import Codec, Register
from .points import MACHINE, Kind, Part, Point, Quantity, Tier, Value, Wear

_STATES: Final = frozenset({Quantity.STATE, Quantity.FLAG, Quantity.CODE})
_PLAIN: Final[Mapping[int, bool]] = MappingProxyType({0: False, 1: True})

SMART_GRID_MODES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "locked", 1: "normal", 2: "recommended", 3: "forced"}
)
"""``smart_grid_mode`` of every maker, as history numbers it."""

type Bounds = tuple[float, float, float]
"""Minimum, maximum and step of what may be written, in the point's unit."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a register map, as printed; repeated parts name their first element."""

    key: str
    address: int
    codec: Codec
    quantity: Quantity
    scale: float = 1.0
    """Raw times scale is the value in the point's unit."""
    holding: bool = False
    wear: Wear | None = None
    tier: Tier = Tier.MEASUREMENT
    bounds: Bounds | None = None
    default: Value | None = None
    options: Mapping[int, str] | None = None
    states: Mapping[int, str] | None = None
    """Raw number to slug, where it is not the numbering of ``options``."""
    flag: Mapping[int, bool] = _PLAIN
    counter: bool = False
    part: Part = MACHINE
    readable: bool = True
    diagnostic: bool = False
    enabled: bool = False

    @property
    def kind(self) -> Kind:
        """How the value behaves."""
        if self.quantity in _STATES:
            return Kind.STATE
        if self.counter:
            return Kind.COUNTER
        if self.wear is not None and self.tier is Tier.SETTING:
            return Kind.SETPOINT
        return Kind.ANALOG

    @property
    def decimals(self) -> int:
        """How fine the raw number is, in the point's unit."""
        return max(0, -math.floor(math.log10(self.scale) + 1e-9))

    def register(
        self,
        sentinels: Mapping[Codec, frozenset[float]],
        *,
        address: int | None = None,
        part: Part | None = None,
        name: str | None = None,
        placeholders: Mapping[str, str] = MappingProxyType({}),
        not_writable: Collection[str] = (),
    ) -> Register:
        """Return the register of this row, or of one element of a repeated part.

        ``sentinels`` are the raw numbers that mean "no value", by codec.
        """
        part = part or self.part
        low, high, step = self.bounds or (None, None, None)
        writable_options = None
        if self.options and self.wear:
            writable_options = frozenset(self.options.values()) - frozenset(not_writable)
        point = Point(
            key=f"{part.prefix}{self.key}",
            name=name or self.key,
            quantity=self.quantity,
            kind=self.kind,
            part=part,
            tier=self.tier,
            wear=self.wear,
            readable=self.readable,
            options=self.options,
            writable_options=writable_options,
            minimum=low,
            maximum=high,
            step=step,
            decimals=self.decimals,
            default=self.default,
            diagnostic=self.diagnostic,
            enabled=self.enabled,
            placeholders=placeholders,
            labels={part.kind.value: part.id} if part.id else {},
        )
        table: Table = "holding" if self.holding else "input"
        return Register(
            point=point,
            address=self.address if address is None else address,
            codec=self.codec,
            table=table,
            space=table,
            scale=self.scale,
            sentinels=sentinels.get(self.codec, frozenset()),
            states=self.states,
            flag=self.flag,
        )


def places(registers: Collection[Register]) -> frozenset[int]:
    """Return what may be read in passing: every place of these registers."""
    return frozenset(
        place
        for register in registers
        if register.point.readable
        for place in range(register.place, register.place + register.count)
    )
