"""Home Assistant's side of the journals: where they are, and what an owner hears of them."""

from concurrent.futures import Executor
from functools import partial
from pathlib import Path
import time

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.hass_dict import HassKey

from .const import CONF_JOURNAL_DAYS, DOMAIN
from .history.journal import DAYS, Journal
from .history.journal_file import JournalFile

DATA_JOURNALS: HassKey[dict[str, Journal]] = HassKey(f"{DOMAIN}_journals")
ISSUE_DAMAGED = "journal_damaged"
ISSUE_FAILING = "journal_failing"
FIXABLE = frozenset({"different_machine"})
"""Issues that an owner repairs by reconfiguring (``repairs.py``)."""


def journal_path(hass: HomeAssistant, entry: ConfigEntry) -> Path:
    """Return where the journal of an entry is."""
    return Path(hass.config.path(DOMAIN, "journal", f"{entry.entry_id}.sqlite"))


async def async_open_journal(
    hass: HomeAssistant, entry: ConfigEntry, identity: str, executor: Executor
) -> Journal:
    """Open the journal of a heat pump; a disk that does not work costs the journal only."""

    @callback
    def damaged(path: Path) -> None:
        async_tell(hass, entry, ISSUE_DAMAGED, path.name)

    async_tell(hass, entry, ISSUE_DAMAGED, None)
    journal = Journal(
        journal_path(hass, entry),
        identity,
        executor,
        days=entry.options.get(CONF_JOURNAL_DAYS, DAYS),
        clock=time.time,
        on_damaged=damaged,
        on_failing=partial(async_tell, hass, entry, ISSUE_FAILING),
    )
    await journal.open()
    hass.data.setdefault(DATA_JOURNALS, {})[entry.entry_id] = journal
    return journal


async def async_close_journal(hass: HomeAssistant, entry: ConfigEntry, journal: Journal) -> None:
    """Bring everything to the disk."""
    hass.data[DATA_JOURNALS].pop(entry.entry_id, None)
    await journal.close()


async def async_remove_journal(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete the journal of an entry, and what is said about it."""
    for issue in (ISSUE_DAMAGED, ISSUE_FAILING):
        async_tell(hass, entry, issue, None)
    await hass.async_add_executor_job(JournalFile(journal_path(hass, entry)).delete)


@callback
def async_tell(hass: HomeAssistant, entry: ConfigEntry, issue: str, details: str | None) -> None:
    """Raise a repair about an entry, or clear it if there are no details."""
    issue_id = f"{issue}_{entry.entry_id}"
    if details is None:
        ir.async_delete_issue(hass, DOMAIN, issue_id)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        data={"entry_id": entry.entry_id},
        is_fixable=issue in FIXABLE,
        severity=ir.IssueSeverity.WARNING,
        translation_key=issue,
        translation_placeholders={"title": entry.title, "details": details},
    )
