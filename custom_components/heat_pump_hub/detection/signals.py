"""What the detector is told about a signal, and what it derives from that."""

from dataclasses import dataclass
from enum import StrEnum
import re
from typing import Final

from ..drivers.points import Kind


@dataclass(frozen=True, slots=True)
class Signal:
    """One value of a heat pump.

    ``kind`` is ``analog``, ``setpoint``, ``state`` or ``counter`` (a
    :class:`~..drivers.points.Kind` is one of these strings); ``minimum`` and
    ``maximum`` are its physical limits in ``unit``.
    """

    key: str
    kind: str
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None

    @property
    def analog(self) -> bool:
        """Whether this is a measured value; only those are watched."""
        return self.kind == Kind.ANALOG

    @property
    def manifest(self) -> list[str | None]:
        """What must be equal for learned numbers to stay valid: kind and unit."""
        return [str(self.kind), self.unit]


class Role(StrEnum):
    """What an unchanged value of an analog signal means."""

    SENSOR = "sensor"
    """Moves at all times: temperatures, pressures, humidities, the mains voltage."""
    FLOWING = "flowing"
    """Moves while the compressor runs, rests at one value else: power, flow."""
    PASSIVE = "passive"
    """May rest for ever: actuators, derived values, inputs of the owner, unknown units."""


_EXTERNAL: Final = frozenset(
    {
        "pv_surplus",
        "pv_production",
        "house_consumption",
        "battery_power",
        "battery_discharge_power",
        "battery_soc",
        "battery_state_of_charge",
        "power_limit",
        "electricity_price",
    }
)
"""What an owner feeds in, or what is none of the machine's sensors."""

_PASSIVE_KEY: Final = re.compile(
    r"(^|_)(cop|average|averaged|setpoint|target|superheat|subcooling|thermal_power|spread|position"
    r"|speed|demand|request|limit|slope|shift|setback|heater_power|curve)(_|$)"
)

_UNITS: Final[dict[str, Role]] = {
    "°C": Role.SENSOR,
    "°F": Role.SENSOR,
    "bar": Role.SENSOR,
    "mbar": Role.SENSOR,
    "kPa": Role.SENSOR,
    "Pa": Role.SENSOR,
    "V": Role.SENSOR,
    "W": Role.FLOWING,
    "kW": Role.FLOWING,
    "L/min": Role.FLOWING,
    "l/min": Role.FLOWING,
    "L/h": Role.FLOWING,
    "l/h": Role.FLOWING,
    "m³/h": Role.FLOWING,
}

_KEYS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), unit)
    for pattern, unit in (
        (r"temperature", "°C"),
        (r"pressure", "bar"),
        (r"humidity", "%"),
        (r"voltage", "V"),
        (r"current", "A"),
        (r"power", "W"),
        (r"flow_rate", "L/min"),
        (r"frequency", "Hz"),
        (r"fan_speed", "rpm"),
        (r"position|speed", "%"),
    )
)
"""The vocabulary's unit of a key whose unit was not told."""

_KEY_LIMITS: Final[tuple[tuple[re.Pattern[str], str, float, float], ...]] = tuple(
    (re.compile(pattern), unit, low, high)
    for pattern, unit, low, high in (
        (r"solar|collector", "°C", -60.0, 300.0),
        (r"hot_gas|discharge", "°C", -50.0, 200.0),
        (r"outdoor|air_intake|ambient", "°C", -60.0, 70.0),
        (r"room", "°C", -30.0, 70.0),
        (r"evaporation|suction", "°C", -70.0, 90.0),
        (r"condensation|inverter", "°C", -50.0, 130.0),
        (r"source|brine|groundwater", "°C", -45.0, 80.0),
        (r"flow|return|dhw|buffer|storage", "°C", -40.0, 120.0),
        (r"system_pressure|water_pressure", "bar", -0.5, 12.0),
        (r"humidity", "%", 0.0, 100.5),
        (r"(^|_)cop(_|$)", "", -30.0, 40.0),
    )
)

_UNIT_LIMITS: Final[dict[str, tuple[float, float]]] = {
    "°C": (-80.0, 300.0),
    "°F": (-110.0, 570.0),
    "K": (-150.0, 150.0),
    "bar": (-1.1, 160.0),
    "Hz": (-1.0, 500.0),
    "rpm": (-1.0, 30_000.0),
    "%": (-100.5, 201.0),
    "L/min": (-5.0, 1_500.0),
    "l/min": (-5.0, 1_500.0),
    "L/h": (-300.0, 90_000.0),
    "l/h": (-300.0, 90_000.0),
    "m³/h": (-1.0, 200.0),
    "W": (-200_000.0, 500_000.0),
    "kW": (-200.0, 500.0),
    "V": (-1.0, 600.0),
    "A": (-300.0, 300.0),
}

SENTINELS: Final = frozenset(
    {
        -32768.0,
        32767.0,
        65535.0,
        -3276.8,
        3276.7,
        6553.5,
        -327.68,
        327.67,
        655.35,
        -999.9,
        -999.0,
        999.9,
        -9999.0,
        9999.0,
        -127.0,
        2147483647.0,
        -2147483648.0,
    }  # fmt: skip
)
"""Numbers that controllers send for a sensor that is broken or not fitted."""


def unit_of(signal: Signal) -> str | None:
    """Return the unit, from the key where it was not told; ``None`` if neither says."""
    if signal.unit is not None:
        return signal.unit
    return next((unit for pattern, unit in _KEYS if pattern.search(signal.key)), None)


def role_of(signal: Signal) -> Role:
    """Return what it means when the signal rests."""
    if not signal.analog or signal.key in _EXTERNAL or _PASSIVE_KEY.search(signal.key):
        return Role.PASSIVE
    unit = unit_of(signal)
    if unit == "%" and "humidity" in signal.key:
        return Role.SENSOR
    return _UNITS.get(unit or "", Role.PASSIVE)


def limits_of(signal: Signal) -> tuple[float, float]:
    """Return lowest and highest plausible value, in the signal's unit.

    A limit of the signal itself wins over the default of its key, that over the
    default of its unit. Unknown units have infinite limits.
    """
    unit = unit_of(signal)
    low, high = _UNIT_LIMITS.get(unit or "", (float("-inf"), float("inf")))
    for pattern, of_unit, key_low, key_high in _KEY_LIMITS:
        if of_unit in ("", unit) and pattern.search(signal.key):
            low, high = key_low, key_high
            break
    if signal.minimum is not None:
        low = signal.minimum
    if signal.maximum is not None:
        high = signal.maximum
    return (low, high) if low < high else (float("-inf"), float("inf"))


def sentinels_of(signal: Signal) -> frozenset[float]:
    """Return the values that mean "no sensor" although the limits allow them.

    Only where nothing is known about the range: 327.67 A may be a real current.
    """
    known = signal.minimum is not None or signal.maximum is not None or unit_of(signal) is not None
    return frozenset() if known else SENTINELS
