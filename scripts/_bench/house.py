"""A real Home Assistant core, without a front end, for the benches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import zip_longest
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
    return await enable(hass, [entry])


async def enable(
    hass: HomeAssistant, entries: list[MockConfigEntry], wanted: int | None = None
) -> int:
    """Enable entities in turn until there are as many as ``wanted``, or all of them.

    Waits for the reloads that follow; returns how many are enabled.
    """
    registry = er.async_get(hass)
    found = [er.async_entries_for_config_entry(registry, entry.entry_id) for entry in entries]
    enabled = sum(entity.disabled_by is None for some in found for entity in some)
    disabled = [[entity for entity in some if entity.disabled_by is not None] for some in found]
    turns = [entity for turn in zip_longest(*disabled) for entity in turn if entity is not None]
    chosen = turns if wanted is None else turns[: max(0, wanted - enabled)]
    changed = {entity.config_entry_id for entity in chosen}
    before = {e: e.runtime_data for e in entries if e.entry_id in changed}
    # Home Assistant reloads once nothing more was enabled for so long.
    with patch("homeassistant.config_entries.RELOAD_AFTER_UPDATE_DELAY", 0):
        for entity in chosen:
            registry.async_update_entity(entity.entity_id, disabled_by=None)
        async with asyncio.timeout(60):
            while any(
                entry.state is not ConfigEntryState.LOADED or entry.runtime_data is data
                for entry, data in before.items()
            ):
                await asyncio.sleep(0.05)
    await hass.async_block_till_done()
    return enabled + len(chosen)


def resident_mb() -> float:
    """Return the memory of this process that is really there, MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
