"""What the config flow asks, and how what was typed and what went wrong become data and words."""

from collections.abc import Mapping
import re
from typing import Any, Final

from homeassistant.const import CONF_HOST, CONF_NAME
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util.network import is_ip_address
import probatio as vol

from ..const import (
    CONF_HISTORY_NAMES,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_TENANT,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_VERIFY_SSL,
    CONF_INTERVAL,
    CONF_UNIT,
    DEMO_INTERVAL_RANGE,
    HISTORY_NAMES_CANONICAL,
    HISTORY_NAMES_FORERUNNER,
)
from ..drivers.driver import (
    BusyError,
    DriverError,
    LinkLostError,
    LinkRefusedError,
    NameNotFoundError,
    NoAnswerError,
    NotThisFamilyError,
    UnsupportedModelError,
    WrongProtocolError,
    WrongUnitError,
)
from ..history.address import parse_tenant, parse_url
from ..history.server import (
    AuthRejectedError,
    CertificateError,
    EncryptionError,
    HistoryError,
    InvalidTenantError,
    InvalidUrlError,
    NobodyListensError,
    NotVictoriaMetricsError,
    OverloadedError,
    UnknownNameError,
)

DEMO_FAMILY: Final = "idm"
DEMO_INTERVAL: Final = 5
DEMO_NAMES: Final = {"en": "Demo heat pump", "de": "Demo-Wärmepumpe"}
"""A flow cannot translate what a field is filled with."""
CIRCUITS: Final[Mapping[str, tuple[str, ...]]] = {
    "idm": ("a", "b", "c", "d", "e", "f", "g"),
    "luxtronik": ("a", "b", "c"),
    "nibe": ("a", "b", "c", "d", "e", "f", "g", "h"),
    "daikin": (),
}
"""Circuits that a family can have."""
FAMILIES_WITH_ZONES: Final = ("idm",)
ZONES: Final = tuple(str(number) for number in range(1, 11))
ROOMS_OF_UNSEEN_ZONE: Final = tuple(str(number) for number in range(1, 7))
"""A zone module has up to six rooms (register table idm_navigator_2_0)."""
FORERUNNER_FAMILIES: Final = ("idm",)

CONF_CIRCUITS: Final = "circuits"
CONF_ZONES: Final = "zones"
SECTION_CREDENTIALS: Final = "credentials"
HISTORY_KEYS: Final = (
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_TENANT,
    CONF_HISTORY_VERIFY_SSL,
)

BASE: Final = "base"
SLUG: Final = re.compile(r"[a-z0-9_]{1,64}")
_HOST_NAME: Final = re.compile(r"(?![\d.]+$)(?=.{1,253}$)\w[\w-]*(\.\w[\w-]*)*\.?")
"""Looser than the standard (underscores, umlauts), but never digits and dots alone."""
PROBE_ERRORS: Final[Mapping[type[Exception], tuple[str, str]]] = {
    NameNotFoundError: (CONF_HOST, "name_not_found"),
    LinkRefusedError: (BASE, "refused"),
    NoAnswerError: (BASE, "no_answer"),
    TimeoutError: (BASE, "no_answer"),
    LinkLostError: (BASE, "connection_lost"),
    WrongProtocolError: (BASE, "not_modbus"),
    WrongUnitError: (CONF_UNIT, "wrong_unit"),
    NotThisFamilyError: (BASE, "not_this_family"),
    UnsupportedModelError: (BASE, "unsupported_model"),
    BusyError: (BASE, "busy"),
    DriverError: (BASE, "cannot_connect"),
}
OWN_PROTOCOL_ERRORS: Final[Mapping[str, str]] = {
    "refused": "refused_own",
    "connection_lost": "connection_lost_own",
    "not_modbus": "not_own_protocol",
    "not_this_family": "not_own_protocol",
}
"""Words for families that do not speak Modbus."""
MAKER_ERRORS: Final[Mapping[str, Mapping[str, str]]] = {
    family: {"refused": f"refused_{family}"} for family in ("idm", "nibe", "daikin")
}
"""Words that name where a maker's controller has Modbus switched on, by family."""
HISTORY_ERRORS: Final[Mapping[type[Exception], tuple[str, str]]] = {
    InvalidUrlError: (CONF_HISTORY_URL, "history_url_invalid"),
    InvalidTenantError: (BASE, "history_tenant_invalid"),
    AuthRejectedError: (BASE, "history_auth"),
    NotVictoriaMetricsError: (BASE, "history_not_victoriametrics"),
    OverloadedError: (BASE, "history_overloaded"),
    UnknownNameError: (CONF_HISTORY_URL, "history_name_not_found"),
    NobodyListensError: (BASE, "history_refused"),
    CertificateError: (BASE, "history_certificate"),
    EncryptionError: (BASE, "history_encryption"),
    HistoryError: (BASE, "history_unreachable"),
    TimeoutError: (BASE, "history_unreachable"),
}


def clean_host(text: str) -> tuple[str, str | None]:
    """Return host and error key: of what an owner typed into the host field."""
    host = text.strip().lower()
    bare = host.removeprefix("[").removesuffix("]")
    if is_ip_address(bare):
        return bare, None
    if not host:
        return text, "host_empty"
    if "/" in host:
        return text, "host_is_url"
    if ":" in host:
        return text, "host_with_port"
    return (host, None) if _HOST_NAME.fullmatch(host) else (text, "host_invalid")


def field_error(
    error: Exception, table: Mapping[type[Exception], tuple[str, str]]
) -> dict[str, str]:
    """Return errors by form field; the closest class in the table counts."""
    field, key = next(table[kind] for kind in type(error).__mro__ if kind in table)
    return {field: key}


def history_input(user_input: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry's history data; without a URL it is empty.

    Credentials inside the URL move to their own fields. An empty password keeps the stored one
    while the user name stays the same; a token, which has none, only for the server that it was
    given for. Raises :class:`InvalidUrlError` and
    :class:`InvalidTenantError`.
    """
    text = user_input.get(CONF_HISTORY_URL, "").strip()
    if not text:
        return {}
    server = parse_url(text)
    credentials = user_input.get(SECTION_CREDENTIALS, {})
    username = credentials.get(CONF_HISTORY_USERNAME) or server.username
    password = credentials.get(CONF_HISTORY_PASSWORD) or server.password
    known = bool(username) or server.url == stored.get(CONF_HISTORY_URL)
    if known and not password and username == stored.get(CONF_HISTORY_USERNAME):
        password = stored.get(CONF_HISTORY_PASSWORD)
    tenant = parse_tenant(credentials.get(CONF_HISTORY_TENANT))
    return {
        CONF_HISTORY_URL: server.url,
        CONF_HISTORY_USERNAME: username,
        CONF_HISTORY_PASSWORD: password,
        **({CONF_HISTORY_TENANT: tenant} if tenant else {}),
        CONF_HISTORY_VERIFY_SSL: credentials.get(CONF_HISTORY_VERIFY_SSL, True),
    }


def box(minimum: int, maximum: int, unit: str | None = None) -> vol.All[Any]:
    """Return a field for a whole number."""
    config = NumberSelectorConfig(min=minimum, max=maximum, mode=NumberSelectorMode.BOX)
    if unit:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def choice(options: tuple[str, ...], translation_key: str, *, multiple: bool) -> SelectSelector:
    """Return a field to choose one or several of translated options."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options),
            translation_key=translation_key,
            multiple=multiple,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )


TEXT: Final = TextSelector()
_USERNAME: Final = TextSelector(TextSelectorConfig(autocomplete="off"))
PASSWORD: Final = TextSelector(
    TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="new-password")
)
HISTORY_NAMES: Final = choice(
    (HISTORY_NAMES_CANONICAL, HISTORY_NAMES_FORERUNNER), CONF_HISTORY_NAMES, multiple=False
)
CREDENTIALS: Final = vol.Schema(
    {
        vol.Optional(CONF_HISTORY_USERNAME): _USERNAME,
        vol.Optional(CONF_HISTORY_PASSWORD): PASSWORD,
        vol.Optional(CONF_HISTORY_TENANT): TEXT,
        vol.Required(CONF_HISTORY_VERIFY_SSL, default=True): BooleanSelector(),
    }
)
REAUTH: Final = vol.Schema(
    {
        vol.Optional(CONF_HISTORY_USERNAME): _USERNAME,
        vol.Required(CONF_HISTORY_PASSWORD): PASSWORD,
    }
)
DEMO: Final = vol.Schema(
    {
        vol.Required(CONF_NAME): TEXT,
        vol.Required(CONF_INTERVAL, default=DEMO_INTERVAL): box(*DEMO_INTERVAL_RANGE, "s"),
    }
)
