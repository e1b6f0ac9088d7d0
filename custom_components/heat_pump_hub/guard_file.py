"""Where the write guard's state is kept: it must know whether it is on disk.

Home Assistant's ``Store`` logs a failed write and goes on, and takes a damaged file for a
first start. Here both would let a register be written more often than its owner allows.
"""

from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.json import save_json
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util.json import load_json

from .const import DOMAIN


class GuardFile:
    """One JSON file in the storage folder, written as a whole and flushed to the disk."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Belong to an entry."""
        self._hass = hass
        self.path = hass.config.path(STORAGE_DIR, f"{DOMAIN}.{entry_id}.guard")

    async def async_load(self) -> dict[str, Any] | None:
        """Return what was saved, ``None`` at a first start.

        Raises ``HomeAssistantError`` if there is a file that cannot be read.
        """
        data = await self._hass.async_add_executor_job(load_json, self.path, None)
        if data is None or isinstance(data, dict):
            return data
        raise HomeAssistantError(f"{self.path} holds no object")

    async def async_save(self, data: dict[str, Any]) -> None:
        """Save; return when it is on the disk.

        Raises ``HomeAssistantError`` if it could not be written.
        """

        def save() -> None:
            Path(self.path).parent.mkdir(exist_ok=True)
            save_json(self.path, data, private=True, atomic_writes=True)

        await self._hass.async_add_executor_job(save)

    async def async_remove(self) -> None:
        """Delete the file."""
        await self._hass.async_add_executor_job(lambda: Path(self.path).unlink(missing_ok=True))
