"""NIBE and Daikin under every fault of the link: no wrong value, healed within two polls."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
import logging

import pytest

from custom_components.heat_pump_hub.drivers.daikin import DaikinDriver
from custom_components.heat_pump_hub.drivers.device import ModbusDriver
from custom_components.heat_pump_hub.drivers.driver import Address, DriverError, Layout
from custom_components.heat_pump_hub.drivers.link import Link
from custom_components.heat_pump_hub.drivers.nibe import NibeDriver
from custom_components.heat_pump_hub.drivers.points import Tier, Value
from custom_components.heat_pump_hub.simulator.daikin import DaikinServer
from custom_components.heat_pump_hub.simulator.faults import Fault, FaultProxy
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

pytestmark = pytest.mark.usefixtures("socket_enabled")

TIMEOUT = 0.25
SHOTS = [fault for fault in Fault if fault is not Fault.WRONG_FUNCTION]


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Make silence short, and log as an owner does who is not debugging."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(Link.__init__, "__kwdefaults__", {"timeout": TIMEOUT})


@pytest.fixture(params=["nibe", "daikin"])
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[NibeServer | DaikinServer]:
    """Return a machine on which time stands still, so that every value has one truth."""
    model = HeatPumpModel(seed=3, start=datetime(2026, 1, 15, tzinfo=UTC))
    server = (NibeServer if request.param == "nibe" else DaikinServer)(model, speed=0.0)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def proxy(machine: NibeServer | DaikinServer) -> AsyncIterator[FaultProxy]:
    """Return a proxy in front of it."""
    proxy = FaultProxy("127.0.0.1", machine.port)
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def driver(
    machine: NibeServer | DaikinServer, proxy: FaultProxy
) -> AsyncIterator[ModbusDriver]:
    """Return a driver that talks through the proxy."""
    address = Address(host="127.0.0.1", port=proxy.port)
    if isinstance(machine, NibeServer):
        layout = Layout(circuits=("a", "b"), features=frozenset({machine.machine.model}))
        driver: ModbusDriver = NibeDriver(address, layout, spacing=0.0)
    else:
        driver = DaikinDriver(address, Layout())
    yield driver
    await driver.close()


async def poll(driver: ModbusDriver) -> dict[str, Value] | None:
    """Poll everything; ``None`` if nothing could be read."""
    try:
        snapshot = await driver.read(Tier)
    except DriverError:
        return None
    return dict(snapshot.values)


def no_traceback(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the log is free of warnings and tracebacks; that is the coordinator's part."""
    return not [
        record
        for record in caplog.records
        if (record.levelno >= logging.WARNING or record.exc_info)
        and not record.getMessage().startswith("Executing ")  # a busy test machine
    ]


@pytest.mark.parametrize("fault", SHOTS)
@pytest.mark.parametrize("request_number", [1, 3])
async def test_one_fault_in_a_poll(
    driver: ModbusDriver,
    proxy: FaultProxy,
    fault: Fault,
    request_number: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next poll is whole again; what this one shows is true, derived values included."""
    truth = await poll(driver)
    assert truth
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


@pytest.mark.parametrize("fault", [fault for fault in SHOTS if fault is not Fault.SINGLE_BYTES])
async def test_a_lasting_fault_and_its_end(
    driver: ModbusDriver, proxy: FaultProxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """While it lasts nothing false is shown; afterwards two polls are enough."""
    truth = await poll(driver)
    assert truth
    proxy.fault = fault
    connects = proxy.connects
    for attempt in range(1, 3):
        shown = await poll(driver)
        assert shown is None or shown.items() <= truth.items()
        assert proxy.connects - connects <= attempt
    proxy.clear()
    await poll(driver)
    assert await poll(driver) == truth
    assert proxy.connections <= 1
    assert no_traceback(caplog)


async def test_a_device_that_is_away(driver: ModbusDriver, proxy: FaultProxy) -> None:
    """One connection attempt a poll, and the first poll after its return is whole."""
    truth = await poll(driver)
    await proxy.pause()
    for _ in range(2):
        before = driver.traffic.connects
        assert await poll(driver) is None
        assert driver.traffic.connects - before == 1
    await proxy.resume()
    assert await poll(driver) == truth
