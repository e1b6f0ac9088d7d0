"""Names that the config entry, the stores and the platforms share."""

import logging
from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "heat_pump_hub"
LOGGER: Final = logging.getLogger(__package__)

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
)

# entry.data; host and port are Home Assistant's CONF_HOST and CONF_PORT
CONF_FAMILY: Final = "family"
CONF_DEMO: Final = "demo"
CONF_UNIT: Final = "unit"
CONF_IDENTITY: Final = "identity"
CONF_LAYOUT: Final = "layout"
CONF_MAP: Final = "map"
CONF_FINGERPRINT: Final = "fingerprint"
CONF_MANUFACTURER: Final = "manufacturer"
CONF_MODEL: Final = "model"
CONF_CHOSEN_MODEL: Final = "chosen_model"
CONF_FIRMWARE: Final = "firmware"
CONF_HISTORY_URL: Final = "history_url"
CONF_HISTORY_USERNAME: Final = "history_username"
CONF_HISTORY_PASSWORD: Final = "history_password"  # noqa: S105 - the name of a field
CONF_HISTORY_TENANT: Final = "history_tenant"
CONF_HISTORY_VERIFY_SSL: Final = "history_verify_ssl"

SUBENTRY_IOTAWATT: Final = "iotawatt"
# its data; the host is Home Assistant's CONF_HOST
CONF_DEVICE: Final = "device"
CONF_SERIES: Final = "series"

FAMILY_MAP: Final = "map"
"""The family of heat pumps that a register map file describes."""

# entry.options
CONF_INTERVAL: Final = "interval"
CONF_ALLOW_CONTROL: Final = "allow_control"
CONF_COOLDOWN: Final = "cooldown"
CONF_HISTORY_NAMES: Final = "history_names"
CONF_JOURNAL_DAYS: Final = "journal_days"
CONF_HISTORY_EVERYTHING: Final = "history_everything"
CONF_LEARN_FROM: Final = "learn_from"
"""Entities of other integrations, by the key of the point they show."""
CONF_REPORTS: Final = "reports"
CONF_REPORT_FORMAT: Final = "report_format"
CONF_REPORT_DAYS: Final = "report_days"
CONF_COMPANIONS: Final = "companions"
CONF_COMPANION_RULES: Final = "companion_rules"
CONF_METER_POWER: Final = "meter_power"
CONF_METER_ENERGY: Final = "meter_energy"
CONF_METER_PREFERRED: Final = "meter_preferred"

HISTORY_NAMES_CANONICAL: Final = "canonical"
HISTORY_NAMES_FORERUNNER: Final = "forerunner"

INTERVAL_RANGE: Final = (10, 300)
DEMO_INTERVAL_RANGE: Final = (1, 300)
DEFAULT_COOLDOWN: Final = 300
COOLDOWN_RANGE: Final = (60, 3600)

SETTINGS_INTERVAL: Final = 600.0
SETTINGS_AFTER_WRITE: Final = 2.0

STORAGE_VERSION: Final = 1
