"""The actions of the integration, in one table; each acts on one heat pump.

An action is an :class:`Action` in :data:`ACTIONS`, with its fields in ``services.yaml``, texts
in the translations and an icon in ``icons.json``, all under its name.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from homeassistant.const import ATTR_CONFIG_ENTRY_ID, ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv, device_registry as dr, service
import probatio as vol

from .anomaly_actions import EXPLAIN_FIELDS, SELF_TEST_FIELDS, async_explain, async_self_test
from .backfill_actions import BACKFILL_FIELDS, async_backfill, async_cancel
from .const import DOMAIN
from .coordinator import HubConfigEntry
from .errors import invalid
from .legacy_import import IMPORT_FIELDS, async_import
from .report_action import FIELDS as REPORT_FIELDS, async_export_report

type Handler = Callable[[HomeAssistant, HubConfigEntry, ServiceCall], Awaitable[ServiceResponse]]
"""Does what was asked for a heat pump whose entry is loaded; raises translated errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action, named ``heat_pump_hub.<name>``."""

    name: str
    handler: Handler
    fields: Mapping[vol.Marker, Any] = field(default_factory=dict)
    """The schema of its data, besides what names the heat pump."""
    response: SupportsResponse = SupportsResponse.NONE


ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        name="self_test",
        handler=async_self_test,
        fields=SELF_TEST_FIELDS,
        response=SupportsResponse.ONLY,
    ),
    Action(
        name="explain",
        handler=async_explain,
        fields=EXPLAIN_FIELDS,
        response=SupportsResponse.ONLY,
    ),
    Action(
        name="backfill",
        handler=async_backfill,
        fields=BACKFILL_FIELDS,
        response=SupportsResponse.OPTIONAL,
    ),
    Action(
        name="import_legacy",
        handler=async_import,
        fields=IMPORT_FIELDS,
        response=SupportsResponse.OPTIONAL,
    ),
    Action(name="cancel_backfill", handler=async_cancel, response=SupportsResponse.OPTIONAL),
    Action(
        name="export_report",
        handler=async_export_report,
        fields=REPORT_FIELDS,
        response=SupportsResponse.OPTIONAL,
    ),
)

_TARGET: Final = {
    vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
    vol.Optional(ATTR_DEVICE_ID): cv.string,
}


@callback
def async_register_actions(hass: HomeAssistant, actions: Iterable[Action] = ACTIONS) -> None:
    """Register actions, whether or not a heat pump is loaded."""
    for action in actions:
        hass.services.async_register(
            DOMAIN,
            action.name,
            _serve(hass, action),
            schema=vol.Schema({**_TARGET, **action.fields}),
            supports_response=action.response,
        )


def _serve(
    hass: HomeAssistant, action: Action
) -> Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]:
    async def serve(call: ServiceCall) -> ServiceResponse:
        return await action.handler(hass, async_heat_pump(hass, call), call)

    return serve


@callback
def async_heat_pump(hass: HomeAssistant, call: ServiceCall) -> HubConfigEntry:
    """Return the heat pump an action is for; one that names none is for the only one there is.

    Raises :class:`ServiceValidationError` if there is no such heat pump, or it is not loaded.
    """
    entry_id: str | None = call.data.get(ATTR_CONFIG_ENTRY_ID)
    if (device_id := call.data.get(ATTR_DEVICE_ID)) is not None:
        if entry_id is not None:
            raise invalid("heat_pump_twice")
        entry_id = _entry_of_device(hass, device_id)
    entry: HubConfigEntry = service.async_get_config_entry(hass, DOMAIN, entry_id)
    return entry


def _entry_of_device(hass: HomeAssistant, device_id: str) -> str:
    if (device := dr.async_get(hass).async_get(device_id)) is not None:
        entry = hass.config_entries.async_get_entry(device.config_entry_id)
        if entry is not None and entry.domain == DOMAIN:
            return entry.entry_id
    raise invalid("no_such_heat_pump", device=device_id)
