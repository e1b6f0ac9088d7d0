"""Whatever happens on the wire: no wrong value, no traceback, healed within two polls."""

import asyncio
from collections.abc import AsyncIterator
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
from custom_components.heat_pump_hub.drivers.points import Tier, Value
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

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
async def driver(proxy: FaultProxy) -> AsyncIterator[IdmDriver]:
    """Return a driver that talks through the proxy."""
    driver = IdmDriver(Address(host="127.0.0.1", port=proxy.port), LAYOUT)
    yield driver
    await driver.close()


async def poll(driver: IdmDriver) -> dict[str, Value] | None:
    """Poll everything; ``None`` if nothing could be read."""
    try:
        snapshot = await driver.read(Tier)
    except DriverError:
        return None
    return dict(snapshot.values)


async def poll_whole(driver: IdmDriver) -> dict[str, Value]:
    """Return what a poll without a fault shows; a busy test machine may need a second one."""
    for _ in range(3):
        snapshot = await driver.read(Tier)
        if not snapshot.failed:
            return dict(snapshot.values)
    raise AssertionError(snapshot.failed)


def no_traceback(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the log is free of warnings and tracebacks; that is the coordinator's part."""
    return not [
        record
        for record in caplog.records
        if (record.levelno >= logging.WARNING or record.exc_info)
        and not record.getMessage().startswith("Executing ")  # a busy test machine
    ]


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.WRONG_FUNCTION])
@pytest.mark.parametrize("request_number", [1, 9])
async def test_one_fault_in_a_poll(
    driver: IdmDriver,
    proxy: FaultProxy,
    fault: Fault,
    request_number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next poll is whole again; what this one shows is true."""
    truth = await poll_whole(driver)
    proxy.one_shot(fault, request_number)
    shown = await poll(driver)
    assert shown is None or shown.items() <= truth.items()
    healed = await poll(driver)
    if healed != truth:
        healed = await poll(driver)
    assert healed == truth
    assert proxy.connections <= 1
    assert driver.learned()["strikes"] == []
    assert driver.learned()["splits"] == []
    assert no_traceback(caplog)


@pytest.mark.parametrize(
    "fault", [fault for fault in Fault if fault not in (Fault.WRONG_FUNCTION, Fault.SINGLE_BYTES)]
)
async def test_a_lasting_fault_and_its_end(
    driver: IdmDriver, proxy: FaultProxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """While it lasts nothing false is shown; afterwards two polls are enough."""
    truth = await poll_whole(driver)
    proxy.fault = fault
    connects = proxy.connects
    for attempt in range(1, 4):
        shown = await poll(driver)
        assert shown is None or shown.items() <= truth.items()
        assert proxy.connects - connects <= attempt
    proxy.clear()
    await poll(driver)
    assert await poll(driver) == truth
    assert proxy.connections <= 1
    assert no_traceback(caplog)


async def test_single_bytes_are_put_together(driver: IdmDriver, proxy: FaultProxy) -> None:
    """A slow sender is no fault."""
    truth = await poll_whole(driver)
    proxy.fault = Fault.SINGLE_BYTES
    assert await poll(driver) == truth


async def test_a_device_that_is_away(
    driver: IdmDriver, proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    """One connection attempt a poll, and the first poll after its return is whole."""
    truth = await poll_whole(driver)
    await proxy.pause()
    for attempt in range(1, 4):
        before = driver.traffic.connects
        with pytest.raises(DriverError):
            await driver.read(Tier)
        assert driver.traffic.connects - before == 1, attempt
    await proxy.resume()
    assert await poll(driver) == truth
    assert no_traceback(caplog)


async def test_a_slot_taken_by_another_client(driver: IdmDriver, proxy: FaultProxy) -> None:
    """A device with one connection refuses until the other client leaves."""
    proxy.max_connections = 1
    _, other = await asyncio.open_connection("127.0.0.1", proxy.port)
    await asyncio.sleep(0.05)
    assert await poll(driver) is None
    other.close()
    await other.wait_closed()
    await asyncio.sleep(0.05)
    assert await poll(driver)


async def test_closing_frees_the_only_slot(driver: IdmDriver, proxy: FaultProxy) -> None:
    """A reload on a device with one connection finds the slot free."""
    proxy.max_connections = 1
    assert await poll(driver)
    await driver.close()
    for _ in range(3):
        await asyncio.sleep(0.1)  # the proxy, too, needs a moment to see the end
        again = IdmDriver(Address(host="127.0.0.1", port=proxy.port), LAYOUT)
        assert await poll(again)
        await again.close()
    assert proxy.refused == 0


async def test_a_closed_driver_opens_nothing(driver: IdmDriver, proxy: FaultProxy) -> None:
    """After close no request goes out."""
    await driver.close()
    assert await poll(driver) is None
    assert proxy.connects == 0


async def test_a_cancelled_poll_is_cancelled(driver: IdmDriver, proxy: FaultProxy) -> None:
    """Unloading during a silent request ends it as a cancellation, and the link is free."""
    assert await poll(driver)
    proxy.fault = Fault.SILENT
    task = asyncio.create_task(driver.read(Tier))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    proxy.clear()
    assert await poll(driver)


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
    await asyncio.sleep(0.05)
    assert proxy.connections == 0
    assert (await probe(address)).layout.circuits == ("a", "b")
    await asyncio.sleep(0.05)
    assert proxy.connections == 0
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
    await asyncio.sleep(0.05)
    assert proxy.connections == 0


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
