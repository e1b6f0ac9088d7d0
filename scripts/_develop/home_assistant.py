"""A Home Assistant of our own: its config folder, its process, its user."""

import asyncio
import json
from pathlib import Path
import secrets
import sys
from typing import Any, Final

import aiohttp

from .client import Client
from .processes import Program, free_port
from .tools import HOST, ROOT

VERSION: Final = "2026.11.0"
USER: Final = "demo"
LANGUAGES: Final = ("en", "de")
PORT: Final = 8123
_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 60.0
_RESTART_STATUS: Final = 100
"""``homeassistant.const.RESTART_EXIT_CODE``: whoever started it is to start it again."""
_CONFIGURATION: Final = """\
homeassistant:
  name: Heat Pump Hub
  latitude: 47.27
  longitude: 11.39
  elevation: 574
  unit_system: metric
  time_zone: Europe/Vienna
  country: AT
  currency: EUR
  language: {language}
recorder:
  commit_interval: 1
history:
logbook:
energy:
automation: !include automations.yaml
logger:
  default: warning
  logs:
    homeassistant.bootstrap: info
    custom_components.heat_pump_hub: debug
"""


class HomeAssistant:
    """Home Assistant in a fresh config folder, reached at 127.0.0.1 only."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        folder: Path,
        *,
        language: str,
        port: int = 0,
    ) -> None:
        """Prepare; ``port`` is taken if it is free. Nothing runs before :meth:`start`."""
        self._session = session
        self._folder = folder / "config"
        self._language = language
        self._port = free_port(port)
        self.url = f"http://{HOST}:{self._port}"
        self.password = secrets.token_urlsafe(9)
        self.log = folder / "home-assistant.log"
        self.program = Program(
            "Home Assistant",
            [
                sys.executable,
                *("-m", "homeassistant"),
                *("--config", self._folder),
                "--log-no-color",
            ],
            self.log,
            folder=folder,
            stop_seconds=_STOP_SECONDS,
        )

    async def start(self) -> Client:
        """Start, make the owner and return a client of hers. Raises ``DevelopError``."""
        await asyncio.to_thread(self._write_config)
        await self.program.start()
        await self.program.printed(r"Home Assistant initialized in", _START_SECONDS)
        await self.program.ready(self._serves, _START_SECONDS)
        client = Client(self._session, self.url)
        await client.onboard(
            name="Demo", user=USER, password=self.password, language=self._language
        )
        return client

    @property
    def wants_restart(self) -> bool:
        """Whether it ended because somebody chose *Restart* in it."""
        return self.program.exit_status == _RESTART_STATUS

    async def start_again(self) -> None:
        """Start with everything that is there. Raises ``DevelopError``."""
        await self.program.start()
        await self.program.ready(self._serves, _START_SECONDS)

    async def _serves(self) -> bool:
        try:
            async with self._session.get(f"{self.url}/manifest.json") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _write_config(self) -> None:
        storage = self._folder / ".storage"
        storage.mkdir(parents=True)
        text = _CONFIGURATION.format(language=self._language)
        (self._folder / "configuration.yaml").write_text(text, encoding="utf-8")
        (self._folder / "automations.yaml").write_text("[]\n", encoding="utf-8")
        (self._folder / "custom_components").symlink_to(ROOT / "custom_components")
        # In YAML these settings would be on trial, and taken back after five minutes.
        http = {
            "server_host": [HOST],
            "server_port": self._port,
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": False,
            "ssl_profile": "modern_v6",
            "use_x_frame_options": True,
            "created_at": "2026-01-01T00:00:00+00:00",
            "error": None,
            "error_message": None,
        }
        _store(storage, "http", 3, {"stable": http, "pending": None, "yaml_migration_done": True})
        # Only the user is left to be made; the other steps would add integrations that need the internet.
        _store(storage, "onboarding", 4, {"done": ["core_config", "analytics", "integration"]})


def _store(storage: Path, key: str, version: int, data: dict[str, Any]) -> None:
    content = {"version": version, "minor_version": 1, "key": key, "data": data}
    (storage / key).write_text(json.dumps(content), encoding="utf-8")
