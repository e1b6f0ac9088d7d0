"""A real Home Assistant core, without a front end, for the benches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import logging
from pathlib import Path
import tempfile
from typing import Any
from unittest.mock import patch

import homeassistant  # noqa: F401 - before anything that imports voluptuous or httpx
from homeassistant import loader
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components.heat_pump_hub  # noqa: F401 - must win over the plugin's own package
from custom_components.heat_pump_hub.drivers import family
from custom_components.heat_pump_hub.drivers.driver import Address, Layout

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


async def layout_of(family_key: str, port: int) -> Layout:
    """Return what the config flow would find; an IDM has a layout of the bench's own."""
    if family_key == "idm":
        return LAYOUT
    kind = family(family_key)
    return (await kind.probe(Address(host="127.0.0.1", port=port, unit=kind.unit))).layout


def entry_for(
    port: int,
    *,
    family_key: str = "idm",
    layout: Layout = LAYOUT,
    interval: int = 300,
    **data: Any,
) -> MockConfigEntry:
    """Return an entry for a simulated machine; by default its cadence is too slow to matter."""
    return MockConfigEntry(
        domain="heat_pump_hub",
        title=family_key,
        unique_id=family_key,
        data={
            "family": family_key,
            "host": "127.0.0.1",
            "port": port,
            "unit": family(family_key).unit,
            "identity": family_key,
            "layout": layout.to_json(),
            "fingerprint": {},
            **data,
        },
        options={"interval": interval},
    )


async def enable_all(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    """Enable every entity, wait for the reload that follows, and return how many there are."""
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, entry.entry_id)
    before = entry.runtime_data
    disabled = [entity for entity in entities if entity.disabled_by is not None]
    # Home Assistant reloads once nothing more was enabled for so long.
    with patch("homeassistant.config_entries.RELOAD_AFTER_UPDATE_DELAY", 0):
        for entity in disabled:
            registry.async_update_entity(entity.entity_id, disabled_by=None)
        async with asyncio.timeout(60):
            while disabled and (
                entry.state is not ConfigEntryState.LOADED or entry.runtime_data is before
            ):
                await asyncio.sleep(0.05)
    await hass.async_block_till_done()
    return len(entities)


def resident_mb() -> float:
    """Return the memory of this process that is really there, MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
