"""The steps about the machine that was found: its parts, its identity, or that it is another one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.helpers.selector import BooleanSelector
from homeassistant.util import slugify
import probatio as vol

from ..const import (
    CONF_ALLOW_CONTROL,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_FIRMWARE,
    CONF_IDENTITY,
    CONF_LAYOUT,
    CONF_MANUFACTURER,
    CONF_MODEL,
    FAMILY_MAP,
)
from ..discovery import answers, async_move, fingerprint
from ..drivers.driver import Layout
from ..drivers.recognition import same_machine
from .fields import (
    CIRCUITS,
    CONF_CIRCUITS,
    CONF_ZONES,
    FAMILIES_WITH_ZONES,
    ROOMS_OF_UNSEEN_ZONE,
    SLUG,
    TEXT,
    ZONES,
    choice,
)
from .nibe import CONF_LIST, NibeSteps


class MachineSteps(NibeSteps):
    """Show what was found; the owner confirms it."""

    async def async_step_different_machine(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask the owner whether the address is wrong or the controller was replaced."""
        entry = self._get_reconfigure_entry()
        return self.async_show_menu(
            step_id="different_machine",
            menu_options=["connection", "found"],
            description_placeholders={"title": entry.title, **self._placeholders()},
        )

    async def async_step_found(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show what was found; the owner confirms its parts and its identity."""
        assert self._found is not None
        driven = await self._async_family()
        changing = self.source == SOURCE_RECONFIGURE
        asks_identity = not changing and CONF_DEMO not in self._data and not self._found.serial
        errors: dict[str, str] = {}
        if user_input is not None:
            if asks_identity and (error := self._identity_error(user_input[CONF_IDENTITY])):
                errors[CONF_IDENTITY] = error
            else:
                # an upload can be read only once, so it comes last
                errors = await self._async_take_list(user_input)
            if not errors:
                self._data |= self._confirmed(user_input)
                if asks_identity:
                    self._data[CONF_IDENTITY] = user_input[CONF_IDENTITY]
                if not changing:
                    self._options[CONF_ALLOW_CONTROL] = user_input[CONF_ALLOW_CONTROL]
                if self._list is not None:
                    return await self.async_step_nibe_list()
                return await self.async_step_history()
            user_input = {key: user_input[key] for key in user_input if key != CONF_LIST}
        layout = self._current_layout() if changing else self._found.layout
        fields: dict[vol.Marker, Any] = {}
        if asks_identity:
            fields[vol.Required(CONF_IDENTITY, default=self._free_identity())] = TEXT
        family_key = self._data[CONF_FAMILY]
        circuits = CIRCUITS.get(family_key, driven.circuits)
        if circuits:
            known = [circuit for circuit in layout.circuits if circuit in circuits]
            fields[vol.Optional(CONF_CIRCUITS, default=known)] = choice(
                circuits, "circuit", multiple=True
            )
        if family_key in FAMILIES_WITH_ZONES:
            fields[vol.Optional(CONF_ZONES, default=list(layout.zones))] = choice(
                ZONES, "zone", multiple=True
            )
        if family_key == "nibe":
            fields |= self._nibe_fields()
        if not changing:
            fields[vol.Required(CONF_ALLOW_CONTROL, default=True)] = BooleanSelector()
        return self.async_show_form(
            step_id="found",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(fields), user_input),
            errors=errors,
            description_placeholders=self._placeholders(),
        )

    async def _async_machine_found(self) -> ConfigFlowResult:
        """Go on after a successful probe."""
        assert self._found is not None
        if self.source == SOURCE_RECONFIGURE:
            stored = self._get_reconfigure_entry().data.get(CONF_FINGERPRINT, {})
            if not same_machine(stored, fingerprint(self._found)):
                return await self.async_step_different_machine()
        elif self._found.serial:
            self._data[CONF_IDENTITY] = self._found.serial
            entry = await self.async_set_unique_id(self._found.serial, raise_on_progress=False)
            if entry is not None and CONF_HOST in entry.data and not answers(entry):
                async_move(self.hass, entry, self._data[CONF_HOST], self._data[CONF_PORT])
            self._abort_if_unique_id_configured()
        return await self.async_step_found()

    def _current_layout(self) -> Layout:
        """Return the layout of the entry that is being changed."""
        return Layout.from_json(self._get_reconfigure_entry().data.get(CONF_LAYOUT, {}))

    def _confirmed(self, user_input: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry data of the machine that was found, with the parts chosen."""
        assert self._found is not None
        found = self._found
        if self._data[CONF_FAMILY] == "nibe":
            found = self._as_nibe(found, user_input)
        rooms = dict(found.layout.zones)
        if self.source == SOURCE_RECONFIGURE:
            rooms = {**self._current_layout().zones, **rooms}
        chosen = set(user_input.get(CONF_ZONES, ()))
        layout = replace(
            found.layout,
            circuits=tuple(sorted(user_input.get(CONF_CIRCUITS, ()))),
            zones={
                zone: tuple(rooms.get(zone, ROOMS_OF_UNSEEN_ZONE))
                for zone in ZONES
                if zone in chosen
            },
        )
        return {
            CONF_LAYOUT: layout.to_json(),
            CONF_FINGERPRINT: fingerprint(found),
            # a label of its series: what knows brands better must not begin new ones
            CONF_MANUFACTURER: self._data.get(CONF_MANUFACTURER, found.manufacturer),
            CONF_MODEL: found.model,
            CONF_FIRMWARE: found.firmware,
        }

    def _identities(self) -> set[str]:
        """Return the identities that are in use."""
        entries = self._async_current_entries(include_ignore=False)
        return {entry.data[CONF_IDENTITY] for entry in entries if CONF_IDENTITY in entry.data}

    def _free_identity(self) -> str:
        """Return a proposal that no other entry uses: ``idm``, ``idm_2``, ..."""
        taken = self._identities()
        base: str = self._data[CONF_FAMILY]
        if base == FAMILY_MAP:
            assert self._found is not None
            base = slugify(self._found.manufacturer)[:40]
        proposal, number = base, 1
        while proposal in taken:
            number += 1
            proposal = f"{base}_{number}"
        return proposal

    def _identity_error(self, identity: str) -> str | None:
        """Return the error key of an identity that cannot be used."""
        if not SLUG.fullmatch(identity):
            return "identity_invalid"
        return "identity_taken" if identity in self._identities() else None

    def _placeholders(self) -> dict[str, str]:
        """Return what was found, for the descriptions."""
        assert self._found is not None
        layout = self._found.layout
        shi = any(name.partition("_")[0] == "shi" for name in layout.features)
        return self._list_placeholders() | {
            "manufacturer": self._found.manufacturer,
            "model": self._found.model,
            "firmware": self._found.firmware or "–",
            "circuits": ", ".join(letter.upper() for letter in layout.circuits) or "–",
            # a product's name, alike in all languages
            "more": "\n- Smart Home Interface: ✓" if shi else "",
        }
