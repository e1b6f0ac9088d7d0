"""The demo heat pump lives in a thread of its own and leaves nothing behind."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
import socket
import threading

import pytest

from custom_components.heat_pump_hub.simulator import machines as machines_module, own_thread
from custom_components.heat_pump_hub.simulator.__main__ import machine, main, parse, run
from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine
from custom_components.heat_pump_hub.simulator.demo import DemoHeatPump
from custom_components.heat_pump_hub.simulator.idm import IdmMachine, IdmServer
from custom_components.heat_pump_hub.simulator.nibe import NibeMachine

from .conftest import WINTER, Reader

type Connect = Callable[[int], Awaitable[Reader]]


def demo_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "demo heat pump"]


@pytest.fixture(autouse=True)
def no_thread_is_left(socket_enabled: None) -> Iterator[None]:
    assert demo_threads() == []
    yield
    assert demo_threads() == []


async def test_demo_answers_from_its_own_thread(connect: Connect) -> None:
    loop = asyncio.get_running_loop()
    demo = DemoHeatPump(seed=3, speed=60.0, start=WINTER, machine=IdmMachine(circuits="A"))
    port = await loop.run_in_executor(None, demo.start)
    try:
        assert await loop.run_in_executor(None, demo.start) == port == demo.port
        assert len(demo_threads()) == 1
        reader = await connect(port)
        assert await reader.read(1498, 2) == [1, 0xFFFF]
        assert isinstance(await reader.read(1000, 4), list)
        reader.client.close()
    finally:
        await loop.run_in_executor(None, demo.stop)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


def test_demo_starts_again_and_stops_twice() -> None:
    demo = DemoHeatPump(start=WINTER)
    demo.stop()
    for _ in range(2):
        assert demo.start() > 0
        demo.stop()
        demo.stop()
        assert demo_threads() == []


def test_demo_that_cannot_listen_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = DemoHeatPump(start=WINTER, port=taken.getsockname()[1])
        for _ in range(2):
            with pytest.raises(OSError, match="cannot listen"):
                demo.start()


def test_demo_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = threading.Event()

    class SlowServer(IdmServer):
        async def start(self) -> int:
            may_go_on.wait(10)
            return await super().start()

    monkeypatch.setattr(machines_module, "IdmServer", SlowServer)
    monkeypatch.setattr(own_thread, "_WAIT", 0.1)
    demo = DemoHeatPump(start=WINTER)
    with pytest.raises(TimeoutError, match="does not start"):
        demo.start()
    may_go_on.set()
    for thread in demo_threads():
        thread.join(10)


@pytest.mark.parametrize("latency", ["0", "1"])
async def test_command_line_serves_what_it_was_asked_for(
    capsys: pytest.CaptureFixture[str], connect: Connect, latency: str
) -> None:
    arguments = ["--family", "idm", "--latency", latency, "--circuits", "AC", "--speed", "60"]
    arguments += ["--zones", "1:2,3:1", "--features", "solar", "--start", "2025-01-10"]
    stop = asyncio.Event()
    task = asyncio.create_task(run(parse(arguments), stop))
    printed = ""
    async with asyncio.timeout(10):
        while "\n" not in printed:
            await asyncio.sleep(0.01)
            printed += capsys.readouterr().out
    word, port = printed.split()
    assert word == "port"
    reader = await connect(int(port))
    assert await reader.read(1498, 3) == [1, 0xFFFF, 1]
    assert await reader.read(2130) == [1]
    assert isinstance(await reader.read(1850, 2), list)
    reader.client.close()
    stop.set()
    await task


def test_command_line_describes_the_machine() -> None:
    options = parse(["--zones", "2:4", "--features", "solar,isc", "--navigator", "10"])
    assert machine(options) == IdmMachine(
        zones={2: 4}, features=IdmMachine().features | {"solar", "isc"}, navigator="10"
    )
    options = parse(["--family", "nibe", "--model", "s735", "--circuits", "ABC"])
    assert machine(options) == NibeMachine(model="s735", systems="abc")
    assert machine(parse(["--family", "daikin"])) == DaikinMachine()
    assert machine(parse(["--family", "daikin", "--circuits", "A"])).additional is False
    with pytest.raises(SystemExit):
        parse(["--family", "toaster"])


@pytest.mark.parametrize(
    ("fitted", "address", "holding"),
    [
        (NibeMachine(model="s320_s325", systems="a"), 1621, False),
        (DaikinMachine(additional=False), 43, False),
        (DaikinMachine(use_case=4), 1000, True),
    ],
)
async def test_every_family_has_a_demo(
    connect: Connect, fitted: NibeMachine | DaikinMachine, address: int, holding: bool
) -> None:
    loop = asyncio.get_running_loop()
    demo = DemoHeatPump(seed=3, speed=60.0, start=WINTER, machine=fitted)
    port = await loop.run_in_executor(None, demo.start)
    try:
        reader = await connect(port)
        assert isinstance(await reader.read(address, holding=holding), list)
        reader.client.close()
    finally:
        await loop.run_in_executor(None, demo.stop)


async def test_command_line_ends_with_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    handlers: list[Callable[[], None]] = []
    monkeypatch.setattr(loop, "add_signal_handler", lambda _n, call: handlers.append(call))
    task = asyncio.create_task(main(["--latency", "0"]))
    async with asyncio.timeout(10):
        while not handlers:
            await asyncio.sleep(0.01)
    handlers[0]()
    with suppress(asyncio.CancelledError):
        await task
    assert len(handlers) == 2
