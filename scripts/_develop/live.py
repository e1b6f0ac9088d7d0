"""The main job, live, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import Final

from .errors import DevelopError
from .home_assistant import PORT, USER
from .pumps import add_socket_pump
from .stand import running
from .status import status_or_reason

_STATUS_SECONDS: Final = 5.0


async def live(*, language: str, keep: Path | None, seconds: float | None) -> None:
    """Run until cancelled, or for some seconds. Raises :class:`DevelopError`."""
    print("starting VictoriaMetrics, the simulated heat pump and Home Assistant ...", flush=True)
    async with running(language=language, port=PORT, keep=keep) as stand:
        pump = await add_socket_pump(stand)
        steps = " > ".join(pump.flow.steps)
        print(
            f"\n  {pump.flow.title} was added through its config flow: {steps}"
            f"\n  Home Assistant   {stand.home_assistant.url}"
            f"\n  user, password   {USER}  {stand.home_assistant.password}"
            f"\n  VictoriaMetrics  {stand.victoria.url}/vmui"
            f"\n  heat pump        Modbus TCP at 127.0.0.1, port {stand.relay.port}, unit 1"
            f"\n  files            {stand.folder}"
            "\n\nCtrl-C ends all of it.\n",
            flush=True,
        )
        programs = (
            stand.home_assistant.program,
            stand.simulator.program,
            stand.victoria.program,
        )
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while end is None or loop.time() < end:
            for program in programs:
                if not program.running:
                    raise DevelopError(f"{program.name} ended by itself\n{program.tail()}")
            print(await status_or_reason(stand, [pump]), flush=True)
            await asyncio.sleep(_STATUS_SECONDS)
        print("stopping ...", flush=True)
