"""The monitors: pure functions from what is remembered to a ratio, 1 where they alarm.

Each ratio is measured value over threshold. A threshold is what was learned times a
margin, never under a floor; the margin is wider while little was learned, because
the longest of few rests says little about the longest of many.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .contexts import DAY, HOUR, MINUTE, Clock
from .signals import Role
from .tracks import CHANGES, Rest, Track

RANGE: Final = "range"
FLATLINE: Final = "flatline"
FLATLINE_RUNNING: Final = "flatline_running"
FROZEN: Final = "frozen"

WARM_UP: Final = 4 * DAY
"""Of flatline; frozen takes 1.5 days, range none."""
FROZEN_WARM_UP: Final = 36 * HOUR
SPIKE_WARM_UP: Final = 4 * 1440.0
"""Minutes, as the next ones."""
JUMP_WARM_UP: Final = 8 * 1440.0
FAST_WARM_UP: Final = 16 * 1440.0
SLOW_WARM_UP: Final = 24 * 1440.0
GENERIC_WARM_UP: Final = 21 * 1440.0

_RANGE_HOLD: Final = 5 * MINUTE
_MARGIN: Final = 3.2
_FLOOR: Final = 8 * HOUR
_FLOOR_RUNNING: Final = 75 * MINUTE
_FLOOR_ALONE: Final = 2 * HOUR
_FLOOR_RUNNING_ALONE: Final = 45 * MINUTE
"""The same if all around it moves as ever: then it is not the machine that is quiet."""
_PEERS: Final = 4
_QUIET_SHARE: Final = 8
"""One sensor, and one more of so many, may rest longer than ever before."""
_MATURE: Final = 14 * DAY
_MATURE_RUNNING: Final = 5 * DAY
_RUNNING_WARM_UP: Final = 6 * HOUR
_REPEATS: Final = 20
"""The longest rest must fit so often into the time watched, or it is not the longest."""
_UNKNOWN_FLOOR: Final = 10 * DAY
_FROZEN_MARGIN: Final = 5.0
FROZEN_FLOOR: Final = 10 * MINUTE
_FROZEN_MATURE: Final = 7 * DAY
_FROZEN_UNKNOWN_FLOOR: Final = 2 * HOUR
_PATIENCE: Final = 10 * MINUTE
"""Rests shorter than this are of no interest to flatline."""
_NEVER: Final = 100_000 * DAY
_OF_INTEREST: Final = 0.35
"""Nor are those under this share of the lowest threshold."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a monitor measured of one signal. Of rests: numbers in minutes."""

    monitor: str
    key: str
    ratio: float
    observed: float
    expected: float
    threshold: float
    lasted: int
    """For how many ms."""


def out_of_range(track: Track, clock: Clock) -> Finding | None:
    """Watch a signal that is outside its physical range, after it was inside once.

    It must stay outside for 5 minutes; sensors that are not fitted never were inside.
    """
    if track.outside is None or track.value is None or not track.plausible:
        return None
    held = clock.now - track.outside
    limit = track.low if track.value < track.low else track.high
    if track.low <= track.value <= track.high:
        limit = track.value
    return Finding(RANGE, track.key, held / _RANGE_HOLD, track.value, limit, limit, held)


def lively(tracks: Iterable[Track], clock: Clock) -> bool:
    """Return whether sensors move as they ever did, save one or two of them."""
    sensors = quiet = 0
    for track in tracks:
        if (
            track.role is Role.SENSOR
            and track.value is not None
            and not track.coarse
            and track.changes >= CHANGES
        ):
            sensors += 1
            quiet += (
                clock.now - track.start > track.longest.value
                or clock.on - track.start_on > track.longest_on.value
            )
    return sensors > _PEERS and quiet <= 1 + sensors // _QUIET_SHARE


def watched(track: Track) -> bool:
    """Return whether it means anything if the signal rests: it moves, and is known to."""
    return not (
        track.role is Role.PASSIVE or track.changes < CHANGES or track.coarse or track.value is None
    )


def flatline(track: Track, clock: Clock, *, alone: bool) -> Finding | None:
    """Watch a sensor for not having changed far longer than it was ever seen to.

    Counted at all times (floor 8 h; 2 h if it is ``alone`` in that, see :func:`lively`)
    and while the compressor runs (floor 75 min, or 45 min).
    Not watched: what knows less than five values, actuators, derived values, currents and what the owner feeds in; powers
    and flows only while the compressor runs.
    """
    if track.outside is not None or not watched(track):
        return None
    if (exposure := clock.learned - track.born) < WARM_UP:
        return None
    best: Finding | None = None
    longest = track.longest.value
    if track.role is Role.SENSOR and exposure >= _REPEATS * longest:
        best = _rest(
            FLATLINE,
            track,
            clock,
            _limit(longest, exposure, _MATURE, _FLOOR_ALONE if alone else _FLOOR),
        )
    exposure = clock.learned_on - track.born_on
    longest = track.longest_on.value
    if exposure >= max(_RUNNING_WARM_UP, _REPEATS * longest):
        # A machine that is controlled well may take the same power for an hour.
        alone = alone and track.role is Role.SENSOR
        floor = _FLOOR_RUNNING_ALONE if alone else _FLOOR_RUNNING
        limit = _limit(longest, exposure, _MATURE_RUNNING, floor)
        lasted = clock.on - track.start_on
        ratio = lasted / limit
        if best is None or ratio > best.ratio:
            best = Finding(
                FLATLINE_RUNNING, track.key, ratio, lasted / MINUTE, longest / MINUTE,
                limit / MINUTE, clock.now - track.start,
            )  # fmt: skip
    return best


def patience(track: Track) -> int:
    """Return for how many ms the signal may rest before :func:`flatline` says anything."""
    if not watched(track):
        # It is asked again after a change by which that may have become otherwise.
        return _NEVER
    limit = max(_FLOOR_RUNNING_ALONE, _MARGIN * track.longest_on.value)
    if track.role is Role.SENSOR:
        limit = min(limit, max(_FLOOR_ALONE, _MARGIN * track.longest.value))
    return max(_PATIENCE, int(_OF_INTEREST * limit))


def frozen(rest: Rest, clock: Clock) -> Finding:
    """Watch the device for showing the same values all over: 10 min or 5 times learned."""
    limit = _limit(
        rest.longest.value, clock.learned - rest.born, _FROZEN_MATURE, FROZEN_FLOOR, _FROZEN_MARGIN
    )
    return _rest(FROZEN, rest, clock, limit, _FROZEN_UNKNOWN_FLOOR)


def _limit(longest: int, exposure: int, mature: int, floor: int, margin: float = _MARGIN) -> float:
    if exposure < mature:
        margin *= (mature / max(exposure, HOUR)) ** 0.5
    return max(float(floor), margin * longest)


def _rest(
    monitor: str, rest: Rest, clock: Clock, limit: float, unknown: int = _UNKNOWN_FLOOR
) -> Finding:
    # What is unknown in a longer idle time than ever seen is not unknown for ever.
    whole = clock.now - rest.start
    ratio = max(rest.lasted(clock) / limit, whole / max(unknown, 2 * limit))
    key = rest.key if isinstance(rest, Track) else ""
    return Finding(
        monitor, key, ratio, whole / MINUTE, rest.longest.value / MINUTE, limit / MINUTE, whole
    )
