"""What the actions of a backfill take, check and answer."""

import time
from typing import Any, Final

from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv
import probatio as vol

from .backfill import FAILURES, Backfill, Job, milliseconds_of, moment_of
from .backfill_work import KIND, WHAT, async_sources
from .coordinator import HubConfigEntry
from .errors import check_choice, failed, invalid
from .history.ask import Span
from .history.legacy import NothingFoundError
from .recorder_source import is_there

ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_WHAT: Final = "what"
ATTR_ENTITIES: Final = "entity_id"
ATTR_DRY_RUN: Final = "dry_run"

BACKFILL_FIELDS: Final[dict[vol.Marker, Any]] = {
    vol.Required(ATTR_START): cv.datetime,
    vol.Optional(ATTR_END): cv.datetime,
    vol.Optional(ATTR_WHAT, default=list(WHAT)): vol.All(cv.ensure_list, [cv.string]),
    vol.Optional(ATTR_ENTITIES): cv.entity_ids,
    vol.Optional(ATTR_DRY_RUN, default=False): cv.boolean,
}


async def async_backfill(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """Send states and statistics of the recorder to the history server."""
    backfill = backfill_of(entry)
    span = _span(call)
    for what in call.data[ATTR_WHAT] or [""]:
        check_choice(ATTR_WHAT, what, WHAT)
    if not is_there(hass):
        raise invalid("backfill_no_recorder")
    sources = async_sources(hass, entry, backfill.archive, entry.runtime_data.identity)
    entities = call.data.get(ATTR_ENTITIES, list(sources))
    if unknown := [entity_id for entity_id in entities if entity_id not in sources]:
        raise invalid("backfill_unknown_entity", entities=", ".join(unknown))
    check_idle(backfill)
    span = backfill.clipped(span)
    if span.first >= span.last:
        raise invalid("backfill_outside_retention")
    settings = {
        "start": span.first,
        "end": span.last,
        "what": list(call.data[ATTR_WHAT]),
        # Not by their ids: an owner may rename them before it is done.
        "points": [sources[entity_id].point.key for entity_id in entities],
    }
    answer = await async_work(backfill, Job(kind=KIND, settings=settings), call.data[ATTR_DRY_RUN])
    return {"start": moment_of(span.first), "end": moment_of(span.last)} | answer


async def async_cancel(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """End a backfill or an import for good."""
    job = await backfill_of(entry).async_cancel()
    if job is None:
        raise invalid("backfill_not_running")
    return {"state": "cancelled", **job.counts()}


async def async_work(backfill: Backfill, job: Job, dry_run: bool) -> dict[str, Any]:
    """Do a job, or count what it would send; return the answer of its action.

    Raises :class:`HomeAssistantError`.
    """
    try:
        if dry_run:
            return {"state": "counted", "missing": await backfill.async_count(job), **job.notes}
        done = await backfill.async_do(job)
    except NothingFoundError as err:
        raise invalid("import_nothing_found", where=err.where, wanted=err.wanted) from err
    except FAILURES as err:
        raise failed("backfill_failed", error=str(err)) from err
    if done:
        state = "done"
    else:
        # Home Assistant stops, or the heat pump is reloaded.
        state = "interrupted" if backfill.job is job else "cancelled"
    return {"state": state, **job.counts()}


def check_idle(backfill: Backfill) -> None:
    """Raise if a job cannot begin now; what was asked for is looked at before.

    Raises :class:`ServiceValidationError` and :class:`HomeAssistantError`.
    """
    if backfill.job is not None:
        raise invalid("backfill_running")
    info = backfill.archive.shipper.server_info
    if info is not None and not info.readable:
        raise invalid("history_cannot_read")
    if not backfill.ready:
        raise failed("history_not_ready")


def backfill_of(entry: HubConfigEntry) -> Backfill:
    """Return what does backfills of a heat pump. Raises :class:`ServiceValidationError`."""
    if (backfill := entry.runtime_data.backfill) is None:
        raise invalid("history_no_server")
    return backfill


def _span(call: ServiceCall) -> Span:
    now = int(time.time() * 1000)
    first = milliseconds_of(call.data[ATTR_START])
    last = milliseconds_of(call.data[ATTR_END]) if ATTR_END in call.data else now
    if max(first, last) > now:
        raise invalid("backfill_future")
    if first >= last:
        raise invalid("backfill_start_after_end")
    return Span(first, last)
