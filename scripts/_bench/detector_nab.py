"""How the generic scorer does on files of the Numenta Anomaly Benchmark.

The scoring function is written from its published definition (Lavin and Ahmad 2015,
"Evaluating Real-time Anomaly Detection Algorithms"): a sigmoid over the position in the
window or past it, only the earliest detection of a window counts, false positives weigh
0.11 (standard), every missed window costs 1, and the sum is scaled so that 0 is a
detector that never fires and 100 a perfect one.
"""

from collections.abc import Iterator, Sequence
import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import json
import math
from pathlib import Path

from custom_components.heat_pump_hub.detection import GenericScorer

PROBATION = 0.15
PROFILES = {"standard": (0.11, 1.0), "low_fp": (0.22, 1.0), "low_fn": (0.11, 2.0)}
"""Weight of a false positive, and of a missed window."""


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled file."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float]
    windows: Sequence[tuple[int, int]]
    """First and last row of each labelled window."""

    @property
    def probation(self) -> int:
        """Rows that are not scored."""
        return math.floor(min(PROBATION * len(self.values), PROBATION * 5000))


def load(folder: Path) -> Iterator[Series]:
    """Yield every file that has labels, in the order of its name."""
    labels: dict[str, list[list[str]]] = json.loads((folder / "windows.json").read_text())
    for name in sorted(labels):
        path = folder / name
        if not path.exists():
            continue
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        times = [datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC) for row in rows]
        windows = []
        for begin, end in labels[name]:
            first, last = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (begin, end))
            inside = [index for index, time in enumerate(times) if first <= time <= last]
            windows.append((inside[0], inside[-1]))
        yield Series(name, times, [float(row["value"]) for row in rows], windows)


def score(series: Series) -> list[float]:
    """Return the scorer's answer to each row; its warm-up is the probation's time."""
    warmup = series.times[series.probation] - series.times[0]
    scorer = GenericScorer(("value",), warmup=max(warmup, timedelta(seconds=1)))
    return [
        scorer.observe(time, {"value": value})
        for time, value in zip(series.times, series.values, strict=True)
    ]


def _sigmoid(position: float) -> float:
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def weigh(series: Series) -> list[tuple[int, float]]:
    """Return for each row its window (-1: none) and what firing there is worth."""
    weights: list[tuple[int, float]] = []
    best = _sigmoid(-1.0)
    current = 0
    for row in range(len(series.values)):
        while current < len(series.windows) and row > series.windows[current][1]:
            current += 1
        if current < len(series.windows) and row >= series.windows[current][0]:
            first, last = series.windows[current]
            weights.append((current, _sigmoid(-(last - row + 1) / (last - first + 1)) / best))
        elif current == 0:
            weights.append((-1, -1.0))
        else:
            first, last = series.windows[current - 1]
            weights.append((-1, _sigmoid((row - last) / max(last - first, 1))))
    return weights


def sweep(
    scored: Sequence[tuple[Series, Sequence[float]]], false_positive: float, missed: float
) -> tuple[float, float]:
    """Return the score at the best threshold for all files together, and that threshold."""
    events: list[tuple[float, int, int, float]] = []
    windows = 0
    for index, (series, answers) in enumerate(scored):
        windows += len(series.windows)
        weights = weigh(series)
        events.extend(
            (answers[row], index, *weights[row])
            for row in range(series.probation, len(answers))
            if answers[row] > 0
        )
    events.sort(key=lambda event: -event[0])
    found: dict[tuple[int, int], float] = {}
    total = -missed * windows
    best, threshold = total, 1.1
    for position, (answer, index, window, worth) in enumerate(events):
        if window < 0:
            total += false_positive * worth
        elif (index, window) not in found:
            total += missed + worth
            found[index, window] = worth
        elif worth > found[index, window]:
            total += worth - found[index, window]
            found[index, window] = worth
        last = position + 1 == len(events) or events[position + 1][0] < answer
        if last and total > best:
            best, threshold = total, answer
    return 100.0 * (best + missed * windows) / ((1.0 + missed) * windows), threshold


def hits(scored: Sequence[tuple[Series, Sequence[float]]], threshold: float) -> tuple[float, float]:
    """Return the share of windows hit, and false alarms per 1,000 rows."""
    hit = total = alarms = rows = 0
    for series, answers in scored:
        weights = weigh(series)
        fired = {row for row in range(series.probation, len(answers)) if answers[row] >= threshold}
        total += len(series.windows)
        hit += len({weights[row][0] for row in fired} - {-1})
        alarms += sum(weights[row][0] < 0 for row in fired)
        rows += len(answers) - series.probation
    return hit / total, 1000.0 * alarms / rows
