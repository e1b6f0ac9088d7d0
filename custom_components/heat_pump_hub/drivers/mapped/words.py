"""The words of a register map: tables, types, units, and names in several languages."""

from collections.abc import Mapping
import re
from types import MappingProxyType
from typing import Final

import yaml  # type: ignore[import-untyped]

from ..link import Table
from ..modbus import Codec
from ..points import Quantity
from .nodes import Fields, Problems, scalar
from .sentences import said

SLUG: Final = re.compile(r"[a-z](?:[a-z0-9_]{0,62}[a-z0-9])?")
TABLES: Final[Mapping[str, Table]] = MappingProxyType({"input": "input", "holding": "holding"})
TYPES: Final[Mapping[str, Codec]] = MappingProxyType(
    {
        "u8": Codec.UINT8,
        "s8": Codec.INT8,
        "u16": Codec.UINT16,
        "s16": Codec.INT16,
        "u32": Codec.UINT32,
        "s32": Codec.INT32,
        "f32": Codec.FLOAT32,
    }
)
WORD_ORDERS: Final[Mapping[str, bool]] = MappingProxyType({"high_first": True, "low_first": False})
_LANGUAGES: Final = re.compile(r"[a-z]{2}(?:-[A-Za-z]{2,4})?")


def _units(quantity: Quantity, **factors: float) -> dict[str, tuple[Quantity, float, float]]:
    return {unit: (quantity, factor, 0.0) for unit, factor in factors.items()}


UNITS: Final[Mapping[str, tuple[Quantity, float, float]]] = MappingProxyType(
    {
        "°C": (Quantity.TEMPERATURE, 1.0, 0.0),
        "°F": (Quantity.TEMPERATURE, 5 / 9, -160 / 9),
        "m³/h": (Quantity.FLOW_RATE, 1000 / 60, 0.0),
        "m3/h": (Quantity.FLOW_RATE, 1000 / 60, 0.0),
        "l/min": (Quantity.FLOW_RATE, 1.0, 0.0),
        "L/min": (Quantity.FLOW_RATE, 1.0, 0.0),
        "l/h": (Quantity.FLOW_RATE, 1 / 60, 0.0),
        "l/s": (Quantity.FLOW_RATE, 60.0, 0.0),
        "%": (Quantity.RATIO, 1.0, 0.0),
        "%RH": (Quantity.HUMIDITY, 1.0, 0.0),
        "1/min": (Quantity.ROTATION, 1.0, 0.0),
        "EUR/MWh": (Quantity.PRICE, 1.0, 0.0),
        **_units(Quantity.TEMPERATURE_DIFFERENCE, K=1.0),
        **_units(Quantity.PRESSURE, bar=1.0, mbar=0.001, Pa=1e-5, hPa=0.001, kPa=0.01, MPa=10.0),
        **_units(Quantity.FREQUENCY, Hz=1.0),
        **_units(Quantity.ROTATION, rpm=1.0),
        **_units(Quantity.POWER, W=1.0, kW=1000.0),
        **_units(Quantity.ENERGY, Wh=0.001, kWh=1.0, MWh=1000.0),
        **_units(Quantity.VOLTAGE, V=1.0, mV=0.001),
        **_units(Quantity.CURRENT, A=1.0, mA=0.001),
        **_units(Quantity.DURATION, s=1 / 3600, min=1 / 60, h=1.0, d=24.0),
    }
)
"""Units: quantity, and what turns a number into the unit it has here (times, plus)."""

QUANTITIES: Final[Mapping[str, Quantity]] = MappingProxyType(
    {
        str(quantity): quantity
        for quantity in (
            Quantity.COUNT,
            Quantity.FACTOR,
            Quantity.CODE,
            Quantity.HUMIDITY,
            Quantity.BATTERY,
            Quantity.RATIO,
        )
    }
)
"""Quantities that a unit does not tell."""


def names(fields: Fields, name: str, problems: Problems) -> Mapping[str, str] | None:
    """Return a name by language; ``""``: one name for all languages."""
    node = fields.take(name)
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        text = scalar(node)
        found = {} if text is None or not text.strip() or len(text) > 80 else {"": text.strip()}
    else:
        found = {}
        inner = Fields(node, said("what_field", name=name), problems)
        for language, key, value in inner.rest():
            text = scalar(value)
            if not _LANGUAGES.fullmatch(language):
                problems.add(key, said("field_language", language=language))
            elif text is not None and text.strip() and len(text) <= 80:
                found[language] = text.strip()
    if not found:
        problems.add(node, said("field_names", name=name))
        return None
    return MappingProxyType(found)
