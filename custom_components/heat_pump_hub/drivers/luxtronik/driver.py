"""The driver of heat pumps with a Luxtronik 2.0 or 2.1 controller."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from ..derived import COP
from ..driver import (
    Address,
    BusyError,
    DriverError,
    Fingerprint,
    Identity,
    Layout,
    NotThisFamilyError,
    Traffic,
    WriteBlockedError,
)
from ..points import Failure, Point, Snapshot, Tier, Value
from ..recognition import known, recognise
from . import codes, derived
from .firmware import SHI_SINCE, Controller, Version, firmware, version
from .points import Register, Table
from .protocol import TIMEOUT, Command, Link
from .readout import Readout
from .shi import look_for
from .table import registers

MANUFACTURER: Final = "Alpha Innotec"
"""Whose controller it is; Novelan, Roth, Bosch and others sell the same."""

_BRANDS: Final = {"Novelan": ("BW", "LA", "LD", "LI", "SI", "ZLW")}
"""How the types of other brands begin, by field notes."""

CIRCUITS: Final = "abc"
"""The mixing circuits 1, 2 and 3."""

_COMMANDS: Final = {
    Table.CALCULATION: Command.CALCULATIONS,
    Table.PARAMETER: Command.PARAMETERS,
}
_SERIAL: Final = (874, 875, 876)
_MODEL_2: Final = 230
_RUN_TIME: Final = 63
_HEAT: Final = (151, 152)
_MIXER_TYPES: Final = (42, 130, 780)
_MIXER_SHOWN: Final = (7, 8, 211)


class LuxtronikDriver:
    """One Luxtronik controller."""

    def __init__(
        self,
        address: Address,
        layout: Layout,
        learned: Mapping[str, Any] | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare the points; nothing is opened before the first read."""
        self._link = Link(address)
        self._now = now
        self._controller = Controller.from_layout(layout)
        learned = learned or {}
        found = learned.get("firmware")
        if isinstance(found, str) and version(found) is not None:
            self._controller = self._controller.with_firmware(found)
        kept = learned.get("seen")
        self._seen = (
            {key for key in kept if isinstance(key, str)} if isinstance(kept, list) else set()
        )
        self._saved = len(self._seen)
        self._learned_version = 0
        self._identified = 0
        self.serial: str | None = None
        """The serial number as the last poll of the settings found it."""
        self._readouts = {table: Readout(self._seen) for table in Table}
        self._registers: dict[str, Register] = {}
        self._keys: dict[Table, frozenset[str]] = {}
        self._bind()
        metered = "heating_electrical_energy" in self._registers
        powers = {"electrical_power", "thermal_power"} <= self._registers.keys()
        self.points: Mapping[str, Point] = {
            **{key: register.point for key, register in self._registers.items()},
            **{point.key: point for point in derived.POINTS},
            **({point.key: point for point in derived.METERED} if metered else {}),
            **({COP.key: COP} if powers else {}),
        }
        self._doubted: set[str] = set()

    def _bind(self) -> None:
        """Lay out the tables for the firmware that is known."""
        self._registers = {register.point.key: register for register in registers(self._controller)}
        for table, readout in self._readouts.items():
            of_table = [r for r in self._registers.values() if r.table is table]
            self._keys[table] = frozenset(register.point.key for register in of_table)
            readout.bind(of_table)

    @property
    def traffic(self) -> Traffic:
        """Counters of the link."""
        return self._link.traffic

    @property
    def version(self) -> Version | None:
        """The firmware's version, once it is known."""
        return self._controller.version

    def expect(self, fingerprint: Fingerprint) -> None:
        """Read and write only the machine of this fingerprint."""
        self._link.greet = partial(recognise, fingerprint, self._look) if fingerprint else None

    async def _look(self, expected: Fingerprint) -> Fingerprint:
        """Read the serial number, or the counters where there is none."""
        if "serial" in expected:
            return known({"serial": serial(await self._link.read(Command.PARAMETERS))})
        return _counters(await self._link.read(Command.CALCULATIONS))

    async def read(self, tiers: Iterable[Tier]) -> Snapshot:
        """Poll these tiers: one command each. Raises as :meth:`..driver.Driver.read`."""
        asked = frozenset(tiers)
        values: dict[str, Value] = {}
        failed: dict[str, Failure] = {}
        unknown: dict[str, int] = {}
        async with self._link.session():
            time = self._now()
            if Tier.MEASUREMENT in asked:
                await self._fetch(Table.CALCULATION)
                self._collect(Table.CALCULATION, values, failed, unknown)
            if Tier.SETTING in asked:
                try:
                    await self._identify()
                    await self._fetch(Table.PARAMETER)
                except DriverError as err:
                    if Tier.MEASUREMENT not in asked:
                        raise
                    why = Failure.BUSY if isinstance(err, BusyError) else Failure.NO_ANSWER
                    failed.update(dict.fromkeys(self._keys[Table.PARAMETER], why))
                else:
                    self._collect(Table.PARAMETER, values, failed, unknown)
                    derived.derive_metered(values)
        if Tier.MEASUREMENT in asked:
            derived.derive(
                values,
                self.version,
                self._readouts[Table.CALCULATION],
                self._readouts[Table.PARAMETER],
            )
        if len(self._seen) != self._saved:
            self._saved = len(self._seen)
            self._learned_version += 1
        return Snapshot(time=time, values=values, failed=failed, unknown_codes=unknown, tiers=asked)

    def _collect(
        self,
        table: Table,
        values: dict[str, Value],
        failed: dict[str, Failure],
        unknown: dict[str, int],
    ) -> None:
        readout = self._readouts[table]
        values.update(readout.values)
        unknown.update(readout.unknown)
        failed.update(dict.fromkeys(readout.implausible, Failure.IMPLAUSIBLE))
        failed.update(dict.fromkeys(readout.missing, Failure.REFUSED))

    async def _fetch(self, table: Table) -> None:
        """Read a table; once more where physics forbids a value it had not forbidden before."""
        readout = self._readouts[table]
        readout.update(await self._link.read(_COMMANDS[table]))
        if not readout.implausible.keys() <= self._doubted:
            readout.update(await self._link.read(_COMMANDS[table]))
        self._doubted -= self._keys[table]
        self._doubted |= readout.implausible.keys()
        if table is Table.CALCULATION:
            self._recognise(firmware(readout.raw))
        else:
            self.serial = serial(readout.raw)

    def _recognise(self, found: str | None) -> None:
        """Take note of the firmware behind this connection."""
        self._identified = self._link.generation
        if found is not None and found != self._controller.firmware:
            self._controller = self._controller.with_firmware(found)
            self._bind()
            self._learned_version += 1

    async def _identify(self) -> None:
        """Know the firmware behind this connection: where settings lie depends on it."""
        await self._link.open()
        if self._identified != self._link.generation:
            await self._fetch(Table.CALCULATION)

    async def read_point(self, key: str) -> Value | None:
        """Read one point now, with the table it lies in. Raises :class:`DriverError`."""
        point = self.points[key]
        async with self._link.session():
            if point.tier is Tier.SETTING:
                await self._identify()
                await self._fetch(Table.PARAMETER)
                values = dict(self._readouts[Table.PARAMETER].values)
                derived.derive_metered(values)
                return values.get(key)
            await self._fetch(Table.CALCULATION)
            readout = self._readouts[Table.CALCULATION]
            values = dict(readout.values)
            derived.derive(values, self.version, readout, self._readouts[Table.PARAMETER])
            return values.get(key)

    async def write(self, key: str, value: Value) -> None:
        """Write one parameter; the answer confirms no value: read it back.

        Raises :class:`WriteBlockedError` on a firmware that would restart, else
        :class:`DriverError`.
        """
        async with self._link.session():
            await self._identify()
            if self.version is None:
                raise WriteBlockedError("the firmware is not known: a write might restart it", None)
            if self.version.restarts_on_write:
                name = self._controller.firmware
                raise WriteBlockedError(
                    f"firmware {name} restarts the heat pump on every write", name
                )
            # the firmware may just have changed where it lies
            register = self._registers[key]
            await self._link.write(register.index, register.encode(value))

    def register(self, key: str) -> tuple[str, int]:
        """Return table and index of a point."""
        register = self._registers[key]
        return register.table, register.index

    def learned(self) -> dict[str, Any]:
        """Return the firmware that was found, and the sensors that showed a value."""
        return {"firmware": self._controller.firmware, "seen": sorted(self._seen)}

    @property
    def learned_version(self) -> int:
        """Grows whenever :meth:`learned` has something new."""
        return self._learned_version

    def report(self) -> dict[str, Any]:
        """Return firmware, sizes and traffic for diagnostics; no raw block, no serial number."""
        traffic = self.traffic
        return {
            "firmware": self._controller.firmware,
            "writes_blocked": self.version is not None and self.version.restarts_on_write,
            "counts": {str(table): len(r.raw) for table, r in self._readouts.items()},
            "missing": sorted(frozenset().union(*(r.missing for r in self._readouts.values()))),
            "implausible": sorted(self._doubted),
            "learned": self.learned(),
            "requests": traffic.requests,
            "connects": traffic.connects,
            "failures": traffic.failures,
        }

    async def close(self) -> None:
        """Close the link."""
        await self._link.close()


def serial(parameters: tuple[int, ...]) -> str | None:
    """Return the serial number: date, model part (hexadecimal) and index."""
    if len(parameters) <= _SERIAL[-1]:
        return None
    date, kind, index = (parameters[at] for at in _SERIAL)
    return f"{date}-{kind & 0xFFFFFFFF:x}-{index}" if date > 0 else None


async def probe(address: Address) -> Identity:
    """Look at a controller, read only, and say what it is.

    Three commands, and a look for the Smart Home Interface where the firmware may have
    one. Raises :class:`DriverError`: the precise reason, as a config flow shows it.
    """
    link = Link(address, timeout=TIMEOUT)
    try:
        async with link.session():
            calculations = await link.read(Command.CALCULATIONS)
            name = firmware(calculations)
            if name is None:
                raise NotThisFamilyError("no firmware in calculations 81 to 90: not a Luxtronik")
            parameters = await link.read(Command.PARAMETERS)
            visibilities = await link.read(Command.VISIBILITIES)
    finally:
        await link.close()
    found = version(name)
    shi = await look_for(address) if found is not None and found >= SHI_SINCE else None
    controller = Controller(
        firmware=name,
        calculations=len(calculations),
        parameters=len(parameters),
        circuits=circuits(parameters, visibilities),
        shi=shi,
    )
    number = serial(parameters)
    model = _model(calculations)
    return Identity(
        manufacturer=brand(model),
        model=model,
        layout=Layout(circuits=controller.circuits, features=frozenset(controller.features())),
        serial=number,
        firmware=name,
        fingerprint={} if number is not None else _fingerprint(calculations),
    )


def brand(model: str) -> str:
    """Return whose name is on the case, as far as the type tells."""
    for name, beginnings in _BRANDS.items():
        if model.startswith(beginnings):
            return name
    return MANUFACTURER


def circuits(parameters: tuple[int, ...], visibilities: tuple[int, ...]) -> tuple[str, ...]:
    """Return the mixing circuits: configured, or shown on the controller's panel."""
    return tuple(
        circuit
        for circuit, kind, shown in zip(CIRCUITS, _MIXER_TYPES, _MIXER_SHOWN, strict=True)
        if (kind < len(parameters) and parameters[kind])
        or (shown < len(visibilities) and visibilities[shown])
    )


def _model(calculations: tuple[int, ...]) -> str:
    code = calculations[derived.MODEL]
    model = codes.MODELS.get(code, f"Luxtronik {code}")
    second = calculations[_MODEL_2] if len(calculations) > _MODEL_2 else 0
    return f"{model} + {codes.MODELS.get(second, str(second))}" if second else model


def _fingerprint(calculations: tuple[int, ...]) -> dict[str, float | str]:
    """Return the model, and counters that never fall on the same machine."""
    return {"model": _model(calculations), **_counters(calculations)}


def _counters(calculations: tuple[int, ...]) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    if len(calculations) > _HEAT[-1]:
        found["operating_hours"] = round(calculations[_RUN_TIME] / 3600, 1)
        found["thermal_energy"] = round(sum(calculations[at] for at in _HEAT) / 10, 1)
    return found
