"""Pictures of what only some makers have: a list handed in, a register map, a search, devices."""

import asyncio
from contextlib import AsyncExitStack
import json
from pathlib import Path
from typing import Final

from .frontend import Frontend
from .pumps import Pump, add_pumps
from .simulator import Simulator
from .stand import Stand

FAMILIES: Final = ("idm", "luxtronik", "nibe", "daikin", "map")
_MENU: Final = {family: place for place, family in enumerate(FAMILIES)}
_BROKEN: Final = """\
map: 1
maker: Acme
model: Heat 8
table: holding
detect:
  - {address: 2, type: s16, min: -500, max: 800}
points:
  - {key: outdoor_temperature, adress: 2, type: s16, scale: 0.1, unit: °C}
  - {key: flow_temperature, address: 70000, unit: bar}
  - {key: flow_temperature, address: 10, unit: °C}
"""
"""A map with a mistake of each common kind."""
_LIST: Final = (
    "Title\tRegister type\tRegister\tDivision factor\tUnit\tSize of variable"
    "\tMin value\tMax value\tDefault value\n"
    "Current outdoor temperature (BT1)\tMODBUS_INPUT_REGISTER\t1\t10\t°C\t5\t0\t0\t0\n"
    "Energy meter (BE6)\tMODBUS_INPUT_REGISTER\t398\t100\tkWh\t3\t0\t0\t0\n"
    "Pool temperature (BT51)\tMODBUS_INPUT_REGISTER\t27\t10\t°C\t5\t0\t0\t0\n"
    "Room setpoint heating climate system 1\tMODBUS_HOLDING_REGISTER\t206\t10\t°C\t5\t50\t300\t210\n"
    "Sound\tMODBUS_HOLDING_REGISTER\t43234\t1\t\t4\t0\t1\t0\n"
)
"""As a pump writes it, with one of the registers that are never touched."""
_TALL: Final = 1300
_SEARCHED: Final = ("pick", "search_nothing", "search_known")


async def families_flows(frontend: Frontend, stand: Stand) -> None:
    """Go through the steps that only some makers have. Raises ``DevelopError``."""
    place = stand.folder / "config" / "heat_pump_hub" / "maps"
    await asyncio.to_thread(_write, place / "broken.yaml", _BROKEN)
    modbus_list = stand.folder / "liste.csv"
    await asyncio.to_thread(_write, modbus_list, _LIST)
    async with AsyncExitStack() as stack:
        await _nibe(frontend, await _start(stand, stack, "nibe"), modbus_list)
        await _map(frontend, await _start(stand, stack, "map"))
        await _luxtronik(frontend, await _start(stand, stack, "luxtronik"))


async def add_families(stand: Stand, stack: AsyncExitStack) -> list[Pump]:
    """Add a heat pump of each maker but IDM, which is there. Raises ``DevelopError``."""
    pumps, _ = await add_pumps(stand, FAMILIES[1:], stack)
    return pumps


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


async def _start(stand: Stand, stack: AsyncExitStack, family: str) -> int:
    more = ("--shi",) if family == "luxtronik" else ()
    simulator = Simulator(stand.folder, "--family", family, *more)
    stack.push_async_callback(simulator.stop)
    return await simulator.start_plain()


async def _connect(frontend: Frontend, port: int, step: str = "connection") -> None:
    await frontend.step(step)
    await frontend.enter("host", "127.0.0.1")
    await frontend.enter("port", str(port))
    await frontend.submit()
    await frontend.step("found")


async def _nibe(frontend: Frontend, port: int, modbus_list: Path) -> None:
    await frontend.open_flow()
    await frontend.size(_TALL)
    await frontend.choose(_MENU["nibe"])
    await _connect(frontend, port)
    await frontend.picture("flow-nibe-found")
    await frontend.hand_in(modbus_list)
    await frontend.picture("flow-nibe-handed-in")
    await frontend.submit()
    await frontend.step("nibe_list")
    await frontend.picture("flow-nibe-list")


async def _map(frontend: Frontend, port: int) -> None:
    await frontend.open_flow()
    await frontend.choose(_MENU["map"])
    await frontend.step("map")
    await frontend.picture("flow-map", files=True)
    await frontend.pick("broken.yaml")
    await frontend.submit()
    await frontend.failed()
    await frontend.picture("flow-map-broken", files=True)
    await frontend.pick("lambda.yaml")
    await frontend.submit()
    await _connect(frontend, port)
    await frontend.picture("flow-map-found")


async def _luxtronik(frontend: Frontend, port: int) -> None:
    await frontend.open_flow()
    await frontend.choose(_MENU["luxtronik"])
    await frontend.step("luxtronik")
    await frontend.picture("flow-luxtronik")
    await frontend.choose(0)
    await frontend.step("search", still=False)
    await asyncio.sleep(0.8)
    await frontend.picture("flow-luxtronik-search", still=False)
    await frontend.page.wait_for(
        f"{json.dumps(_SEARCHED)}.includes({frontend.STEP}?.step_id)", "the search is over", 60.0
    )
    await frontend.picture("flow-luxtronik-searched")
    await frontend.choose(1)
    await _connect(frontend, port, "connection_own")
    await frontend.picture("flow-luxtronik-found")
