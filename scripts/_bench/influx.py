"""Home Assistant's own way to a time-series database, to be measured beside ours.

The packages that its influxdb integration asks for are not those of a heat pump: they are
installed into a folder of the user's cache.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any, Final
from unittest.mock import patch

import homeassistant
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.heat_pump_hub.drivers.points import Snapshot
from tests.servers import HOST, VictoriaMetrics, find_program

BATCH_TIMEOUT: Final = 0.005
"""Seconds instead of one: the bench does not wait, the work is the same."""


def install() -> bool:
    """Make importable what the integration asks for; ``False`` if it cannot be had."""
    integration = Path(homeassistant.__path__[0]) / "components" / "influxdb"
    wanted: list[str] = json.loads((integration / "manifest.json").read_text("utf-8"))[
        "requirements"
    ]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "heat-pump-hub" / "-".join(wanted).replace("==", "-")
    if not folder.is_dir():
        where = ("--python", sys.executable, "--target", folder)
        try:
            uv = find_program("HPH_UV", "uv")
            subprocess.run([uv, "pip", "install", "--quiet", *where, *wanted], check=True)
        except OSError, subprocess.CalledProcessError:
            shutil.rmtree(folder, ignore_errors=True)
            return False
    sys.path.append(str(folder))
    return True


@asynccontextmanager
async def influxdb(hass: HomeAssistant, server: VictoriaMetrics) -> AsyncIterator[Any]:
    """Run the integration; yields its thread."""
    from homeassistant.components import influxdb as integration

    await asyncio.to_thread(Path(hass.config.path("configuration.yaml")).touch)
    # It needs these for a certificate its user may upload.
    hass.config.components |= {"http", "file_upload"}
    entry = MockConfigEntry(
        domain="influxdb",
        data={
            "api_version": "1",
            "host": HOST,
            "port": server.port,
            "ssl": False,
            "verify_ssl": False,
            "path": "/",
            "database": "home_assistant",
        },
    )
    entry.add_to_hass(hass)
    with patch.object(integration.InfluxThread, "batch_timeout", lambda _thread: BATCH_TIMEOUT):
        if not await hass.config_entries.async_setup(entry.entry_id):
            raise RuntimeError("Home Assistant's influxdb integration does not start")
        yield entry.runtime_data
        await hass.config_entries.async_unload(entry.entry_id)


def show(hass: HomeAssistant, snapshot: Snapshot) -> None:
    """Show a snapshot as the states of sensors, as an integration without a history does."""
    for key, value in snapshot.values.items():
        hass.states.async_set(
            f"sensor.heat_pump_{key}",
            str(value),
            {
                "state_class": "measurement",
                "unit_of_measurement": "°C",
                "device_class": "temperature",
                "friendly_name": f"Heat pump {key}",
            },
        )
