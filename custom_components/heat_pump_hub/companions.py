"""Entities of others that an owner adds to a heat pump's history: meters, inverters, rooms.

They are sampled with each poll, under its time, and when they change, at most every few
seconds each. What becomes of an entity touches nothing else: without a number it has no
sample. While the heat pump does not answer they are sampled all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final

from homeassistant.components.sensor import ATTR_STATE_CLASS, SensorStateClass
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import (
    ATTR_FRIENDLY_NAME,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    Platform,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
    split_entity_id,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import dt as dt_util

from .archive import Archive
from .const import (
    CONF_COMPANION_RULES,
    CONF_COMPANIONS,
    CONF_METER_ENERGY,
    CONF_METER_POWER,
    DOMAIN,
    LOGGER,
)
from .drivers.points import Kind, Point, Quantity, Snapshot, Value
from .history.companion_rules import DEFAULT_RULES, Rules, RulesError, rules_of
from .history.companion_series import (
    DECIMALS,
    NAME,
    CompanionPoint,
    companion_key,
    companion_labels,
)
from .history.journal import Journal
from .history.series import milliseconds
from .units import normal

SWITCHED: Final = (
    Platform.BINARY_SENSOR,
    "input_boolean",
    Platform.FAN,
    Platform.LIGHT,
    Platform.SWITCH,
)
"""Domains whose states are on and off."""
NUMBERED: Final = (Platform.SENSOR, Platform.NUMBER, "input_number", "counter")
"""Domains whose states are numbers."""
SPACING_MS: Final = 5_000
"""Least time between two samples of an entity that changes; a poll samples it anyway."""
_COUNTS: Final = (SensorStateClass.TOTAL, SensorStateClass.TOTAL_INCREASING)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FLAGS: Final = {STATE_ON: True, STATE_OFF: False}


@dataclass(frozen=True, slots=True)
class _Change:
    at: int
    """ms since 1970."""
    entity_id: str
    reading: tuple[str, Value] | None
    """Key and value; ``None``: it has none any more."""
    sampled: bool
    """Whether it makes a sample; else the last one was a moment ago."""


class Companions:
    """Samples entities, and hands them to the history with the heat pump's polls."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        points: dict[str, Point],
        journal: Journal,
        archive: Archive | None,
    ) -> None:
        """``points`` are those of the history; each entity is added as soon as its unit is known."""
        self._hass = hass
        self._points = points
        self._journal = journal
        self._archive = archive
        self.entities: tuple[str, ...] = tuple(
            dict.fromkeys(entry.options.get(CONF_COMPANIONS, ()))
        )
        self._rules = _rules(entry)
        self._keys: set[str] | None = None
        self._known: dict[str, tuple[str, Value]] = {}
        self._changes: list[_Change] = []
        self._sampled: dict[str, int] = {}
        self._latest: dict[str, tuple[str, Value] | None] = {}
        self._last = 0
        self._polled: tuple[Snapshot, Snapshot, Sequence[Snapshot]] | None = None
        self._unsubscribe: CALLBACK_TYPE | None = None

    @callback
    def start(self, keys: set[str] | None) -> None:
        """Follow the entities; ``keys`` are what history gets of the points, ``None``: all."""
        self._keys = keys
        for entity_id in self.entities:
            state = self._hass.states.get(entity_id)
            if state is not None and (reading := self._reading(state)) is not None:
                self._known[entity_id] = self._latest[entity_id] = reading
            elif (registered := er.async_get(self._hass).async_get(entity_id)) is not None:
                # Its past can be sent although it has no value now.
                state_class = (registered.capabilities or {}).get(ATTR_STATE_CLASS)
                self._key(entity_id, normal(registered.unit_of_measurement)[0], state_class)
        self._unsubscribe = async_track_state_change_event(self._hass, self.entities, self._changed)

    @callback
    def record(self, snapshot: Snapshot) -> None:
        """Hand a poll on to the journal, with the entities as they were then."""
        self._journal.take(self._joined(snapshot)[0])

    @callback
    def send(self, snapshot: Snapshot) -> None:
        """Hand a poll on to the server, with the entities then and since the last one."""
        if self._archive is not None:
            self._archive.take(*self._joined(snapshot))

    @callback
    def missed(self) -> None:
        """Sample the entities though the heat pump did not answer."""
        now = dt_util.utcnow()
        at = milliseconds(now)
        if at <= self._last:
            return
        before, values = self._until(at)
        snapshot = Snapshot(time=now, values=values, tiers=frozenset())
        if values:
            self._journal.take(snapshot)
        if self._archive is not None and (before or values):
            self._archive.take(snapshot, before)

    async def async_close(self) -> None:
        """Hand the last samples on and follow nothing any more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self.missed()

    def report(self) -> dict[str, Any]:
        """Return for diagnostics what each entity gives now, by entity id."""
        return {
            entity_id: self._known[entity_id][1] if entity_id in self._known else None
            for entity_id in self.entities
        }

    def _joined(self, snapshot: Snapshot) -> tuple[Snapshot, Sequence[Snapshot]]:
        """Return a poll with the entities in it, and what they were since the last one."""
        if self._polled is None or self._polled[0] is not snapshot:
            before, values = self._until(milliseconds(snapshot.time))
            joined = replace(snapshot, values={**snapshot.values, **values}) if values else snapshot
            self._polled = snapshot, joined, before
        return self._polled[1:]

    def _until(self, at: int) -> tuple[list[Snapshot], dict[str, Value]]:
        """Return what was sampled since the last time, and what is known, both at a time in ms."""
        before: list[Snapshot] = []
        later: list[_Change] = []
        for change in self._changes:
            if change.at > at:
                later.append(change)
                continue
            if change.reading is None:
                self._known.pop(change.entity_id, None)
                continue
            self._known[change.entity_id] = change.reading
            # Spans of frames must not overlap: one could be counted for the other.
            if change.sampled and self._last < change.at < at:
                key, value = change.reading
                time = _EPOCH + timedelta(milliseconds=change.at)
                before.append(Snapshot(time=time, values={key: value}, tiers=frozenset()))
        self._changes = later
        self._last = max(self._last, at)
        return before, dict(self._known.values())

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        entity_id = event.data["entity_id"]
        reading = None if state is None else self._reading(state)
        time = dt_util.utcnow() if state is None else state.last_updated
        # As a backfill rounds what the recorder has of it: it must not be stored twice.
        at = round(time.timestamp() * 1000)
        sampled = (
            reading is not None
            and reading != self._latest.get(entity_id)
            and at - self._sampled.get(entity_id, 0) >= SPACING_MS
        )
        self._latest[entity_id] = reading
        if sampled:
            self._sampled[entity_id] = at
        if self._changes and at < self._changes[-1].at:
            at = self._changes[-1].at
        self._changes.append(_Change(at, entity_id, reading, sampled))

    def _reading(self, state: State) -> tuple[str, Value] | None:
        """Return key and value of a state; ``None``: it has no number, or is unavailable."""
        if state.domain in SWITCHED:
            flag = _FLAGS.get(state.state)
            return None if flag is None else (self._key(state.entity_id, None, None), flag)
        try:
            number = float(state.state)
        except ValueError:
            return None
        unit, convert = normal(state.attributes.get(ATTR_UNIT_OF_MEASUREMENT))
        number = round(convert(number), DECIMALS)
        if not isfinite(number):
            return None
        return self._key(state.entity_id, unit, state.attributes.get(ATTR_STATE_CLASS)), number

    def _key(self, entity_id: str, unit: str | None, state_class: object) -> str:
        """Return the key of an entity in a unit, and make it known."""
        key = companion_key(entity_id, unit)
        if key not in self._points:
            domain, name = split_entity_id(entity_id)
            self._points[key] = CompanionPoint(
                key=key,
                name=NAME,
                quantity=Quantity.FLAG if domain in SWITCHED else Quantity.FACTOR,
                kind=Kind.COUNTER if state_class in _COUNTS else Kind.ANALOG,
                decimals=DECIMALS,
                labels=companion_labels(
                    entity_id, unit, self._rules.labels(name, *self._names(entity_id))
                ),
                entity_id=entity_id,
                own_unit=unit,
            )
        if self._keys is not None:
            self._keys.add(key)
        return key

    def _names(self, entity_id: str) -> list[str]:
        """Return the names of an entity, the same whether or not it is available."""
        names: list[object] = []
        if (registered := er.async_get(self._hass).async_get(entity_id)) is not None:
            names = [registered.name, registered.original_name]
        elif (state := self._hass.states.get(entity_id)) is not None:
            names = [state.attributes.get(ATTR_FRIENDLY_NAME)]
        return [name for name in names if name and isinstance(name, str)]


def _rules(entry: ConfigEntry) -> Rules:
    try:
        return rules_of(entry.options.get(CONF_COMPANION_RULES))
    except RulesError as err:
        LOGGER.warning("%s: the rules for labels cannot be read: %s", entry.title, err)
        return DEFAULT_RULES


@callback
def async_follow_renames(hass: HomeAssistant) -> None:
    """Keep the options of all entries true when an entity that they name gets another id.

    Loaded or not; its series goes on under the new one.
    """

    @callback
    def is_rename(data: er.EventEntityRegistryUpdatedData) -> bool:
        return data["action"] == "update" and "old_entity_id" in data

    @callback
    def renamed(event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        data = event.data
        assert data["action"] == "update"
        for entry in hass.config_entries.async_entries(DOMAIN):
            if data["old_entity_id"] in _named(entry):
                rename(entry, data["old_entity_id"], data["entity_id"])

    @callback
    def rename(entry: ConfigEntry, old: str, new: str) -> None:
        options = dict(entry.options)
        if CONF_COMPANIONS in options:
            options[CONF_COMPANIONS] = [
                new if one == old else one for one in options[CONF_COMPANIONS]
            ]
        for meter in (CONF_METER_POWER, CONF_METER_ENERGY):
            if options.get(meter) == old:
                options[meter] = new
        hass.config_entries.async_update_entry(entry, options=options)
        if entry.state in (ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY):
            hass.config_entries.async_schedule_reload(entry.entry_id)

    hass.bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, renamed, event_filter=is_rename)


def _named(entry: ConfigEntry) -> Sequence[str]:
    meters = (entry.options.get(key) for key in (CONF_METER_POWER, CONF_METER_ENERGY))
    return [*entry.options.get(CONF_COMPANIONS, ()), *filter(None, meters)]
