"""Who is the heat pump, how is it reached, what does it have, where does its history go.

Nothing in here writes to a heat pump or to a time-series database.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    OptionsFlowWithReload,
)
from homeassistant.const import CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.core import callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    BooleanSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio as vol

from .const import (
    CONF_ALLOW_CONTROL,
    CONF_COOLDOWN,
    CONF_DEMO,
    CONF_FAMILY,
    CONF_FINGERPRINT,
    CONF_FIRMWARE,
    CONF_HISTORY_EVERYTHING,
    CONF_HISTORY_NAMES,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_TENANT,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_VERIFY_SSL,
    CONF_IDENTITY,
    CONF_INTERVAL,
    CONF_JOURNAL_DAYS,
    CONF_LAYOUT,
    CONF_MANUFACTURER,
    CONF_MODEL,
    CONF_UNIT,
    COOLDOWN_RANGE,
    DEFAULT_COOLDOWN,
    DEMO_INTERVAL_RANGE,
    DOMAIN,
    HISTORY_NAMES_CANONICAL,
    INTERVAL_RANGE,
    LOGGER,
)
from .drivers import FAMILIES, family
from .drivers.driver import Address, DriverError, Family, Identity, Layout
from .flow_fields import (
    BASE,
    CIRCUITS,
    CONF_CIRCUITS,
    CONF_ZONES,
    CREDENTIALS,
    DEMO,
    DEMO_FAMILY,
    DEMO_NAMES,
    FAMILIES_WITH_ZONES,
    FORERUNNER_FAMILIES,
    HISTORY_ERRORS,
    HISTORY_KEYS,
    HISTORY_NAMES,
    OWN_PROTOCOL_ERRORS,
    PROBE_ERRORS,
    REAUTH,
    ROOMS_OF_UNSEEN_ZONE,
    SECTION_CREDENTIALS,
    SLUG,
    TEXT,
    ZONES,
    box,
    choice,
    clean_host,
    field_error,
    history_input,
    same_machine,
)
from .history.journal import DAYS, DAYS_RANGE
from .history.victoriametrics import (
    HistoryError,
    InvalidTenantError,
    InvalidUrlError,
    VictoriaMetrics,
)

if TYPE_CHECKING:
    from .simulator.demo import DemoHeatPump

PROBE_TIMEOUT: Final = 30.0
HISTORY_TIMEOUT: Final = 15.0


def _start_demo() -> tuple[DemoHeatPump, int]:
    """Start a simulated heat pump; return it and its port on 127.0.0.1. Blocks: imports pymodbus."""
    from .simulator.demo import DemoHeatPump

    demo = DemoHeatPump()
    return demo, demo.start()


class HeatPumpHubConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add a heat pump, or change how it is reached and where its history goes."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Start with nothing known."""
        self._family: Family | None = None
        self._found: Identity | None = None
        self._title = ""
        self._data: dict[str, Any] = {}
        self._options: dict[str, Any] = {}

    @property
    def _demo_name(self) -> str:
        return DEMO_NAMES.get(self.hass.config.language, DEMO_NAMES["en"])

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HeatPumpHubOptionsFlow:
        """Return the options flow."""
        return HeatPumpHubOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the maker."""
        return self.async_show_menu(step_id="user", menu_options=[*FAMILIES, "demo"])

    async def async_step_idm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of IDM."""
        self._data[CONF_FAMILY] = "idm"
        return await self.async_step_connection()

    async def async_step_luxtronik(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Add a heat pump with a Luxtronik controller."""
        self._data[CONF_FAMILY] = "luxtronik"
        return await self.async_step_connection()

    async def async_step_nibe(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of NIBE."""
        self._data[CONF_FAMILY] = "nibe"
        return await self.async_step_connection()

    async def async_step_daikin(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add a heat pump of Daikin, behind its Home Hub."""
        self._data[CONF_FAMILY] = "daikin"
        return await self.async_step_connection()

    async def async_step_connection_own(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the connection of a family with a protocol of its own: it has no units."""
        return await self.async_step_connection(user_input)

    async def async_step_connection(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the heat pump is reached, and look at it."""
        driven = await self._async_family()
        errors: dict[str, str] = {}
        if user_input is not None:
            host, error = clean_host(user_input[CONF_HOST])
            if error:
                errors[CONF_HOST] = error
            else:
                user_input = {CONF_UNIT: driven.unit} | user_input | {CONF_HOST: host}
                self._async_abort_entries_match(user_input)
                address = Address(host=host, port=user_input[CONF_PORT], unit=user_input[CONF_UNIT])
                async with self._entry_paused(host):
                    errors = await self._async_probe(address)
            if not errors:
                self._data |= user_input
                return await self._async_machine_found()
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_HOST): TEXT,
            vol.Required(CONF_PORT, default=driven.port): box(1, 65535),
        }
        if driven.unit:
            fields[vol.Required(CONF_UNIT, default=driven.unit)] = box(0, 255)
        return self.async_show_form(
            step_id="connection" if driven.unit else "connection_own",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(fields), user_input or self._data
            ),
            errors=errors,
            description_placeholders={"manufacturer": driven.manufacturer},
        )

    async def async_step_demo(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Look at a simulated heat pump, started for the moment."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._data = {CONF_FAMILY: DEMO_FAMILY, CONF_DEMO: True}
            self._title = user_input[CONF_NAME].strip() or self._demo_name
            self._options[CONF_INTERVAL] = user_input[CONF_INTERVAL]
            errors = await self._async_probe_demo()
            if not errors:
                return await self.async_step_found()
        return self.async_show_form(
            step_id="demo",
            data_schema=self.add_suggested_values_to_schema(
                DEMO, {CONF_NAME: self._demo_name} | (user_input or {})
            ),
            errors=errors,
        )

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
        changing = self.source == SOURCE_RECONFIGURE
        asks_identity = not changing and CONF_DEMO not in self._data and not self._found.serial
        errors: dict[str, str] = {}
        if user_input is not None:
            if asks_identity and (error := self._identity_error(user_input[CONF_IDENTITY])):
                errors[CONF_IDENTITY] = error
            else:
                self._data |= self._confirmed(user_input)
                if asks_identity:
                    self._data[CONF_IDENTITY] = user_input[CONF_IDENTITY]
                if not changing:
                    self._options[CONF_ALLOW_CONTROL] = user_input[CONF_ALLOW_CONTROL]
                return await self.async_step_history()
        layout = self._current_layout() if changing else self._found.layout
        fields: dict[vol.Marker, Any] = {}
        if asks_identity:
            fields[vol.Required(CONF_IDENTITY, default=self._free_identity())] = TEXT
        family_key = self._data[CONF_FAMILY]
        if CIRCUITS[family_key]:
            fields[vol.Optional(CONF_CIRCUITS, default=list(layout.circuits))] = choice(
                CIRCUITS[family_key], "circuit", multiple=True
            )
        if family_key in FAMILIES_WITH_ZONES:
            fields[vol.Optional(CONF_ZONES, default=list(layout.zones))] = choice(
                ZONES, "zone", multiple=True
            )
        if not changing:
            fields[vol.Required(CONF_ALLOW_CONTROL, default=True)] = BooleanSelector()
        return self.async_show_form(
            step_id="found",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(fields), user_input),
            errors=errors,
            description_placeholders=self._placeholders(),
        )

    async def async_step_history(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the VictoriaMetrics server; no URL means no history on a server."""
        changing = self.source == SOURCE_RECONFIGURE
        stored = self._get_reconfigure_entry().data if changing else {}
        asks_names = not changing and self._data[CONF_FAMILY] in FORERUNNER_FAMILIES
        errors: dict[str, str] = {}
        if user_input is not None:
            history: dict[str, Any] = {}
            try:
                history = history_input(user_input, stored)
            except (InvalidUrlError, InvalidTenantError) as err:
                errors = field_error(err, HISTORY_ERRORS)
            else:
                errors = await self._async_check_history(history)
            if not errors:
                if asks_names:
                    self._options[CONF_HISTORY_NAMES] = user_input[CONF_HISTORY_NAMES]
                return await self._async_finish(history)
        schema: dict[vol.Marker, Any] = {
            vol.Optional(CONF_HISTORY_URL): TextSelector(
                TextSelectorConfig(type=TextSelectorType.URL)
            )
        }
        if asks_names:
            schema[vol.Required(CONF_HISTORY_NAMES, default=HISTORY_NAMES_CANONICAL)] = (
                HISTORY_NAMES
            )
        collapsed = not errors and not stored.get(CONF_HISTORY_USERNAME)
        schema[vol.Optional(SECTION_CREDENTIALS)] = section(CREDENTIALS, {"collapsed": collapsed})
        suggested = user_input or {
            CONF_HISTORY_URL: stored.get(CONF_HISTORY_URL),
            SECTION_CREDENTIALS: {
                CONF_HISTORY_USERNAME: stored.get(CONF_HISTORY_USERNAME),
                CONF_HISTORY_TENANT: stored.get(CONF_HISTORY_TENANT),
                CONF_HISTORY_VERIFY_SSL: stored.get(CONF_HISTORY_VERIFY_SSL, True),
            },
        }
        return self.async_show_form(
            step_id="history",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(schema), suggested),
            errors=errors,
            description_placeholders={"example": "http://192.168.1.10:8428"},
            last_step=True,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change address, parts or history; of the demo only the history."""
        entry = self._get_reconfigure_entry()
        self._data = {key: entry.data[key] for key in entry.data if key not in HISTORY_KEYS}
        if CONF_DEMO in entry.data:
            return await self.async_step_history()
        return await self.async_step_connection()

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Start because the history server rejected the stored credentials."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for credentials and check them; other heat pumps with the old ones get them too."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._async_check_history({**entry.data, **user_input})
            if not errors:
                login = (CONF_HISTORY_URL, CONF_HISTORY_USERNAME, CONF_HISTORY_PASSWORD)
                for other in self._async_current_entries(include_ignore=False):
                    if other is not entry and all(
                        other.data.get(key) == entry.data.get(key) for key in login
                    ):
                        self.hass.config_entries.async_update_entry(
                            other, data={**other.data, **user_input}
                        )
                        self.hass.config_entries.async_schedule_reload(other.entry_id)
                return self.async_update_reload_and_abort(entry, data_updates=user_input)
        suggested = user_input or {
            CONF_HISTORY_USERNAME: entry.data.get(CONF_HISTORY_USERNAME) or ""
        }
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=self.add_suggested_values_to_schema(REAUTH, suggested),
            errors=errors,
            description_placeholders={"url": entry.data.get(CONF_HISTORY_URL, "")},
        )

    async def _async_family(self) -> Family:
        """Return the chosen family; its module is imported off the event loop."""
        if self._family is None:
            self._family = await self.hass.async_add_import_executor_job(
                family, self._data[CONF_FAMILY]
            )
        return self._family

    async def _async_probe(self, address: Address) -> dict[str, str]:
        """Look at the machine behind an address; return errors by field, empty if found."""
        driven = await self._async_family()
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                self._found = await driven.probe(address)
        except (DriverError, TimeoutError) as err:
            LOGGER.debug("Probe of %s failed: %r", address, err)
            errors = field_error(err, PROBE_ERRORS)
            if driven.unit:
                return errors
            return {field: OWN_PROTOCOL_ERRORS.get(key, key) for field, key in errors.items()}
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while looking at %s", address)
            return {BASE: "unknown"}
        return {}

    async def _async_probe_demo(self) -> dict[str, str]:
        """Look at a simulated heat pump; return errors by field, empty if found."""
        try:
            demo, port = await self.hass.async_add_import_executor_job(_start_demo)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("The demo heat pump did not start")
            return {BASE: "demo_failed"}
        try:
            driven = await self._async_family()
            address = Address(host="127.0.0.1", port=port, unit=driven.unit)
            errors = await self._async_probe(address)
        finally:
            await self.hass.async_add_executor_job(demo.stop)
        return {BASE: "demo_failed"} if errors else {}

    async def _async_check_history(self, history: Mapping[str, Any]) -> dict[str, str]:
        """Ask the server, read-only; return errors by field, empty if it will do."""
        if not history.get(CONF_HISTORY_URL):
            return {}
        session = async_get_clientsession(
            self.hass, verify_ssl=history.get(CONF_HISTORY_VERIFY_SSL, True)
        )
        client = VictoriaMetrics(
            session,
            history[CONF_HISTORY_URL],
            username=history.get(CONF_HISTORY_USERNAME),
            password=history.get(CONF_HISTORY_PASSWORD),
            tenant=history.get(CONF_HISTORY_TENANT),
        )
        try:
            async with asyncio.timeout(HISTORY_TIMEOUT):
                await client.check()
        except (HistoryError, TimeoutError) as err:
            LOGGER.debug("Check of %r failed: %s", client, err)
            return field_error(err, HISTORY_ERRORS)
        except Exception:  # noqa: BLE001 - a flow shows an error, never a traceback
            LOGGER.exception("Unexpected error while checking the history server")
            return {BASE: "unknown"}
        return {}

    @asynccontextmanager
    async def _entry_paused(self, host: str) -> AsyncGenerator[None]:
        """Unload the entry that is being changed: some controllers take one connection only."""
        entry = self._get_reconfigure_entry() if self.source == SOURCE_RECONFIGURE else None
        pause = (
            entry is not None
            and entry.data.get(CONF_HOST) == host
            and entry.state in {ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY}
            and await self.hass.config_entries.async_unload(entry.entry_id)
        )
        try:
            yield
        finally:
            if pause and entry is not None:
                self.hass.config_entries.async_schedule_reload(entry.entry_id)

    async def _async_machine_found(self) -> ConfigFlowResult:
        """Go on after a successful probe."""
        assert self._found is not None
        fingerprint = self._fingerprint()
        if self.source == SOURCE_RECONFIGURE:
            stored = self._get_reconfigure_entry().data.get(CONF_FINGERPRINT, {})
            if not same_machine(stored, fingerprint):
                return await self.async_step_different_machine()
        elif self._found.serial:
            self._data[CONF_IDENTITY] = self._found.serial
            await self.async_set_unique_id(self._found.serial, raise_on_progress=False)
            self._abort_if_unique_id_configured()
        return await self.async_step_found()

    def _fingerprint(self) -> dict[str, float | str]:
        """Return what tells this machine from another one, the serial number included."""
        assert self._found is not None
        serial = {"serial": self._found.serial} if self._found.serial else {}
        return {**self._found.fingerprint, **serial}

    def _current_layout(self) -> Layout:
        """Return the layout of the entry that is being changed."""
        return Layout.from_json(self._get_reconfigure_entry().data.get(CONF_LAYOUT, {}))

    def _confirmed(self, user_input: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entry data of the machine that was found, with the parts chosen."""
        assert self._found is not None
        rooms = dict(self._found.layout.zones)
        if self.source == SOURCE_RECONFIGURE:
            rooms = {**self._current_layout().zones, **rooms}
        chosen = set(user_input.get(CONF_ZONES, ()))
        layout = replace(
            self._found.layout,
            circuits=tuple(sorted(user_input.get(CONF_CIRCUITS, ()))),
            zones={
                zone: tuple(rooms.get(zone, ROOMS_OF_UNSEEN_ZONE))
                for zone in ZONES
                if zone in chosen
            },
        )
        return {
            CONF_LAYOUT: layout.to_json(),
            CONF_FINGERPRINT: self._fingerprint(),
            CONF_MANUFACTURER: self._found.manufacturer,
            CONF_MODEL: self._found.model,
            CONF_FIRMWARE: self._found.firmware,
        }

    def _identities(self) -> set[str]:
        """Return the identities that are in use."""
        entries = self._async_current_entries(include_ignore=False)
        return {entry.data[CONF_IDENTITY] for entry in entries if CONF_IDENTITY in entry.data}

    def _free_identity(self) -> str:
        """Return a proposal that no other entry uses: ``idm``, ``idm_2``, ..."""
        taken = self._identities()
        base: str = self._data[CONF_FAMILY]
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
        return {
            "manufacturer": self._found.manufacturer,
            "model": self._found.model,
            "firmware": self._found.firmware or "–",
            "circuits": ", ".join(letter.upper() for letter in layout.circuits) or "–",
            "zones": ", ".join(layout.zones) or "–",
        }

    async def _async_finish(self, history: Mapping[str, Any]) -> ConfigFlowResult:
        """Store the entry."""
        if self.source == SOURCE_RECONFIGURE:
            return self.async_update_reload_and_abort(
                self._get_reconfigure_entry(), data={**self._data, **history}
            )
        driven = await self._async_family()
        if CONF_DEMO not in self._data:
            # Another flow may have taken the identity while this one waited for its owner.
            await self.async_set_unique_id(self._data[CONF_IDENTITY], raise_on_progress=False)
            self._abort_if_unique_id_configured()
        return self.async_create_entry(
            title=self._title or f"{self._data[CONF_MANUFACTURER]} {self._data[CONF_MODEL]}",
            data={**self._data, **history},
            options={
                CONF_INTERVAL: driven.interval,
                CONF_COOLDOWN: DEFAULT_COOLDOWN,
                CONF_HISTORY_NAMES: HISTORY_NAMES_CANONICAL,
                CONF_HISTORY_EVERYTHING: False,
                CONF_JOURNAL_DAYS: DAYS,
                **self._options,
            },
        )


class HeatPumpHubOptionsFlow(OptionsFlowWithReload):
    """How often a heat pump is read, whether it may be written, what its history holds."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show all options on one page."""
        if user_input is not None:
            return self.async_create_entry(data={**self.config_entry.options, **user_input})
        entry = self.config_entry
        interval = DEMO_INTERVAL_RANGE if CONF_DEMO in entry.data else INTERVAL_RANGE
        schema: dict[vol.Marker, Any] = {
            vol.Required(CONF_INTERVAL): box(*interval, "s"),
            vol.Required(CONF_ALLOW_CONTROL): BooleanSelector(),
            vol.Required(CONF_COOLDOWN): box(*COOLDOWN_RANGE, "s"),
            vol.Required(CONF_JOURNAL_DAYS, default=DAYS): box(*DAYS_RANGE, "d"),
            vol.Required(CONF_HISTORY_EVERYTHING): BooleanSelector(),
        }
        if entry.data[CONF_FAMILY] in FORERUNNER_FAMILIES:
            schema[vol.Required(CONF_HISTORY_NAMES)] = HISTORY_NAMES
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(vol.Schema(schema), entry.options),
        )
