"""What the detector is told, so that it does not alarm about what somebody did.

Settings that change, by this integration or at the machine; firmware that changes; gaps in the
data, as after a power cut. Inputs that are fed all the time are no news.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from homeassistant.core import callback

from .anomaly import AnomalyWatch
from .drivers.driver import Driver
from .drivers.points import Kind, Point, Snapshot, Tier, Value, Wear

GAP: Final = timedelta(minutes=10)
"""Without data for longer, it may have been a power cut."""
VALUES: Final = 12
"""A setting with more values than that, in one run, is the machine's own work."""
FIRMWARE: Final = ("firmware_version", "firmware_version_legacy")


class AnomalyNotes:
    """Watches the snapshots of one heat pump for what explains anomalies."""

    def __init__(self, watch: AnomalyWatch, driver: Driver) -> None:
        """Know nothing of before."""
        self._watch = watch
        self._driver = driver
        self._settings: dict[str, set[Value]] = {}
        self._last: dict[str, Value] = {}
        self._firmware: object = None
        self._seen: Snapshot | None = None

    @callback
    def take(self, snapshot: Snapshot) -> None:
        """Compare a snapshot with those before."""
        if Tier.MEASUREMENT in snapshot.tiers:
            if self._seen is not None and snapshot.time - self._seen.time > GAP:
                self._watch.note("power_cut", snapshot.time)
            self._seen = snapshot
        if Tier.SETTING not in snapshot.tiers:
            return
        if self._changed(snapshot):
            self._watch.note("setting", snapshot.time)
        firmware = self._firmware_of(snapshot.values)
        if firmware is not None:
            if self._firmware not in (None, firmware):
                self._watch.note("firmware", snapshot.time)
            self._firmware = firmware

    def _changed(self, snapshot: Snapshot) -> bool:
        changed = False
        points = self._driver.points
        for key, value in snapshot.values.items():
            point = points.get(key)
            if point is None or not is_setting(point):
                continue
            before = self._last.get(key)
            self._last[key] = value
            known = self._settings.setdefault(key, set())
            known.add(value)
            changed |= before is not None and before != value and len(known) <= VALUES
        return changed

    def _firmware_of(self, values: Mapping[str, Value]) -> object:
        for key in FIRMWARE:
            if key in values:
                return values[key]
        return self._driver.learned().get("firmware")


def is_setting(point: Point) -> bool:
    """Whether somebody sets it, now and then, and it matters to what the machine does."""
    return (
        point.tier is Tier.SETTING
        and point.writable
        and point.wear is not Wear.CYCLIC
        and point.kind is not Kind.COUNTER
    )
