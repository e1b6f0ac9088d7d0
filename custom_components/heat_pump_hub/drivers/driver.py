"""What every heat pump driver offers, and the errors it raises."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .points import Point, Snapshot, Tier, Value


class DriverError(Exception):
    """Base of every error a driver raises."""


class LinkError(DriverError):
    """The heat pump cannot be talked to."""


class NameNotFoundError(LinkError):
    """The host name does not resolve."""


class LinkRefusedError(LinkError):
    """Nothing accepts connections at that address and port."""


class NoAnswerError(LinkError):
    """The other side accepts a connection or a request, and stays silent."""


class LinkLostError(LinkError):
    """The connection broke."""


class WrongProtocolError(LinkError):
    """What answers does not speak the protocol (a web server on the port)."""


class WrongUnitError(DriverError):
    """A gateway answers, but no device with that unit number."""


class NotThisFamilyError(DriverError):
    """The device answers, but is not a heat pump of this family."""


class UnsupportedModelError(DriverError):
    """A heat pump of this maker, but of a generation with another register map."""


class OtherMachineError(DriverError):
    """A heat pump answers, but not the one that its owner confirmed."""


class RefusedError(DriverError):
    """The device refused a request; ``code`` is its reason."""

    def __init__(self, message: str, code: int | None = None) -> None:
        """Keep the protocol's exception code, where there is one."""
        super().__init__(message)
        self.code = code


class WriteBlockedError(RefusedError):
    """The driver sends no write, as the device's firmware might not bear it."""

    def __init__(self, message: str, firmware: str | None) -> None:
        """Keep the firmware that restarts on a write; ``None``: it is not known."""
        super().__init__(message)
        self.firmware = firmware


class BusyError(DriverError):
    """The device is busy (Modbus 5, 6) or its gateway could not reach it (10, 11)."""


type Fingerprint = Mapping[str, float | str]
"""What tells a machine from another one: codes as text, and counters that never fall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a heat pump is reached."""

    host: str
    port: int
    unit: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What one heat pump consists of, as found by probing and confirmed by the owner."""

    circuits: tuple[str, ...] = ()
    """``a``..``g``."""
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Zone ``1``..``10`` to its rooms ``1``..``8``."""
    features: frozenset[str] = frozenset()
    """Optional blocks of the register map that this machine answers."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "circuits": list(self.circuits),
            "zones": {zone: list(rooms) for zone, rooms in self.zones.items()},
            "features": sorted(self.features),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layout:
        """Restore what :meth:`to_json` returned."""
        return cls(
            circuits=tuple(data.get("circuits", ())),
            zones={zone: tuple(rooms) for zone, rooms in data.get("zones", {}).items()},
            features=frozenset(data.get("features", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered."""

    manufacturer: str
    model: str
    layout: Layout
    serial: str | None = None
    firmware: str | None = None
    fingerprint: Fingerprint = field(default_factory=dict)
    """Where there is no serial: what tells this machine from another one."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Counters of one link since it was opened; for diagnostics and benches."""

    requests: int = 0
    connects: int = 0
    refused: int = 0
    failures: int = 0


class Driver(Protocol):
    """One heat pump behind one link. Every call takes the link's lock."""

    points: Mapping[str, Point]
    """Every served point by key, fixed for the life of the driver."""

    @property
    def traffic(self) -> Traffic:
        """Counters of the link."""
        ...

    @property
    def learned_version(self) -> int:
        """Grows whenever :meth:`learned` has something worth saving."""
        ...

    def expect(self, fingerprint: Fingerprint) -> None:
        """Read and write only the machine of this fingerprint.

        What answers behind a new connection is compared before anything is shown of it;
        everything raises :class:`OtherMachineError` until the machine is the right one.
        """
        ...

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll all points of these tiers.

        Raises :class:`LinkError` if nothing could be read, :class:`BusyError` or
        :class:`RefusedError` if the device refused everything,
        :class:`OtherMachineError` if another machine answers.
        """
        ...

    async def read_point(self, key: str) -> Value | None:
        """Read one point now; ``None`` if the device has no value for it.

        Raises :class:`DriverError`.
        """
        ...

    async def write(self, key: str, value: Value) -> None:
        """Write one point, in the point's unit, once, unchecked: the write guard's job.

        Raises :class:`RefusedError` if the device refused, else :class:`DriverError`.
        """
        ...

    def register(self, key: str) -> tuple[str, int]:
        """Return table and address of a point: what a write wears out."""
        ...

    def learned(self) -> dict[str, Any]:
        """Return what was learned about this device, JSON-able; pass it to the next driver."""
        ...

    def report(self) -> dict[str, Any]:
        """Return quarantine, plan and link state for diagnostics, JSON-able."""
        ...

    async def close(self) -> None:
        """Close the link; nothing stays open behind it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One heat pump family: how to recognise it and how to drive it."""

    key: str
    """``idm``; also the option in the config flow."""
    manufacturer: str
    port: int
    unit: int
    interval: int
    """Default poll interval, seconds."""
    probe: Callable[[Address], Awaitable[Identity]]
    """Read-only look at a device; raises :class:`DriverError`; leaves nothing open."""
    create: Callable[[Address, Layout, Mapping[str, Any] | None], Driver]
    """Make a driver (no I/O yet); the last argument is what :meth:`Driver.learned` returned."""
    circuits: tuple[str, ...] = ()
    """Those a register map knows; of other families the config flow knows them."""
    read_back: tuple[float, ...] = (1.0, 3.0, 8.0, 20.0)
    """Seconds after a write at which its value is read back."""
