"""How many samples of which series: what a server must hold, and whether it does.

A server tells for a span how many series hold how many samples. What was sent is on it if
it has, for every number n, at least as many series with n samples or more. As a server
that stores each sample once cannot hold more of a series than was sent, no series can make
up for what another one lacks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
import json
from typing import Self

_HEAD_END = b',"values":['


def series_key(head: str) -> int:
    """Return a number for a series, the same in every run; ``head`` is its line up to the values."""
    return int.from_bytes(blake2b(head.encode("ascii"), digest_size=8).digest())


class Tally:
    """Samples of each series in a frame; equal frames of many polls share one."""

    __slots__ = ("_text", "counts", "histogram", "samples")

    def __init__(self, counts: Mapping[int, int]) -> None:
        """Take the number of samples by :func:`series_key`."""
        self.counts = counts
        self.samples = sum(counts.values())
        self.histogram = Counter(counts.values())
        self._text: str | None = None

    @property
    def text(self) -> str:
        """What is stored; equal for equal tallies. A healthy server never needs it."""
        if self._text is None:
            by_count: dict[int, list[int]] = {}
            for key, count in sorted(self.counts.items()):
                by_count.setdefault(count, []).append(key)
            self._text = json.dumps(list(by_count.items()), separators=(",", ":"))
        return self._text

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Make a tally from :attr:`text`. Raises ``ValueError``."""
        return cls({key: count for count, keys in json.loads(text) for key in keys})

    @classmethod
    def of_lines(cls, lines: Iterable[bytes]) -> Self:
        """Count the samples of JSON lines as the encoder writes them."""
        return cls(
            {
                series_key(
                    (line.partition(_HEAD_END)[0] + _HEAD_END).decode("ascii")
                ): line.rpartition(b"[")[2].count(b",") + 1
                for line in lines
            }
        )


def expected(tallies: Iterable[Tally]) -> Mapping[int, int]:
    """Return how many series must have how many samples, after frames with these tallies."""
    frames = Counter(tallies)
    if len(frames) == 1:
        ((tally, times),) = frames.items()
        return {count * times: series for count, series in tally.histogram.items()}
    totals: Counter[int] = Counter()
    for tally, times in frames.items():
        for key, count in tally.counts.items():
            totals[key] += count * times
    return Counter(totals.values())


def holds(found: Mapping[int, int], wanted: Mapping[int, int]) -> bool:
    """Tell whether a server that holds ``found`` holds all that is ``wanted``.

    Both give a number of series by the number of samples of each.
    """
    there = needed = 0
    steps = sorted(found.keys() | wanted.keys(), reverse=True)
    for samples in steps:
        there += found.get(samples, 0)
        needed += wanted.get(samples, 0)
        if there < needed:
            return False
    return True
