"""One connection per endpoint, shared by everything that talks to it.

Many controllers and gateways take a single client. So whoever wants to talk to a host
and port - two entries behind one gateway, a config flow beside a loaded entry - borrows
the same endpoint, one user at a time; the last one to give it back closes the
connection. Every event loop has endpoints of its own.
"""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
import math
from typing import Final, cast
from weakref import WeakKeyDictionary

from .driver import Address, LinkLostError, Traffic

SETTLE: Final = 0.2
"""Seconds in which a device with one connection notices that it was closed."""

type Key = tuple[str, str, int]
"""Protocol, host and port."""


class Endpoint(ABC):
    """One connection to one host and port."""

    def __init__(self) -> None:
        """Open nothing."""
        self.lock = asyncio.Lock()
        """Held by whoever is talking."""
        self.holder: object = None
        """Who that is."""
        self.users: set[object] = set()
        self.generation = 0
        """Connections that were opened: another number may be another machine."""
        self.hung_up = -math.inf
        """When we closed the last connection; the event loop's time."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether the connection is open, as far as anybody can know."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Close the connection, if there is one."""

    async def hang_up(self) -> None:
        """Close the connection, if there is one; the next request opens another."""
        if self.connected:
            self.hung_up = asyncio.get_running_loop().time()
        await self._disconnect()

    async def settle(self) -> None:
        """Wait until the device noticed that we hung up."""
        await asyncio.sleep(self.hung_up + SETTLE - asyncio.get_running_loop().time())


class Endpoints:
    """The endpoints of one event loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self.used: dict[Key, Endpoint] = {}
        self._hung_up: dict[Key, float] = {}

    def take(self, key: Key, make: Callable[[], Endpoint]) -> Endpoint:
        """Return the endpoint, a new one if nobody uses it."""
        if key not in self.used:
            self.used[key] = make()
            self.used[key].hung_up = self._hung_up.pop(key, -math.inf)
        return self.used[key]

    def forget(self, key: Key) -> None:
        """Drop an endpoint that nobody uses; only when it was hung up is remembered a while."""
        old = asyncio.get_running_loop().time() - SETTLE
        self._hung_up = {k: when for k, when in self._hung_up.items() if when > old}
        self._hung_up[key] = self.used.pop(key).hung_up


_endpoints: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, Endpoints]] = WeakKeyDictionary()


def endpoints() -> Endpoints:
    """Return the endpoints of the running event loop."""
    return _endpoints.setdefault(asyncio.get_running_loop(), Endpoints())


class SharedLink[E: Endpoint](ABC):
    """One user's way to an endpoint.

    Used as ``async with link.session():`` around everything that belongs together (a
    poll, a write): it has the endpoint to itself and allows a single connection attempt.
    """

    def __init__(self, key: Key, address: Address) -> None:
        """Remember where to connect; nothing is borrowed or opened before the first session."""
        self.address = address
        self.traffic = Traffic()
        self.greet: Callable[[], Awaitable[None]] | None = None
        """Called before the first request on every connection that is new to this link."""
        self._greeted = 0
        self._greeting = False
        self._key = key
        self._endpoint: E | None = None
        self._may_connect = False
        self._closed = False

    @abstractmethod
    def _make(self) -> E:
        """Return a new endpoint."""

    @abstractmethod
    def _cut(self) -> None:
        """End a request that is under way; it fails as lost."""

    def _attach(self, endpoint: E) -> None:
        """Prepare an endpoint that was just borrowed."""

    def _borrow(self) -> E:
        """Return the endpoint. Raises :class:`LinkLostError` if the link was closed."""
        if self._closed:
            raise LinkLostError("the link was closed")
        if self._endpoint is not None:
            return self._endpoint
        # the key names the protocol, so what is known by it is of our kind
        endpoint = self._endpoint = cast(E, endpoints().take(self._key, self._make))
        endpoint.users.add(self)
        self._attach(endpoint)
        return endpoint

    @property
    def generation(self) -> int:
        """Which connection this is: another number may be another machine."""
        return 0 if self._endpoint is None else self._endpoint.generation

    @property
    def closed(self) -> bool:
        """Whether the link was closed for good."""
        return self._closed

    @property
    def may_reconnect(self) -> bool:
        """Whether this session still has its connection attempt."""
        return self._may_connect

    async def _meet(self, endpoint: E) -> None:
        """Greet what is behind a new connection. Raises what :attr:`greet` raises."""
        if self.greet is None or self._greeting:
            return
        # while it is greeted, the connection may be replaced: once a session at most
        while (generation := endpoint.generation) != self._greeted:
            self._greeting = True
            try:
                await self.greet()
            finally:
                self._greeting = False
            self._greeted = generation

    @asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Hold the endpoint for one poll or one command.

        Raises :class:`LinkLostError` if the link was closed.
        """
        async with self._held():
            self._may_connect = True
            try:
                yield
            finally:
                self._may_connect = False

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the endpoint with its connection closed, to try one by other means.

        Raises :class:`LinkLostError` if the link was closed.
        """
        async with self._held() as endpoint:
            await endpoint.hang_up()
            await endpoint.settle()
            try:
                yield
            finally:
                endpoint.hung_up = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[E]:
        endpoint = self._borrow()
        async with endpoint.lock:
            if self._closed:
                raise LinkLostError("the link was closed")
            endpoint.holder = self
            try:
                yield endpoint
            finally:
                endpoint.holder = None

    async def _opened(self, endpoint: E) -> None:
        """Count a connection that stands; closed meanwhile, nobody else may need it.

        Raises :class:`LinkLostError` if the link was closed.
        """
        endpoint.generation += 1
        if self._closed:
            if not endpoint.users:
                await endpoint.hang_up()
            raise LinkLostError("the link was closed")

    async def close(self) -> None:
        """Let go of the endpoint for good; the last one to do so closes the connection."""
        self._closed = True
        endpoint = self._endpoint
        if endpoint is None or self not in endpoint.users:
            return
        endpoint.users.discard(self)
        if endpoint.holder is self:
            self._cut()
        if not endpoint.users:
            if endpoint.holder is self:
                await endpoint.hang_up()
            else:
                async with endpoint.lock:
                    # somebody may have borrowed it while the lock was held
                    if not endpoint.users:
                        await endpoint.hang_up()
        known = endpoints()
        if not endpoint.users and known.used.get(self._key) is endpoint:
            known.forget(self._key)
