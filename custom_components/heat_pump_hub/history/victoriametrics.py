"""A VictoriaMetrics server: writing, asking, and telling what is wrong with it.

Paths and answers are those of VictoriaMetrics' HTTP API for a single node, or, with a
tenant, of a cluster behind one address (``/insert/<tenant>/prometheus``,
``/select/<tenant>/prometheus``). vmauth in front, or a path prefix, changes nothing. Secrets
are in no message, no representation and no log.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
import json
import re
import socket
import ssl
import time
from typing import Any, Final, override
from urllib.parse import quote

import aiohttp
from yarl import URL

from .address import parse_tenant, parse_url
from .codec import Coding
from .server import (
    AuthRejectedError,
    CertificateError,
    EncryptionError,
    HistoryError,
    NobodyListensError,
    NotVictoriaMetricsError,
    OverloadedError,
    RefusedError,
    ServerInfo,
    UnknownNameError,
    UnreachableError,
)
from .wire import UnusualAnswerError, Wire

_ANSWER_LIMIT: Final = 200
"""Characters of an answer that go into a message."""
_FLAGS_LIMIT: Final = 256 * 1024
"""Bytes of ``/flags`` that are read; VictoriaMetrics answers about 15 kB."""
_LONG_WAY: Final = 3600.0
"""Seconds a server is asked by the session alone that answers it only."""
_INSTANT: Final = "?nocache=1&latency_offset=1ms&query="
_DURATION_UNITS: Final = {
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "": timedelta(days=31),
    "M": timedelta(days=31),
    "y": timedelta(days=365),
}
"""Units of ``-retentionPeriod``; a bare number counts months of 31 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSeries:
    """Raw samples of one series."""

    metric: Mapping[str, str]
    values: Sequence[float]
    timestamps: Sequence[int]
    """ms since 1970."""


class VictoriaMetrics:
    """One server, or one tenant of a cluster, spoken to with one set of credentials."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        tenant: str | None = None,
        verify_ssl: bool | ssl.SSLContext = True,
        timeout: float = 30.0,
        kept: bool = False,
    ) -> None:
        """Prepare a server; no I/O yet. ``timeout``, in seconds, bounds a whole request.

        ``kept`` keeps a connection for writing and counting, until :meth:`close`; an encrypted
        one needs a context.

        Credentials in the address count where none are given; a password without a user is
        a bearer token. ``verify_ssl`` may be a context made elsewhere: making one reads files.
        Raises :class:`InvalidUrlError` and :class:`InvalidTenantError`.
        """
        parsed = parse_url(url)
        self._session = session
        self._url = parsed.url
        if not username and not password:
            username, password = parsed.username, parsed.password
        self._secrets: list[str] = []
        self._headers: dict[str, str] = {}
        if username:
            pair = b64encode(f"{username}:{password or ''}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {pair}"
            self._secrets = [secret for secret in (password, pair) if secret]
        elif password:
            self._headers["Authorization"] = f"Bearer {password}"
            self._secrets = [password]
        tenant = parse_tenant(tenant)
        insert = "" if tenant is None else f"/insert/{tenant}/prometheus"
        select = "" if tenant is None else f"/select/{tenant}/prometheus"
        # Taken apart and quoted once: it is a tenth of a request's cost.
        base = str(URL(parsed.url)).removesuffix("/")
        self._import = URL(f"{base}{insert}/api/v1/import", encoded=True)
        self._query = f"{base}{select}/api/v1/query"
        self._export = URL(f"{base}{select}/api/v1/export", encoded=True)
        self._flag_page = URL(f"{base}/flags", encoded=True)
        self._coded = {
            coding: {**self._headers, "Content-Encoding": coding.value} for coding in Coding
        }
        self._ssl = verify_ssl
        self._seconds = timeout
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        context = verify_ssl if isinstance(verify_ssl, ssl.SSLContext) else None
        encrypts = self._import.scheme == "https"
        self._wire: Wire | None = None
        self._long_way_until = 0.0
        """By the monotonic clock."""
        self._fails = False
        if kept and (context is not None or not encrypts):
            self._wire = Wire(self._import, self._headers, context if encrypts else None)
        self._import_line = f"POST {self._import.raw_path}"
        self._query_path = URL(self._query, encoded=True).raw_path
        self._count_questions: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return self._url

    @override
    def __repr__(self) -> str:
        return f"<VictoriaMetrics {self._url}>"

    def close(self) -> None:
        """Close the connection that is kept; the session stays open."""
        if self._wire is not None:
            self._wire.close()

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        """Import JSON lines. An empty body stores nothing and tells whether writing is allowed.

        A return means that the server took the body, not that it is on its disk. Raises
        :class:`HistoryError`.
        """
        status, _ = await self._briefly(
            self._import_line,
            partial(self._fetch, "POST", self._import, coding=coding, data=body),
            "" if coding is None else f"Content-Encoding: {coding}\r\n",
            body,
        )
        if status != 204:
            # Whoever answers 200 to this, such as a log-in page, has stored nothing.
            raise NotVictoriaMetricsError(
                f"{self._url} answers {status} to an import, VictoriaMetrics 204"
            )

    async def check(self) -> ServerInfo:
        """Tell whether samples can be stored there, without storing any.

        Raises :class:`HistoryError`.
        """
        try:
            await self.write(b"")
        except RefusedError as err:
            raise NotVictoriaMetricsError(f"Nothing takes samples there: {err}") from err
        return await self.info()

    async def info(self) -> ServerInfo:
        """Tell what the server says about itself. Raises :class:`HistoryError`."""
        try:
            # Prometheus and its kin do not know "default".
            readable = bool(await self.query("1 default 2"))
        except AuthRejectedError, RefusedError, NotVictoriaMetricsError:
            readable = False
        try:
            flags = await self._flags()
        except AuthRejectedError, RefusedError, NotVictoriaMetricsError:
            # A gateway rarely lets flags through.
            flags = {}
        deduplication = flags.get("dedup.minScrapeInterval")
        return ServerInfo(
            readable=readable,
            retention=_parse_duration(flags.get("retentionPeriod", "")),
            deduplicates=None if deduplication is None else deduplication not in ("0", "0s"),
        )

    async def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query; ``at`` in seconds since 1970, ``None``: now.

        Raises :class:`HistoryError`.
        """
        asked = f"{self._query}{_INSTANT}{quote(expression, safe='')}"
        if at is not None:
            asked += f"&time={at:.3f}"
        _, body = await self._fetch("GET", URL(asked, encoded=True))
        return self._result(body)

    def _result(self, body: bytes) -> list[dict[str, Any]]:
        try:
            result = json.loads(body)["data"]["result"]
        except (ValueError, KeyError, TypeError) as err:
            raise NotVictoriaMetricsError(f"{self._url} answers no query result") from err
        if not isinstance(result, list):
            raise NotVictoriaMetricsError(f"{self._url} answers no query result")
        return result

    async def counts(self, heatpump_id: str, first: int, last: int) -> dict[int, int]:
        """Return how many series of a heat pump hold how many samples in a span.

        ``first`` and ``last`` are the times, in ms, of the oldest and the newest sample that
        count. Statistics, and what comes from other logs (``source``), do not. Raises
        :class:`HistoryError`.
        """
        if (asked := self._count_questions.get(heatpump_id)) is None:
            label = json.dumps(heatpump_id, ensure_ascii=False)
            selector = f'{{heatpump_id={label},stat="",source=""}}'
            expression = f'count_values("samples", count_over_time({selector}['
            asked = self._count_questions[heatpump_id] = _INSTANT + quote(expression, safe="")
        asked = f"{asked}{last - first + 1}ms%5D%29%29&time={last / 1000:.3f}"
        _, body = await self._briefly(
            f"GET {self._query_path}{asked}",
            lambda: self._fetch("GET", URL(self._query + asked, encoded=True)),
        )
        found = self._result(body)
        try:
            return {int(one["metric"]["samples"]): int(one["value"][1]) for one in found}
        except (ValueError, KeyError, TypeError) as err:
            raise NotVictoriaMetricsError(f"{self._url} answers no counts") from err

    async def query_range(self, expression: str, *, start: float, end: float, step: float) -> bytes:
        """Return the answer to a range query as it came: it is large, so decode it in a thread.

        ``start`` and ``end`` in seconds since 1970, ``step`` in seconds. Raises
        :class:`HistoryError`.
        """
        parameters = {
            "query": expression,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step:.3f}",
            "nocache": "1",
            "latency_offset": "1ms",
        }
        _, body = await self._fetch(
            "GET", URL(f"{self._query}_range", encoded=True).with_query(parameters)
        )
        return body

    async def export_lines(self, selector: str, *, start: float = 0.0, end: float) -> bytes:
        """Return all raw samples of the series that match, one JSON object a line.

        Times in seconds since 1970. Raises :class:`HistoryError`.
        """
        parameters = {"match[]": selector, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        _, body = await self._fetch("GET", self._export.with_query(parameters))
        return body

    async def export(
        self, selector: str, *, start: float = 0.0, end: float
    ) -> list[ExportedSeries]:
        """Return all raw samples of the series that match; times in seconds since 1970.

        Raises :class:`HistoryError`.
        """
        lines = (await self.export_lines(selector, start=start, end=end)).splitlines()
        try:
            return [ExportedSeries(**json.loads(line)) for line in lines if line]
        except (ValueError, TypeError) as err:
            raise NotVictoriaMetricsError(f"{self._url} answers no series") from err

    async def _flags(self) -> dict[str, str]:
        _, body = await self._fetch("GET", self._flag_page, limit=_FLAGS_LIMIT)
        text = body.decode(errors="replace")
        return dict(re.findall(r'^-([\w.]+)="(.*)"$', text, re.MULTILINE))

    async def _briefly(
        self,
        line: str,
        session_asks: Callable[[], Awaitable[tuple[int, bytes]]],
        headers: str = "",
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        """Ask over the kept connection; what that does not tell, the session does."""
        strange = False
        wire = None if self._session.closed or self._fails else self._wire
        if not (wire is None or wire.busy or time.monotonic() < self._long_way_until):
            try:
                answer = await wire.ask(line, headers, body, timeout=self._seconds)
            except TimeoutError:
                self._fails = True
                raise UnreachableError(f"{self._url} does not answer in time") from None
            except OSError as err:
                # Home Assistant's session resolves names that the system does not know.
                strange = isinstance(err, socket.gaierror)
            except UnusualAnswerError:
                strange = True
            else:
                if not 200 <= answer.status < 300:
                    raise self._error(answer.status, answer.body, answer.field(b"retry-after"))
                return answer.status, answer.body
        self._fails = True
        found = await session_asks()
        self._fails = False
        if strange:
            self._long_way_until = time.monotonic() + _LONG_WAY
        return found

    async def _fetch(
        self,
        method: str,
        url: URL,
        *,
        coding: Coding | None = None,
        data: bytes | None = None,
        limit: int | None = None,
    ) -> tuple[int, bytes]:
        """Return status and body of a success, or the first ``limit`` bytes of the body."""
        if self._session.closed:
            raise UnreachableError("The session is closed")
        try:
            async with self._session.request(
                method,
                url,
                data=data,
                headers=self._headers if coding is None else self._coded[coding],
                ssl=self._ssl,
                timeout=self._timeout,
                # A redirected POST arrives as a GET: nothing would be stored.
                allow_redirects=False,
            ) as answer:
                if not 200 <= answer.status < 300:
                    text = await answer.content.read(4 * _ANSWER_LIMIT)
                    retry_after = answer.headers.get("Retry-After", "")
                    raise self._error(answer.status, text, retry_after)
                if limit is not None:
                    return answer.status, await answer.content.read(limit)
                return answer.status, await answer.read()
        except TimeoutError as err:
            raise UnreachableError(f"{self._url} does not answer in time") from err
        except (aiohttp.ClientError, OSError) as err:
            # What aiohttp says of a connector names objects of Python.
            told = getattr(err, "os_error", None) or err
            reason = self._scrub(str(told)) or type(err).__name__
            # The cause is left out: the representation of some shows request headers.
            raise _unreachable(err)(f"{self._url}: {reason}") from None

    def _error(self, status: int, body: bytes, retry_after: str) -> HistoryError:
        """Return what a status that is not a success means."""
        text = " ".join(body[: 4 * _ANSWER_LIMIT].decode(errors="replace").split())
        message = f"{self._url} answers {status}: {self._scrub(text)[:_ANSWER_LIMIT]}"
        match status:
            case 401 | 403:
                return AuthRejectedError(message)
            case 400 | 413 | 422:
                return RefusedError(message)
            case 408 | 425 | 429:
                return OverloadedError(message, _seconds(retry_after.strip()))
            case _ if status >= 500:
                return OverloadedError(message, _seconds(retry_after.strip()))
        return NotVictoriaMetricsError(message)

    def _scrub(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _unreachable(err: Exception) -> type[UnreachableError]:
    """Return what it means that no connection came about."""
    match err:
        case aiohttp.ClientConnectorDNSError():
            return UnknownNameError
        case aiohttp.ClientConnectorCertificateError():
            return CertificateError
        case aiohttp.ClientSSLError():
            return EncryptionError
        case aiohttp.ClientConnectorError() if isinstance(err.os_error, ConnectionRefusedError):
            return NobodyListensError
    return UnreachableError


def _parse_duration(text: str) -> timedelta | None:
    """Read a duration flag of VictoriaMetrics, such as ``1``, ``30d`` or ``100y``."""
    if (found := re.fullmatch(r"(\d+(?:\.\d+)?)([hdwMy]?)", text)) is None:
        return None
    return float(found[1]) * _DURATION_UNITS[found[2]]


def _seconds(text: str) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
