"""Whatever happens on the wire: no wrong value, no traceback, healed within two polls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
import logging

import pytest

from custom_components.heat_pump_hub.drivers.driver import (
    Address,
    DriverError,
    Layout,
    LinkLostError,
    LinkRefusedError,
    NoAnswerError,
)
from custom_components.heat_pump_hub.drivers.idm import IdmDriver, probe
from custom_components.heat_pump_hub.drivers.link import Link, Wire
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

from .any_link import (  # noqa: F401
    poll,
    test_a_cancelled_poll_is_cancelled,
    test_a_closed_driver_opens_nothing,
    test_closing_frees_the_only_slot,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")

LAYOUT = Layout(circuits=("a", "b"), features=frozenset({"electric_power"}))
TIMEOUT = 0.4


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Make silence short, and log as an owner does who is not debugging."""
    caplog.set_level(logging.WARNING)
    module = "custom_components.heat_pump_hub.drivers"
    monkeypatch.setattr(f"{module}.idm.TIMEOUT", TIMEOUT)
    monkeypatch.setattr(Link.__init__, "__kwdefaults__", {"timeout": TIMEOUT})


@pytest.fixture
async def machine() -> AsyncIterator[IdmServer]:
    """Return a machine on which time stands still, so that every value has one truth."""
    model = HeatPumpModel(seed=3, start=datetime(2026, 1, 15, tzinfo=UTC))
    server = IdmServer(model, speed=0.0)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def proxy(machine: IdmServer) -> AsyncIterator[FaultProxy]:
    """Return a proxy in front of it."""
    proxy = FaultProxy("127.0.0.1", machine.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def another(proxy: FaultProxy) -> Callable[[], IdmDriver]:
    """Return a function that makes a driver that talks through the proxy."""
    return lambda: IdmDriver(Address(host="127.0.0.1", port=proxy.port), LAYOUT)


@pytest.fixture
async def driver(another: Callable[[], IdmDriver]) -> AsyncIterator[IdmDriver]:
    """Return a driver that talks through the proxy."""
    driver = another()
    yield driver
    await driver.close()


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


async def test_single_bytes_are_put_together(driver: IdmDriver, proxy: FaultProxy) -> None:
    """A slow sender is no fault."""
    truth = await poll(driver)
    assert truth
    proxy.fault = Fault.SINGLE_BYTES
    assert await poll(driver) == truth


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_first_contact_under_a_fault(
    proxy: FaultProxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """The probe of a config flow gives a reason, leaves no socket, and works when repeated."""
    address = Address(host="127.0.0.1", port=proxy.port)
    proxy.fault = fault
    if fault not in (Fault.SINGLE_BYTES, Fault.WRONG_FUNCTION):
        with pytest.raises(DriverError) as error:
            await probe(address)
        assert str(error.value)
    proxy.clear()
    await nobody_left(proxy)
    assert (await probe(address)).layout.circuits == ("a", "b")
    await nobody_left(proxy)
    assert no_traceback(caplog)


async def test_a_device_that_refuses_every_second_connection(proxy: FaultProxy) -> None:
    """A clear error or success, never a hang; a retry works."""
    address = Address(host="127.0.0.1", port=proxy.port)
    proxy.refuse_every_second = True
    outcomes = []
    for _ in range(4):
        try:
            await probe(address)
        except DriverError as err:
            outcomes.append(str(err))
        else:
            outcomes.append("")
    assert "" in outcomes
    await nobody_left(proxy)


async def test_the_port_is_closed(proxy: FaultProxy) -> None:
    """Refused is told apart from silence."""
    await proxy.pause()
    with pytest.raises(LinkRefusedError):
        await probe(Address(host="127.0.0.1", port=proxy.port))


async def test_a_link_lost_in_the_pause_before_a_request_is_not_opened_by_it(
    machine: IdmServer, proxy: FaultProxy
) -> None:
    """What is behind a new connection is greeted first: only the link itself opens one."""
    link = Link(Address(host="127.0.0.1", port=proxy.port), Wire(spacing=0.3))
    async with link.session():
        await link.read_input_registers(1000, 2)
        second = asyncio.ensure_future(link.read_input_registers(1000, 2))
        await asyncio.sleep(0.1)
        await proxy.drop_all()
        with pytest.raises(LinkLostError):
            await second
    assert machine.connects == 1
    assert link.traffic.connects == 1
    async with link.session():
        assert len(await link.read_input_registers(1000, 2)) == 2
    await link.close()


async def test_each_link_of_an_endpoint_waits_as_long_as_it_says(
    machine: IdmServer, proxy: FaultProxy
) -> None:
    """A config flow that tries an address in a hurry does so beside an entry that does not."""
    address = Address(host="127.0.0.1", port=proxy.port)
    patient, hasty = Link(address, timeout=30.0), Link(address, timeout=0.2)
    async with patient.session():
        await patient.read_input_registers(1000, 2)
    machine.silent = True
    async with hasty.session(), asyncio.timeout(10):
        with pytest.raises(NoAnswerError):
            await hasty.read_input_registers(1000, 2)
    await hasty.close()
    await patient.close()
