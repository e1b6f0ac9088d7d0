"""The search for controllers on the network."""

import socket

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.drivers.luxtronik import discover
from custom_components.heat_pump_hub.drivers.luxtronik.discovery import _Listener, port_of
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .conftest import WINTER


def free_port() -> int:
    """Return a UDP port nobody uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.usefixtures("socket_enabled")
async def test_a_controller_is_found() -> None:
    """It answers on one of the two ports, and names its own."""
    asked, other = free_port(), free_port()
    model = HeatPumpModel(seed=1, start=WINTER)
    server = LuxtronikServer(model, speed=0.0, discovery_port=asked)
    await server.start()
    try:
        found = await discover(
            timeout=0.1, broadcasts=["127.0.0.1"], ports=(asked, other), local="127.0.0.1"
        )
    finally:
        await server.stop()
    assert found == [Address(host="127.0.0.1", port=server.port, unit=0)]


@pytest.mark.usefixtures("socket_enabled")
async def test_nobody_answers() -> None:
    """Our own question, which a broadcast brings back, is no answer."""
    port = free_port()
    assert (
        await discover(timeout=0.05, broadcasts=["127.0.0.1"], ports=(port,), local="127.0.0.1")
        == []
    )


@pytest.mark.usefixtures("socket_enabled")
async def test_a_network_that_cannot_be_listened_to() -> None:
    """No address to listen at: nothing is found, nothing is raised."""
    assert await discover(timeout=0.01, ports=(free_port(),), local="203.0.113.1") == []


@pytest.mark.parametrize(
    ("answer", "port"),
    [
        (b"2500;111;8889;\x00", 8889),
        (b"2500;111;8888;2;x", 8888),
        (b"2500;111;0;", 8889),
        (b"2500;111;99999;", 8889),
        (b"2500;111;", 8889),
        (b"2500;111;\x00", 8889),
        (b"2500;111;many;", 8889),
        (b"2000;111;1;\x00", None),
        (b"", None),
        (b"\xff" * 70_000, None),
    ],
)
def test_what_an_answer_says(answer: bytes, port: int | None) -> None:
    """Old firmware names no port, or an impossible one: then it is the usual."""
    assert port_of(answer) == port


@given(st.binary(max_size=400), st.booleans())
def test_any_answer(data: bytes, begins: bool) -> None:
    """A port that can be connected to, or none."""
    port = port_of(b"2500;111;" + data if begins else data)
    assert port is None or 0 < port < 65_536


def test_a_flood_of_answers_is_bounded() -> None:
    """And the first answer of a host counts."""
    found: dict[str, int] = {}
    listener = _Listener(found)
    listener.datagram_received(b"2500;111;8888;", ("10.0.0.0", 4444))
    for host in range(1000):
        listener.datagram_received(b"2500;111;8889;", (f"10.0.{host // 256}.{host % 256}", 4444))
    assert len(found) == 64
    assert found["10.0.0.0"] == 8888
