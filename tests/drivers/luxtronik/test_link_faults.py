"""Whatever happens on the wire: no wrong value, no traceback, healed within two polls."""

import asyncio
from collections.abc import AsyncIterator, Callable
import logging

import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    Layout,
    LinkRefusedError,
)
from custom_components.heat_pump_hub.drivers.luxtronik import (
    LuxtronikDriver,
    driver as module,
    probe,
)
from custom_components.heat_pump_hub.drivers.luxtronik.protocol import Link
from custom_components.heat_pump_hub.drivers.points import Tier, Value
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame

from ..any_link import (  # noqa: F401
    poll,
    test_a_cancelled_poll_is_cancelled,
    test_a_closed_driver_opens_nothing,
    test_closing_frees_the_only_slot,
)
from .conftest import Start

pytestmark = pytest.mark.usefixtures("socket_enabled")

TIMEOUT = 0.2
"""Seconds of silence that are a fault."""
PATIENT = 10.0
"""Seconds a busy machine may take where no fault is awaited."""
LAYOUT = Layout(circuits=("a",))
FAULTS = [
    fault
    for fault in Fault
    if fault not in (Fault.WRONG_TRANSACTION, Fault.WRONG_UNIT, Fault.WRONG_FUNCTION, Fault.SHORT)
]
"""All but those that need a Modbus header."""


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Make silence short, and log as an owner does who is not debugging."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(module, "TIMEOUT", TIMEOUT)
    monkeypatch.setattr(Link.__init__, "__kwdefaults__", {"timeout": TIMEOUT})


@pytest.fixture
async def machine(start: Start) -> LuxtronikServer:
    """Return a small controller on which time stands still."""
    return await start(calculations=269, parameters=880)


@pytest.fixture
async def proxy(machine: LuxtronikServer) -> AsyncIterator[FaultProxy]:
    """Return a proxy in front of it."""
    proxy = FaultProxy("127.0.0.1", machine.port, frame=luxtronik_frame)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def another(proxy: FaultProxy) -> Callable[[], LuxtronikDriver]:
    """Return a function that makes a driver that talks through the proxy."""
    return lambda: LuxtronikDriver(Address(host="127.0.0.1", port=proxy.port, unit=0), LAYOUT)


@pytest.fixture
async def driver(another: Callable[[], LuxtronikDriver]) -> AsyncIterator[LuxtronikDriver]:
    """Return a driver that talks through the proxy."""
    driver = another()
    yield driver
    await driver.close()


async def settled(driver: LuxtronikDriver) -> dict[str, Value]:
    """Return the truth: what two undisturbed polls show."""
    await driver.read(Tier)
    truth = await poll(driver)
    assert truth
    return truth


async def nobody_left(proxy: FaultProxy) -> None:
    """Wait until the proxy, too, has seen the end of every connection."""
    async with asyncio.timeout(10):
        while proxy.connections:
            await asyncio.sleep(0.005)


def no_traceback(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the log is free of warnings and tracebacks; that is the coordinator's part."""
    return not [
        record
        for record in caplog.records
        if (record.levelno >= logging.WARNING or record.exc_info)
        and not record.getMessage().startswith("Executing ")  # a busy test machine
    ]


@pytest.mark.parametrize(
    "fault", [Fault.DROP, Fault.RESET, Fault.SILENT, Fault.HALF_FRAME, Fault.GARBAGE]
)
async def test_a_fault_under_a_write(
    driver: LuxtronikDriver, proxy: FaultProxy, machine: LuxtronikServer, fault: Fault
) -> None:
    """It is an error, sent at most once, and the link heals."""
    await settled(driver)
    proxy.one_shot(fault)
    with pytest.raises(DriverError):
        await driver.write("heating_mode", "party")
    assert len(machine.writes) <= 1
    await poll(driver)
    await driver.write("heating_mode", "off")
    assert machine.parameter(3) == 4


async def test_single_bytes_are_put_together(start: Start) -> None:
    """A slow sender is no fault."""
    machine = await start(calculations=120, parameters=120, mixing=0)
    proxy = FaultProxy("127.0.0.1", machine.port, frame=luxtronik_frame)
    await proxy.start()
    driver = LuxtronikDriver(Address(host="127.0.0.1", port=proxy.port, unit=0), Layout())
    driver._link._timeout = 3.0
    truth = await settled(driver)
    proxy.fault = Fault.SINGLE_BYTES
    assert await poll(driver) == truth
    await driver.close()
    await proxy.stop()


async def test_a_controller_that_freezes_and_restarts(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """As after somebody else's write on firmware .90: nothing wrong is shown, and it heals."""
    machine = await start(firmware="V2.90.0")
    driver = LuxtronikDriver(Address(host="127.0.0.1", port=machine.port, unit=0), LAYOUT)
    truth = await settled(driver)
    _, other = await asyncio.open_connection("127.0.0.1", machine.port)
    other.write(bytes.fromhex("00000bba0000000300000004"))
    await asyncio.sleep(0.05)
    assert machine.parameter(3) == 4
    while (shown := await poll(driver)) is None:
        await asyncio.sleep(0.05)
    assert shown == truth | {
        "heating_mode": "off",
        "dhw_setpoint_active": shown["dhw_setpoint_active"],
        "return_setpoint_heating": shown["return_setpoint_heating"],
    }
    other.close()
    await driver.close()
    assert no_traceback(caplog)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_first_contact_under_a_fault(
    proxy: FaultProxy,
    fault: Fault,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The probe of a config flow gives a reason, leaves no socket, and works when repeated."""
    address = Address(host="127.0.0.1", port=proxy.port, unit=0)
    proxy.fault = fault
    with pytest.raises(DriverError) as error:
        await probe(address)
    assert str(error.value)
    proxy.clear()
    await nobody_left(proxy)
    monkeypatch.setattr(module, "TIMEOUT", PATIENT)
    assert (await probe(address)).layout.circuits == ("a",)
    await nobody_left(proxy)
    assert no_traceback(caplog)


async def test_the_port_is_closed(proxy: FaultProxy) -> None:
    """Refused is told apart from silence."""
    await proxy.pause()
    with pytest.raises(LinkRefusedError):
        await probe(Address(host="127.0.0.1", port=proxy.port, unit=0))
