"""What was learned about one device: what it refuses, and where blocks must part."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

STRIKES: Final = 3
STRIKE_EVERY: Final = timedelta(minutes=10)
RETRY_EVERY: Final = timedelta(hours=1)


@dataclass(slots=True)
class _Strike:
    count: int
    last: datetime


class Refusals:
    """What was learned about one device: refused addresses, and where blocks must part."""

    def __init__(self, data: Mapping[str, Any] | None, now: Callable[[], datetime]) -> None:
        """Restore what :meth:`to_json` returned; damage costs only the item it hits."""
        self._now = now
        self.splits: set[int] = set()
        self.seen: set[str] = set()
        self.strikes: dict[int, _Strike] = {}
        self.quarantine: dict[int, datetime] = {}
        self.crashing: set[int] = set()
        """Which of them drop the link instead of being refused."""
        self.version = 0
        """Grows with every change worth saving."""
        self.plan_version = 0
        """Grows with every change of how blocks are cut."""
        data = data or {}
        self.splits.update(item for item in _list(data, "splits") if isinstance(item, int))
        self.seen.update(item for item in _list(data, "seen") if isinstance(item, str))
        for item in _list(data, "quarantine"):
            if (known := _address_and_time(item)) is not None:
                self.quarantine[known[0]] = known[1]
        self.crashing.update(item for item in _list(data, "crashing") if item in self.quarantine)
        for item in _list(data, "strikes"):
            known = _address_and_time(item)
            if known is not None and len(item) > 2 and isinstance(item[2], int):
                self.strikes[known[0]] = _Strike(item[2], known[1])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "splits": sorted(self.splits),
            "seen": sorted(self.seen),
            "quarantine": [[a, tried.isoformat()] for a, tried in sorted(self.quarantine.items())],
            "strikes": [
                [a, strike.last.isoformat(), strike.count]
                for a, strike in sorted(self.strikes.items())
            ],
            **({"crashing": sorted(self.crashing)} if self.crashing else {}),
        }

    def barrier(self) -> frozenset[int]:
        """Addresses that no block may include beside others."""
        return frozenset(self.strikes) | frozenset(self.quarantine)

    def strike(self, address: int) -> None:
        """Count a refusal while something else answered; the third quarantines."""
        if address in self.quarantine:
            return
        now = self._now()
        known = self.strikes.get(address)
        if known is None:
            self.strikes[address] = _Strike(1, now)
            self.plan_version += 1
        elif now - known.last >= STRIKE_EVERY or known.last > now:
            known.count += 1
            known.last = now
            if known.count >= STRIKES:
                del self.strikes[address]
                self.quarantine[address] = now
                self.plan_version += 1
        else:
            return
        self.version += 1

    def condemn(self, address: int) -> None:
        """Quarantine an address at which the device drops the link."""
        self.strikes.pop(address, None)
        self.quarantine[address] = self._now()
        self.crashing.add(address)
        self.version += 1
        self.plan_version += 1

    def due(self, address: int) -> bool:
        """Whether another refusal of this address would count."""
        known = self.strikes.get(address)
        return known is None or not timedelta() <= self._now() - known.last < STRIKE_EVERY

    def answered(self, address: int) -> None:
        """Forget what was held against an address."""
        if address in self.strikes or address in self.quarantine:
            self.strikes.pop(address, None)
            self.quarantine.pop(address, None)
            self.crashing.discard(address)
            self.version += 1
            self.plan_version += 1

    def split(self, address: int) -> None:
        """Remember that a block must start here: read across, the device refuses."""
        self.splits.add(address)
        self.version += 1
        self.plan_version += 1

    def see(self, key: str) -> None:
        """Remember that a sensor is fitted: from then on, -1.0 °C is a temperature."""
        self.seen.add(key)
        self.version += 1

    def next_retry(self, addresses: Iterable[int]) -> int | None:
        """Return the quarantined address to try again, if one is due."""
        waiting = [(self.quarantine[a], a) for a in addresses if a in self.quarantine]
        if not waiting:
            return None
        last = max(tried for tried, _ in waiting)
        now = self._now()
        if timedelta() <= now - last < RETRY_EVERY:
            return None
        address = min(waiting)[1]
        self.quarantine[address] = now
        self.version += 1
        return address


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _address_and_time(item: Any) -> tuple[int, datetime] | None:
    try:
        address, stamp, *_ = item
        when = datetime.fromisoformat(stamp)
    except TypeError, ValueError:
        return None
    if not isinstance(address, int) or when.tzinfo is None:
        return None
    return address, when
