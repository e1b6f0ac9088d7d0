"""Another heat pump at the address: held apart, told to the owner, healed by itself."""

from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.discovery import fingerprint
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, OtherMachineError
from custom_components.heat_pump_hub.simulator.daikin import DaikinMachine, DaikinServer
from custom_components.heat_pump_hub.simulator.faults import FaultProxy, modbus_frame
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.idm_values import IdmMachine
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer, luxtronik_frame
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.nibe import NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Make = Callable[[HeatPumpModel], Any]


def younger(model: HeatPumpModel) -> HeatPumpModel:
    """Return a machine whose counters have not come as far."""
    model.compressor_starts = 10
    model.thermal_energy = dict.fromkeys(model.thermal_energy, 1.0)
    return model


MACHINES: dict[str, tuple[Make, Make]] = {
    "idm": (IdmServer, lambda model: IdmServer(model, IdmMachine(circuits="A"))),
    "nibe": (NibeServer, lambda model: NibeServer(younger(model))),
    "daikin": (
        DaikinServer,
        lambda model: DaikinServer(model, DaikinMachine(additional=False)),
    ),
    "luxtronik": (
        LuxtronikServer,
        lambda model: LuxtronikServer(model, LuxtronikMachine(serial=(200_114, 0x0C3A, 8))),
    ),
}
"""By family: the machine of the entry, and the one that gets its address."""


class Place:
    """One address, and the two machines that can be behind it."""

    def __init__(self, proxy: FaultProxy, mine: Any, other: Any) -> None:
        self.proxy, self.mine, self.other = proxy, mine, other

    async def give_to(self, server: Any) -> None:
        self.proxy.target = ("127.0.0.1", server.port)
        await self.proxy.drop_all()


@pytest.fixture(params=list(MACHINES))
async def place(
    hass: HomeAssistant, request: pytest.FixtureRequest
) -> AsyncGenerator[tuple[Place, MockConfigEntry]]:
    """Set up a heat pump as the config flow does, fingerprint included."""
    servers = []
    for make in MACHINES[request.param]:
        model = HeatPumpModel(seed=5, start=datetime(2026, 1, 15, 6, tzinfo=UTC))
        servers.append(make(model))
        await servers[-1].start()
    frame = luxtronik_frame if request.param == "luxtronik" else modbus_frame
    proxy = FaultProxy("127.0.0.1", servers[0].port, frame=frame)
    port = await proxy.start()
    kind = family(request.param)
    identity = await kind.probe(Address(host="127.0.0.1", port=port, unit=kind.unit))
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Cellar",
        unique_id="cellar",
        data={
            "family": kind.key,
            "host": "127.0.0.1",
            "port": port,
            "unit": kind.unit,
            "identity": "cellar",
            "layout": identity.layout.to_json(),
            "fingerprint": fingerprint(identity),
            "manufacturer": identity.manufacturer,
            "model": identity.model,
        },
        options={"interval": 3600},
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    yield Place(proxy, *servers), entry
    if entry.state is ConfigEntryState.LOADED:
        await hass.config_entries.async_unload(entry.entry_id)
    await proxy.stop()
    for server in servers:
        await server.stop()


def issue(hass: HomeAssistant, entry: MockConfigEntry) -> ir.IssueEntry | None:
    """Return the repair about the entry."""
    return ir.async_get(hass).async_get_issue(DOMAIN, f"different_machine_{entry.entry_id}")


def shown(hass: HomeAssistant) -> str:
    """Return what is shown of the heat pump."""
    state = hass.states.get("sensor.cellar_outdoor_temperature")
    assert state is not None
    return state.state


async def test_another_machine_is_held_apart_until_the_right_one_is_back(
    hass: HomeAssistant, place: tuple[Place, MockConfigEntry], caplog: pytest.LogCaptureFixture
) -> None:
    address, entry = place
    coordinator = entry.runtime_data.coordinator
    assert shown(hass) not in ("unavailable", "unknown")
    taken: list[object] = []
    coordinator.consumers.append(taken.append)
    before = {key: list(value) for key, value in entry.runtime_data.driver.learned().items()
              if isinstance(value, list)}  # fmt: skip

    await address.give_to(address.other)
    caplog.clear()
    await coordinator.async_refresh()
    assert shown(hass) == "unavailable"
    assert issue(hass, entry) is None
    for _ in range(3):
        await coordinator.async_refresh()
    found = issue(hass, entry)
    assert found is not None
    assert found.translation_key == "different_machine"
    assert taken == []
    driver = entry.runtime_data.driver
    writable = next(key for key, point in driver.points.items() if point.writable)
    with pytest.raises(OtherMachineError):
        await driver.write(writable, driver.points[writable].minimum or 0)
    with pytest.raises(OtherMachineError):
        await driver.read_point(writable)
    assert address.other.writes == []
    assert {key: driver.learned()[key] for key in before} == before
    told = [r for r in caplog.records if r.levelno >= 40 and "Another heat pump" in r.getMessage()]
    assert len(told) == 1

    await address.give_to(address.mine)
    await coordinator.async_refresh()
    assert shown(hass) not in ("unavailable", "unknown")
    assert issue(hass, entry) is None
    assert len(taken) == 1
    assert address.proxy.connections == 1


async def test_set_up_waits_for_the_right_machine(
    hass: HomeAssistant, place: tuple[Place, MockConfigEntry]
) -> None:
    address, entry = place
    await hass.config_entries.async_unload(entry.entry_id)
    await address.give_to(address.other)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "different_machine"
    assert issue(hass, entry) is not None

    await address.give_to(address.mine)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert issue(hass, entry) is None


async def test_the_machine_is_looked_at_once_a_connection(
    hass: HomeAssistant, place: tuple[Place, MockConfigEntry]
) -> None:
    """It costs a poll nothing while the link stands."""
    address, entry = place
    coordinator = entry.runtime_data.coordinator
    await coordinator.async_refresh()
    before = address.proxy.requests
    await coordinator.async_refresh()
    usual = address.proxy.requests - before
    await address.proxy.drop_all()
    before = address.proxy.requests
    await coordinator.async_refresh()
    assert usual < address.proxy.requests - before <= usual + 4
    before = address.proxy.requests
    await coordinator.async_refresh()
    assert address.proxy.requests - before == usual
