"""What to attach to a report: everything known of a heat pump, without addresses or secrets."""

from dataclasses import asdict
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_HOST, CONF_PASSWORD, CONF_USERNAME
from homeassistant.core import HomeAssistant

from .const import (
    CONF_FINGERPRINT,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_IDENTITY,
)
from .coordinator import HubConfigEntry
from .drivers.points import Point

TO_REDACT: Final = {
    CONF_FINGERPRINT,
    CONF_HISTORY_PASSWORD,
    CONF_HISTORY_URL,
    CONF_HISTORY_USERNAME,
    CONF_HOST,
    CONF_PASSWORD,
    CONF_USERNAME,
    # May be a serial number, as may the unique id and the title.
    CONF_IDENTITY,
    "serial",
    "title",
    "unique_id",
    # Who asked for a write.
    "context",
    "parent",
    "user",
}
LEDGER_TAIL: Final = 50


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: HubConfigEntry
) -> dict[str, Any]:
    """Return points, values, failures, plan, writes, and the state of history and detector."""
    data = entry.runtime_data
    coordinator = data.coordinator
    verdict = data.anomaly.verdict
    archive = data.archive
    return async_redact_data(
        {
            "entry": {
                "title": entry.title,
                "data": dict(entry.data),
                "options": dict(entry.options),
            },
            "poll": {
                "interval": coordinator.interval,
                "last": coordinator.data.time.isoformat(),
                "success": coordinator.last_update_success,
                "error": _type_of(coordinator.last_exception),
            },
            "points": {key: _point(point) for key, point in data.driver.points.items()},
            "values": coordinator.values,
            "failed": coordinator.failed,
            "unknown_codes": coordinator.unknown_codes,
            "driver": data.driver.report(),
            "writes": [entry.to_json() for entry in data.guard.ledger.entries[-LEDGER_TAIL:]],
            "writes_by_day": data.guard.ledger.daily(),
            "writes_ever": data.guard.ledger.totals(),
            "writes_blocked": dict(data.guard.ledger.blocked),
            "history": None
            if archive is None
            # Its message may name the server.
            else asdict(archive.stats) | {"last_error": archive.stats.last_error is not None},
            "backfill": None if data.backfill is None else data.backfill.report(),
            "iotawatt": None if data.iotawatt is None else data.iotawatt.report(),
            "journal": {
                "on_disk": data.journal.outbox.on_disk,
                "waiting": data.journal.outbox.samples,
                "unverified": data.journal.outbox.unverified,
                "dropped": data.journal.outbox.dropped,
                "parked": data.journal.outbox.parked,
            },
            "companions": data.companions.report(),
            "detector": {
                "missing": data.anomaly.missing,
                "skipped": data.anomaly.skipped,
                "learned": data.anomaly.learned,
                "verdict": None if verdict is None else asdict(verdict),
            },
        },
        TO_REDACT,
    )


def _point(point: Point) -> dict[str, Any]:
    """Return what tells a point from others."""
    return {
        "quantity": point.quantity,
        "kind": point.kind,
        "tier": point.tier,
        "wear": point.wear,
        "minimum": point.minimum,
        "maximum": point.maximum,
        "enabled": point.enabled,
    }


def _type_of(error: BaseException | None) -> str | None:
    """Return what kind of error it was; its message may name the host."""
    if error is None:
        return None
    return type(error.__cause__ or error).__name__
