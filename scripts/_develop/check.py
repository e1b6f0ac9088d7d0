"""``--check``: the main job without anybody watching, and a table of what held."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
import time
from typing import Final

from .check_control import check_control
from .check_history import Reads, check_history, check_values
from .errors import DevelopError
from .home_assistant import VERSION
from .logbook import complaints
from .processes import Program, group_lives, wait_until
from .pumps import Pump, add_demo_pump, add_pumps
from .stand import Stand, running
from .status import status_or_reason
from .table import Table
from .unit import add_unit, check_unit

_STATUS_SECONDS: Final = 10.0
_VERDICT_SECONDS: Final = 60.0
_STALL_SECONDS: Final = 5.0
"""Two polls of the demo heat pump at least."""
_STALL_AFTER_SECONDS: Final = 1.0
_UNIT_DAYS: Final = 9
"""More than one chunk of 7 days."""


_QUESTIONS: Final = {
    "demo": "demo > found",
    "nibe": "connection > found",
    "luxtronik": "luxtronik > connection_own > found",
    "map": "map > connection > found",
}
"""What the flow asks between the maker and the history; IDM and Daikin ask as NIBE does."""


async def check(
    *, language: str, keep: Path | None, seconds: float, families: Sequence[str] = ("idm",)
) -> bool:
    """Run the check for about ``seconds`` and print its table; return whether all holds."""
    table = Table()
    programs: list[Program] = []
    try:
        async with running(language=language, keep=keep) as stand:
            programs += [
                stand.home_assistant.program,
                stand.simulator.program,
                stand.victoria.program,
            ]
            async with AsyncExitStack() as stack:
                programs += await _check_stand(stand, table, seconds, families, stack)
        alive = [program.name for program in programs if group_lives(program.pid)]
        table.holds("programs left behind", "none", ", ".join(alive) or "none", ok=not alive)
    except DevelopError as error:
        table.holds("everything could be checked", "yes", str(error).splitlines()[0], ok=False)
        print(error, flush=True)
    print(table.text(), flush=True)
    return table.ok


async def _check_stand(
    stand: Stand, table: Table, seconds: float, families: Sequence[str], stack: AsyncExitStack
) -> list[Program]:
    """Check all that runs; return the programs that were started for it."""
    client = stand.client
    table.equal("Home Assistant", VERSION, (await client.request("GET", "/api/config"))["version"])
    pumps, programs = await add_pumps(stand, families, stack)
    pumps.append(await add_demo_pump(stand))
    unit = await add_unit(stand, pumps[0], days=_UNIT_DAYS)
    stack.callback(unit.simulated.stop)
    until = time.monotonic() + seconds
    for family, pump in zip((*families, "demo"), pumps, strict=True):
        steps = " > ".join([*pump.flow.steps, pump.flow.result["type"]])
        asked = _QUESTIONS.get(family, _QUESTIONS["nibe"])
        expected = f"user > {asked} > history > create_entry"
        table.equal(f"{pump.label}: added through its config flow", expected, steps)
        state = (await client.entry(pump.entry_id))["state"]
        table.equal(f"{pump.label}: config entry", "loaded", state)
    results = [Table() for _ in pumps]
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_watch(stand, pumps))
        try:
            async with asyncio.TaskGroup() as checks:
                for pump, result in zip(pumps, results, strict=True):
                    checks.create_task(_check_pump(stand, pump, result))
            await asyncio.sleep(max(0.0, until - time.monotonic()))
        finally:
            watch.cancel()
    for result in results:
        table.rows += result.rows
    unit_shown = await unit.in_step(client)
    diagnostics = {}
    for pump in pumps:
        diagnostics[pump.label] = found = await client.diagnostics(pump.entry_id)
        await check_values(stand, pump, found, table)
        history = found["history"] or {}
        lost = {key: history.get(key) for key in ("dropped", "refused")}
        table.equal(f"{pump.label}: samples given up", {"dropped": 0, "refused": 0}, lost)

    await _stop_while_server_stalls(stand)
    table.equal("Home Assistant ends by itself", 0, stand.home_assistant.program.returncode)
    table.equal("connections to the heat pump left open", 0, stand.relay.links)
    stand.polls.read()
    for pump in pumps:
        reads = Reads(
            all=stand.polls.succeeded[pump.flow.title],
            settings_only=len(pump.settings),
            loads=pump.loads,
        )
        table.equal(f"{pump.label}: failed polls", 0, stand.polls.failed[pump.flow.title])
        await check_history(stand, pump, diagnostics[pump.label], reads, table)
    await check_unit(stand, unit, unit_shown, table)
    found_lines = complaints(stand.home_assistant.program.text())
    table.holds(
        "log: errors, warnings or deprecations that name us",
        "none",
        "none" if not found_lines else f"{len(found_lines)}: {found_lines[0]}",
        ok=not found_lines,
    )
    for line in found_lines:
        print(f"log: {line}", flush=True)
    return programs


async def _check_pump(stand: Stand, pump: Pump, table: Table) -> None:
    await check_control(stand, pump, table)
    await _check_anomaly(stand, pump, table)


async def _stop_while_server_stalls(stand: Stand) -> None:
    """Stop Home Assistant while the last samples wait: it has to hand them over in time."""
    server = stand.victoria.program
    server.pause()
    try:
        await asyncio.sleep(_STALL_SECONDS)
        async with asyncio.TaskGroup() as group:
            group.create_task(stand.home_assistant.program.stop())
            await asyncio.sleep(_STALL_AFTER_SECONDS)
            server.resume()
    finally:
        server.resume()


async def _check_anomaly(stand: Stand, pump: Pump, table: Table) -> None:
    """Expect the anomaly sensor to say that it learns; River takes a moment to load."""
    entity_id = await pump.entity_id(stand.client, "anomaly")
    shown: dict[str, object] = {}

    async def judged() -> bool:
        state = await stand.client.state(entity_id)
        shown.update(state["attributes"], state=state["state"])
        return "learning_state" in shown

    await wait_until(judged, _VERDICT_SECONDS, f"{entity_id} has a verdict", step=0.5)
    table.equal(
        f"{pump.label}: anomaly sensor",
        ("problem", "off", "learning"),
        (shown.get("device_class"), shown["state"], shown["learning_state"]),
    )


async def _watch(stand: Stand, pumps: list[Pump]) -> None:
    while True:
        print(await status_or_reason(stand, pumps), flush=True)
        await asyncio.sleep(_STATUS_SECONDS)
