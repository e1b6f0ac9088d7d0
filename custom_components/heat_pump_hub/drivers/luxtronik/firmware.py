"""What depends on the firmware of a Luxtronik, and on how many values it has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
import re
from typing import Final, NamedTuple

from ..driver import Layout

CHARACTERS: Final = range(81, 91)
"""Calculations that hold the firmware's name, one character each."""

_VERSION: Final = re.compile(r"[A-Z]?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,4}))?")


class Version(NamedTuple):
    """A version that can be compared: V3.90.1 is (3, 90, 1)."""

    series: int
    """1 and 2 are a Luxtronik 2.0, 3 is a Luxtronik 2.1."""
    release: int
    patch: int = 0

    @property
    def restarts_on_write(self) -> bool:
        """Whether every write makes the controller freeze and restart (V1.90, V2.90)."""
        return self.series in (1, 2) and self.release == 90


SHI_SINCE: Final = Version(3, 90, 1)
"""The first firmware with the Smart Home Interface."""
SHI_PORT: Final = 502
"""Where the Smart Home Interface answers."""


def version(text: str | None) -> Version | None:
    """Return the version of a firmware's name, ``None`` if it has none."""
    match = _VERSION.match(text) if text else None
    if match is None:
        return None
    series, release, patch = match.groups(default="0")
    return Version(int(series), int(release), int(patch))


def firmware(calculations: Sequence[int]) -> str | None:
    """Return the name of the firmware, such as ``V3.90.1``."""
    codes = calculations[CHARACTERS.start : CHARACTERS.stop]
    text = "".join(chr(code) for code in codes if 0x20 < code < 0x7F)
    return text if version(text) is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """What is known about one controller before it was asked anything."""

    firmware: str | None = None
    calculations: int | None = None
    """How many it has; ``None``: all that are known."""
    parameters: int | None = None
    circuits: tuple[str, ...] = ()
    shi: int | None = None
    """Port of the Smart Home Interface; ``None``: there is none."""

    @property
    def version(self) -> Version | None:
        """The firmware's version."""
        return version(self.firmware)

    @classmethod
    def from_layout(cls, layout: Layout) -> Controller:
        """Restore what :meth:`features` put into a layout."""
        known = dict(feature.partition("_")[::2] for feature in layout.features)
        shi = known.get("shi")
        return cls(
            firmware=known.get("firmware"),
            calculations=_count(known.get("calculations")),
            parameters=_count(known.get("parameters")),
            circuits=layout.circuits,
            shi=SHI_PORT if shi == "" else _count(shi),
        )

    def with_firmware(self, firmware: str) -> Controller:
        """Return the same controller after an update."""
        return replace(self, firmware=firmware)

    def features(self) -> Iterable[str]:
        """Yield what a layout keeps."""
        for name, value in (
            ("firmware", self.firmware),
            ("calculations", self.calculations),
            ("parameters", self.parameters),
        ):
            if value is not None:
                yield f"{name}_{value}"
        if self.shi is not None:
            yield "shi" if self.shi == SHI_PORT else f"shi_{self.shi}"


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
