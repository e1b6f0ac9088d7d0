"""Weather of a mild central European place: season, day, fronts and clouds.

Everything comes from one ``random.Random``, so that a seed gives one weather.
"""

from datetime import datetime
from math import cos, exp, pi, sin, sqrt
from random import Random

_SECONDS_PER_DAY = 86_400.0


class Weather:
    """Outdoor temperature (°C), relative humidity (%) and sun on a window (W/m²)."""

    def __init__(
        self, rng: Random, *, mean: float = 9.5, season: float = 9.5, day: float = 3.5
    ) -> None:
        """Start from the middle of the spread.

        ``mean`` is the yearly mean in °C, ``season`` and ``day`` are amplitudes in K.
        """
        self._rng = rng
        self._mean = mean
        self._season = season
        self._day = day
        self._front = rng.gauss(0.0, 2.5)
        self._gust = 0.0
        self._clouds = rng.random()
        self.temperature = mean
        self.humidity = 80.0
        self.sun = 0.0

    def step(self, now: datetime, seconds: float) -> None:
        """Move to ``now``, ``seconds`` after the last call."""
        gauss = self._rng.gauss
        # Ornstein-Uhlenbeck: fronts last two days, gusts twenty minutes, clouds six hours.
        self._front = _drift(self._front, 0.0, 3.0, seconds / 172_800.0, gauss(0.0, 1.0))
        self._gust = _drift(self._gust, 0.0, 0.25, seconds / 1_200.0, gauss(0.0, 1.0))
        self._clouds = min(
            1.0, max(0.0, _drift(self._clouds, 0.6, 0.3, seconds / 21_600.0, gauss(0.0, 1.0)))
        )
        clear = 1.0 - self._clouds
        day_of_year = now.timetuple().tm_yday
        second = now.hour * 3600 + now.minute * 60 + now.second
        # Coldest on the 20th of January, and at five in the morning.
        season = -cos(2 * pi * (day_of_year - 20) / 365.25)
        day = -cos(2 * pi * (second / _SECONDS_PER_DAY - 5 / 24))
        self.temperature = (
            self._mean
            + self._season * season
            + self._day * day * (0.4 + 0.6 * clear) * (1.0 + 0.4 * season)
            + self._front
            + self._gust
        )
        # The sun's height at 50° north decides how much reaches a wall.
        height = sin(2 * pi * (second / _SECONDS_PER_DAY - 0.25)) * (0.6 + 0.3 * season) - 0.25 * (
            1.0 - season
        )
        self.sun = max(0.0, height) * 550.0 * (0.15 + 0.85 * clear)
        self.humidity = min(99.0, max(30.0, 82.0 - 8.0 * season - 12.0 * day - 15.0 * clear))


def _drift(value: float, mean: float, spread: float, share: float, noise: float) -> float:
    """Return the next value of a process that wanders about ``mean`` with ``spread``."""
    keep = exp(-share)
    return mean + (value - mean) * keep + spread * sqrt(1.0 - keep * keep) * noise
