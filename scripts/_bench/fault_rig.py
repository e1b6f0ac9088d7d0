"""A heat pump in a real Home Assistant behind a proxy that makes every fault of a link."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
import logging
from typing import Any, Final, Self, override
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.coordinator import Absent, HeatPumpCoordinator
from custom_components.heat_pump_hub.discovery import fingerprint
from custom_components.heat_pump_hub.drivers import family, link
from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.luxtronik import protocol
from custom_components.heat_pump_hub.drivers.nibe import NibeDriver
from custom_components.heat_pump_hub.drivers.points import Value
from custom_components.heat_pump_hub.simulator.daikin import DaikinServer
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

SERVERS: Final[dict[str, Callable[..., Any]]] = {
    "idm": IdmServer,
    "nibe": NibeServer,
    "daikin": DaikinServer,
    "luxtronik": LuxtronikServer,
}
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


@dataclass(slots=True)
class Rig:
    """One heat pump, its address, and what it shows when nothing is wrong."""

    key: str
    server: Any
    proxy: FaultProxy
    entry: MockConfigEntry
    truth: dict[str, Value]

    @property
    def coordinator(self) -> HeatPumpCoordinator:
        """What polls it."""
        found: HeatPumpCoordinator = self.entry.runtime_data.coordinator
        return found

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


@asynccontextmanager
async def rig(
    hass: HomeAssistant, key: str, *, interval: float = 3600.0, speed: float = 0.0
) -> AsyncIterator[Rig]:
    """Set one heat pump up as the config flow does; with speed 0 every value has one truth."""
    model = HeatPumpModel(seed=3, start=datetime(2026, 1, 15, tzinfo=UTC))
    server = SERVERS[key](model, speed=speed)
    await server.start()
    frame = luxtronik_frame if key == "luxtronik" else modbus_frame
    proxy = FaultProxy("127.0.0.1", server.port, frame=frame)
    port = await proxy.start()
    kind = family(key)
    identity = await kind.probe(Address(host="127.0.0.1", port=port, unit=kind.unit))
    entry = MockConfigEntry(
        domain="heat_pump_hub",
        title=key,
        unique_id=f"rig_{key}",
        data={
            "family": key,
            "host": "127.0.0.1",
            "port": port,
            "unit": kind.unit,
            "identity": f"rig_{key}",
            "layout": identity.layout.to_json(),
            "fingerprint": fingerprint(identity),
            "manufacturer": identity.manufacturer,
            "model": identity.model,
        },
        options={"interval": interval},
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    found = Rig(key, server, proxy, entry, {})
    try:
        for _ in range(2):
            await found.poll()
        found.truth = dict(found.coordinator.values)
        yield found
    finally:
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)
        await proxy.stop()
        await server.stop()


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
        end: Callable[[Rig], Awaitable[object] | None] = lambda rig: rig.proxy.clear(),
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
    modbus = key != "luxtronik"

    def lasting(fault: Fault) -> Callable[[Rig], None]:
        return lambda rig: setattr(rig.proxy, "fault", fault)

    def once(fault: Fault, request: int) -> Callable[[Rig], None]:
        return lambda rig: rig.proxy.one_shot(fault, request)

    def edit(change: Callable[[bytes], bytes]) -> Callable[[Rig], None]:
        return lambda rig: setattr(rig.proxy, "edit", change)

    found = []
    for fault in Fault:
        if fault in _MODBUS_ONLY and not modbus:
            continue
        found.append(Case(f"{fault} for {polls} polls", lasting(fault), polls=polls))
        found.append(Case(f"{fault} once", once(fault, 2), polls=1))
    found.append(
        Case("refuses connections", lambda rig: rig.proxy.pause(), lambda rig: rig.proxy.resume())
    )
    slot: list[asyncio.StreamWriter] = []

    async def take(rig: Rig) -> None:
        await rig.proxy.drop_all()
        rig.proxy.max_connections = 1
        _, writer = await asyncio.open_connection("127.0.0.1", rig.proxy.port)
        slot.append(writer)
        await asyncio.sleep(0.02)

    async def free(rig: Rig) -> None:
        writer = slot.pop()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.02)

    found.append(Case("slot taken by another client", take, free))
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
    else:
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
            and self.connects <= 1
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
            down += not rig.coordinator.last_update_success
        await _call(case.end, rig)
        rig.proxy.clear()
        polls = 0
        for number in range(1, MOST_POLLS + 1):
            before = rig.coordinator.driver.traffic.connects
            whole = await rig.poll()
            most = max(most, rig.coordinator.driver.traffic.connects - before)
            wrong += len(rig.wrong())
            down += not rig.coordinator.last_update_success
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
        rig.proxy.connections,
    )
