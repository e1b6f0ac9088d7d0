"""What Home Assistant's log says of the polls, and of us."""

from collections import Counter
from pathlib import Path
import re
from typing import Final

_POLL: Final = re.compile(
    r"\[custom_components\.heat_pump_hub] Finished fetching (.+) data in [\d.]+ seconds "
    r"\(success: (True|False)\)"
)
_LINE: Final = re.compile(r"^\d{4}-\d\d-\d\d \S+ (\w+) \(")
_US: Final = "heat_pump_hub"
_SERIOUS: Final = frozenset({"ERROR", "CRITICAL", "WARNING"})
_FORBIDDEN: Final = (
    "Detected that custom integration",
    "Detected blocking call",
    "deprecated",
    "Traceback",
    "was never awaited",
    "Setup of",
    "Updating heat_pump_hub",
)


class Polls:
    """Counts the polls of each heat pump, by its title, as far as the log is written."""

    def __init__(self, log: Path) -> None:
        """Take the log of Home Assistant."""
        self._log = log
        self._offset = 0
        self._rest = ""
        self.succeeded: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def read(self) -> None:
        """Count what was written since the last time."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        for line in lines:
            if (poll := _POLL.search(line)) is not None:
                counter = self.succeeded if poll[2] == "True" else self.failed
                counter[poll[1]] += 1


def complaints(log: str) -> list[str]:
    """Return the first lines of records that name us and should not be there.

    A record is a line and what follows it unstamped, such as a traceback.
    """
    found: list[str] = []
    for record in _records(log):
        if _US not in record:
            continue
        level = _LINE.match(record)
        # Home Assistant says this of every custom integration.
        if "We found a custom integration" in record:
            continue
        if (level and level[1] in _SERIOUS) or any(words in record for words in _FORBIDDEN):
            found.append(record.partition("\n")[0])
    return found


def _records(log: str) -> list[str]:
    records: list[str] = []
    for line in log.splitlines():
        if _LINE.match(line) or not records:
            records.append(line)
        else:
            records[-1] += "\n" + line
    return records
