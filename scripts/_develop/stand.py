"""Everything that runs: started together, ended together, whatever happens in between."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import shutil
import tempfile

import aiohttp

from .client import Client
from .errors import DevelopError
from .home_assistant import HomeAssistant
from .logbook import Polls
from .simulator import Simulator
from .tools import ROOT
from .victoria import VictoriaMetrics
from .wire import Relay


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """What runs."""

    folder: Path
    victoria: VictoriaMetrics
    simulator: Simulator
    home_assistant: HomeAssistant
    client: Client
    relay: Relay
    polls: Polls


@asynccontextmanager
async def running(
    *, language: str, port: int = 0, keep: Path | None = None, simulator: tuple[str, ...] = ()
) -> AsyncGenerator[Stand]:
    """Start everything, and end it afterwards.

    ``keep`` is a new or empty folder for all files, which then stay; without it they go into
    a folder of their own below ``.develop`` that is removed. ``port`` is Home Assistant's, if
    it is free. ``simulator`` are arguments of the simulated heat pump; ``{folder}`` in them is
    the folder. Raises :class:`DevelopError` if something does not start.
    """
    async with AsyncExitStack() as stack:
        folder = await asyncio.to_thread(_folder, keep)
        if keep is None:
            stack.push_async_callback(asyncio.to_thread, partial(shutil.rmtree, folder))
        # No proxy: everything is on this machine.
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
        victoria = VictoriaMetrics(session, folder)
        stack.push_async_callback(victoria.program.stop)
        pump = Simulator(folder, *(part.format(folder=folder) for part in simulator))
        stack.push_async_callback(pump.stop)
        home_assistant = HomeAssistant(session, folder, language=language, port=port)
        # Last in, first out: it hands over its last values while the others still run.
        stack.push_async_callback(home_assistant.program.stop)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(victoria.start())
                relay = group.create_task(pump.start())
                client = group.create_task(home_assistant.start())
        except* DevelopError as errors:
            raise _first(errors) from None
        try:
            yield Stand(
                folder=folder,
                victoria=victoria,
                simulator=pump,
                home_assistant=home_assistant,
                client=client.result(),
                relay=relay.result(),
                polls=Polls(home_assistant.log),
            )
        except DevelopError as error:
            # Its log says why, and is removed with its folder.
            raise DevelopError(f"{error}\n{home_assistant.program.tail()}") from error


def _first(errors: BaseExceptionGroup[DevelopError]) -> DevelopError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _folder(keep: Path | None) -> Path:
    if keep is None:
        place = ROOT / ".develop"
        place.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="run-", dir=place))
    folder = keep.expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise DevelopError(
            f"{folder} is not empty. Each start begins anew and never deletes files that were"
            " kept: name another folder, or remove this one first"
        )
    return folder
