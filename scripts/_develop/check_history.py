"""Counts the stored samples against the polls that Home Assistant's log and the wire tell of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .pumps import Pump
from .stand import Stand
from .table import Table

MARK: Final = 1000
"""Outdoor temperature (IDM Navigator 2.0 Modbus TCP document): every poll of measurements
reads it. The config flow does too, over a connection of its own, which is the first."""
MOMENTARY: Final = frozenset({"heatpump_cop", "heatpump_superheat"})
"""Have a value only while the compressor runs, or only after it ran."""
_NAMED: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """How a heat pump was read from its first set-up to the end."""

    all: int
    """Polls that succeeded."""
    settings_only: int
    """Of them, those that follow a write and read settings only."""
    loads: int
    """Set-ups: each begins with a poll that reads measurements and settings."""

    def of(self, tier: str) -> int:
        """Return how often points of a tier were read."""
        if tier == "measurement":
            return self.all - self.settings_only
        return self.loads + self.settings_only


async def check_history(
    stand: Stand,
    pump: Pump,
    diagnostics: Mapping[str, Any],
    reads: Reads,
    table: Table,
) -> None:
    """Compare after Home Assistant has stopped: nothing is on its way any more.

    ``diagnostics`` are those taken shortly before. Raises ``DevelopError``.
    """
    label = pump.label
    series = await stand.victoria.export(pump.identity)
    counts = await stand.victoria.counts(pump.identity)
    times = {time for one in series for time in one.times}
    table.equal(f"{label}: sample times stored = polls in the log", reads.all, len(times))
    if pump.relayed:
        table.equal(
            f"{label}: polls with measurements, on the wire",
            reads.of("measurement"),
            stand.relay.reads(MARK, since_link=2),
        )
    last = max(times, default=0)
    shown = _milliseconds(diagnostics["poll"]["last"])
    table.holds(
        f"{label}: the last sample arrived",
        f"at or after {diagnostics['poll']['last'][11:23]}",
        f"{(last - shown) / 1000:+.3f} s",
        ok=last >= shown,
    )

    tiers = {key: point["tier"] for key, point in diagnostics["points"].items()}
    for tier in ("measurement", "setting"):
        found = {
            name: number
            for name, number in counts.items()
            if tiers.get(name.removeprefix("heatpump_")) == tier
        }
        wrong = {
            name: number
            for name, number in found.items()
            if number > reads.of(tier) or (number < reads.of(tier) and name not in MOMENTARY)
        }
        table.holds(
            f"{label}: {len(found)} series of the tier {tier}",
            f"{reads.of(tier)} samples each",
            _some(wrong) if wrong else f"{reads.of(tier)} samples each",
            ok=bool(found) and not wrong,
        )
    strange = {name: number for name, number in counts.items() if _key(name) not in tiers}
    table.holds(f"{label}: series of unknown points", "none", _some(strange), ok=not strange)


async def check_values(
    stand: Stand, pump: Pump, diagnostics: Mapping[str, Any], table: Table
) -> None:
    """Compare the stored numbers with the states that Home Assistant showed last."""
    entities = await pump.entities(stand.client)
    states = await stand.client.states()
    names = {one.name for one in await stand.victoria.export(pump.identity)}
    enabled = {key: item for key, item in entities.items() if item["disabled_by"] is None}
    # Buttons of an episode are there to be pressed while there is one.
    waiting = {"anomaly_normal", "anomaly_fixed", "anomaly_confirmed"}
    absent = [key for key, item in enabled.items() if item["entity_id"] not in states]
    unavailable = [
        key
        for key, item in enabled.items()
        if key not in waiting and states.get(item["entity_id"], {}).get("state") == "unavailable"
    ]
    table.holds(
        f"{pump.label}: entities enabled",
        "20 to 60, all available",
        f"{len(enabled)} of {len(entities)}"
        + (f", without a state: {absent}" if absent else "")
        + (f", unavailable: {unavailable}" if unavailable else ""),
        ok=20 <= len(enabled) <= 60 and not absent and not unavailable,
    )
    values = diagnostics["values"]
    missing = [key for key in enabled if key in values and f"heatpump_{key}" not in names]
    table.holds(
        f"{pump.label}: enabled entities with a value but without a series",
        "none",
        ", ".join(missing) or "none",
        ok=not missing,
    )


def _key(name: str) -> str:
    return name.removeprefix("heatpump_")


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _some(counts: Mapping[str, int]) -> str:
    shown = [f"{name} {number}" for name, number in list(counts.items())[:_NAMED]]
    more = len(counts) - len(shown)
    return (", ".join(shown) + (f" and {more} more" if more else "")) or "none"
