"""Servers that answer as a test tells them to, and a heat pump's points."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
import json
from pathlib import Path

import aiohttp
from aiohttp import web
import pytest

from custom_components.heat_pump_hub.drivers.points import Kind, Part, PartKind, Point, Quantity
from custom_components.heat_pump_hub.history.codec import Coding, Compressor
from custom_components.heat_pump_hub.history.journal_file import JournalFile
from custom_components.heat_pump_hub.history.series import Encoder, Frame
from custom_components.heat_pump_hub.history.tally import Tally
from tests.servers import Server, VictoriaMetrics, find_program, free_port

USER = "keller"
PASSWORD = "Geheim!2026"


def points() -> dict[str, Point]:
    """Return one point of every sort."""
    sorts = [
        Point(
            key="outdoor_temperature",
            name="outdoor_temperature",
            quantity=Quantity.TEMPERATURE,
            kind=Kind.ANALOG,
        ),
        Point(
            key="electrical_power",
            name="electrical_power",
            quantity=Quantity.POWER,
            kind=Kind.ANALOG,
            decimals=0,
        ),
        Point(key="utility_lock", name="utility_lock", quantity=Quantity.FLAG, kind=Kind.STATE),
        Point(
            key="operating_mode",
            name="operating_mode",
            quantity=Quantity.STATE,
            kind=Kind.STATE,
            options={0: "off", 1: "heating", 2: "dhw", 3: "defrost", 4: "cooling", 7: "other"},
        ),
        Point(
            key="compressor_starts",
            name="compressor_starts",
            quantity=Quantity.COUNT,
            kind=Kind.COUNTER,
        ),
        Point(
            key="circuit_a_flow_temperature",
            name="flow_temperature",
            quantity=Quantity.TEMPERATURE,
            kind=Kind.ANALOG,
            part=Part(PartKind.CIRCUIT, "a"),
            labels={"circuit": "a"},
        ),
        Point(
            key="zone_1_room_2_humidity",
            name="room_humidity",
            quantity=Quantity.HUMIDITY,
            kind=Kind.ANALOG,
            part=Part(PartKind.ZONE, "1"),
            labels={"zone": "1", "room": "2"},
            decimals=2,
        ),
        Point(key="note", name="note", quantity=Quantity.STATE, kind=Kind.STATE),
    ]
    return {point.key: point for point in sorts}


def encoder(heatpump_id: str = "idm-keller") -> Encoder:
    """Return an encoder of one heat pump with :func:`points`."""
    return Encoder(
        points(), heatpump_id=heatpump_id, manufacturer="IDM", model='Navigator "2.0" Südhang'
    )


def at(milliseconds: int) -> datetime:
    """Return a time given in ms since 1970."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def frame(samples: int = 1, *, first: int = 0, text: bytes | None = None) -> Frame:
    """Return a frame of one poll; its lines are numbered, or are those given."""
    lines = (
        [line(number, first) for number in range(samples)]
        if text is None
        else text.splitlines(keepends=True)
    )
    return Frame(
        body=Compressor().compress(b"".join(lines), Coding.ZSTD),
        tally=Tally.of_lines(lines),
        first=first,
        last=first,
    )


def line(number: int, time: int = 0, *, name: str = "point", value: float = 1) -> bytes:
    """Return a line of a frame."""
    metric = {"__name__": f"heatpump_{name}_{number}", "heatpump_id": "idm-keller"}
    text = json.dumps(metric, separators=(",", ":"))
    return f'{{"metric":{text},"values":[{value}],"timestamps":[{time}]}}\n'.encode()


class Thread:
    """Runs jobs of an outbox in a thread of its own, or fails them."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.executor = ThreadPoolExecutor(1)
        self.error: Exception | None = None
        self.jobs: list[str] = []

    async def __call__[*Ts, T](self, job: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Run a job."""
        self.jobs.append(job.__name__)
        if self.error is not None:
            raise self.error
        return await asyncio.get_running_loop().run_in_executor(self.executor, job, *arguments)


@pytest.fixture
def thread() -> Iterator[Thread]:
    """Have a thread for a journal."""
    thread = Thread()
    yield thread
    thread.executor.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    """Open a journal's file."""
    opened = JournalFile(tmp_path / "journal" / "one.sqlite")
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that is closed afterwards."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@dataclass
class Stub:
    """A web server that answers every request as :attr:`answer` says, and keeps the requests."""

    answer: Callable[[web.Request, bytes], web.StreamResponse]
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        self.requests.append(request)
        self.bodies.append(body)
        return self.answer(request, body)


@pytest.fixture
async def stub(socket_enabled: None) -> AsyncIterator[Stub]:
    """Start a server that takes everything until told otherwise."""
    server = Stub(lambda _request, _body: web.Response(status=204))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
def vmauth(victoria_metrics: VictoriaMetrics, tmp_path: Path) -> Iterator[Server]:
    """Start vmauth before a real VictoriaMetrics, with one user."""
    config = tmp_path / "auth.json"
    config.write_text(
        f'{{"users": [{{"username": "{USER}", "password": "{PASSWORD}",'
        f' "url_prefix": "{victoria_metrics.url}"}}]}}',
        encoding="utf-8",
    )
    server = Server(
        find_program("HPH_VMAUTH", "vmauth"),
        [f"-auth.config={config}", "-httpListenAddr=127.0.0.1:{port}"],
        tmp_path / "vmauth.log",
    )
    yield server.start()
    server.stop()


@pytest.fixture
def unused_url(socket_enabled: None) -> str:
    """Return an address where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"
