"""Each family in Home Assistant, against its simulated machine on a real socket."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.const import DOMAIN
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address
from custom_components.heat_pump_hub.simulator.daikin import DaikinServer
from custom_components.heat_pump_hub.simulator.idm import IdmServer
from custom_components.heat_pump_hub.simulator.luxtronik import LuxtronikServer
from custom_components.heat_pump_hub.simulator.luxtronik_values import LuxtronikMachine
from custom_components.heat_pump_hub.simulator.nibe import NibeMachine, NibeServer
from custom_components.heat_pump_hub.simulator.physics import HeatPumpModel

pytestmark = pytest.mark.usefixtures("socket_enabled")


def idm(model: HeatPumpModel) -> IdmServer:
    """Return a simulated IDM."""
    return IdmServer(model, read_back_delay=(0.0, 0.0))


def luxtronik(model: HeatPumpModel) -> LuxtronikServer:
    """Return a simulated Luxtronik."""
    return LuxtronikServer(model, LuxtronikMachine(mixing=1), read_back_delay=(0.0, 0.0))


def luxtronik_shi(model: HeatPumpModel) -> LuxtronikServer:
    """Return a simulated Luxtronik with its Smart Home Interface."""
    machine = LuxtronikMachine(mixing=1, firmware="V3.92.0", shi=True)
    return LuxtronikServer(model, machine, read_back_delay=(0.0, 0.0))


def nibe_ground(model: HeatPumpModel) -> NibeServer:
    """Return a simulated NIBE with the compressor inside."""
    return NibeServer(model, read_back_delay=(0.0, 0.0))


def nibe_air(model: HeatPumpModel) -> NibeServer:
    """Return a simulated NIBE with an outdoor unit."""
    return NibeServer(model, NibeMachine(model="vvms320_vvms325"), read_back_delay=(0.0, 0.0))


def daikin(model: HeatPumpModel) -> DaikinServer:
    """Return a simulated Daikin behind its hub."""
    return DaikinServer(model, read_back_delay=(0.0, 0.0))


MACHINES: dict[str, Callable[[HeatPumpModel], Any]] = {
    "idm": idm,
    "luxtronik": luxtronik,
    "luxtronik_shi": luxtronik_shi,
    "nibe": nibe_ground,
    "nibe_air": nibe_air,
    "daikin": daikin,
}
"""By what the test calls it: the family, and perhaps which kind of it."""

SETTINGS = {
    **dict.fromkeys(("nibe", "nibe_air"), "circuit_a_room_temperature_setpoint"),
    "luxtronik_shi": "shi_hot_water_setpoint",
}
"""A number that is enabled, where that is not the set temperature of hot water."""


def writes(server: Any) -> list[Any]:
    """Return every attempt to write, whichever way."""
    beside = getattr(server, "shi", None)
    return [*server.writes, *(beside.writes if beside is not None else ())]


type Start = Callable[[str], Awaitable[tuple[Any, MockConfigEntry]]]


@pytest.fixture
async def start(hass: HomeAssistant) -> AsyncGenerator[Start]:
    """Return a function that starts a machine and sets it up in Home Assistant."""
    servers = []

    async def start(key: str) -> tuple[Any, MockConfigEntry]:
        model = HeatPumpModel(seed=5, start=datetime(2026, 1, 15, 6, tzinfo=UTC), circuits="ab")
        server = MACHINES[key](model)
        port = await server.start()
        servers.append(server)
        kind = family(key.partition("_")[0])
        identity = await kind.probe(Address(host="127.0.0.1", port=port, unit=kind.unit))
        entry = MockConfigEntry(
            domain=DOMAIN,
            title=key,
            unique_id=key,
            data={
                "family": kind.key,
                "host": "127.0.0.1",
                "port": port,
                "unit": kind.unit,
                "identity": key,
                "layout": identity.layout.to_json(),
                "fingerprint": {},
                "manufacturer": identity.manufacturer,
                "model": identity.model,
                "firmware": identity.firmware,
            },
            options={"interval": 30},
        )
        entry.add_to_hass(hass)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return server, entry

    yield start
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)
    for server in servers:
        await server.stop()


@pytest.mark.parametrize("key", MACHINES)
async def test_a_machine_shows_its_values_and_nothing_is_written(
    hass: HomeAssistant, start: Start, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, entry = await start(key)
    assert entry.state is ConfigEntryState.LOADED
    values = {state.entity_id: state.state for state in hass.states.async_all()}
    assert len(values) >= 25
    assert "unavailable" not in {
        value for name, value in values.items() if "anomaly" not in name and "learning" not in name
    }
    assert values[f"sensor.{key}_outdoor_temperature"] not in ("unknown", "unavailable")
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert writes(server) == []
    assert not [
        record
        for record in caplog.records
        if record.levelname in {"WARNING", "ERROR"}
        and "not been tested" not in record.getMessage()
        # a busy test machine, and what only those hear who debug, as tests do
        and record.name not in {"asyncio", "pymodbus.logging"}
    ]


@pytest.mark.parametrize("key", MACHINES)
async def test_every_entity_of_a_machine_has_a_name(
    hass: HomeAssistant, entity_registry: er.EntityRegistry, start: Start, key: str
) -> None:
    _, entry = await start(key)
    entities = er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    assert len(entities) >= 60
    nameless = [
        entity.unique_id
        for entity in entities
        if not entity.original_name or "{" in entity.original_name
    ]
    assert nameless == []


@pytest.mark.parametrize("key", MACHINES)
async def test_a_setting_is_written_once_and_read_back(
    hass: HomeAssistant, entity_registry: er.EntityRegistry, start: Start, key: str
) -> None:
    server, _ = await start(key)
    entity_id = entity_registry.async_get_entity_id(
        "number", DOMAIN, f"{key}_{SETTINGS.get(key, 'dhw_temperature_setpoint')}"
    )
    assert entity_id
    before = hass.states.get(entity_id)
    assert before
    wanted = float(before.state) + 1
    action = {"entity_id": entity_id, "value": wanted}
    await hass.services.async_call("number", "set_value", action, blocking=True)
    after = hass.states.get(entity_id)
    assert after
    assert float(after.state) == wanted
    await hass.services.async_call("number", "set_value", action, blocking=True)
    assert len(writes(server)) == 1
