"""How the generic scorer does on files of the Skoltech Anomaly Benchmark.

The first 400 rows of a file are the warm-up and not judged; one threshold for all
files. F1, false alarm rate and missed alarm rate count rows, over all files together.
"""

from collections.abc import Iterator, Sequence
import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from custom_components.heat_pump_hub.detection import GenericScorer

WARM_UP = 400
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what they were and what was said of them."""

    hit: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return both together."""
        return Counts(
            self.hit + other.hit, self.false + other.false, self.missed + other.missed,
            self.quiet + other.quiet,
        )  # fmt: skip

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.hit / max(2 * self.hit + self.false + self.missed, 1)

    @property
    def false_rate(self) -> float:
        """The share of normal rows that alarmed, %."""
        return 100.0 * self.false / max(self.false + self.quiet, 1)

    @property
    def missed_rate(self) -> float:
        """The share of anomalous rows that did not alarm, %."""
        return 100.0 * self.missed / max(self.missed + self.hit, 1)


def load(folder: Path) -> Iterator[Sequence[dict[str, str]]]:
    """Yield the rows of every labelled file, in the order of their names."""
    for path in sorted(folder.glob("*/*.csv")):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        if "anomaly" in rows[0]:
            yield rows


def judge(rows: Sequence[dict[str, str]]) -> Counts:
    """Score a file row by row and count."""
    keys = [key for key in rows[0] if key not in ("datetime", "anomaly", "changepoint")]
    times = [datetime.fromisoformat(row["datetime"]).replace(tzinfo=UTC) for row in rows]
    scorer = GenericScorer(keys, warmup=times[WARM_UP] - times[0])
    hit = false = missed = quiet = 0
    for index, (time, row) in enumerate(zip(times, rows, strict=True)):
        alarm = scorer.observe(time, {key: float(row[key]) for key in keys}) >= THRESHOLD
        if index < WARM_UP:
            continue
        anomalous = float(row["anomaly"]) > 0
        hit += alarm and anomalous
        false += alarm and not anomalous
        missed += anomalous and not alarm
        quiet += not alarm and not anomalous
    return Counts(hit, false, missed, quiet)
