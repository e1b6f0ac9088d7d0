"""A VictoriaMetrics of our own, and questions to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import time
from typing import Any, Final

import aiohttp

from .errors import DevelopError
from .processes import Program, free_port
from .tools import HOST, find_program

_START_SECONDS: Final = 20.0
POLLED: Final = 'source=""'
"""Matches what heat pumps were polled for."""
UNIT_SAMPLES: Final = 'source="iotawatt"'
"""Matches what came from the log of a unit."""


@dataclass(frozen=True, slots=True)
class Series:
    """One stored series."""

    name: str
    labels: Mapping[str, str]
    values: tuple[float, ...]
    times: tuple[int, ...]
    """ms since 1970, ascending."""


class VictoriaMetrics:
    """A server with a folder of its own."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path) -> None:
        """Prepare; nothing runs before :meth:`start`."""
        self._session = session
        port = free_port()
        self.url = f"http://{HOST}:{port}"
        self.program = Program(
            "VictoriaMetrics",
            [
                find_program("HPH_VICTORIA_METRICS"),
                f"-storageDataPath={folder / 'victoria-metrics'}",
                f"-httpListenAddr={HOST}:{port}",
                "-dedup.minScrapeInterval=1ms",
                "-retentionPeriod=10y",
                "-memory.allowedBytes=128MiB",
                "-loggerTimezone=UTC",
            ],
            folder / "victoria-metrics.log",
        )

    async def start(self) -> None:
        """Start and wait until it answers. Raises ``DevelopError``."""
        await self.program.start()
        await self.program.ready(self._answers, _START_SECONDS)

    async def load(self, lines: Iterable[str]) -> None:
        """Store series that are lines of JSON. Raises ``DevelopError``."""
        url = f"{self.url}/api/v1/import"
        async with self._session.post(url, data="\n".join(lines).encode()) as answer:
            if answer.status != 204:
                raise DevelopError(f"{url}: status {answer.status}")

    async def _answers(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/health") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _get(self, path: str, **parameters: str) -> bytes:
        async with self._session.get(self.url + path, params=parameters) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def _query(self, expression: str) -> list[dict[str, Any]]:
        # The running second counts too, and what is on its way to the index.
        await self._get("/internal/force_flush")
        body = await self._get(
            "/api/v1/query",
            query=expression,
            time=f"{time.time() + 1:.3f}",
            nocache="1",
            latency_offset="1ms",
        )
        result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return result

    async def points(self) -> dict[str, int]:
        """Return how many polled samples are stored of each ``heatpump_id``."""
        found = await self._query(
            f'sum by (heatpump_id) (count_over_time({{heatpump_id!="",{POLLED}}}[1d]))'
        )
        return {item["metric"]["heatpump_id"]: int(item["value"][1]) for item in found}

    async def counts(self, heatpump_id: str) -> dict[str, int]:
        """Return how many polled samples each series of a heat pump has, by its name."""
        found = await self._query(
            f'count_over_time({{heatpump_id="{heatpump_id}",{POLLED}}}[1d]) keep_metric_names'
        )
        return {item["metric"]["__name__"]: int(item["value"][1]) for item in found}

    async def export(self, heatpump_id: str, match: str = POLLED) -> list[Series]:
        """Return every stored sample of a heat pump that a matcher of labels finds."""
        await self._get("/internal/force_flush")
        body = await self._get(
            "/api/v1/export",
            **{
                "match[]": f'{{heatpump_id="{heatpump_id}",{match}}}',
                "start": "0",
                # Without an end the last, unfinished second is left out.
                "end": str(int(time.time()) + 3600),
            },
        )
        return [_series(json.loads(line)) for line in body.splitlines() if line]


def _series(line: dict[str, Any]) -> Series:
    labels = dict(line["metric"])
    name = labels.pop("__name__")
    return Series(name, labels, tuple(line["values"]), tuple(line["timestamps"]))
