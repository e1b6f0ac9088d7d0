"""Register map files: those in the configuration folder, and those that are shipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import re
from typing import TYPE_CHECKING, Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import issue_registry as ir

from .const import CONF_MAP, DOMAIN
from .drivers.driver import Family
from .texts import async_texts

if TYPE_CHECKING:
    from .drivers.mapped import Problem, PumpMap

ISSUE_MAP: Final = "map_unusable"
SHIPPED: Final = Path(__file__).parent / "maps"
_NAME: Final = re.compile(r"\w[\w.-]{0,80}\.ya?ml", re.ASCII)
_LONGEST: Final = 2 * 1024 * 1024
"""Bytes; what is longer is no register map, and not read into memory."""
_SHOWN: Final = 10
"""Mistakes that are told at once."""


class MapUnusableError(Exception):
    """A register map that is missing, cannot be read or has mistakes."""

    def __init__(self, problems: list[str]) -> None:
        """Keep what is wrong, one line each."""
        super().__init__("; ".join(problems))
        more = len(problems) - _SHOWN
        self.problems = [*problems[:_SHOWN], *([f"… (+{more})"] if more > 0 else [])]


@dataclass(frozen=True, slots=True)
class MapFile:
    """A register map that an owner can choose."""

    name: str
    """Of the file."""
    title: str | None
    """``None``: it has mistakes."""


def folder(hass: HomeAssistant) -> Path:
    """Return where owners put their register maps."""
    return Path(hass.config.path(DOMAIN, "maps"))


async def async_list_maps(hass: HomeAssistant) -> list[MapFile]:
    """Return the maps that can be chosen: the owner's own first."""
    language = hass.config.language
    return await hass.async_add_import_executor_job(_list, folder(hass), language)


async def async_mapped_family(hass: HomeAssistant, name: str) -> Family:
    """Return the family that a register map describes. Raises :class:`MapUnusableError`."""
    language = hass.config.language
    found = await hass.async_add_import_executor_job(_family, folder(hass), name, language)
    if isinstance(found, tuple):
        sentences = {
            key.removeprefix("map_"): text for key, text in (await async_texts(hass)).items()
        }
        raise MapUnusableError([problem.say(sentences) for problem in found])
    return found


async def async_set_up_map(hass: HomeAssistant, entry: ConfigEntry) -> Family:
    """Return the family of an entry with a register map.

    Raises ``ConfigEntryNotReady`` if the map cannot be used, and tells it as a repair; both
    pass as soon as the file is mended.
    """
    name = entry.data[CONF_MAP]
    try:
        found = await async_mapped_family(hass, name)
    except MapUnusableError as err:
        placeholders = {"file": name, "folder": str(folder(hass)), "title": entry.title}
        ir.async_create_issue(
            hass,
            DOMAIN,
            _issue(entry),
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_MAP,
            translation_placeholders={
                **placeholders,
                "problems": "\n".join(f"- {line}" for line in err.problems),
            },
        )
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="map_unusable",
            translation_placeholders={**placeholders, "problems": "; ".join(err.problems)},
        ) from err
    async_forget_map(hass, entry)
    return found


@callback
def async_forget_map(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Clear what was said about the map of an entry."""
    ir.async_delete_issue(hass, DOMAIN, _issue(entry))


def _issue(entry: ConfigEntry) -> str:
    return f"{ISSUE_MAP}_{entry.entry_id}"


def _text(own: Path, name: str) -> str:
    """Return the text of a map; the owner's file comes before a shipped one of that name.

    Raises ``OSError``, or ``UnreadableError`` if there is none or it is no text.
    """
    from .drivers.mapped import UnreadableError, said

    if not _NAME.fullmatch(name):
        raise UnreadableError(said("file_name"))
    path = next((path for path in (own / name, SHIPPED / name) if path.is_file()), None)
    if path is None:
        raise UnreadableError(said("file_missing", name=name, folder=str(own)))
    if path.stat().st_size > _LONGEST:
        raise UnreadableError(said("file_size"))
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as err:
        raise UnreadableError(said("file_encoding", byte=str(err.start))) from err


def _load(own: Path, name: str) -> PumpMap:
    """Return a map. Raises ``MapError``. Blocks: reads files, imports pymodbus."""
    from .drivers.mapped import MapError, Problem, UnreadableError, parse_map, said

    try:
        return parse_map(_text(own, name), name, lambda other: _text(own, other))
    except UnreadableError as err:
        raise MapError([Problem(name, 0, 0, err.why)]) from err
    except OSError as err:
        raise MapError([Problem(name, 0, 0, said("file_error", why=str(err)))]) from err


def _family(own: Path, name: str, language: str) -> Family | tuple[Problem, ...]:
    """Return the family of a map, or what is wrong with it."""
    from .drivers.mapped import MapError, family_of

    try:
        return family_of(_load(own, name), language)
    except MapError as err:
        return err.problems


def _list(own: Path, language: str) -> list[MapFile]:
    from .drivers.mapped import MapError, title_of

    names: Mapping[str, Any] = {
        path.name: None
        for place in (own, SHIPPED)
        if place.is_dir()
        for path in sorted(place.iterdir())
        if _NAME.fullmatch(path.name)
    }
    found = []
    for name in names:
        try:
            title = title_of(_load(own, name).titles, language)
        except MapError:
            title = None
        found.append(MapFile(name, title))
    return found
