"""Pictures of an anomaly: its device, dialog, repair and logbook, and what a detector is asked."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
import json
from pathlib import Path
from typing import Any, Final

import aiohttp

from custom_components.heat_pump_hub.simulator.machine_faults import Name

from .browser import browser
from .client import Client
from .errors import DevelopError
from .fault import PAST, arguments, preload
from .flow import DOMAIN
from .frontend import Frontend
from .pumps import add_pumps
from .stand import running

FAULT: Final[Name] = "icing"
_APP: Final = "document.querySelector('home-assistant')"
_FLOW: Final = f"{_APP}.shadowRoot.querySelector('dialog-data-entry-flow')"
_PAGE: Final = 1000
_LONG_PAGE: Final = 2600
_ACTIONS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("explain", {}),
    ("explain", {"relations": ["spread", "nonsense"]}),
    ("self_test", {"fault": "offset", "signal": "return_temperature"}),
    ("export_report", {"period": "day"}),
    ("backfill", {"start": "2026-01-01 00:00:00", "what": ["states"], "dry_run": True}),
)
_OLDER: Final = {
    "en": (
        "Outdoor temperature",
        "Flow temperature",
        "Return temperature",
        "Hot water temperature",
    ),
    "de": ("Außentemperatur", "Vorlauftemperatur", "Rücklauftemperatur", "Warmwassertemperatur"),
}
"""Entities of another integration, as names propose them."""


async def shoot_anomaly(folder: Path, language: str) -> list[str]:
    """Take the pictures in one language; return what looks like a key instead of a text.

    Raises :class:`DevelopError`.
    """
    await asyncio.to_thread(partial(folder.mkdir, parents=True, exist_ok=True))
    async with (
        running(language=language, simulator=arguments(FAULT)) as stand,
        AsyncExitStack() as stack,
        aiohttp.ClientSession() as session,
        browser(session, stand.folder) as page,
    ):
        frontend = Frontend(page, stand.client, folder, language)
        pumps, _ = await add_pumps(stand, ("idm",), stack)
        (pump,) = pumps
        for name in _OLDER[language]:
            await _add_older(stand.client, name)
        await preload(stand, pump, stand.folder / PAST, FAULT)
        try:
            await frontend.log_in()
            entities = await pump.entities(stand.client)
            await _machine(frontend, entities)
            await _learn_from(frontend)
            await _actions(frontend)
            await _repair(frontend)
        except DevelopError:
            await frontend.picture("failed-here")
            raise
        return frontend.raw


async def _add_older(client: Client, name: str) -> None:
    """Add a template sensor: an entity with a unit that is none of ours."""
    path = "/api/config/config_entries/flow"
    flow = await client.request("POST", path, json={"handler": "template"})
    flow_path = f"{path}/{flow['flow_id']}"
    await client.request("POST", flow_path, json={"next_step_id": "sensor"})
    asked = {
        "name": name,
        "state": "{{ 21.5 }}",
        "unit_of_measurement": "°C",
        "device_class": "temperature",
        "state_class": "measurement",
    }
    await client.request("POST", flow_path, json=asked)


async def _machine(frontend: Frontend, entities: dict[str, dict[str, Any]]) -> None:
    await frontend.size(_LONG_PAGE)
    await frontend.open(f"/config/devices/device/{entities['anomaly']['device_id']}")
    await frontend.picture("anomaly-device")
    await frontend.size(_PAGE)
    for key in ("anomaly", "anomaly_episode", "anomaly_probability"):
        await frontend.open(f"/config/integrations/integration/{DOMAIN}")
        await frontend.more_info(entities[key]["entity_id"])
        await frontend.picture(key.replace("_", "-"), files=True)
    await frontend.open("/logbook")
    await frontend.picture("anomaly-logbook")


async def _learn_from(frontend: Frontend) -> None:
    await frontend.open(f"/config/integrations/integration/{DOMAIN}")
    await frontend.page.click(
        "hph.all('ha-icon-button', hph.all('ha-config-entry-row')[0]).find(b => b.slot === 'end')",
        "the button of the options",
    )
    await frontend.step("init")
    field = f"hph.all('ha-selector', {_FLOW}).find(s => s.name === 'learn_from_entities')"
    await frontend.page.click(f"hph.all('ha-switch', {field})[0]", "the switch to learn")
    await frontend.size(_LONG_PAGE)
    await frontend.picture("options-learn")
    await frontend.submit()
    await frontend.step("learn_from")
    await frontend.picture("options-learn-from")


async def _actions(frontend: Frontend) -> None:
    """Call actions in the developer tools, as an owner does."""
    await frontend.size(_LONG_PAGE)
    for number, (action, data) in enumerate(_ACTIONS, 1):
        stored = json.dumps({"action": f"{DOMAIN}.{action}", "data": data})
        await frontend.open("/config/tools/action")
        await frontend.page.evaluate(
            f"localStorage.setItem('panel-dev-action-state-service-data', {json.dumps(stored)})"
        )
        await frontend.open("/config/tools/action")
        await frontend.page.click(
            "hph.all('ha-progress-button').at(-1)", "the button that performs the action"
        )
        # Home Assistant shows the name of an action beside its title.
        await frontend.picture(f"action-{number}-{action.replace('_', '-')}", files=True)


async def _repair(frontend: Frontend) -> None:
    await frontend.size(_PAGE)
    await frontend.open("/config/repairs")
    await frontend.picture("repairs")
    await frontend.page.click(
        "hph.all('ha-list-item, ha-md-list-item, ha-list-item-button', "
        "hph.all('ha-config-repairs')[0])[0]",
        "the repair",
    )
    await frontend.step("init")
    await frontend.picture("repair")
    await frontend.choose(2)
    await frontend.page.wait_for(f"{_FLOW}?._step?.type === 'abort'", "the answer is taken")
    await frontend.picture("repair-confirmed")
    await frontend.open("/config/repairs")
    await frontend.picture("repairs-after")
