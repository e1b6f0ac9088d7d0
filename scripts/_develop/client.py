"""Home Assistant as its own frontend sees it: REST and WebSocket."""

from typing import Any, Final

import aiohttp

from .errors import DevelopError

_TIMEOUT: Final = aiohttp.ClientTimeout(total=90)
TOKEN_DAYS: Final = 30


class CommandError(DevelopError):
    """Home Assistant refused a WebSocket command."""

    def __init__(self, command: str, error: dict[str, Any]) -> None:
        """Keep the error as the frontend gets it."""
        super().__init__(f"{command}: {error.get('message')}")
        self.code: str = error.get("code", "")
        self.message: str = error.get("message", "")
        self.translation_key: str | None = error.get("translation_key")
        self.placeholders: dict[str, str] = error.get("translation_placeholders") or {}


class Client:
    """Speaks for one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Prepare; :meth:`onboard` gets the token."""
        self._session = session
        self.url = url
        self.token = ""
        """Valid for a long time."""

    async def onboard(self, *, name: str, user: str, password: str, language: str) -> None:
        """Make the owner, and set the language of her frontend. Raises :class:`DevelopError`."""
        client_id = f"{self.url}/"
        made = await self.request(
            "POST",
            "/api/onboarding/users",
            json={
                "client_id": client_id,
                "name": name,
                "username": user,
                "password": password,
                "language": language,
            },
        )
        login = {
            "grant_type": "authorization_code",
            "code": made["auth_code"],
            "client_id": client_id,
        }
        self.token = (await self.request("POST", "/auth/token", data=login))["access_token"]
        self.token = await self.command(
            "auth/long_lived_access_token", client_name="develop", lifespan=TOKEN_DAYS
        )
        await self.command(
            "frontend/set_user_data",
            key="language",
            value={"language": language, "number_format": "language", "time_format": "language"},
        )

    async def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the JSON of an HTTP request. Raises :class:`DevelopError` on an error status."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with self._session.request(
                method, self.url + path, headers=headers, timeout=_TIMEOUT, **arguments
            ) as answer:
                if answer.status >= 400:
                    raise DevelopError(
                        f"{method} {path}: status {answer.status}: {await answer.text()}"
                    )
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DevelopError(f"{method} {path}: {error!r}") from error

    async def command(self, kind: str, **fields: Any) -> Any:
        """Return the result of a WebSocket command.

        Raises :class:`CommandError` if it is refused, :class:`DevelopError` if nothing answers.
        """
        try:
            async with self._session.ws_connect(
                f"{self.url}/api/websocket", max_msg_size=0, timeout=aiohttp.ClientWSTimeout()
            ) as socket:
                await socket.receive_json(timeout=_TIMEOUT.total)
                await socket.send_json({"type": "auth", "access_token": self.token})
                welcome = await socket.receive_json(timeout=_TIMEOUT.total)
                if welcome["type"] != "auth_ok":
                    raise DevelopError(f"{kind}: Home Assistant does not know the token")
                await socket.send_json({"id": 1, "type": kind, **fields})
                answer = await socket.receive_json(timeout=_TIMEOUT.total)
        except (aiohttp.ClientError, TimeoutError, TypeError) as error:
            raise DevelopError(f"{kind}: {error!r}") from error
        if not answer["success"]:
            raise CommandError(kind, answer["error"])
        return answer.get("result")

    async def state(self, entity_id: str) -> dict[str, Any]:
        """Return state and attributes of an entity. Raises :class:`DevelopError`."""
        found: dict[str, Any] = await self.request("GET", f"/api/states/{entity_id}")
        return found

    async def states(self) -> dict[str, dict[str, Any]]:
        """Return all states by entity id. Raises :class:`DevelopError`."""
        return {state["entity_id"]: state for state in await self.request("GET", "/api/states")}

    async def entities(self, entry_id: str) -> dict[str, dict[str, Any]]:
        """Return the registry's entities of a config entry by unique id."""
        found = await self.command("config/entity_registry/list")
        return {item["unique_id"]: item for item in found if item["config_entry_id"] == entry_id}

    async def enable_all(self, entry_id: str) -> None:
        """Enable every entity of a config entry, and load it again. Raises :class:`DevelopError`."""
        for item in (await self.entities(entry_id)).values():
            if item["disabled_by"] is not None:
                await self.enable(item["entity_id"])
        await self.request("POST", f"/api/config/config_entries/entry/{entry_id}/reload")

    async def enable(self, entity_id: str) -> None:
        """Enable an entity; Home Assistant loads its entry again half a minute later."""
        await self.command("config/entity_registry/update", entity_id=entity_id, disabled_by=None)

    async def set_number(self, entity_id: str, value: float) -> None:
        """Change a number as its dialog does. Raises :class:`CommandError` if it is refused."""
        await self.command(
            "call_service",
            domain="number",
            service="set_value",
            service_data={"value": value},
            target={"entity_id": entity_id},
        )

    async def diagnostics(self, entry_id: str) -> dict[str, Any]:
        """Return the diagnostics of a config entry. Raises :class:`DevelopError`."""
        path = f"/api/diagnostics/config_entry/{entry_id}"
        found: dict[str, Any] = (await self.request("GET", path))["data"]
        return found

    async def entry(self, entry_id: str) -> dict[str, Any]:
        """Return a config entry. Raises :class:`DevelopError` if it is not there."""
        for entry in await self.command("config_entries/get", domain="heat_pump_hub"):
            if entry["entry_id"] == entry_id:
                found: dict[str, Any] = entry
                return found
        raise DevelopError(f"there is no config entry {entry_id}")
