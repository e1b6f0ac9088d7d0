"""Home Assistant's frontend in the browser: pages, dialogs, and forms filled by clicks and keys."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
import json
from pathlib import Path
import re
from typing import Any, Final

from .browser import Page
from .client import Client
from .errors import DevelopError

_READY_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 60.0
_ASKED: Final = 6
_ASKED_SECONDS: Final = 10.0
_READY: Final = """(() => {
  const app = document.querySelector('home-assistant');
  return !!(app && app.hass && app.hass.connected && app.shadowRoot
    && app.shadowRoot.querySelector('home-assistant-main')
    && !document.querySelector('#ha-launch-screen'));
})()"""
_APP: Final = "document.querySelector('home-assistant')"
DIALOG: Final = f"{_APP}.shadowRoot.querySelector('dialog-data-entry-flow')"
"""The dialog of a flow, in JavaScript."""
_RAW: Final = re.compile(
    r"\b(?:component\.[\w.]+|[a-z]+(?:_[a-z0-9]+)+|undefined|NaN|null)\b|\[object|\{\w+\}"
)
_FLOW_HEIGHT: Final = 900
_PAGE: Final = "/config/integrations/integration/heat_pump_hub"
_ADD: Final = "/config/integrations/dashboard/add?domain=heat_pump_hub"
_OK_BUTTON: Final = f"hph.all('ha-button', {_APP}.shadowRoot.querySelector('dialog-box')).at(-1)"
_ICON: Final = "ha-svg-icon, ha-icon, svg, path, style, script"


def raw_keys(texts: Iterable[str]) -> list[str]:
    """Return what looks like a key or a placeholder among texts a person should read."""
    return sorted({match[0] for text in texts for match in _RAW.finditer(text)})


class Frontend:
    """One user's browser, in one language."""

    STEP: Final = f"{DIALOG}?._step"
    """The step that the flow's dialog shows, in JavaScript."""

    def __init__(self, page: Page, client: Client, folder: Path, language: str) -> None:
        """Save pictures into ``folder``, numbered in the order they are taken."""
        self.page = page
        self.raw: list[str] = []
        """What looks like a key instead of a text, with the picture's name."""
        self._client = client
        self._folder = folder
        self._language = language
        self._number = 0

    async def log_in(self) -> None:
        """Hand the client's token to the frontend, and choose its language."""
        tokens = {
            "access_token": self._client.token,
            "refresh_token": "",
            "token_type": "Bearer",
            "expires_in": 10**9,
            "expires": 10**13,
            "hassUrl": self._client.url,
            "clientId": f"{self._client.url}/",
        }
        stored = {"hassTokens": json.dumps(tokens), "selectedLanguage": json.dumps(self._language)}
        source = "".join(
            f"localStorage.setItem({json.dumps(key)}, {json.dumps(value)});"
            for key, value in stored.items()
        )
        await self.page.command("Page.addScriptToEvaluateOnNewDocument", source=source)

    async def size(self, height: int, width: int = 1360) -> None:
        """Set the size of the window."""
        await self.page.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def open(self, path: str) -> None:
        """Go to a page. Raises ``DevelopError`` if it does not come up."""
        await self.page.command("Page.navigate", url=self._client.url + path)
        await self.page.wait_for(_READY, f"{path} is shown", _READY_SECONDS)
        await self.page.settle()

    async def picture(self, name: str, *, files: bool = False, still: bool = True) -> None:
        """Take a picture once it stands still, and look for raw keys in it.

        ``files``: it shows lines of a file, whose words may look like keys. Without
        ``still`` it is taken at once.
        """
        if still:
            await self.page.settle()
        self._number += 1
        file = f"{self._number:02}-{name}.png"
        await self.page.screenshot(self._folder / file)
        texts: list[str] = await self.page.evaluate(
            "[...hph.walk(document)].filter(n => !n.matches("
            f"{json.dumps(_ICON)}) && hph.shown(n))"
            ".flatMap(n => [...n.childNodes]).filter(n => n.nodeType === 3)"
            ".map(n => n.textContent.trim()).filter(t => t)"
        )
        if (found := raw_keys(texts)) and not files:
            self.raw.append(f"{file}: {', '.join(found)}")
        print(f"{self._folder / file}", flush=True)

    # -- dialogs of flows ------------------------------------------------------------

    async def open_flow(self) -> None:
        """Begin to add a heat pump, as the page of the integration does."""
        await self.size(_FLOW_HEIGHT)
        await self.open(_ADD)
        await self.page.click(_OK_BUTTON, "the question whether to add it")
        await self.step("user")

    async def step(self, step_id: str, *, still: bool = True) -> None:
        """Wait until the flow's dialog shows a step, and ``still`` stands still.

        Raises ``DevelopError``.
        """
        await self.page.wait_for(
            f"{DIALOG}?._step?.step_id === {json.dumps(step_id)}",
            f"the flow shows {step_id}",
            _STEP_SECONDS,
        )
        if still:
            await self.page.settle()

    async def failed(self) -> None:
        """Wait until the flow's dialog shows an error. Raises ``DevelopError``."""
        await self.page.wait_for(
            f"Object.keys({DIALOG}?._step?.errors || {{}}).length > 0",
            "the flow shows an error",
            _STEP_SECONDS,
        )
        await self.page.settle()

    async def done(self) -> None:
        """Wait until the flow's dialog says that all is done. Raises ``DevelopError``."""
        await self.page.wait_for(
            f"{DIALOG}?._step?.type === 'create_entry'", "the flow is done", _STEP_SECONDS
        )
        await self.page.settle()

    async def choose(self, position: int) -> None:
        """Click on an entry of the flow's menu, from 0, or from -1 at the end."""
        await self.page.click(
            f"Array.from(hph.all('ha-list-item', {DIALOG})).at({position})", "the menu"
        )

    async def enter(self, field: str, text: str) -> None:
        """Fill a field of the flow's form."""
        selector = f"hph.all('ha-selector', {DIALOG}).find(s => s.name === {json.dumps(field)})"
        await self.page.fill(f"hph.all('input', {selector})[0]", text, f"the field {field}")

    async def pick(self, text: str) -> None:
        """Choose the option of a list whose value is ``text``."""
        await self.page.click(
            f"hph.all('ha-radio-option, ha-radio', {DIALOG}).find(r => r.value === "
            f"{json.dumps(text)})",
            f"the choice {text}",
        )

    async def select(self, field: str, value: str) -> None:
        """Choose in the flow's form from a list that drops down."""
        selector = f"hph.all('ha-selector', {DIALOG}).find(s => s.name === {json.dumps(field)})"
        await self.page.click(f"hph.all('ha-select', {selector})[0]", f"the list {field}")
        await self.page.click(
            f"hph.all('ha-dropdown-item, ha-list-item, mwc-list-item', {selector})"
            f".find(one => one.value === {json.dumps(value)})",
            f"the choice {value}",
        )

    async def open_options(self) -> None:
        """Open the options from the row of the entry, as an owner does."""
        await self.open(_PAGE)
        await self.page.click(
            "hph.all('ha-icon-button', hph.all('ha-config-entry-row')[0])"
            ".find(b => b.slot === 'end')",
            "the button of the options",
        )
        await self.step("init")

    async def hand_in(self, path: Path) -> None:
        """Hand a file in to the flow's form, and wait until it is uploaded."""
        await self.page.choose_file(
            f"[...hph.walk({DIALOG}.shadowRoot)].find(n => n.matches('input[type=file]'))", path
        )
        await self.page.wait_for(
            f"[...hph.walk({DIALOG}.shadowRoot)].some("
            "n => n.localName === 'ha-selector-file' && n.value)",
            f"{path.name} is uploaded",
        )

    async def submit(self) -> None:
        """Click on the button that ends a step."""
        await self.page.click(f"hph.all('ha-button', {DIALOG}).at(-1)", "the button")

    # -- everything else ---------------------------------------------------------------

    async def more_info(self, entity_id: str) -> None:
        """Open the dialog of an entity."""
        detail: dict[str, Any] = {"detail": {"entityId": entity_id}}
        shown = (
            f"!!{_APP}.shadowRoot.querySelector('ha-more-info-dialog')?.shadowRoot"
            "?.querySelector('ha-dialog, ha-adaptive-dialog')"
        )
        # Nothing tells when a page that has just opened listens, so it is asked until it has heard.
        for _ in range(_ASKED):
            await self.page.evaluate(
                f"{_APP}.dispatchEvent(new CustomEvent('hass-more-info', {json.dumps(detail)})), 0"
            )
            with suppress(DevelopError):
                await self.page.wait_for(shown, "the dialog", _ASKED_SECONDS)
                break
        else:
            raise DevelopError(f"the dialog of {entity_id} does not open")
        # Its history is fetched after it has opened.
        await asyncio.sleep(1.0)

    async def set_number(self, value: float) -> None:
        """Type a number into the dialog of an entity."""
        dialog = f"{_APP}.shadowRoot.querySelector('ha-more-info-dialog')"
        await self.page.fill(f"hph.all('input', {dialog})[0]", f"{value:g}", "the number")
        await self.page.key("Enter", 13)
        await self.page.key("Tab", 9)
