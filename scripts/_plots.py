"""``python -m scripts._plots``: the pictures of docs/anomaly.md, from a simulated heat pump.

It learns 45 days, then a fault grows. Observed, expected and tolerance are the detector's own
numbers (:meth:`Detector.explain`); the mark is the moment of its alarm.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from custom_components.heat_pump_hub.detection import Detector, Signal
from custom_components.heat_pump_hub.simulator import sampler
from custom_components.heat_pump_hub.simulator.machine_faults import MachineFault, Name
from custom_components.heat_pump_hub.simulator.sampler import Sampler

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images"
START: Final = datetime(2025, 11, 1, tzinfo=UTC)
LEARNING: Final = 45.0
WIDTH, HEIGHT = 760.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 44.0, 40.0

type Point = tuple[float, float, float, float]
"""Days since the fault, observed, expected, tolerance."""

PLOTS: Final[tuple[tuple[str, Name, float, float, str | None, str, str, float], ...]] = (
    # file, fault, severity, days until it is whole, sensor, relation, title, days shown
    ("leak", "leak", 0.3, 20.0, None, "expansion_valve_position",
     "Refrigerant leaks: the expansion valve opens more than it should (%)", 9.0),
    ("valve", "valve", 0.5, 3.0, None, "suction_gap",
     "The four-way valve leaks: the suction gas gets warmer than it should be (K)", 4.0),
    ("drift", "drift", 5.0, 14.0, "return_temperature", "spread",
     "The return sensor drifts: flow minus return is less than it should be (K)", 6.0),
)  # fmt: skip


def signals_of(keys: Sequence[str]) -> list[Signal]:
    """Return what the detector is told of a sampler's keys."""
    kinds = dict.fromkeys(sampler.STATES, "state") | dict.fromkeys(sampler.COUNTERS, "counter")
    kinds |= dict.fromkeys(sampler.SETPOINTS, "setpoint")
    return [Signal(key, kinds.get(key, "analog")) for key in keys]


def measure(
    fault: MachineFault, relation: str, days: float
) -> tuple[list[Point], float | None, str]:
    """Return points of two days before the fault and of it, when it was told, and by what."""
    keys = dict.fromkeys((*sampler.ALWAYS, *sampler.OPTIONAL, "flow_rate", "thermal_power", "cop"))
    keys |= dict.fromkeys((*sampler.SETPOINTS, *sampler.STATES, "compressor_frequency"))
    machine = Sampler(21, START, period=120.0, keys=tuple(keys))
    detector = Detector(signals_of(machine.keys))
    points: dict[str, Point] = {}

    def take() -> None:
        for part in detector.explain([relation])["relations"]:
            if part["context"] == "heating":
                for at, observed, expected, tolerance in part["points"]:
                    day = (datetime.fromisoformat(at) - fault.onset) / timedelta(days=1)
                    points[at] = (day, observed, expected, tolerance)

    for sample in machine.days(LEARNING):
        detector.observe(*sample)
    machine.model.scheduled.append(fault)
    told, why = None, ""
    for _ in range(round(days)):
        for time, values in machine.days(1.0):
            verdict = detector.observe(time, values)
            if verdict.alarm and told is None:
                told = (time - fault.onset) / timedelta(days=1)
                why = verdict.reasons[0].monitor
        take()
    return [point for point in points.values() if point[0] > -2], told, why


def draw(title: str, points: Sequence[Point], told: float | None) -> str:
    """Return an SVG of observed dots in the band of what is expected."""
    step = max(1, len(points) // 420)
    shown = sorted(points)[::step]
    first, last = shown[0][0], shown[-1][0]
    low = min(min(p[1], p[2] - p[3]) for p in shown)
    high = max(max(p[1], p[2] + p[3]) for p in shown)
    pad = 0.06 * (high - low)
    low, high = low - pad, high + pad

    def x(day: float) -> float:
        return LEFT + (day - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
            f'font-family="sans-serif" font-size="12" role="img"><title>{title}</title>'
        ),
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#fff"/>',
        f'<text x="{LEFT:g}" y="20" font-size="14" fill="#222">{title}</text>',
    ]
    size = (high - low) / 5
    for index in range(6):
        value = low + index * size
        parts.append(
            f'<line x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="#eee"/><text x="{LEFT - 8:g}" y="{y(value) + 4:.1f}" fill="#555" '
            f'text-anchor="end">{value:.1f}</text>'
        )
    parts.extend(
        f'<text x="{x(whole):.1f}" y="{HEIGHT - 22:g}" fill="#555" text-anchor="middle">'
        f"{whole:+d} d</text>"
        for whole in range(int(first), int(last) + 1)
    )
    parts.extend(
        f'<line x1="{x(day):.1f}" x2="{x(day):.1f}" y1="{y(expected - tolerance):.1f}" '
        f'y2="{y(expected + tolerance):.1f}" stroke="#b9d4ee" stroke-width="2"/>'
        for day, _, expected, tolerance in shown
    )
    parts.extend(
        f'<circle cx="{x(day):.1f}" cy="{y(observed):.1f}" r="1.6" fill="#c0392b"/>'
        for day, observed, _, _ in shown
    )
    marks = [(0.0, "fault begins", "#555")]
    if told is not None:
        marks.append((told, "alarm", "#c0392b"))
    for day, text, colour in marks:
        if day > last:
            continue
        parts.append(
            f'<line x1="{x(day):.1f}" x2="{x(day):.1f}" y1="{TOP - 8:g}" y2="{HEIGHT - BOTTOM:g}" '
            f'stroke="{colour}" stroke-dasharray="4 3"/>'
            f'<text x="{x(day) + 4:.1f}" y="{TOP - 2:g}" fill="{colour}">{text}</text>'
        )
    parts.append(
        f'<text x="{LEFT:g}" y="{HEIGHT - 6:g}" fill="#555">blue: expected and tolerance; '
        "red: observed; days from the begin of the fault</text></svg>"
    )
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, kind, severity, ramp, key, relation, title, days in PLOTS:
        fault = MachineFault(
            name=kind, onset=START + timedelta(days=LEARNING), severity=severity,
            ramp=timedelta(days=ramp), key=key,
        )  # fmt: skip
        points, told, why = measure(fault, relation, days)
        path = FOLDER / f"anomaly-{name}.svg"
        path.write_text(draw(title, points, told))
        print(f"{path.name}: {len(points)} points, alarm after {told} days by {why}")


if __name__ == "__main__":
    main()
