"""Settings that a machine takes at once and shows some seconds later."""

from collections.abc import Callable
import time


class Late[K, V]:
    """What was written and does not act yet; the newest write of a setting counts."""

    def __init__(self, apply: Callable[[K, V], None]) -> None:
        """``apply`` makes a setting act."""
        self._apply = apply
        self.waiting: dict[K, tuple[float, V]] = {}
        """By setting: when it acts, by the monotonic clock, and its value."""

    def take(self, key: K, value: V, delay: float = 0.0) -> None:
        """Let a setting act after ``delay`` s; without one at once, before this returns."""
        if delay > 0.0:
            self.waiting[key] = (time.monotonic() + delay, value)
        else:
            self.waiting.pop(key, None)
            self._apply(key, value)

    def arrive(self) -> None:
        """Let what is due act."""
        if self.waiting:
            now = time.monotonic()
            for key in [key for key, (due, _value) in self.waiting.items() if due <= now]:
                self._apply(key, self.waiting.pop(key)[1])
