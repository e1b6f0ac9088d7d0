"""The main job, live, until Ctrl-C."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from custom_components.heat_pump_hub.simulator.machine_faults import Name

from .errors import DevelopError
from .fault import PAST, arguments, preload
from .home_assistant import PORT, USER
from .pumps import add_pumps
from .stand import running
from .status import status_or_reason
from .unit import USER as UNIT_USER, add_unit

_STATUS_SECONDS: Final = 5.0
_UNIT_DAYS: Final = 30


async def live(
    *,
    language: str,
    keep: Path | None,
    seconds: float | None,
    families: Sequence[str] = ("idm",),
    fault: Name | None = None,
) -> None:
    """Run until cancelled, or for some seconds. Raises :class:`DevelopError`."""
    print("starting VictoriaMetrics, the simulated heat pump and Home Assistant ...", flush=True)
    async with (
        running(language=language, port=PORT, keep=keep, simulator=arguments(fault)) as stand,
        AsyncExitStack() as stack,
    ):
        pumps, simulators = await add_pumps(stand, families, stack)
        said = await preload(stand, pumps[0], stand.folder / PAST, fault) if fault else ""
        unit = await add_unit(stand, pumps[0], days=_UNIT_DAYS)
        stack.callback(unit.simulated.stop)
        added = "".join(
            f"\n  {pump.flow.title} was added through its config flow: "
            + " > ".join(pump.flow.steps)
            for pump in pumps
        )
        machines = "".join(
            f"\n  simulated {pump.flow.title}: 127.0.0.1, port"
            f" {stand.relay.port if pump.relayed else pump.modbus_port}"
            for pump in pumps
        )
        print(
            f"{added}"
            f"{said and chr(10) * 2 + '  ' + said}"
            f"\n  Home Assistant   {stand.home_assistant.url}"
            f"\n  user, password   {USER}  {stand.home_assistant.password}"
            f"\n  VictoriaMetrics  {stand.victoria.url}/vmui"
            f"{machines}"
            f"\n  simulated IoTaWatt: {unit.device}, user {UNIT_USER}, password {unit.password}"
            f"\n  files            {stand.folder}"
            "\n\nCtrl-C ends all of it.\n",
            flush=True,
        )
        programs = (
            stand.home_assistant.program,
            stand.simulator.program,
            stand.victoria.program,
            *simulators,
        )
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while end is None or loop.time() < end:
            if not stand.home_assistant.program.running and stand.home_assistant.wants_restart:
                print("Home Assistant starts again ...", flush=True)
                await stand.home_assistant.start_again()
            for program in programs:
                if not program.running:
                    raise DevelopError(f"{program.name} ended by itself\n{program.tail()}")
            print(await status_or_reason(stand, pumps), flush=True)
            await asyncio.sleep(_STATUS_SECONDS)
        print("stopping ...", flush=True)
