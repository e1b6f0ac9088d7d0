"""Pictures of what others measure: the options about them, and the flow of an IoTaWatt unit."""

import asyncio
import time
from typing import Final

from custom_components.heat_pump_hub.simulator.iotawatt import IotawattUnit

from .flow import DOMAIN, OPTIONS, drive
from .frontend import DIALOG, Frontend
from .processes import free_port
from .stand import Stand
from .tools import HOST

_OPTIONS_HEIGHT: Final = 2900
_TALL: Final = 1100
_PAGE: Final = f"/config/integrations/integration/{DOMAIN}"
_USER: Final = "user"
_PASSWORD: Final = "to be seen by nobody"  # noqa: S105 - of a simulated unit
_HOUSE: Final = {
    "sensor.solar_1": ("1850", {"friendly_name": "Roof", "unit_of_measurement": "W"}),
    "sensor.mains_1": ("640", {"friendly_name": "Mains 1", "unit_of_measurement": "W"}),
    "switch.circulation": ("on", {"friendly_name": "Circulation"}),
    "sensor.heat_pump_power": (
        "1.42",
        {"friendly_name": "Meter", "unit_of_measurement": "kW", "device_class": "power"},
    ),
}
"""States by entity id, with their attributes."""


async def options(frontend: Frontend, stand: Stand, entry_id: str) -> None:
    """Show every option there is, with entities chosen. Raises ``DevelopError``."""
    for entity_id, (state, attributes) in _HOUSE.items():
        path = f"/api/states/{entity_id}"
        await stand.client.request("POST", path, json={"state": state, "attributes": attributes})
    companions = [entity_id for entity_id in _HOUSE if "power" not in entity_id]
    chosen = {
        "companion_entities": {
            "companions": companions,
            "companion_rules": "# my house\nCirculation: group=pump, floor=cellar",
        },
        "electricity_meter": {"meter_power": "sensor.heat_pump_power", "meter_preferred": False},
        "daily_reports": {"reports": True, "report_format": "csv", "report_days": 30},
    }
    await drive(stand.client, OPTIONS, entry_id, {"init": chosen})
    await frontend.size(_OPTIONS_HEIGHT)
    await frontend.open_options()
    await frontend.page.evaluate(
        f"hph.all('ha-expansion-panel', {DIALOG}).forEach(one => one.expanded = true), 0"
    )
    await frontend.picture("options-everything", files=True)


async def iotawatt(frontend: Frontend) -> None:
    """Add a unit with a password by clicks, with mistakes on the way. Raises ``DevelopError``."""
    unit = IotawattUnit(
        begin=int(time.time()) - 86_400, passwords={"admin": _PASSWORD, _USER: _PASSWORD}
    )
    port = await asyncio.to_thread(unit.start)
    try:
        await _add(frontend, port)
    finally:
        await asyncio.to_thread(unit.stop)


async def _add(frontend: Frontend, port: int) -> None:
    await frontend.size(_TALL)
    await frontend.open(_PAGE)
    await frontend.picture("iotawatt-integration")
    await frontend.page.click(
        "hph.all('ha-button').find(one => hph.text(one).includes('IoTaWatt'))",
        "the button that adds a unit",
    )
    await frontend.step("user")
    await frontend.picture("iotawatt-flow")
    for host, name in ((f"{HOST}:{free_port()}", "unreachable"), (f"{HOST}:{port}", "password")):
        await frontend.enter("host", host)
        await frontend.submit()
        # The error of the attempt before stays until this one has ended.
        await asyncio.sleep(1.0)
        await frontend.failed()
        await frontend.picture(f"iotawatt-flow-{name}")
    await frontend.enter("password", _PASSWORD)
    await frontend.submit()
    await asyncio.sleep(1.0)
    await frontend.failed()
    await frontend.picture("iotawatt-flow-no-user")
    await frontend.select("username", _USER)
    await frontend.submit()
    await frontend.step("series")
    # Names of series are the unit's own.
    await frontend.picture("iotawatt-series", files=True)
    await frontend.submit()
    await frontend.failed()
    await frontend.picture("iotawatt-series-none", files=True)
    for place in range(3):
        await frontend.page.click(
            f"hph.all('ha-checkbox', {DIALOG})[{place}]", f"the box {place + 1}"
        )
    await frontend.submit()
    await frontend.done()
    await frontend.picture("iotawatt-done", files=True)
    await frontend.open(_PAGE)
    await frontend.picture("iotawatt-added", files=True)
