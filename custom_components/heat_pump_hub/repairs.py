"""Repairs that an owner makes: the button leads to the page where that is done."""

from typing import override

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant

from .const import DOMAIN


class ReconfigureRepair(ConfirmRepairFlow):
    """Explains what is wrong, then opens *Reconfigure* of the heat pump."""

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Show the explanation; go on to *Reconfigure*."""
        if user_input is None:
            return await super().async_step_confirm()
        entry_id = (self.data or {}).get("entry_id")
        if self.hass.config_entries.async_get_entry(str(entry_id)) is None:
            return self.async_create_entry(data={})
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": str(entry_id)}
        )
        # Only the right machine ends it: an owner may close the page without a change.
        return self.async_abort(
            reason="reconfigure", next_flow=(FlowType.CONFIG_FLOW, flow["flow_id"])
        )


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of a repair that can be fixed; all of ours lead to *Reconfigure*."""
    return ReconfigureRepair()
