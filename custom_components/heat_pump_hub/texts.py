"""Texts for what the code itself puts together, in the language of the house."""

from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN

_PREFIX: Final = f"component.{DOMAIN}.common."


async def async_texts(hass: HomeAssistant) -> dict[str, str]:
    """Return the texts of the section ``common`` by their keys; English where one is missing."""
    found = await async_get_translations(hass, hass.config.language, "common", [DOMAIN])
    return {key.removeprefix(_PREFIX): text for key, text in found.items()}
