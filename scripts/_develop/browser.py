"""A headless Chromium, driven over the DevTools protocol with real clicks and keys."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
import json
from pathlib import Path
import re
import tempfile
import time
from typing import Any, Final

import aiohttp

from .errors import DevelopError
from .processes import Program, wait_until
from .tools import HOST, find_program

_START_SECONDS: Final = 30.0
_COMMAND_SECONDS: Final = 30.0
_WAIT_SECONDS: Final = 60.0
_STILL_SECONDS: Final = 0.05
_STILL_STEPS: Final = 60
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
# Everything in the frontend is inside shadow roots.
_HELPERS: Final = """
window.hph = {
  *walk(root) {
    for (const node of root.querySelectorAll('*')) {
      yield node;
      if (node.shadowRoot) yield* this.walk(node.shadowRoot);
    }
  },
  shown(node) {
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  },
  all(selector, root) {
    const top = root || document;
    return [...this.walk(top.shadowRoot || top)].filter(n => n.matches(selector) && this.shown(n));
  },
  text(node) {
    return (node.innerText || node.textContent || '').replace(/\\s+/g, ' ').trim();
  },
  point(node) {
    node.scrollIntoView({block: 'center'});
    const box = node.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  },
};
"""


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take the tab's own DevTools socket."""
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Pass answers on to who waits for them, until the socket closes."""
        async for message in self._socket:
            data = json.loads(message.data)
            waiting = self._answers.pop(data.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(data)

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a DevTools command. Raises :class:`DevelopError`."""
        self._number += 1
        answer = asyncio.get_running_loop().create_future()
        self._answers[self._number] = answer
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        try:
            data = await asyncio.wait_for(answer, _COMMAND_SECONDS)
        except TimeoutError as error:
            raise DevelopError(f"the browser does not answer {method}") from error
        if "error" in data:
            raise DevelopError(f"{method}: {data['error']['message']}")
        result: dict[str, Any] = data["result"]
        return result

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression. Raises :class:`DevelopError`."""
        result = await self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            raise DevelopError(f"the page cannot evaluate {expression}: {text}")
        return result["result"].get("value")

    async def wait_for(self, expression: str, what: str, seconds: float = _WAIT_SECONDS) -> None:
        """Wait until a JavaScript expression is true. Raises :class:`DevelopError`."""

        async def holds() -> bool:
            with suppress(DevelopError):
                return bool(await self.evaluate(expression))
            return False

        await wait_until(holds, seconds, what)

    async def screenshot(self, path: Path) -> None:
        """Save what is seen as PNG."""
        result = await self.command("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(result["data"]))

    async def click(self, element: str, what: str) -> None:
        """Click on what a JavaScript expression finds, once it is there.

        Raises :class:`DevelopError` if it does not appear.
        """
        await self.wait_for(f"!!({element})", f"{what} is shown")
        x, y = await self._still(element)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.command(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1
            )

    async def _still(self, element: str) -> tuple[float, float]:
        """Return where the middle of an element stands, once it moves no more."""
        before, now = None, await self.evaluate(f"hph.point({element})")
        for _ in range(_STILL_STEPS):
            if now == before:
                break
            await asyncio.sleep(_STILL_SECONDS)
            before, now = now, await self.evaluate(f"hph.point({element})")
        x, y = now
        return x, y

    async def fill(self, element: str, text: str, what: str) -> None:
        """Replace the text of an input field, as typing does."""
        await self.click(element, what)
        await self.evaluate(f"({element}).select()")
        if text:
            await self.command("Input.insertText", text=text)
        else:
            for kind in ("rawKeyDown", "keyUp"):
                await self.command(
                    "Input.dispatchKeyEvent", type=kind, key="Delete", windowsVirtualKeyCode=46
                )

    async def choose_file(self, element: str, path: Path) -> None:
        """Choose a file in the file input that a JavaScript expression finds."""
        found = await self.command("Runtime.evaluate", expression=element)
        if "objectId" not in found["result"]:
            raise DevelopError(f"there is no file input for {path.name}")
        await self.command(
            "DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"]
        )

    async def key(self, name: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.command(
                "Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code
            )

    async def settle(self, seconds: float = 5.0) -> None:
        """Wait until the picture stands still: nothing else tells when animations are over."""
        before = ""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(0.4)
            result = await self.command("Page.captureScreenshot", format="png")
            if result["data"] == before:
                return
            before = result["data"]


@asynccontextmanager
async def browser(
    session: aiohttp.ClientSession, folder: Path, *, width: int = 1360, height: int = 900
) -> AsyncGenerator[Page]:
    """Start Chromium with one tab, and end it afterwards. Raises :class:`DevelopError`."""
    with tempfile.TemporaryDirectory(
        dir=folder, prefix="chromium-", ignore_cleanup_errors=True
    ) as profile:
        program = Program(
            "Chromium",
            [
                find_program("HPH_CHROMIUM"),
                *_FLAGS,
                f"--window-size={width},{height}",
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            # A kept folder has the logs of earlier browsers, which tell of ports that are gone.
            folder / f"{Path(profile).name}.log",
        )
        try:
            await program.start()
            listening = await program.printed(
                rf"DevTools listening on ws://{re.escape(HOST)}:(\d+)/", _START_SECONDS
            )
            async with session.get(f"http://{HOST}:{listening[1]}/json") as answer:
                tab = next(item for item in await answer.json() if item["type"] == "page")
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                listener = asyncio.ensure_future(page.listen())
                try:
                    await page.command("Page.enable")
                    await page.command("Page.addScriptToEvaluateOnNewDocument", source=_HELPERS)
                    yield page
                finally:
                    listener.cancel()
        finally:
            await program.stop()
