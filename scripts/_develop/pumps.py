"""The heat pumps that are added, and what is known of each from outside."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from .client import Client
from .errors import DevelopError
from .flow import Outcome, add_demo, add_luxtronik, add_modbus, set_interval
from .processes import Program, wait_until
from .simulator import Simulator
from .stand import Stand
from .wire import listening_ports

IDM_INTERVAL: Final = 10
DEMO_INTERVAL: Final = 2
_RELOAD_SECONDS: Final = 90.0
"""Home Assistant loads an entry again 30 s after one of its entities was enabled."""
_LOAD_SECONDS: Final = 30.0
_BROKEN: Final = frozenset({"setup_error", "migration_error", "failed_unload"})
"""States of a config entry that do not pass by waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A number that the check changes, and where the machine keeps it."""

    key: str
    address: int
    """Holding register, or Luxtronik parameter."""
    factor: int = 1
    """Raw counts per unit of the entity."""
    cooldown: int | None = 300
    """Seconds; ``None``: it wears nothing out and may be written at any time."""
    port_offset: int = 0
    """From the machine's port to the one of Modbus."""
    parameter: bool = False
    """Whether it is read by the Luxtronik's own protocol."""


DHW: Final = "dhw_temperature_setpoint"
SETTINGS: Final[dict[str, tuple[Setting, ...]]] = {
    "idm": (Setting(key=DHW, address=1032),),
    "nibe": (Setting(key="circuit_a_room_temperature_setpoint", address=206, factor=10),),
    "daikin": (Setting(key=DHW, address=9),),
    "luxtronik": (
        Setting(
            key="shi_hot_water_setpoint", address=10006, factor=10, cooldown=None, port_offset=1
        ),
        Setting(key=DHW, address=105, factor=10, parameter=True),
    ),
    "map": (Setting(key=DHW, address=2050, factor=10),),
}
"""By family, from the makers' register lists: registers as on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """One heat pump in Home Assistant."""

    label: str
    flow: Outcome
    identity: str
    """Also its ``heatpump_id``."""
    interval: int
    modbus_port: int
    """Of the simulated machine itself."""
    settings: tuple[Setting, ...]
    """What the check changes, one after the other."""
    loads: int = 2
    """Set-ups: when it is added, and when its interval is changed."""
    relayed: bool = False
    """Whether the relay sees its requests."""

    @property
    def entry_id(self) -> str:
        """Its config entry."""
        return self.flow.entry_id

    async def entities(self, client: Client) -> dict[str, dict[str, Any]]:
        """Return the registry's entities by key. Raises ``DevelopError``."""
        prefix = f"{self.identity}_"
        found = await client.entities(self.entry_id)
        return {unique_id.removeprefix(prefix): item for unique_id, item in found.items()}

    async def entity_id(self, client: Client, key: str) -> str:
        """Return an entity's id. Raises ``DevelopError`` if it has none or is disabled."""
        item = (await self.entities(client)).get(key)
        if item is None or item["disabled_by"] is not None:
            raise DevelopError(f"{self.label} has no enabled entity {key}")
        entity_id: str = item["entity_id"]
        return entity_id


async def add_socket_pump(stand: Stand) -> Pump:
    """Add the simulated machine on its socket, and read it as often as is allowed."""
    flow = await add_modbus(stand.client, "idm", stand.relay.port, stand.victoria.url)
    await _faster(stand.client, flow.entry_id, IDM_INTERVAL)
    return Pump(
        label="IDM",
        flow=flow,
        identity=flow.result["result"].get("unique_id") or "idm",
        interval=IDM_INTERVAL,
        modbus_port=stand.simulator.port,
        settings=SETTINGS["idm"],
        relayed=True,
    )


async def add_luxtronik_pump(stand: Stand, simulator: Simulator) -> Pump:
    """Start a simulated Luxtronik and add it. Raises ``DevelopError``."""
    port = await simulator.start_plain()
    flow = await add_luxtronik(stand.client, port, stand.victoria.url)
    await _enable(stand.client, flow.entry_id, DHW)
    await _faster(stand.client, flow.entry_id, IDM_INTERVAL)
    return Pump(
        label="Luxtronik",
        flow=flow,
        identity=await _identity(stand.client, flow.entry_id),
        interval=IDM_INTERVAL,
        modbus_port=port,
        settings=SETTINGS["luxtronik"],
        loads=3,
    )


async def add_modbus_pump(stand: Stand, simulator: Simulator, family: str) -> Pump:
    """Start a simulated machine of another family with Modbus and add it.

    Raises ``DevelopError``.
    """
    port = await simulator.start_plain()
    flow = await add_modbus(stand.client, family, port, stand.victoria.url)
    await _faster(stand.client, flow.entry_id, IDM_INTERVAL)
    return Pump(
        label=flow.title,
        flow=flow,
        identity=await _identity(stand.client, flow.entry_id),
        interval=IDM_INTERVAL,
        modbus_port=port,
        settings=SETTINGS[family],
    )


async def add_demo_pump(stand: Stand) -> Pump:
    """Add the demo heat pump, which may be read every two seconds."""
    before = listening_ports(stand.home_assistant.program.pid)
    flow = await add_demo(stand.client, stand.victoria.url)
    await _faster(stand.client, flow.entry_id, DEMO_INTERVAL)
    opened = listening_ports(stand.home_assistant.program.pid) - before
    if len(opened) != 1:
        raise DevelopError(f"the demo heat pump listens at {sorted(opened)} instead of one port")
    return Pump(
        label="demo",
        flow=flow,
        identity=f"demo-{flow.entry_id}",
        interval=DEMO_INTERVAL,
        modbus_port=opened.pop(),
        settings=SETTINGS["idm"],
    )


async def _identity(client: Client, entry_id: str) -> str:
    """Return what stands before every unique id. Raises ``DevelopError``."""
    ids = await client.entities(entry_id)
    own = next(unique_id for unique_id in ids if unique_id.endswith("_anomaly"))
    return own.removesuffix("_anomaly")


async def _enable(client: Client, entry_id: str, key: str) -> None:
    """Enable an entity, and wait until Home Assistant has loaded the entry again with it."""
    entities = await client.entities(entry_id)
    item = next(item for name, item in entities.items() if name.endswith(f"_{key}"))
    await client.enable(item["entity_id"])

    async def shown() -> bool:
        return item["entity_id"] in await client.states()

    await wait_until(shown, _RELOAD_SECONDS, f"{item['entity_id']} is shown", step=0.5)


async def add_pumps(
    stand: Stand, families: Sequence[str], stack: AsyncExitStack
) -> tuple[list[Pump], list[Program]]:
    """Add a heat pump of each family; return them, and the programs that simulate them.

    The programs end with ``stack``. Raises ``DevelopError``.
    """
    pumps, programs = [], []
    for family in families:
        if family == "idm":
            pumps.append(await add_socket_pump(stand))
            continue
        more = ("--shi", "--read-back", "2") if family == "luxtronik" else ()
        simulator = Simulator(stand.folder, "--family", family, *more)
        stack.push_async_callback(simulator.stop)
        programs.append(simulator.program)
        if family == "luxtronik":
            pumps.append(await add_luxtronik_pump(stand, simulator))
        else:
            pumps.append(await add_modbus_pump(stand, simulator, family))
    return pumps, programs


async def _faster(client: Client, entry_id: str, seconds: int) -> None:
    """Change the interval, and wait until the entry is loaded again with it."""
    await set_interval(client, entry_id, seconds)

    async def loaded() -> bool:
        entry = await client.entry(entry_id)
        if entry["state"] in _BROKEN:
            raise DevelopError(f"{entry['title']} is {entry['state']}: {entry['reason']}")
        if entry["state"] != "loaded":
            return False
        interval: float = (await client.diagnostics(entry_id))["poll"]["interval"]
        return interval == seconds

    await wait_until(loaded, _LOAD_SECONDS, f"the entry is read every {seconds} s")
