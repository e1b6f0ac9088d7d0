"""Programs in process groups of their own: started, waited for, and always ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
import contextlib
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import time
from typing import Final, Self

from .errors import DevelopError
from .tools import HOST, ROOT, clean_environment

TAIL: Final = 25
"""Lines of a log that an error shows."""
_STEP: Final = 0.1
_KILL_SECONDS: Final = 5.0


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if it is free on 127.0.0.1, else a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def group_lives(group: int) -> bool:
    """Return whether any process of a group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


async def wait_until(
    check: Callable[[], Awaitable[bool]], seconds: float, what: str, *, step: float = _STEP
) -> None:
    """Wait until ``check`` is true. Raises :class:`DevelopError` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            raise DevelopError(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(step)


class Program:
    """One program, its process group, and the file that takes what it prints."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        folder: Path = ROOT,
        stop_seconds: float = 20.0,
    ) -> None:
        """Prepare; nothing runs before :meth:`start`."""
        self.name = name
        self.log = log
        self.returncode: int | None = None
        self._command = [str(part) for part in command]
        self._folder = folder
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group. Raises ``RuntimeError`` if not started."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_status(self) -> int | None:
        """What the process ended with; ``None`` while it lives, or before."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> Self:
        """Start the program in a group of its own. Raises :class:`DevelopError` if it cannot be."""
        command = self._command
        # Should this process be killed, the kernel ends the program as we would have.
        if (setpriv := shutil.which("setpriv")) is not None:
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        with self.log.open("ab") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self._folder,
                    env=clean_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise DevelopError(f"{self.name} cannot be started: {error}") from error
        return self

    async def ready(self, check: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Wait until ``check`` is true.

        Raises :class:`DevelopError` with the end of the log if the program ends, or after ``seconds``.
        """

        async def ready_or_ended() -> bool:
            if not self.running:
                raise DevelopError(f"{self.name} ended by itself\n{self.tail()}")
            return await check()

        try:
            await wait_until(ready_or_ended, seconds, f"{self.name} is ready")
        except DevelopError as error:
            if self.running:
                raise DevelopError(f"{error}\n{self.tail()}") from error
            raise

    async def printed(self, pattern: str, seconds: float) -> re.Match[str]:
        """Wait for something in the log and return it. Raises as :meth:`ready` does."""
        found: re.Match[str] | None = None

        async def look() -> bool:
            nonlocal found
            found = re.search(pattern, self.text(), re.MULTILINE)
            return found is not None

        await self.ready(look, seconds)
        assert found is not None
        return found

    def text(self) -> str:
        """Return what the program printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def tail(self) -> str:
        """Return the last lines it printed, under a heading."""
        lines = self.text().splitlines()[-TAIL:]
        return "\n".join([f"--- the end of {self.log}", *lines])

    def pause(self) -> None:
        """Let the program stand still, as a machine that swaps does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End :meth:`pause`."""
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """End the program and all that it started; once more does nothing."""
        if (process := self._process) is None or self.returncode is not None:
            return
        try:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._stop_seconds)
        finally:
            # What it started may outlive it.
            self._signal(signal.SIGKILL)
            self.returncode = await asyncio.wait_for(process.wait(), _KILL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
