"""Real servers for tests: where their programs are, how they are started and asked."""

import _socket
import asyncio
from collections.abc import Iterable, Mapping
from functools import cache
import json
import os
from pathlib import Path
import shlex
import shutil
import signal
import subprocess
import time
from typing import Any, Final, Self
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

ROOT: Final = Path(__file__).resolve().parent.parent
HOST: Final = "127.0.0.1"
START_SECONDS: Final = 20
STOP_SECONDS: Final = 20

# An owner's proxy settings must not reach a server on this machine.
_OPENER: Final = build_opener(ProxyHandler({}))


@cache
def _tools_env() -> Mapping[str, str]:
    """Return what ``scripts/setup`` found, or nothing where it never ran."""
    try:
        lines = (ROOT / ".tools.env").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key: "".join(shlex.split(value)) for key, _, value in pairs}


def find_program(variable: str, name: str | None) -> Path:
    """Return the path of a program, from the environment, ``.tools.env`` or PATH.

    Raises ``FileNotFoundError`` if it is in none of them.
    """
    for found in (os.environ.get(variable), _tools_env().get(variable)):
        if found and Path(found).is_file():
            return Path(found)
    if name is not None and (on_path := shutil.which(name)):
        return Path(on_path)
    raise FileNotFoundError(f"{name or variable} is missing: run scripts/setup")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago.

    The C class is used because the plugin that blocks sockets replaces Python's.
    """
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    finally:
        probe.close()
    return port


def is_listening(port: int) -> bool:
    """Tell whether something accepts connections at a port of 127.0.0.1."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        probe.connect((HOST, port))
    except ConnectionRefusedError:
        return False
    finally:
        probe.close()
    return True


class Server:
    """A program that listens on a port of 127.0.0.1; it keeps its port over restarts."""

    def __init__(
        self,
        program: Path,
        arguments: Iterable[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the server; ``{port}`` in an argument becomes its port."""
        self._environment = environment
        self.port = free_port()
        self.log = log
        self._command = [str(program), *(item.format(port=self.port) for item in arguments)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the address without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process and wait until it accepts connections.

        Raises ``RuntimeError`` with the end of its log if it ends, ``TimeoutError`` if it stays deaf.
        """
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
            )
        deadline = time.monotonic() + START_SECONDS
        while not is_listening(self.port):
            if self._process.poll() is not None:
                tail = self.log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"{self._command[0]} ended:\n{tail}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"{self._command[0]} does not listen on {self.port}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """End the process in an orderly way; nothing happens if it has ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process as a power cut would."""
        self._end(signal.SIGKILL)

    def freeze(self, on: bool) -> None:
        """Let the process stand still, its connections open, or go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None


class VictoriaMetrics(Server):
    """A single-node VictoriaMetrics with a folder of its own."""

    def __init__(self, storage: Path, *flags: str, old: bool = False) -> None:
        """Prepare a server.

        ``old`` takes the 1.79.5 that stable Debian carries. A flag given here comes last, so it
        wins over the default of the same name.
        """
        storage.mkdir(parents=True, exist_ok=True)
        program = (
            find_program("HPH_VICTORIA_METRICS_OLD", None)
            if old
            else find_program("HPH_VICTORIA_METRICS", "victoria-metrics")
        )
        defaults = {
            "-storageDataPath": str(storage / "data"),
            "-httpListenAddr": HOST + ":{port}",
            "-dedup.minScrapeInterval": "1ms",
            "-retentionPeriod": "10y",
            "-memory.allowedBytes": "128MiB",
            "-loggerTimezone": "UTC",
        }
        if not old:
            # Else what a query did not find yet is not found by the same one for ten seconds.
            defaults["-storage.cacheSizeIndexDBTagFilters"] = "1"
        given = dict(flag.partition("=")[::2] for flag in flags)
        merged = {**defaults, **given}
        super().__init__(
            program,
            [f"{key}={value}" if value else key for key, value in merged.items()],
            storage / "server.log",
        )

    async def get(self, path: str, **parameters: str) -> bytes:
        """Return the body of a GET request. Raises ``urllib.error.HTTPError`` on 4xx and 5xx."""
        return await asyncio.to_thread(self._request, f"{path}?{urlencode(parameters)}", None)

    async def post(self, path: str, body: bytes, **headers: str) -> bytes:
        """Send a body. Raises ``urllib.error.HTTPError`` on 4xx and 5xx."""
        return await asyncio.to_thread(self._request, path, body, headers)

    def _request(
        self, path: str, body: bytes | None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        request = Request(self.url + path, data=body, headers=dict(headers or {}))
        with _OPENER.open(request, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    async def flush(self) -> None:
        """Make everything that was received visible to queries."""
        await self.get("/internal/force_flush")

    async def export(self, match: str = '{__name__!=""}') -> list[dict[str, Any]]:
        """Return the raw series (``metric``, ``values``, ``timestamps`` in ms) that match."""
        await self.flush()
        # Without an end the last, unfinished second is left out.
        span = {"start": "0", "end": str(int(time.time()) + 3 * 86_400)}
        body = await self.get("/api/v1/export", **{"match[]": match}, **span)
        return [json.loads(line) for line in body.splitlines() if line]

    async def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query at a Unix time in seconds.

        Without a time everything that was received counts: the running second is over then.
        """
        await self.flush()
        moment = time.time() + 1 if at is None else at
        body = await self.get(
            "/api/v1/query",
            query=expression,
            time=f"{moment:.3f}",
            nocache="1",
            latency_offset="1ms",
        )
        result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return result

    async def count(self, match: str = '{__name__!=""}') -> int:
        """Return how many samples are stored in the series that match."""
        return sum(len(series["values"]) for series in await self.export(match))


class VictoriaMetricsFactory:
    """Starts VictoriaMetrics servers and ends them all."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder that gets one sub-folder a server."""
        self._folder = folder
        self._servers: list[VictoriaMetrics] = []

    def __call__(self, *flags: str, old: bool = False, start: bool = True) -> VictoriaMetrics:
        """Return another server with an empty storage, running unless told otherwise."""
        server = VictoriaMetrics(self._folder / str(len(self._servers)), *flags, old=old)
        self._servers.append(server)
        return server.start() if start else server

    def close(self) -> None:
        """End every server that still runs."""
        for server in self._servers:
            server.stop()
