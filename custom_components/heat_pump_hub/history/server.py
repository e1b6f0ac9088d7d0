"""A history server: what can be wrong with it, what it says about itself, what is asked of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from .codec import Coding


class HistoryError(Exception):
    """Base of every error of a history server."""


class InvalidUrlError(HistoryError):
    """The address is not one of an HTTP server."""


class UnreachableError(HistoryError):
    """The server cannot be talked to, or stays silent."""


class UnknownNameError(UnreachableError):
    """The name of the server does not resolve."""


class NobodyListensError(UnreachableError):
    """The connection was refused."""


class CertificateError(UnreachableError):
    """Its certificate is not trusted, or is for another name."""


class EncryptionError(UnreachableError):
    """No encrypted connection comes about: perhaps it does not encrypt at all."""


class AuthRejectedError(HistoryError):
    """User or password is wrong, or may not do this (401, 403)."""


class RefusedError(HistoryError):
    """The server refuses this request and would refuse it again (400, 413)."""


class OverloadedError(HistoryError):
    """The server, or a gateway before it, cannot take this now (429, 5xx)."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the seconds to wait, where the server named them."""
        super().__init__(message)
        self.retry_after = retry_after


class InvalidTenantError(HistoryError):
    """The tenant is not ``account`` or ``account:project``, two numbers of 32 bits."""


class NotVictoriaMetricsError(HistoryError):
    """Something answers there, but not VictoriaMetrics' API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server says about itself; ``None``: it does not say."""

    readable: bool
    """Whether these credentials may query; a gateway may allow writing only."""
    retention: timedelta | None = None
    """Samples older than this are dropped without a word."""
    deduplicates: bool | None = None
    """Whether a sample that is sent twice is stored once."""


class Server(Protocol):
    """What the shipper needs of a server. Everything raises ``HistoryError``."""

    async def write(self, body: bytes, coding: Coding | None = None) -> None:
        """Store a body; an empty one tells whether writing works."""
        ...

    async def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        ...

    async def counts(self, heatpump_id: str, first: int, last: int) -> dict[int, int]:
        """Return how many series hold how many samples in a span of ms."""
        ...

    async def query_range(self, expression: str, *, start: float, end: float, step: float) -> bytes:
        """Return the answer to a range query as it came; times in seconds since 1970."""
        ...

    async def export_lines(self, selector: str, *, start: float = 0.0, end: float) -> bytes:
        """Return raw samples, one JSON object a line; times in seconds since 1970."""
        ...

    async def info(self) -> ServerInfo:
        """Tell what the server says about itself."""
        ...
