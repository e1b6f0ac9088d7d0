"""A heat pump in a real Home Assistant behind a proxy that makes every fault of a link."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
import logging
from pathlib import Path
from typing import Any, Final, Self, override
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.const import CONF_MAP, FAMILY_MAP
from custom_components.heat_pump_hub.coordinator import Absent, HeatPumpCoordinator
from custom_components.heat_pump_hub.discovery import async_family, fingerprint
from custom_components.heat_pump_hub.drivers import link
from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.luxtronik import protocol, shi
from custom_components.heat_pump_hub.drivers.nibe import NibeDriver
from custom_components.heat_pump_hub.drivers.points import Value
from custom_components.heat_pump_hub.map_files import folder
from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine, DaikinServer
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.idm_values import IdmMachine
from custom_components.heat_pump_hub.simulator.lambda_pump import LambdaServer
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame
from custom_components.heat_pump_hub.simulator.luxtronik_shi import port_beside
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

MAP: Final = "rig.yaml"
MAP_TEXT: Final = """
map: 1
extends: lambda.yaml
spacing: 0
detect:
  - {address: 2, type: s16, min: -500, max: 800}
  - {address: 1003, type: u16, max: 30}
  - {address: 1022, type: s32, min: 0, fingerprint: rising}
"""
"""The shipped map without its pauses, and the counter of heat, which tells one of our machines
from another."""


def younger(model: HeatPumpModel) -> HeatPumpModel:
    """Return a machine whose counters have not come as far."""
    model.compressor_starts = 10
    model.thermal_energy = dict.fromkeys(model.thermal_energy, 1.0)
    return model


def _luxtronik(
    model: HeatPumpModel, *, serial: int = 7, shi: bool = False, **options: Any
) -> LuxtronikServer:
    firmware = "V3.92.0" if shi else "V3.90.1"
    machine = LuxtronikMachine(serial=(200_114, 0x0C3A, serial), firmware=firmware, shi=shi)
    return LuxtronikServer(model, machine, **options)


@dataclass(frozen=True, slots=True)
class Kind:
    """A column of the matrix: a family, and which of its ways a fault befalls."""

    family: str
    server: Callable[..., Any]
    """Of the machine that was set up."""
    other: Callable[..., Any]
    """Of the machine that gets its address."""
    ways: int = 1
    befallen: frozenset[int] = frozenset({0})
    """Which ways: 0 is the family's own protocol, 1 the Smart Home Interface."""


KINDS: Final[dict[str, Kind]] = {
    "idm": Kind(
        "idm", IdmServer, lambda model, **more: IdmServer(model, IdmMachine(circuits="A"), **more)
    ),
    "nibe": Kind("nibe", NibeServer, lambda model, **more: NibeServer(younger(model), **more)),
    "daikin": Kind(
        "daikin",
        DaikinServer,
        lambda model, **more: DaikinServer(model, DaikinMachine(additional=False), **more),
    ),
    "luxtronik": Kind("luxtronik", _luxtronik, partial(_luxtronik, serial=8)),
    "lux_shi": Kind(
        "luxtronik",
        partial(_luxtronik, shi=True),
        partial(_luxtronik, shi=True, serial=8),
        ways=2,
        befallen=frozenset({1}),
    ),
    "lux_both": Kind(
        "luxtronik",
        partial(_luxtronik, shi=True),
        partial(_luxtronik, shi=True, serial=8),
        ways=2,
        befallen=frozenset({0, 1}),
    ),
    "map": Kind(
        FAMILY_MAP, LambdaServer, lambda model, **more: LambdaServer(younger(model), **more)
    ),
}
SINGLE: Final = tuple(key for key, kind in KINDS.items() if kind.ways == 1)
"""The columns of one way."""
FAULTY_POLLS: Final = 3
MOST_POLLS: Final = 6
_LOGGER: Final = "custom_components.heat_pump_hub"
_MODBUS_ONLY: Final = {
    Fault.WRONG_TRANSACTION,
    Fault.WRONG_UNIT,
    Fault.WRONG_FUNCTION,
    Fault.SHORT,
}


@contextmanager
def short_timeouts(seconds: float) -> Iterator[None]:
    """Make silence short, and leave out NIBE's pauses."""
    with (
        patch.object(link.Link.__init__, "__kwdefaults__", {"timeout": seconds}),
        patch.object(protocol.Link.__init__, "__kwdefaults__", {"timeout": seconds}),
        patch.object(shi, "TIMEOUT", seconds),
        patch.dict(NibeDriver.__init__.__kwdefaults__ or {}, {"spacing": 0.0}),
    ):
        yield


class Lines(logging.Handler):
    """Counts what an owner reads in the log about a heat pump, and tracebacks."""

    def __init__(self) -> None:
        """Listen to the integration and to the libraries below it."""
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.tracebacks = 0
        self._loggers = [logging.getLogger(name) for name in (_LOGGER, "pymodbus", "asyncio")]
        self._levels = [logger.level for logger in self._loggers]

    def __enter__(self) -> Self:
        """Begin."""
        for logger in self._loggers:
            logger.addHandler(self)
        self._loggers[0].setLevel(logging.INFO)
        self._loggers[1].setLevel(logging.WARNING)
        self._loggers[2].setLevel(logging.WARNING)
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.removeHandler(self)
            logger.setLevel(level)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        # a busy test machine, and what is not about the link
        if message.startswith("Executing ") or ": the detector learned " in message:
            return
        self.tracebacks += record.exc_info is not None
        self.lines.append(message)


class Proxies:
    """The proxies of the ways a fault befalls, switched together."""

    def __init__(self, proxies: Sequence[FaultProxy]) -> None:
        """Switch these."""
        self.each = tuple(proxies)

    def set_fault(self, fault: Fault) -> None:
        """Let it happen to every request from now on."""
        for proxy in self.each:
            proxy.fault = fault

    def set_edit(self, edit: Callable[[bytes], bytes]) -> None:
        """Change every answer."""
        for proxy in self.each:
            proxy.edit = edit

    def one_shot(self, fault: Fault, request: int) -> None:
        """Let it happen once, to the request of that number, on each way."""
        for proxy in self.each:
            proxy.one_shot(fault, request)

    def clear(self) -> None:
        """End every fault."""
        for proxy in self.each:
            proxy.clear()

    async def pause(self) -> None:
        """Refuse connections."""
        for proxy in self.each:
            await proxy.pause()

    async def resume(self) -> None:
        """Take connections again."""
        for proxy in self.each:
            await proxy.resume()


@dataclass(slots=True)
class Rig:
    """One heat pump, its address, and what it shows when nothing is wrong."""

    key: str
    server: Any
    other: Any
    """Another machine of the same family."""
    proxies: tuple[FaultProxy, ...]
    """In front of each way."""
    entry: MockConfigEntry
    truth: dict[str, Value]
    befallen: Proxies
    ways: list[frozenset[str]] = field(default_factory=list)
    """Of a machine with two ways: the points of each that a fault befalls."""

    @property
    def proxy(self) -> FaultProxy:
        """In front of the family's own way."""
        return self.proxies[0]

    @property
    def coordinator(self) -> HeatPumpCoordinator:
        """What polls it."""
        found: HeatPumpCoordinator = self.entry.runtime_data.coordinator
        return found

    @property
    def down(self) -> bool:
        """Whether nothing is shown of the machine, or of a way that the fault befalls."""
        if not self.coordinator.last_update_success:
            return True
        shown = self.coordinator.shown
        missing = Absent.NO_ANSWER
        return any(all(shown.get(key, missing) is missing for key in keys) for keys in self.ways)

    @property
    def connections(self) -> int:
        """Most connections open now on one way."""
        return max(proxy.connections for proxy in self.proxies)

    async def poll(self) -> bool:
        """Poll once, everything; return whether all that is shown is whole and true."""
        coordinator = self.coordinator
        coordinator._settings_due = True  # noqa: SLF001 - a full poll on demand
        await coordinator.async_refresh()
        return coordinator.last_update_success and coordinator.values == self.truth

    def wrong(self) -> dict[str, object]:
        """Return what is shown now and is not true."""
        shown = self.coordinator.shown
        return {
            key: value
            for key, value in shown.items()
            if value is not Absent.NO_ANSWER and self.truth.get(key) != value
        }

    async def give_to(self, server: Any) -> None:
        """Give the address to a machine."""
        for proxy, port in zip(self.proxies, _ports(server, len(self.proxies)), strict=True):
            proxy.target = ("127.0.0.1", port)
            await proxy.drop_all()


def _ports(server: Any, ways: int) -> list[int]:
    return [server.port, port_beside(server.port)][:ways]


async def _start(server: Any, ways: int) -> tuple[FaultProxy, ...]:
    """Start a server and the proxies in front of it, whose ports are as its own: in a row."""
    await server.start()
    lux = isinstance(server, LuxtronikServer)
    targets = _ports(server, ways)
    for _ in range(20):
        first = FaultProxy("127.0.0.1", targets[0], frame=luxtronik_frame if lux else modbus_frame)
        port = await first.start()
        if ways == 1:
            return (first,)
        beside = FaultProxy("127.0.0.1", targets[1], port=port_beside(port))
        try:
            await beside.start()
        except OSError:
            await first.stop()
            continue
        return first, beside
    raise OSError("no two free ports in a row")


def _write_map(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / MAP).write_text(MAP_TEXT, "utf-8")


@asynccontextmanager
async def rig(
    hass: HomeAssistant, key: str, *, interval: float = 3600.0, speed: float = 0.0
) -> AsyncIterator[Rig]:
    """Set one heat pump up as the config flow does; with speed 0 every value has one truth."""
    chosen = KINDS[key]
    start = datetime(2026, 1, 15, tzinfo=UTC)
    server = chosen.server(HeatPumpModel(seed=3, start=start), speed=speed)
    other = chosen.other(HeatPumpModel(seed=4, start=start), speed=speed)
    proxies = await _start(server, chosen.ways)
    await other.start()
    name = MAP if chosen.family == FAMILY_MAP else ""
    if name:
        await asyncio.to_thread(_write_map, folder(hass))
    kind = await async_family(hass, chosen.family, name)
    port = proxies[0].port
    identity = await kind.probe(Address(host="127.0.0.1", port=port, unit=kind.unit))
    entry = MockConfigEntry(
        domain="heat_pump_hub",
        title=key,
        unique_id=f"rig_{key}",
        data={
            "family": chosen.family,
            "host": "127.0.0.1",
            "port": port,
            "unit": kind.unit,
            "identity": f"rig_{key}",
            "layout": identity.layout.to_json(),
            "fingerprint": fingerprint(identity),
            "manufacturer": identity.manufacturer,
            "model": identity.model,
            **({CONF_MAP: name} if name else {}),
        },
        options={"interval": interval},
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    befallen = Proxies([proxies[way] for way in sorted(chosen.befallen)])
    found = Rig(key, server, other, proxies, entry, {}, befallen)
    try:
        for _ in range(2):
            await found.poll()
        found.truth = dict(found.coordinator.values)
        if chosen.ways > 1:
            shi = getattr(found.coordinator.driver, "_shi").points  # noqa: B009 - which are whose
            own = found.truth.keys() - shi
            each = (frozenset(own), frozenset(found.truth.keys() & shi))
            found.ways = [each[way] for way in sorted(chosen.befallen)]
        yield found
    finally:
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)
        for proxy in proxies:
            await proxy.stop()
        await server.stop()
        await other.stop()


def refusing(code: int) -> Callable[[bytes], bytes]:
    """Return an edit that makes every Modbus answer an exception."""

    def edit(answer: bytes) -> bytes:
        return answer[:4] + b"\0\3" + bytes((answer[6], answer[7] | 0x80, code))

    return edit


def no_values(answer: bytes) -> bytes:
    """Return what a Luxtronik says that is still booting: a list of nothing."""
    head = 8 if answer[:4] == b"\0\0\x0b\xbc" else 4
    return answer[:head] + bytes(4)


class Case:
    """One fault: how it begins and how it ends."""

    def __init__(
        self,
        name: str,
        begin: Callable[[Rig], Awaitable[object] | None],
        end: Callable[[Rig], Awaitable[object] | None] = lambda rig: rig.befallen.clear(),
        polls: int = FAULTY_POLLS,
    ) -> None:
        """Begin and end it so; it lasts for ``polls``."""
        self.name = name
        self.begin = begin
        self.end = end
        self.polls = polls


async def _call(step: Callable[[Rig], Awaitable[object] | None], rig: Rig) -> None:
    if (pending := step(rig)) is not None:
        await pending


def cases(key: str, polls: int = FAULTY_POLLS) -> list[Case]:
    """Return every fault that can befall a family; what lasts does so for ``polls``."""
    befallen = KINDS[key].befallen
    modbus = KINDS[key].family != "luxtronik" or befallen == {1}

    def lasting(fault: Fault) -> Callable[[Rig], None]:
        return lambda rig: rig.befallen.set_fault(fault)

    def once(fault: Fault, request: int) -> Callable[[Rig], None]:
        return lambda rig: rig.befallen.one_shot(fault, request)

    def edit(change: Callable[[bytes], bytes]) -> Callable[[Rig], None]:
        return lambda rig: rig.befallen.set_edit(change)

    found = []
    for fault in Fault:
        if fault in _MODBUS_ONLY and not modbus:
            continue
        found.append(Case(f"{fault} for {polls} polls", lasting(fault), polls=polls))
        found.append(Case(f"{fault} once", once(fault, 2), polls=1))
    found.append(
        Case(
            "refuses connections",
            lambda rig: rig.befallen.pause(),
            lambda rig: rig.befallen.resume(),
        )
    )
    slots: list[asyncio.StreamWriter] = []

    async def take(rig: Rig) -> None:
        for proxy in rig.befallen.each:
            await proxy.drop_all()
            proxy.max_connections = 1
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            slots.append(writer)
        await asyncio.sleep(0.02)

    async def free(_rig: Rig) -> None:
        while slots:
            writer = slots.pop()
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.02)

    found.append(Case("slot taken by another client", take, free))
    found.append(
        Case(
            "a different machine at the address",
            lambda rig: rig.give_to(rig.other),
            lambda rig: rig.give_to(rig.server),
        )
    )
    if modbus:
        found += [
            Case("refuses everything (2), as while booting", edit(refusing(2))),
            Case("refuses everything (2) for one poll", edit(refusing(2)), polls=1),
            Case("no such function (1)", edit(refusing(1))),
            Case("failure (4)", edit(refusing(4))),
            Case("busy (6)", edit(refusing(6))),
            Case("gateway without path (10)", edit(refusing(10))),
            Case("gateway without target (11)", edit(refusing(11))),
        ]
    elif befallen == {0}:
        found.append(Case("no values yet, as while booting", edit(no_values)))
    return found


@dataclass(slots=True)
class Outcome:
    """What became of one fault."""

    family: str
    fault: str
    polls_to_heal: int
    """Polls after its end until everything was shown again; 0: nothing was lost for good."""
    wrong_values: int
    down: int
    """Polls that showed nothing."""
    lines: list[str]
    tracebacks: int
    connects: int
    """Most connection attempts in one poll."""
    reloaded: bool
    connections: int
    """Open at the end."""

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return (
            0 < self.polls_to_heal <= 2
            and not self.wrong_values
            and len(self.lines) == (2 if self.down else 0)
            and not self.tracebacks
            and self.connects <= KINDS[self.family].ways
            and not self.reloaded
            and self.connections <= 1
        )


async def befall(rig: Rig, case: Case) -> Outcome:
    """Let a fault happen, end it, and see what becomes of it."""
    data = rig.entry.runtime_data
    with Lines() as log:
        await _call(case.begin, rig)
        wrong = down = most = 0
        for _ in range(case.polls):
            before = rig.coordinator.driver.traffic.connects
            await rig.poll()
            most = max(most, rig.coordinator.driver.traffic.connects - before)
            wrong += len(rig.wrong())
            down += rig.down
        await _call(case.end, rig)
        rig.befallen.clear()
        polls = 0
        for number in range(1, MOST_POLLS + 1):
            before = rig.coordinator.driver.traffic.connects
            whole = await rig.poll()
            most = max(most, rig.coordinator.driver.traffic.connects - before)
            wrong += len(rig.wrong())
            down += rig.down
            if whole:
                polls = number
                break
        await asyncio.sleep(0.02)
    return Outcome(
        rig.key,
        case.name,
        polls,
        wrong,
        down,
        log.lines,
        log.tracebacks,
        most,
        rig.entry.runtime_data is not data,
        rig.connections,
    )
