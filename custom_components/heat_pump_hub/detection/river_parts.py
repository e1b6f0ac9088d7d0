"""The parts of River that the detector is made of, imported when first asked for.

Importing ``river.stats`` costs about half a second and 37 MiB (numpy included), so
whoever owns an event loop calls :func:`load` in an executor first.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import Array

_parts: dict[str, Any] = {}


def load() -> None:
    """Import what the detector needs of River; a second call costs nothing.

    Raises ``ImportError``, with a message for the owner, if River is missing or
    its compiled parts do not work on this machine.
    """
    if "stats" in _parts:
        return
    try:
        numpy = importlib.import_module("numpy")
        covariance = importlib.import_module("river.covariance")
        stats = importlib.import_module("river.stats")
    except (ImportError, OSError, AttributeError, TypeError, ValueError, RuntimeError) as err:
        msg = f"River, which the anomaly detection learns with, cannot be imported: {err}"
        raise ImportError(msg) from err
    _parts.update(numpy=numpy, covariance=covariance, stats=stats)


class Longest:
    """A maximum in whole milliseconds; 0 while nothing was seen. O(1)."""

    __slots__ = ("_max", "value")

    def __init__(self, value: int = 0) -> None:
        """Start, or continue from a saved value."""
        self._max = _parts["stats"].Max()
        self.value = 0
        self.learn(value)

    def learn(self, value: int) -> None:
        """Take one more value."""
        self._max.update(value)
        self.value = int(self._max.get())


class Typical:
    """An exponentially weighted mean, restored bit for bit by its first update. O(1)."""

    __slots__ = ("_mean", "value")

    def __init__(self, fading: float, value: float | None = None) -> None:
        """Start, or continue from a saved value."""
        self._mean = _parts["stats"].EWMean(fading_factor=fading)
        self.value: float | None = None
        """The mean, ``None`` while nothing was seen."""
        if value is not None:
            self.learn(value)

    def learn(self, value: float) -> None:
        """Take one more value."""
        self._mean.update(value)
        self.value = float(self._mean.get())


class Moments:
    """Weighted means and second moments of a vector, by River's ``EwaCovariance``.

    The weight of a step is ``1 / n`` until ``memory`` steps were seen, so that the first
    ones are a plain average. A value that is missing is 0 with weight 0. O(size²).
    """

    __slots__ = ("_cov", "_memory", "_names", "n", "weights")

    def __init__(self, size: int, memory: int) -> None:
        """Begin with nothing."""
        self._cov = _parts["covariance"].EwaCovariance(fading_factor=1.0)
        self._memory = memory
        self._names = tuple(range(size))
        self.n = 0
        self.weights: Array = _parts["numpy"].zeros(size)
        """The share of the memory in which each value was there."""

    def learn(self, vector: Array, there: Array) -> None:
        """Take a vector; ``there`` is 1 where it has a value, 0 else."""
        self.n = min(self.n + 1, self._memory)
        fading = 1.0 / self.n
        self._cov.fading_factor = fading
        self._cov.update(dict(zip(self._names, (vector * there).tolist(), strict=True)))
        self.weights += fading * (there - self.weights)

    @property
    def raw(self) -> tuple[Array, Array]:
        """Means and second moments with missing values as 0."""
        return self._cov._mean, self._cov._M2  # noqa: SLF001 - the matrix as a dict is too slow

    def restore(self, n: int, weights: Array, mean: Array, second: Array) -> None:
        """Continue from saved numbers."""
        if n:
            self._cov.update(dict.fromkeys(self._names, 0.0))
            self._cov._mean = mean  # noqa: SLF001 - River restores nothing
            self._cov._M2 = second  # noqa: SLF001
        self.n = n
        self.weights = weights


class Extremes:
    """The range a number was ever in, and its spread; O(1)."""

    __slots__ = ("_high", "_low", "_rows", "_variance")

    def __init__(self) -> None:
        """Begin with nothing."""
        stats = _parts["stats"]
        self._high, self._low, self._variance = stats.Max(), stats.Min(), stats.Var(ddof=0)
        self._rows = 0

    @property
    def highest(self) -> float:
        """The largest value; 0 while nothing was seen."""
        return float(self._high.get()) if self._rows else 0.0

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(self._variance.get()) ** 0.5 if self._rows else 0.0

    def exceed(self, value: float) -> float:
        """Return by how many standard deviations a value leaves the range, then learn it.

        0 inside the range and for the first 20 values.
        """
        found = 0.0
        if self._rows > 20:
            beyond = max(value - self._high.get(), self._low.get() - value)
            if beyond > 0:
                found = beyond / (self.spread + 1e-12)
        self._rows += 1
        self._high.update(value)
        self._low.update(value)
        self._variance.update(value)
        return found
