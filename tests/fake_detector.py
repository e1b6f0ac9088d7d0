"""A detector that answers what a test prepared, in Home Assistant."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
import threading
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.heat_pump_hub.detection import Reason, Verdict
from custom_components.heat_pump_hub.detection.verdict import State
from custom_components.heat_pump_hub.drivers.points import Point

QUIET = Verdict(alarm=False, score=0.02, state="learning", progress=0.256)
STUCK = Verdict(
    alarm=True,
    score=0.9,
    state="alarm",
    progress=1.0,
    reasons=(
        Reason(
            monitor="flatline",
            signals=("outdoor_temperature",),
            suspect="outdoor_temperature",
            observed=300.0,
            expected=20.0,
            tolerance=180.0,
            since=datetime(2026, 11, 20, 6, tzinfo=UTC),
        ),
    ),
)


class FakeDetector:
    """Answers what a test prepared, and remembers what it saw, and in which thread."""

    def __init__(self) -> None:
        self.verdict = QUIET
        self.seen: list[tuple[datetime, Mapping[str, Any]]] = []
        self.threads: set[str] = set()
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.points: list[Point] = []
        self.restored: Mapping[str, Any] | None = None
        self.seen_until: datetime | None = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
        """It has seen everything: what it learns of the past is tested elsewhere."""
        self.notes: list[tuple[datetime, str]] = []
        self.answers: list[str] = []
        self.after: dict[str, Verdict] = {}
        """The verdict that an answer leads to."""

    def load(
        self, points: Iterable[Point], saved: Mapping[str, Any] | None
    ) -> tuple[FakeDetector, Verdict]:
        self.threads.add(threading.current_thread().name)
        self.points = list(points)
        self.restored = saved
        if self.error is not None:
            raise self.error
        return self, self.verdict

    def observe(self, time: datetime, values: Mapping[str, Any]) -> Verdict:
        self.gate.wait(10)
        self.threads.add(threading.current_thread().name)
        self.seen.append((time, values))
        return self.verdict

    def note(self, time: datetime, event: str) -> None:
        self.notes.append((time, event))

    def feedback(self, feedback: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.answers.append(feedback)
        self.verdict = self.after.get(feedback, self.verdict)

    @property
    def paused(self) -> bool:
        return self.verdict.state == "paused"

    @paused.setter
    def paused(self, paused: bool) -> None:
        awake: State = "alarm" if self.verdict.alarm else "normal"
        self.verdict = replace(self.verdict, state="paused" if paused else awake)

    def to_json(self) -> dict[str, Any]:
        self.threads.add(threading.current_thread().name)
        return {"seen": len(self.seen)}


async def pass_time(hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float) -> None:
    freezer.tick(seconds)
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)
