"""What a NIBE does not tell over Modbus: its model, and the list of registers it exports."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components.file_upload import process_uploaded_file
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import BooleanSelector, FileSelector, FileSelectorConfig
import probatio as vol

from ..const import CONF_CHOSEN_MODEL, CONF_LAYOUT
from ..drivers.driver import Identity, Layout
from .fields import choice
from .history import HistorySteps

if TYPE_CHECKING:
    from ..drivers.nibe_map import Problem, PumpMap

CONF_LIST: Final = "register_list"
CONF_KEEP_LIST: Final = "keep_list"
DETECTED: Final = "detected"
MODELS: Final = (
    "s1155",
    "s1255",
    "s1156",
    "s1256",
    "s2125",
    "s320",
    "s325",
    "s330",
    "s332",
    "s735",
    "smos40",
    "vvms320",
    "vvms325",
    "vvms500",
)
LIST_ERRORS: Final = frozenset({"empty", "too_long", "not_register", "columns", "value", "gone"})
_MOST_BYTES: Final = 4 << 20
_MOST_TITLES: Final = 25
"""Titles that a page shows; a list can hold hundreds."""


class NibeSteps(HistorySteps):
    """Ask for the model and the list; show what a list gave."""

    def __init__(self) -> None:
        """Start without a list."""
        super().__init__()
        self._list: PumpMap | None = None
        self._list_problem: Problem | None = None

    async def async_step_nibe_list(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what became of the lines of the list."""
        if user_input is not None:
            return await self.async_step_history()
        assert self._list is not None
        return self.async_show_form(
            step_id="nibe_list",
            data_schema=vol.Schema({}),
            description_placeholders=_summary(
                self._list, Layout.from_json(self._data[CONF_LAYOUT])
            ),
        )

    def _nibe_fields(self) -> dict[vol.Marker, Any]:
        """Return the fields that only a NIBE has."""
        fields: dict[vol.Marker, Any] = {
            vol.Required(
                CONF_CHOSEN_MODEL, default=self._data.get(CONF_CHOSEN_MODEL, DETECTED)
            ): choice((DETECTED, *MODELS), "nibe_model", multiple=False),
            vol.Optional(CONF_LIST): FileSelector(FileSelectorConfig(accept=".csv,.txt,text/csv")),
        }
        if self._kept_list():
            fields[vol.Required(CONF_KEEP_LIST, default=True)] = BooleanSelector()
        return fields

    async def _async_take_list(self, user_input: Mapping[str, Any]) -> dict[str, str]:
        """Read the list that was handed in; return errors by field."""
        self._list = self._list_problem = None
        if (file_id := user_input.get(CONF_LIST)) is None:
            return {}
        found = await self.hass.async_add_executor_job(_read_list, self.hass, file_id)
        if isinstance(found, str):
            return {CONF_LIST: found}
        from ..drivers.nibe_map import Problem

        if isinstance(found, Problem):
            self._list_problem = found
            return {CONF_LIST: f"list_{found.fault}"}
        self._list = found
        return {}

    def _list_placeholders(self) -> dict[str, str]:
        """Return where the list is wrong, for the words of the error."""
        if (problem := self._list_problem) is None:
            return {}
        return {"line": str(problem.line), "column": problem.column, "value": problem.value}

    def _as_nibe(self, found: Identity, user_input: Mapping[str, Any]) -> Identity:
        """Return what was found, as its owner knows it better."""
        from ..drivers import nibe_points

        features = found.layout.features
        chosen = user_input[CONF_CHOSEN_MODEL]
        name = found.model
        if chosen == DETECTED:
            self._data.pop(CONF_CHOSEN_MODEL, None)
        else:
            self._data[CONF_CHOSEN_MODEL] = chosen
            name, model = nibe_points.TYPES[chosen]
            features = features - nibe_points.EVERY | {model}
        if self._list is not None:
            features |= self._list.features
        elif user_input.get(CONF_KEEP_LIST):
            features |= self._kept_list()
        return replace(found, model=name, layout=replace(found.layout, features=features))

    def _kept_list(self) -> frozenset[str]:
        """Return the features that came from a list when the entry was set up or changed."""
        if self.source != SOURCE_RECONFIGURE:
            return frozenset()
        from ..drivers import nibe_map

        stored = Layout.from_json(self._get_reconfigure_entry().data.get(CONF_LAYOUT, {}))
        return frozenset(entry.feature for entry in nibe_map.entries(stored.features))


def _read_list(hass: HomeAssistant, file_id: str) -> PumpMap | Problem | str:
    """Return a list that was uploaded, its first problem, or the key of an error. Blocks."""
    from ..drivers.nibe_map import ExportError, import_export

    try:
        with process_uploaded_file(hass, file_id) as path:
            if path.stat().st_size > _MOST_BYTES:
                return "list_too_long"
            text = _text(path)
    except ValueError, OSError:
        return "list_gone"
    try:
        return import_export(text)
    except ExportError as err:
        return err.problems[0]


def _text(path: Path) -> str:
    """Return the text of a file as pumps and spreadsheets write it."""
    raw = path.read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _summary(found: PumpMap, layout: Layout) -> dict[str, str]:
    """Return numbers and titles for the page about a list."""
    from ..drivers import nibe_points

    titles = [
        register.point.placeholders["title"]
        for register in nibe_points.registers(layout)
        if register.point.name in nibe_points.LISTED
    ]
    shown = ", ".join(titles[:_MOST_TITLES]) or "–"
    return {
        "points": str(len(found.entries)),
        "known": str(len(found.entries) - len(titles)),
        "unknown": str(len(titles)),
        "titles": f"{shown} …" if len(titles) > _MOST_TITLES else shown,
        "dropped": ", ".join(str(problem.line) for problem in found.dropped) or "–",
    }
