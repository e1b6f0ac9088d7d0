"""The actions that ask a detector whether it would notice a fault, and what it goes by."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, Any, Final, cast

from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.util import dt as dt_util
import probatio as vol

from .anomaly import NotWatchingError
from .coordinator import HubConfigEntry
from .errors import check_choice, failed, invalid
from .history.journal_file import JournalError
from .names import key_of
from .warm_sources import Sample, from_journal

if TYPE_CHECKING:
    from .anomaly_texts import AnomalyTexts
    from .detection.self_test import SelfTest

ATTR_FAULT: Final = "fault"
ATTR_SIGNAL: Final = "signal"
ATTR_SEVERITY: Final = "severity"
ATTR_DAYS: Final = "days"
ATTR_RELATIONS: Final = "relations"

FAULTS: Final = (
    "stuck",
    "offset",
    "drift",
    "spike",
    "frozen",
    "leak",
    "icing",
    "pump",
    "heater",
    "dhwloss",
)
"""Those of :mod:`.detection.self_test`, which is not imported before it is needed."""
FAULTS_OF_SENSOR: Final = FAULTS[:4]
"""Those that need a signal."""
OWN_DATA: Final = timedelta(days=3)
"""What is played: the journal's last days."""
LEAST_DATA: Final = timedelta(hours=12)
"""A fault that is played with less says nothing."""

SELF_TEST_FIELDS: Final[Mapping[vol.Marker, Any]] = {
    vol.Optional(ATTR_FAULT, default="offset"): cv.string,
    vol.Optional(ATTR_SIGNAL, default="return_temperature"): cv.string,
    vol.Optional(ATTR_SEVERITY, default=1.0): vol.All(vol.Coerce(float), vol.Range(0.1, 5)),
    vol.Optional(ATTR_DAYS, default=10): vol.All(vol.Coerce(float), vol.Range(0.1, 30)),
}
EXPLAIN_FIELDS: Final[Mapping[vol.Marker, Any]] = {
    vol.Optional(ATTR_RELATIONS): vol.All(cv.ensure_list, [cv.string]),
}


async def async_self_test(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """Play the heat pump's own last days with a fault to a copy of its detector.

    Raises ``ServiceValidationError`` if it does not watch, or there is nothing to play.
    """
    data = entry.runtime_data
    check_choice(ATTR_FAULT, call.data[ATTR_FAULT], FAULTS)
    fault, signal = call.data[ATTR_FAULT], _key(hass, entry, call.data[ATTR_SIGNAL])
    if fault in FAULTS_OF_SENSOR and signal not in data.driver.points:
        raise invalid("self_test_unknown_signal", signal=call.data[ATTR_SIGNAL])
    if not data.anomaly.ready:
        raise invalid("not_watching")
    if not await data.anomaly.async_watches(fault, signal):
        raise invalid("self_test_not_watched", signal=call.data[ATTR_SIGNAL])
    now = dt_util.utcnow()
    samples: list[Sample] = []
    try:
        async for some in from_journal(data.journal, now - OWN_DATA, now):
            samples += some
        times = [time for time, _ in samples]
        if not times or max(times) - min(times) < LEAST_DATA:
            raise invalid("self_test_no_data")
        result = await data.anomaly.async_self_test(
            samples,
            fault,
            signal=signal,
            severity=call.data[ATTR_SEVERITY],
            days=call.data[ATTR_DAYS],
        )
    except NotWatchingError as err:
        raise invalid("not_watching") from err
    except JournalError as err:
        raise failed("self_test_unreadable", error=str(err)) from err
    return _sensible(_told(result, data.episodes.texts))


async def async_explain(
    hass: HomeAssistant, entry: HubConfigEntry, call: ServiceCall
) -> ServiceResponse:
    """Return the numbers behind the verdict.

    Raises ``ServiceValidationError`` if the detector does not watch, or knows no such relation.
    """
    watch = entry.runtime_data.anomaly
    wanted: list[str] | None = call.data.get(ATTR_RELATIONS)
    if not watch.ready:
        raise invalid("not_watching")
    if wanted is not None:
        known = watch.relations
        found = {name: _related(known, _key(hass, entry, name)) for name in wanted}
        unknown = [name for name, names in found.items() if not names]
        if unknown and not known:
            raise invalid("no_relations")
        if unknown:
            names = ", ".join(sorted(known))
            raise invalid("unknown_relation", relations=", ".join(unknown), known=names)
        wanted = [name for names in found.values() for name in names]
    try:
        return _sensible(await watch.async_explain(wanted))
    except NotWatchingError as err:
        raise invalid("not_watching") from err


def _key(hass: HomeAssistant, entry: HubConfigEntry, signal: str) -> str:
    """Return the key of a signal, which may be named by its entity."""
    entity = er.async_get(hass).async_get(signal)
    if entity is None or entity.config_entry_id != entry.entry_id:
        return signal
    return key_of(entity, entry.runtime_data.identity)


def _related(known: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Return the relation of this name, or else those of the signal of this name."""
    if name in known:
        return [name]
    return [relation for relation, signals in known.items() if name in signals]


def _sensible[T](answer: T) -> T:
    """Round all numbers of an answer: four digits, at most three of them decimals."""
    found: Any = answer
    if isinstance(answer, float) and isfinite(answer):
        size = floor(log10(abs(answer))) if answer else 0
        found = round(answer, min(3, max(0, 3 - size)))
    elif isinstance(answer, dict):
        found = {key: _sensible(value) for key, value in answer.items()}
    elif isinstance(answer, list):
        found = [_sensible(value) for value in answer]
    return cast(T, found)


def _told(result: SelfTest, texts: AnomalyTexts) -> dict[str, Any]:
    reason = result.reason
    return {
        "fault": result.fault,
        "signal": result.signal,
        "noticed": result.fired,
        "hours": result.hours,
        "played_hours": result.played,
        "alarmed_before": result.alarmed_before,
        "reason": None
        if reason is None
        else {
            "monitor": reason.monitor,
            "signals": list(reason.signals),
            "suspect": reason.suspect,
            **texts.attributes(reason),
        },
    }
