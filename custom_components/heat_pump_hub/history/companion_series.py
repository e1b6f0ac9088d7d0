"""How the entities an owner adds to a heat pump's history are stored: one name, labels by entity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, override

from ..drivers.points import Point
from .series import Naming, Series

SERIES: Final = "heatpump_companion"
NAME: Final = "companion"
DECIMALS: Final = 6
"""Meters count Wh in kWh, prices have five decimals; more is the noise of a conversion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionPoint(Point):
    """An entity of somebody else; the heat pump knows nothing of it."""

    entity_id: str
    own_unit: str | None
    """The unit its values are kept in."""

    @property
    @override
    def unit(self) -> str | None:
        return self.own_unit


def companion_key(entity_id: str, unit: str | None) -> str:
    """Return the key of an entity in the journal; no point of a heat pump has a colon in its key."""
    return f"{NAME}:{entity_id}:{unit or ''}"


def companion_of(key: str) -> tuple[str, str | None] | None:
    """Return entity id and unit of such a key; ``None``: it is that of a point."""
    name, colon, rest = key.partition(":")
    if name != NAME or not colon:
        return None
    entity_id, _, unit = rest.partition(":")
    return entity_id, unit or None


def companion_labels(
    entity_id: str, unit: str | None, by_rules: Mapping[str, str]
) -> dict[str, str]:
    """Return the labels of an entity; one without a unit has no such label."""
    return {"entity_id": entity_id, **({"unit": unit} if unit else {}), **by_rules}


def with_companions(naming: Naming) -> Naming:
    """Return what names companions as such, and points as they were."""

    def name(point: Point) -> Series:
        if isinstance(point, CompanionPoint):
            return Series(name=SERIES, labels=point.labels, decimals=point.decimals)
        return naming(point)

    return name
