"""Episodes of anomalies: from the first alarm to the owner's answer, over restarts.

Alarms with less than six hours of quiet between them are one episode, and an episode has one
repair at most. The repair stays until it is answered, whatever became of the alarm meanwhile:
accepted after three days, or over by itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import ATTR_DEVICE_ID, ATTR_ENTITY_ID, ATTR_NAME, Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .anomaly import AnomalyWatch
from .anomaly_texts import AnomalyTexts
from .const import DOMAIN
from .detection.verdict import Reason

if TYPE_CHECKING:
    from .detection import Feedback

ISSUE_ANOMALY: Final = "anomaly"
EVENT_ANOMALY: Final = f"{DOMAIN}_anomaly"
"""Fired with every event of an episode; the logbook tells it."""
ATTR_MESSAGE: Final = "message"
EPISODE: Final = "anomaly_episode"
"""Key of the event entity."""
MERGE: Final = timedelta(hours=6)
"""Quiet that ends an episode."""

type EventType = Literal["anomaly_started", "anomaly_ended", "anomaly_accepted"]
EVENT_TYPES: Final[tuple[EventType, ...]] = (
    "anomaly_started",
    "anomaly_ended",
    "anomaly_accepted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What is known of one; times are aware."""

    reasons: tuple[Reason, ...]
    """The last that there were, strongest first."""
    answer: str | None = None
    accepted: bool = False
    """It stood for so long that it no longer alarms."""
    quiet: datetime | None = None
    """Since when there has been no alarm."""
    ended: bool = False

    @property
    def waits(self) -> bool:
        """Whether its owner has not answered."""
        return self.answer is None

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` takes."""
        return {
            "reasons": [reason.to_json() for reason in self.reasons],
            "answer": self.answer,
            "accepted": self.accepted,
            "quiet": None if self.quiet is None else self.quiet.isoformat(),
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Episode:
        """Restore; raises ``KeyError``, ``TypeError`` or ``ValueError`` for what it is not."""
        quiet = saved["quiet"]
        return cls(
            reasons=tuple(Reason.from_json(one) for one in saved["reasons"]),
            answer=saved["answer"],
            accepted=bool(saved["accepted"]),
            quiet=None if quiet is None else datetime.fromisoformat(quiet),
            ended=bool(saved["ended"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEvent:
    """Something that happened to an episode."""

    type: EventType
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Episodes:
    """Follows the verdicts on one heat pump, tells its owner, and takes the answer."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        identity: str,
        watch: AnomalyWatch,
        texts: AnomalyTexts,
        store: Store[dict[str, Any]],
    ) -> None:
        """``identity`` begins the unique id of the event entity."""
        self._hass = hass
        self._entry = entry
        self._identity = identity
        self._watch = watch
        self._store = store
        self._listeners: list[Callable[[EpisodeEvent], None]] = []
        self._unsubscribe: CALLBACK_TYPE | None = None
        self._told: object = None
        self._stored: dict[str, Any] | None = None
        self.texts = texts
        self.episode: Episode | None = None

    async def async_open(self) -> None:
        """Continue with the episode of before; its repair is there at once."""
        await self.texts.async_load()
        saved = self._stored = await self._store.async_load()
        if saved:
            try:
                self.episode = Episode.from_json(saved)
            except KeyError, TypeError, ValueError:
                # A damaged file costs an answer; the verdict raises the rest again.
                self.episode = None
        self._unsubscribe = self._watch.async_add_listener(self._look)
        self._tell()

    async def async_close(self) -> None:
        """Stop following."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    @callback
    def async_add_listener(self, listener: Callable[[EpisodeEvent], None]) -> CALLBACK_TYPE:
        """Call a listener with every event of an episode."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def answerable(self) -> frozenset[Feedback]:
        """The answers that make sense now."""
        if self.episode is None or not self._watch.ready:
            return frozenset()
        if self.episode.waits:
            return frozenset({"normal", "fixed", "confirmed"})
        return frozenset() if self.episode.ended else frozenset({"normal", "fixed"})

    async def async_answer(self, answer: Feedback) -> None:
        """Take the owner's answer; without an episode, do nothing."""
        if self.episode is None:
            return
        # First, as the verdict that follows is judged by it.
        self.episode = replace(self.episode, answer=answer, accepted=False)
        if self.episode.ended:
            self.episode = None
        await self._watch.async_feedback(answer)
        self._look()
        self._keep()
        self._tell()

    def placeholders(self) -> dict[str, str]:
        """Return what the repair says, in words."""
        explanation = state = ""
        if (episode := self.episode) is not None:
            paragraphs = self.texts.paragraphs(episode.reasons)
            explanation = "\n\n".join(paragraphs)
            if episode.ended and episode.quiet is not None:
                moment = self.texts.moment(episode.quiet)
                state = self.texts.word("ended").format(moment=moment)
            elif episode.accepted:
                state = self.texts.word("accepted")
        return {"title": self._entry.title, "explanation": explanation, "state": state}

    @callback
    def _look(self) -> None:
        """Compare the verdict with the episode."""
        verdict = self._watch.verdict
        if verdict is None or verdict.state == "paused" or not self._watch.ready:
            # It rests, or is still learning from the past.
            return
        before, now = self.episode, dt_util.utcnow()
        episode = before
        if verdict.alarm:
            if episode is None or episode.ended or episode.accepted:
                episode = Episode(reasons=verdict.reasons)
                self._fire("anomaly_started", episode)
            else:
                episode = replace(episode, reasons=verdict.reasons, quiet=None)
        elif episode is None or episode.ended:
            return
        elif verdict.reasons and not episode.accepted:
            episode = replace(episode, reasons=verdict.reasons, accepted=True)
            self._fire("anomaly_accepted", episode)
        elif not verdict.reasons:
            episode = replace(episode, quiet=episode.quiet or now)
            assert episode.quiet is not None
            if not episode.waits or now - episode.quiet >= MERGE:
                self._fire("anomaly_ended", episode)
                episode = replace(episode, ended=True) if episode.waits else None
        self.episode = episode
        if self._signature(episode) != self._signature(before):
            self._keep()
            self._tell()

    def _signature(self, episode: Episode | None) -> object:
        """Return what an owner would call a change; the numbers change with every poll."""
        if episode is None:
            return None
        about = tuple((one.monitor, one.signals, one.suspect) for one in episode.reasons)
        return about, episode.answer, episode.accepted, episode.quiet, episode.ended

    @callback
    def _keep(self) -> None:
        saved = {} if self.episode is None else self.episode.to_json()
        if saved != (self._stored or {}):
            self._stored = saved
            self._entry.async_create_task(
                self._hass, self._store.async_save(saved), f"{DOMAIN} episode"
            )

    @callback
    def _tell(self) -> None:
        """Raise the repair, or clear it."""
        issue_id = issue_of(self._entry)
        if self.episode is None or not self.episode.waits:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            data={"entry_id": self._entry.entry_id},
            is_fixable=True,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE_ANOMALY,
            translation_placeholders=self.placeholders(),
        )

    @callback
    def _fire(self, kind: EventType, episode: Episode) -> None:
        happened = EpisodeEvent(type=kind, attributes=self._attributes(episode))
        for listener in list(self._listeners):
            listener(happened)
        registry = er.async_get(self._hass)
        unique_id = f"{self._identity}_{EPISODE}"
        entity_id = registry.async_get_entity_id(Platform.EVENT, DOMAIN, unique_id)
        entity = None if entity_id is None else registry.async_get(entity_id)
        log = self.texts.word(f"log_{kind.removeprefix('anomaly_')}")
        self._hass.bus.async_fire(
            EVENT_ANOMALY,
            {
                "type": kind,
                ATTR_NAME: self._entry.title,
                ATTR_MESSAGE: log.format(sentence=happened.attributes["sentence"]),
                ATTR_ENTITY_ID: entity_id,
                ATTR_DEVICE_ID: None if entity is None else entity.device_id,
            },
        )

    def _attributes(self, episode: Episode) -> dict[str, Any]:
        strongest = episode.reasons[0]
        numbers = self.texts.attributes(strongest)
        return {
            "sentence": self.texts.statement(strongest),
            "explanation": self.texts.explanation(episode.reasons),
            "monitor": strongest.monitor,
            "suspect": strongest.suspect,
            "observed": numbers["observed"],
            "expected": numbers["expected"],
            "unit": numbers["unit"],
            "causes": self.texts.causes(episode.reasons),
            "answer": episode.answer,
        }


def issue_of(entry: ConfigEntry) -> str:
    """Return the id of the repair of an entry."""
    return f"{ISSUE_ANOMALY}_{entry.entry_id}"
