"""Ends work in an orderly way when the person or the system says so."""

import asyncio
from collections.abc import Coroutine
import signal
from typing import Any


async def until_signalled[T](work: Coroutine[Any, Any, T]) -> T | None:
    """Do some work; on SIGINT, SIGTERM or SIGHUP cancel it, let it clean up, return ``None``."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Only the first counts: a second must not disturb the cleaning up.
        loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        return None
