"""A simulated IoTaWatt: its list of series, and a log of years behind a real socket.

Answers and quirks are those of its Query API (docs.iotawatt.com, query) and firmware: 1,000
rows unless a ``limit`` is given, ``limit`` in the answer where it stopped, null where the log
has nothing, ``nan`` for a number that is none, JSON that ends without a length.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
import hashlib
import json
import math
import os
import time
from typing import Final, override

from aiohttp import web

from .own_thread import OwnThread

MINUTE: Final = 60
DEFAULT_LIMIT: Final = 1_000

SERIES: Final[Mapping[str, str]] = {
    "Voltage": "Volts",
    "Mains_1": "Watts",
    "Mains_2": "Watts",
    "Solar": "Watts",
    "Heat_Pump": "Watts",
    "Upstairs_Heat": "Watts",
    "Frequency": "Hz",
}


class UnitFault(StrEnum):
    """What a unit does wrong."""

    BUSY = "busy"
    """503"""
    CUT = "cut"
    """Half of a body, then the connection is closed."""
    GARBAGE = "garbage"
    PASSWORD = "password"  # noqa: S105 - a kind of fault
    """It refuses whoever asks."""
    SLOW = "slow"
    """It answers after :attr:`IotawattUnit.delay`."""


class Logins:
    """Digest authentication as the firmware has it (auth.cpp).

    A challenge lasts 600 s, and only as long as nobody else of the same address is challenged;
    its counter has to grow.
    """

    REALM: Final = "IotaWatt"

    def __init__(self) -> None:
        """Nobody is logged in."""
        self.counters: dict[str, int] = {}
        """What was counted last, by nonce."""
        self.refused = 0
        self.seen: list[str] = []
        """What was sent to log in."""

    def challenge(self) -> str:
        """Return a new challenge."""
        self.refused += 1
        self.counters = {nonce: count for nonce, count in self.counters.items() if count == 0}
        nonce = os.urandom(16).hex()
        self.counters[nonce] = 0
        return f'Digest realm="{self.REALM}",qop="auth",nonce="{nonce}"'

    def accepts(self, request: web.BaseRequest, passwords: Mapping[str, str]) -> bool:
        """Tell whether a request may be answered."""
        header = request.headers.get("Authorization", "")
        self.seen.append(header)
        if not header.startswith("Digest "):
            return False
        found = {name: _parameter(header, name) for name in ("username", "realm", "nonce", "uri")}
        response, nc, cnonce = (_parameter(header, name) for name in ("response", "nc", "cnonce"))
        user, nonce = found["username"], found["nonce"]
        if not cnonce or user not in passwords or nonce not in self.counters:
            return False
        if int(nc, 16) <= self.counters[nonce]:
            return False
        self.counters[nonce] = int(nc, 16)
        own = _md5(f"{user}:{self.REALM}:{passwords[user]}")
        asked = _md5(f"{request.method}:{found['uri']}")
        wanted = _md5(f"{own}:{nonce}:{nc}:{cnonce}:auth:{asked}")
        return response == wanted and found["uri"] == request.raw_path


def _parameter(header: str, name: str) -> str:
    """Return a parameter as the firmware finds it: where its name stands first."""
    _, there, rest = header.partition(f"{name}=")
    if not there:
        return ""
    if rest.startswith('"'):
        return rest[1:].partition('"')[0]
    return rest.partition(",")[0]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class IotawattUnit(OwnThread):
    """A unit on a port of 127.0.0.1, in a thread and loop of its own."""

    def __init__(
        self,
        series: Mapping[str, str] = SERIES,
        *,
        begin: int,
        seed: int = 1,
        missing: Iterable[tuple[int, int]] = (),
        clock: Callable[[], float] = time.time,
        tells_logs: bool = True,
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a unit whose log begins at ``begin``, s since 1970.

        ``missing`` are times, from and up to, that the log does not have; ``passwords`` those of
        ``admin`` and ``user``.
        """
        super().__init__("simulated iotawatt")
        self.series = dict(series)
        self.begin = begin
        self.missing = list(missing)
        self.passwords = dict(passwords or {})
        self.logins = Logins()
        self.fault: UnitFault | None = None
        self.delay = 0.5
        self.tells_mac = True
        self.asked: list[str] = []
        """Paths and parameters of all requests."""
        self.rows = 0
        """Rows of all answers."""
        self._seed = seed
        self._clock = clock
        self._tells_logs = tells_logs
        self._runner: web.ServerRunner | None = None

    def value(self, name: str, minute: int) -> float | None:
        """Return the mean of a minute, or ``None`` where the log has nothing."""
        if minute < self.begin or minute >= self.last:
            return None
        if any(first <= minute < last for first, last in self.missing):
            return None
        place = list(self.series).index(name) + self._seed
        match self.series[name]:
            case "Volts":
                return 230.0 + (minute // MINUTE * 7 + place) % 50 / 10
            case "Watts":
                return round((minute // MINUTE * 37 * place) % 30_000 / 10 - 500.0, 1)
        return round(50.0 + math.sin(minute * place) / 50, 3)

    @property
    def last(self) -> int:
        """The last key of the log, s since 1970: a multiple of 5 s."""
        return int(self._clock()) // 5 * 5

    @override
    async def _open(self) -> int:
        """Listen, and return the port: after a stop the same."""
        self._runner = web.ServerRunner(
            web.Server(self._handle), shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        except OSError:
            await self._runner.cleanup()
            raise
        port: int = self._runner.addresses[0][1]
        return port

    @override
    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(str(request.rel_url))
        match self.fault:
            case UnitFault.BUSY:
                return web.Response(status=503, text="busy")
            case UnitFault.PASSWORD:
                return web.Response(status=401, text="IoTaWatt-Login")
            case UnitFault.GARBAGE:
                return web.Response(body=b'{"series":[\xff\x00')
            case UnitFault.SLOW:
                await asyncio.sleep(self.delay)
        if self.passwords and not self.logins.accepts(request, self.passwords):
            challenge = {"WWW-Authenticate": self.logins.challenge()}
            return web.Response(status=401, text="IoTaWatt-Login", headers=challenge)
        status, text = await asyncio.get_running_loop().run_in_executor(
            None, self._answer, request.path, dict(request.query)
        )
        body = text.encode()
        answer = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
        # Its firmware does not know how long an answer will be.
        answer.force_close()
        await answer.prepare(request)
        if self.fault is UnitFault.CUT:
            await answer.write(body[: len(body) // 2])
            if request.transport is not None:
                request.transport.close()
            return answer
        await answer.write(body)
        await answer.write_eof()
        return answer

    def _answer(self, path: str, asked: dict[str, str]) -> tuple[int, str]:
        if path == "/status":
            return 200, json.dumps(self._status(asked))
        if path != "/query":
            return 404, "Not found"
        if asked.get("show") == "series":
            every = [{"name": name, "unit": unit} for name, unit in self.series.items()]
            return 200, json.dumps({"series": every}, separators=(",", ":"), ensure_ascii=False)
        if not {"select", "begin", "end", "group"} <= asked.keys():
            return _refuse("Missing begin, end or group.")
        return self._select(asked)

    def _status(self, asked: dict[str, str]) -> dict[str, object]:
        if "wifi" in asked:
            mac = f"5C:CF:7F:00:{self.port >> 8:02X}:{self.port & 255:02X}"
            return {"wifi": {"connecttime": self.begin, "mac": mac}} if self.tells_mac else {}
        if "datalogs" not in asked or not self._tells_logs:
            return {}
        current = {"firstkey": self.begin, "lastkey": self.last, "size": 1 << 20, "interval": 5}
        first = -(-self.begin // MINUTE) * MINUTE
        history = {"firstkey": first, "lastkey": self.last // MINUTE * MINUTE, "interval": MINUTE}
        return {"datalogs": {"currlog": current, "histlog": history}}

    def _select(self, asked: dict[str, str]) -> tuple[int, str]:
        begin = -(-int(asked["begin"]) // 5) * 5
        end = int(asked["end"]) // 5 * 5
        columns = [column.split(".") for column in asked["select"].strip("[]").split(",")]
        if columns[0] != ["time", "utc", "unix"] or end < begin:
            return _refuse("unspecified")
        for name, *_ in columns[1:]:
            if name not in self.series:
                return _refuse(f"Invalid series: {name}")
        given = asked.get("limit", str(DEFAULT_LIMIT))
        limit = _limit(given)
        length = {"1m": MINUTE, "1d": 86_400, "1M": 30 * 86_400}[asked["group"]]
        rows: list[str] = []
        at = begin
        while at < end and len(rows) < limit:
            upto = min(end, at - at % length + length)
            cells = [self._cell(name, methods, at, upto) for name, *methods in columns[1:]]
            rows.append(f"[{','.join([str(at), *cells])}]")
            at = upto
        self.rows += len(rows)
        labels = ",".join(f'"{name}"' for name in ["Time", *(name for name, *_ in columns[1:])])
        header = f'{{"range":[{begin},{end}],"labels":[{labels}],\r\n"data":'
        stopped = f',"limit":{at}' if at < end else ""
        if asked.get("header") != "yes":
            return 200, f"[{','.join(rows)}]"
        return 200, f"{header}[{','.join(rows)}]{stopped}}}"

    def _cell(self, name: str, methods: list[str], at: int, upto: int) -> str:
        if upto - at > MINUTE:
            # Only whether there is something counts.
            there = at < self.last and upto > self.begin
            return "1" if there else "null"
        value = self.value(name, at // MINUTE * MINUTE)
        if value is None:
            return "null"
        if math.isnan(value):
            return "nan"
        if upto > self.last:
            # The minute runs: a mean of what there is of it.
            value += 1000.0
        decimals = next((int(one[1]) for one in methods if one[:1] == "d"), 1)
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"


def _limit(text: str) -> int:
    return 1 << 30 if text == "none" else int(text)


def _refuse(reason: str) -> tuple[int, str]:
    return 400, json.dumps({"error": f"invalid query. {reason}"})
