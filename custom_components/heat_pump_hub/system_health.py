"""How the heat pumps and their history fare, for the system information."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .archive import Archive
from .const import DOMAIN
from .coordinator import HubConfigEntry
from .history.series import moment
from .texts import async_texts

type Texts = Mapping[str, str]

NOTHING: Final = "–"


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is shown."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return one line each: last poll, history server, what waits, is stored, was dropped, writes.

    Times are those of the house.
    """
    entries: list[HubConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    texts = await async_texts(hass)

    def history(tell: Callable[[Archive, Texts], str]) -> str:
        return _line(
            entries,
            lambda entry: (
                NOTHING if (archive := entry.runtime_data.archive) is None else tell(archive, texts)
            ),
        )

    return {
        "last_poll": _line(entries, lambda entry: _last_poll(entry, texts)),
        "history_server": history(_server),
        "history_backlog": history(_backlog),
        "history_verified": history(_verified),
        "history_dropped": history(_dropped),
        "writes_blocked": _line(
            entries, lambda entry: str(entry.runtime_data.guard.ledger.blocked.total())
        ),
    }


def _line(entries: Sequence[HubConfigEntry], tell: Callable[[HubConfigEntry], str]) -> str:
    return "; ".join(f"{entry.title}: {tell(entry)}" for entry in entries) or NOTHING


def _last_poll(entry: HubConfigEntry, texts: Texts) -> str:
    coordinator = entry.runtime_data.coordinator
    time = _local(coordinator.data.time)
    if coordinator.last_update_success:
        return time
    return texts["health_not_read"].format(time=time)


def _server(archive: Archive, texts: Texts) -> str:
    stats = archive.stats
    if stats.failing is not None and stats.failing_for is not None:
        since = dt_util.utcnow() - timedelta(seconds=stats.failing_for)
        return texts[f"health_server_{stats.failing}"].format(time=_local(since))
    return NOTHING if stats.last_success is None else texts["health_server_answers"]


def _backlog(archive: Archive, texts: Texts) -> str:
    stats = archive.stats
    if stats.oldest is None:
        return str(stats.queued_samples)
    oldest = _local(moment(stats.oldest))
    return texts["health_waiting"].format(count=stats.queued_samples, time=oldest)


def _verified(archive: Archive, texts: Texts) -> str:
    last = archive.stats.last_verified
    return NOTHING if last is None else _local(moment(last))


def _dropped(archive: Archive, texts: Texts) -> str:
    return str(archive.stats.dropped)


def _local(time: datetime) -> str:
    return f"{dt_util.as_local(time):%Y-%m-%d %H:%M:%S}"
