"""A real Home Assistant core, without a front end, for the benches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import logging
from pathlib import Path
import tempfile
from typing import Any

import homeassistant  # noqa: F401 - before anything that imports voluptuous or httpx
from homeassistant import loader
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components.heat_pump_hub  # noqa: F401 - must win over the plugin's own package
from custom_components.heat_pump_hub.drivers.driver import Layout

LAYOUT = Layout(
    circuits=("a", "b"), features=frozenset({"electric_power", "flow_sensor", "firmware"})
)


@asynccontextmanager
async def house() -> AsyncIterator[HomeAssistant]:
    """Run a core in an empty configuration folder."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            hass.data.pop(loader.DATA_CUSTOM_COMPONENTS, None)
            yield hass
            await hass.async_stop(force=True)


def entry_for(port: int, *, layout: Layout = LAYOUT, **data: Any) -> MockConfigEntry:
    """Return an entry for a simulated machine; only the cadence is too slow to matter."""
    return MockConfigEntry(
        domain="heat_pump_hub",
        title="IDM",
        unique_id="idm",
        data={
            "family": "idm",
            "host": "127.0.0.1",
            "port": port,
            "unit": 1,
            "identity": "idm",
            "layout": layout.to_json(),
            "fingerprint": {},
            **data,
        },
        options={"interval": 300},
    )


async def enable_all(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Enable every entity, reload, and return how many there are."""
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, entry.entry_id)
    for entity in entities:
        if entity.disabled_by is not None:
            registry.async_update_entity(entity.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    return len(entities)


def resident_mb() -> float:
    """Return the memory of this process that is really there, MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
