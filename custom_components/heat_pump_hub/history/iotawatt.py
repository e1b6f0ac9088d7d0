"""An IoTaWatt energy monitor, asked over HTTP.

Source: IoTaWatt's Query API (docs.iotawatt.com, query) and its firmware. A unit does not
measure while it answers, so a request asks for one page, and there is one at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence
import re
import time
from typing import Final, override
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from .iotawatt_answers import (
    EARLIEST,
    MINUTE,
    InvalidHostError,
    LogSpan,
    Page,
    Series,
    UnitNameError,
    UnitUnreachableError,
    WrongAnswerError,
    check_status,
    decode_first,
    decode_log,
    decode_mac,
    decode_page,
    decode_series,
)
from .thread import RunInThread

PAGE_ROWS: Final = 1_000
"""Rows a unit answers at most unless it is asked for more (``limit``)."""
MOST_COLUMNS: Final = 10
"""Series of one request: the address is held in the little memory of the unit."""
ANSWER_LIMIT: Final = 1024 * 1024
"""Bytes of an answer; a page of ten series has about 100 kB."""
_METHODS: Final[Mapping[str, str]] = {"W": "watts.", "V": "volts."}


class Iotawatt:
    """One unit."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        host: str,
        run: RunInThread,
        *,
        username: str | None = None,
        password: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Prepare; no I/O yet. ``run`` runs a job in a thread, ``timeout`` bounds a request, s.

        A unit with passwords knows the users ``admin`` and ``user``, by HTTP's digest: the
        password itself is never sent. Raises :class:`InvalidHostError`.
        """
        self._session = session
        self._base = URL(f"http://{parse_host(host)}")
        self._run = run
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._one = asyncio.Lock()
        # It keeps the unit's challenge: most requests are answered at once.
        self._middlewares = (
            (aiohttp.DigestAuthMiddleware(username, password or ""),) if username else None
        )
        self.took = 0.0
        """How long the last answer took, s."""

    @override
    def __repr__(self) -> str:
        return f"<Iotawatt {self._base.host}>"

    async def series(self) -> list[Series]:
        """Return what the unit measures. Raises :class:`IotawattError`."""
        body = await self._get("/query", {"show": "series"})
        return await self._run(decode_series, body)

    async def mac(self) -> str | None:
        """Return what tells the unit from others, whatever its address.

        ``None``: it does not tell. Raises :class:`IotawattError`.
        """
        return await self._run(decode_mac, await self._get("/status", {"wifi": "yes"}))

    async def log(self, series: Sequence[Series]) -> LogSpan:
        """Return of which time the unit has whole minutes; ``series``: some that it has.

        Raises :class:`IotawattError`.
        """
        body = await self._get("/status", {"datalogs": "yes"})
        found = await self._run(decode_log, body)
        if found is not None:
            return found
        # Other firmware: its first month, then that month's first day with a value.
        now = int(time.time())
        first = EARLIEST
        for group, length in (("1M", None), ("1d", 32 * 86_400)):
            end = now if length is None else min(now, first + length)
            parameters = self._select(series[:1], first, end, group)
            body = await self._get("/query", parameters)
            first = max(first, await self._run(decode_first, body))
        # The minute that runs, and the one that is being written, are left out.
        return LogSpan(-(-first // MINUTE) * MINUTE, now // MINUTE * MINUTE - MINUTE)

    async def page(self, series: Sequence[Series], first: int, last: int) -> Page:
        """Return the minutes from ``first`` up to ``last`` (without it), as many as a page holds.

        Both are whole minutes, s since 1970. Raises :class:`IotawattError`.
        """
        end = min(last, first + PAGE_ROWS * MINUTE)
        body = await self._get("/query", self._select(series, first, end, "1m"))
        return await self._run(decode_page, body, [one.name for one in series], first, end)

    def _select(
        self, series: Sequence[Series], first: int, last: int, group: str
    ) -> dict[str, str]:
        columns = [f"{one.name}.{_METHODS.get(one.unit, '')}d{one.decimals}" for one in series]
        return {
            "select": f"[{','.join(['time.utc.unix', *columns])}]",
            "begin": str(first),
            "end": str(last),
            "group": group,
            "format": "json",
            "header": "yes",
            "missing": "null",
            "limit": str(PAGE_ROWS),
        }

    async def _get(self, path: str, parameters: Mapping[str, str]) -> bytes:
        async with self._one:
            began = time.monotonic()
            try:
                return await self._fetch(path, parameters)
            finally:
                self.took = time.monotonic() - began

    async def _fetch(self, path: str, parameters: Mapping[str, str]) -> bytes:
        if self._session.closed:
            raise UnitUnreachableError("The session is closed")
        try:
            async with self._session.get(
                self._base.with_path(path).with_query(parameters),
                timeout=self._timeout,
                allow_redirects=False,
                middlewares=self._middlewares,
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > ANSWER_LIMIT:
                        raise WrongAnswerError("The answer is too long")
                check_status(answer.status, bytes(body[:1_000]))
                return bytes(body)
        except TimeoutError as err:
            raise UnitUnreachableError("The unit does not answer in time") from err
        except aiohttp.ClientConnectorDNSError as err:
            raise UnitNameError("The name of the unit is not known") from err
        except (aiohttp.ClientError, OSError, ValueError) as err:
            raise UnitUnreachableError(f"{type(err).__name__}: {err}") from err


def parse_host(text: str) -> str:
    """Return ``host`` or ``host:port``, in lower case; ``http://`` before it is left out.

    Raises :class:`InvalidHostError`.
    """
    text = text.strip().removesuffix("/")
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        URL(text)
    except ValueError as err:
        raise InvalidHostError("The address cannot be read") from err
    if (
        parts.scheme != "http"
        or not host
        or parts.path
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or not re.fullmatch(r"[\w.:%-]+", host)
    ):
        raise InvalidHostError("This is no host name")
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"
