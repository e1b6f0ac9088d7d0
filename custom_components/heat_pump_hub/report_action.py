"""The action that writes a report on demand."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.util import dt as dt_util
import probatio as vol

from .coordinator import HubConfigEntry
from .errors import failed, invalid, one_of
from .history.companion_series import companion_of
from .history.journal_file import JournalError
from .history.report_files import EXCEL_ROWS, Format, TooLongError
from .history.reports import DISK_LIMIT, DiskFullError, Resolution
from .names import key_of
from .reports import NoDataError, Order, Period, day_order, week_order

ATTR_PERIOD: Final = "period"
ATTR_DATE: Final = "date"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_SIGNALS: Final = "signals"
ATTR_FORMAT: Final = "format"
ATTR_RESOLUTION: Final = "resolution"

FIELDS: Final[Mapping[vol.Marker, Any]] = {
    vol.Optional(ATTR_PERIOD, default=Period.DAY): cv.string,
    vol.Optional(ATTR_DATE): cv.date,
    vol.Optional(ATTR_START): cv.datetime,
    vol.Optional(ATTR_END): cv.datetime,
    vol.Optional(ATTR_SIGNALS): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(ATTR_FORMAT, default=Format.CSV): cv.string,
    vol.Optional(ATTR_RESOLUTION): cv.string,
}


async def async_export_report(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """Write a report and say where it is.

    Raises ``ServiceValidationError`` for a period or signal that cannot be,
    ``HomeAssistantError`` if it could not be written.
    """
    reports = entry.runtime_data.reports
    order = _order(hass, entry, call)
    try:
        return await reports.async_export(order)
    except NoDataError as err:
        raise invalid("report_no_data") from err
    except TooLongError as err:
        raise invalid("report_too_long", rows=str(EXCEL_ROWS)) from err
    except DiskFullError as err:
        raise failed("report_disk_full", limit=f"{DISK_LIMIT:.0%}", used=str(err)) from err
    except (JournalError, OSError) as err:
        raise failed("report_failed", error=str(err)) from err


def _order(hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall) -> Order:
    now = dt_util.now()
    period = one_of(Period, ATTR_PERIOD, call.data[ATTR_PERIOD])
    more: dict[str, Any] = {ATTR_FORMAT: one_of(Format, ATTR_FORMAT, call.data[ATTR_FORMAT])}
    if (resolution := call.data.get(ATTR_RESOLUTION)) is not None:
        more[ATTR_RESOLUTION] = one_of(Resolution, ATTR_RESOLUTION, resolution)
    if (signals := call.data.get(ATTR_SIGNALS)) is not None:
        more["keys"] = _keys(hass, entry, signals)
    day = call.data.get(ATTR_DATE)
    custom = period is Period.CUSTOM
    if custom and day is not None:
        raise invalid("period_custom_date")
    if not custom and (ATTR_START in call.data or ATTR_END in call.data):
        raise invalid("period_not_custom")
    match period:
        case Period.DAY:
            order = day_order(day or now.date() - timedelta(days=1), **more)
        case Period.WEEK:
            order = week_order(day or now.date() - timedelta(days=7), **more)
        case _:
            order = _custom(call, now, more)
    if order.start >= now:
        raise invalid("period_in_future")
    return order


def _custom(call: ServiceCall, now: datetime, more: dict[str, Any]) -> Order:
    if ATTR_START not in call.data:
        raise invalid("period_incomplete")
    start = _local(call.data[ATTR_START])
    if start >= now:
        raise invalid("period_in_future")
    end = _local(call.data.get(ATTR_END, now))
    if end <= start:
        raise invalid("period_backwards")
    name = f"{start:%Y-%m-%d}_export-{now:%Y%m%d-%H%M%S}"
    return Order(name=name, start=start, end=end, keep_both=True, **more)


def _local(time: datetime) -> datetime:
    """Return a time in the owner's zone, which one without a zone is meant in."""
    zone = dt_util.get_default_time_zone()
    return time.replace(tzinfo=zone) if time.tzinfo is None else time.astimezone(zone)


def _keys(hass: HomeAssistant, entry: HubConfigEntry, signals: Iterable[str]) -> frozenset[str]:
    """Return the keys of signals: keys or entity ids of this heat pump, or ids of companions."""
    data = entry.runtime_data
    registry = er.async_get(hass)
    keys: set[str] = set()
    for signal in signals:
        entity = registry.async_get(signal)
        key = signal
        if entity is not None and entity.config_entry_id == entry.entry_id:
            key = key_of(entity, data.identity)
        companion = companion_of(signal)
        known = signal in data.companions.entities or companion is not None
        if not known and key not in data.driver.points:
            raise invalid("unknown_signal", signal=signal)
        keys.add(key)
    return frozenset(keys)
