"""How the heat pumps and their history fare, for the system information."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import HubConfigEntry
from .history.series import moment


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is shown."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return one line each: last poll, history that waits, is stored and was dropped, writes."""
    entries: list[HubConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return {
        "last_poll": _summary({entry: _last_poll(entry) for entry in entries}),
        "history_backlog": _summary({entry: _backlog(entry) for entry in entries}),
        "history_verified": _summary({entry: _verified(entry) for entry in entries}),
        "history_dropped": _summary({entry: _dropped(entry) for entry in entries}),
        "writes_blocked": _summary(
            {entry: str(entry.runtime_data.guard.ledger.blocked.total()) for entry in entries}
        ),
    }


def _summary(values: dict[HubConfigEntry, str]) -> str:
    return "; ".join(f"{entry.title}: {value}" for entry, value in values.items()) or "–"


def _last_poll(entry: HubConfigEntry) -> str:
    coordinator = entry.runtime_data.coordinator
    time = coordinator.data.time.isoformat(timespec="seconds")
    return time if coordinator.last_update_success else f"{time} (!)"


def _backlog(entry: HubConfigEntry) -> str:
    if (archive := entry.runtime_data.archive) is None:
        return "–"
    stats = archive.stats
    if stats.oldest is None:
        return str(stats.queued_samples)
    return f"{stats.queued_samples} ({_iso(stats.oldest)})"


def _verified(entry: HubConfigEntry) -> str:
    archive = entry.runtime_data.archive
    if archive is None or (last := archive.stats.last_verified) is None:
        return "–"
    return _iso(last)


def _dropped(entry: HubConfigEntry) -> str:
    archive = entry.runtime_data.archive
    return "–" if archive is None else str(archive.stats.dropped)


def _iso(time: int) -> str:
    """Return a time in ms since 1970 as text."""
    return moment(time).isoformat(timespec="seconds")
