"""Where a history server is: its address, the credentials in it, and the tenant of a cluster."""

from dataclasses import dataclass, field
import re
from urllib.parse import unquote, urlsplit, urlunsplit

from .server import InvalidTenantError, InvalidUrlError


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """An address without a slash at its end, and the credentials that stood in it."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_url(text: str) -> ServerUrl:
    """Take an address apart; a path is kept as the prefix of the API.

    Raises :class:`InvalidUrlError` unless it is ``http(s)://[user:password@]host[:port][/path]``.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        # Its message, and so the cause, could hold a password.
        raise InvalidUrlError("The address cannot be read") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidUrlError("The address must begin with http:// or https://")
    if not parts.hostname or any(character.isspace() for character in text.strip()):
        raise InvalidUrlError("The address names no host")
    if parts.query or parts.fragment:
        raise InvalidUrlError("The address must not hold a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    return ServerUrl(
        url=urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", "")),
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def parse_tenant(text: str | None) -> str | None:
    """Return ``account[:project]`` of a cluster as its paths have it; ``None``: no cluster.

    Raises :class:`InvalidTenantError`.
    """
    tenant = (text or "").strip()
    if not tenant:
        return None
    parts = tenant.split(":")
    if len(parts) > 2 or not all(
        re.fullmatch(r"[0-9]{1,10}", part) and int(part) < 1 << 32 for part in parts
    ):
        raise InvalidTenantError("A tenant is a number, or two with a colon between them")
    return ":".join(str(int(part)) for part in parts)
