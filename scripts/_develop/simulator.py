"""The simulated heat pump on a real socket, in a process of its own, behind a counting relay."""

from itertools import count
from pathlib import Path
import sys
from typing import Final

from .processes import Program
from .wire import Relay

_START_SECONDS: Final = 120.0
"""A machine with a past takes its time."""


class Simulator:
    """One simulated IDM heat pump; Home Assistant reaches it through the relay's port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Prepare; ``arguments`` go to the simulator's own command line."""
        name = f"-{arguments[1]}" if "--family" in arguments[:1] else ""
        self.program = Program(
            "the simulated heat pump",
            [sys.executable, "-m", "custom_components.heat_pump_hub.simulator", *arguments],
            _free(folder, f"simulator{name}"),
        )
        self.relay: Relay | None = None
        self.port = 0
        """Its own port, past the relay."""

    async def start_plain(self) -> int:
        """Start the process alone and return its port. Raises ``DevelopError``."""
        await self.program.start()
        listening = await self.program.printed(r"^port (\d+)$", _START_SECONDS)
        self.port = int(listening[1])
        return self.port

    async def start(self) -> Relay:
        """Start the process and the relay. Raises ``DevelopError``."""
        self.relay = Relay(await self.start_plain())
        await self.relay.start()
        return self.relay

    async def stop(self) -> None:
        """End both."""
        if self.relay is not None:
            await self.relay.stop()
        await self.program.stop()


def _free(folder: Path, name: str) -> Path:
    """Return a log that no other simulator of this run has written."""
    names = (f"{name}{number or ''}.log" for number in count())
    return next(path for each in names if not (path := folder / each).exists())
