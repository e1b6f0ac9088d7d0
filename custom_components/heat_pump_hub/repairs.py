"""Repairs that an owner makes: *Reconfigure* of a heat pump, and the answer to an anomaly."""

from typing import TYPE_CHECKING, override

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from .anomaly_episodes import ISSUE_ANOMALY, Episodes
from .const import DOMAIN

if TYPE_CHECKING:
    from .coordinator import HubConfigEntry
    from .detection import Feedback


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


class AnomalyRepair(RepairsFlow):
    """Says what is unusual, and takes one of three answers."""

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Offer the answers."""
        if (episodes := self._episodes()) is None:
            return self.async_abort(reason="not_loaded")
        return self.async_show_menu(
            step_id="init",
            menu_options=["normal", "fixed", "confirmed"],
            description_placeholders=episodes.placeholders(),
        )

    async def async_step_normal(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Let the heat pump behave so."""
        return await self._async_answer("normal")

    async def async_step_fixed(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Take note that the cause has been removed."""
        return await self._async_answer("fixed")

    async def async_step_confirmed(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Take note that it is a fault."""
        result = await self._async_answer("confirmed")
        if result["type"] is FlowResultType.CREATE_ENTRY:
            # Nothing has been repaired, which is what the frontend would say.
            return self.async_abort(reason="confirmed")
        return result

    async def _async_answer(self, answer: Feedback) -> RepairsFlowResult:
        if (episodes := self._episodes()) is None:
            return self.async_abort(reason="not_loaded")
        await episodes.async_answer(answer)
        return self.async_create_entry(data={})

    def _episodes(self) -> Episodes | None:
        entry_id = str((self.data or {}).get("entry_id"))
        entry: HubConfigEntry | None = self.hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return None
        episodes = entry.runtime_data.episodes
        return episodes if episodes.answerable else None


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of a repair that can be fixed."""
    if issue_id.startswith(f"{ISSUE_ANOMALY}_"):
        return AnomalyRepair()
    return ReconfigureRepair()
