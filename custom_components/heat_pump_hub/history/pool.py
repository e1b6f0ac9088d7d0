"""Which heat pumps share a writer."""

from collections.abc import Callable, Hashable


class WriterPool[K: Hashable, W]:
    """Shares one writer among all heat pumps that use the same server and user."""

    def __init__(self) -> None:
        """Begin without writers."""
        self._writers: dict[K, tuple[W, int]] = {}

    def acquire(self, key: K, factory: Callable[[], W]) -> W:
        """Return the writer of a key, made by ``factory`` for its first user."""
        writer, users = self._writers[key] if key in self._writers else (factory(), 0)
        self._writers[key] = writer, users + 1
        return writer

    def release(self, key: K) -> W | None:
        """Return the writer if that was its last user, who then flushes and stops it.

        Raises ``KeyError`` if nobody has acquired it.
        """
        writer, users = self._writers.pop(key)
        if users == 1:
            return writer
        self._writers[key] = writer, users - 1
        return None
