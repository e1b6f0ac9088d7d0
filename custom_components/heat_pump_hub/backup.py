"""Home Assistant's backup gets whole journals: nothing writes to them meanwhile."""

from homeassistant.core import HomeAssistant

from .journals import DATA_JOURNALS


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Bring all journals to the disk, each in one file, and leave them alone."""
    for journal in list(hass.data.get(DATA_JOURNALS, {}).values()):
        await journal.pause()


async def async_post_backup(hass: HomeAssistant) -> None:
    """Go on."""
    for journal in list(hass.data.get(DATA_JOURNALS, {}).values()):
        await journal.resume()
