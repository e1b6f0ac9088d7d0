"""What the heat pump heats: rooms, a buffer tank, and hot water with people who draw it."""

from datetime import datetime
from random import Random

WATER = 4186.0
"""Heat capacity of a litre of water, J/K."""


class Building:
    """Two nodes, air and mass; a 150 W/K house with people and windows in it."""

    def __init__(self, room: float, loss: float = 1.0) -> None:
        """Start settled at ``room`` °C; ``loss`` multiplies 150 W/K."""
        self.room = room
        self.mass = room + 0.5
        self._loss = loss

    def step(
        self, seconds: float, outdoor: float, sun: float, to_room: float, to_mass: float
    ) -> None:
        """Let ``seconds`` pass; heat flows in W, ``outdoor`` in °C, ``sun`` in W/m²."""
        exchange = 900.0 * (self.mass - self.room)
        room = to_room + exchange + 350.0 + 3.0 * sun - 90.0 * self._loss * (self.room - outdoor)
        mass = to_mass - exchange + 3.0 * sun - 60.0 * self._loss * (self.mass - outdoor)
        self.room += room * seconds / 7.0e6
        self.mass += mass * seconds / 9.0e7


class Buffer:
    """A fully mixed heating buffer of 200 l."""

    capacity = 200.0 * WATER

    def __init__(self, temperature: float) -> None:
        """Start at ``temperature`` °C."""
        self.temperature = temperature

    def step(self, seconds: float, heat: float) -> None:
        """Add ``heat`` W for ``seconds``; 2.5 W/K are lost to a cellar of 18 °C."""
        loss = 2.5 * (self.temperature - 18.0)
        self.temperature += (heat - loss) * seconds / self.capacity


class DhwTank:
    """A hot water tank of 300 l in two layers; cold water of 10 °C enters below."""

    litres = 150.0

    def __init__(self, top: float, bottom: float) -> None:
        """Start with two layers, °C."""
        self.top = top
        self.bottom = bottom

    def step(self, seconds: float, draw: float, heat: float, loss: float = 1.0) -> None:
        """Draw ``draw`` l/min, add ``heat`` W below; ``loss`` multiplies the standing loss."""
        layer = self.litres * WATER
        flow = draw / 60.0 * WATER
        mixing = 6.0 * (self.top - self.bottom)
        shell = 1.1 * loss
        top = flow * (self.bottom - self.top) - mixing - shell * (self.top - 18.0)
        bottom = flow * (10.0 - self.bottom) + mixing - shell * (self.bottom - 18.0) + heat
        self.top += top * seconds / layer
        self.bottom += bottom * seconds / layer
        if self.bottom > self.top:
            # Warm water rises at once.
            self.top = self.bottom = (self.top + self.bottom) / 2.0


_PROFILE = (
    # hour, showers and baths (l each), chance in that hour
    (6, 45.0, 0.8),
    (7, 40.0, 0.8),
    (8, 10.0, 0.6),
    (12, 12.0, 0.7),
    (13, 8.0, 0.4),
    (17, 8.0, 0.5),
    (18, 15.0, 0.7),
    (19, 30.0, 0.5),
    (20, 45.0, 0.5),
    (21, 35.0, 0.6),
)


class Draws:
    """Who draws hot water when: a plan for each day, drawn at midnight."""

    def __init__(self, rng: Random, amount: float = 1.0) -> None:
        """Plan the first day when it is first asked for; ``amount`` multiplies the litres."""
        self._rng = rng
        self._amount = amount
        self.away = False
        """Whether nobody is there to draw."""
        self._day = -1
        self._plan: list[tuple[float, float]] = []

    def rate(self, now: datetime) -> float:
        """Return what is drawn now, l/min."""
        day = now.toordinal()
        if day != self._day:
            self._day = day
            self._plan = self._draw_plan()
        second = now.hour * 3600.0 + now.minute * 60.0 + now.second
        while self._plan and self._plan[0][1] <= second:
            self._plan.pop(0)
        return 8.0 if not self.away and self._plan and self._plan[0][0] <= second else 0.0

    def _draw_plan(self) -> list[tuple[float, float]]:
        """Return start and end of every draw of a day, in seconds, in order."""
        rng = self._rng
        plan: list[tuple[float, float]] = []
        for hour, litres, chance in _PROFILE:
            if rng.random() < chance:
                start = hour * 3600.0 + rng.uniform(0.0, 3000.0)
                plan.append(
                    (start, start + litres * self._amount * rng.uniform(0.6, 1.3) / 8.0 * 60.0)
                )
        return sorted(plan)
