"""What people and the grid do to a simulated machine: settings, holidays, airing, power cuts.

Everything is drawn from one seed. A machine that lives so is what a detector of anomalies
has to call normal.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Final

from .physics import HeatPumpModel

_DAY: Final = timedelta(days=1)
_LEGIONELLA: Final = timedelta(hours=4)
_HOT: Final = 60.0


class Life:
    """Acts on one model; :meth:`step` once a sample."""

    def __init__(self, rng: Random, model: HeatPumpModel) -> None:
        """Draw the habits of a household."""
        self._rng = rng
        self._model = model
        self._change = model.now + timedelta(days=rng.uniform(8.0, 40.0))
        self._holiday = model.now + timedelta(days=rng.uniform(10.0, 90.0))
        self._back: datetime | None = None
        self._cut = model.now + timedelta(days=rng.expovariate(1 / 30.0))
        self._cut_ends: datetime | None = None
        self._out = model.now + timedelta(days=rng.expovariate(1 / 10.0))
        self._locks = rng.random() < 0.3
        self._legionella = rng.random() < 0.6
        self._weekday = rng.randrange(7)
        self._hour = rng.choice((2, 12, 23))
        self._hot_since: datetime | None = None
        self._wanted = model.number("dhw_temperature_setpoint")
        self._airing = rng.uniform(0.0, 0.8)
        self._day = -1
        self._open = 0.0
        self._before = model.now
        self.lost = False
        """Whether nothing can be read: power cut, or a link that is down."""

    def step(self) -> None:
        """Do what is due now."""
        model = self._model
        now = model.now
        self._power(now)
        if now >= self._change:
            self._set_something()
            self._change = now + timedelta(days=self._rng.uniform(12.0, 40.0))
        self._travel(now)
        if self._legionella:
            self._disinfect(now)
        if now.toordinal() != self._day and now.hour >= 8:
            self._day = now.toordinal()
            if self._rng.random() < self._airing and model.weather.temperature < 15:
                self._open = self._rng.uniform(0.5, 2.0)
        if self._open > 0.0:
            # Cold air needs ten minutes to come in.
            part = min(self._open, 0.003 * (now - self._before).total_seconds())
            model.building.room -= part
            self._open -= part
        self._before = now

    def _power(self, now: datetime) -> None:
        model, rng = self._model, self._rng
        if self._cut_ends is None and now >= self._cut:
            self._cut_ends = now + timedelta(minutes=rng.uniform(10.0, 120.0))
            self.lost = True
        elif self._cut_ends is not None and now >= self._cut_ends:
            self._cut_ends = None
            self._cut = now + timedelta(days=rng.expovariate(1 / 30.0))
            self.lost = False
        if self._cut_ends is None and not self.lost and now >= self._out:
            self.lost = True
            self._out = now + timedelta(minutes=rng.uniform(2.0, 60.0))
        elif self._cut_ends is None and self.lost and now >= self._out:
            self.lost = False
            self._out = now + timedelta(days=rng.expovariate(1 / 10.0))
        locked = self._locks and (now.hour == 12 or (now.hour == 18 and now.minute < 45))
        wanted = "locked" if locked or self._cut_ends is not None else "normal"
        if model.settings["smart_grid_mode"] != wanted:
            model.set("smart_grid_mode", wanted)

    def _set_something(self) -> None:
        model, rng = self._model, self._rng
        circuit = rng.choice(model.circuits).prefix
        what = rng.choice(("slope", "shift", "room", "dhw", "setback"))
        if what == "dhw":
            self._wanted = max(44.0, min(52.0, self._wanted + rng.choice((-3.0, -2.0, 2.0, 3.0))))
            if self._hot_since is None:
                self._set_water(self._wanted)
            return
        key, step, low, high = {
            "slope": ("heating_curve_slope", rng.choice((-0.1, 0.1)), 0.25, 0.9),
            "shift": ("heating_curve_shift", rng.choice((-2.0, 2.0)), -4.0, 4.0),
            "room": ("room_temperature_setpoint", rng.choice((-1.0, 1.0)), 20.0, 23.0),
            "setback": ("room_temperature_setback", rng.choice((-1.0, 1.0)), 16.0, 20.0),
        }[what]
        model.set(circuit + key, max(low, min(high, model.number(circuit + key) + step)))

    def _set_water(self, wanted: float) -> None:
        self._model.set("dhw_temperature_setpoint", wanted)

    def _travel(self, now: datetime) -> None:
        model = self._model
        if self._back is None and now >= self._holiday:
            self._back = now + timedelta(days=self._rng.uniform(3.0, 14.0))
            model.set("system_mode", "away")
            model.draws.away = True
        elif self._back is not None and now >= self._back:
            self._back = None
            self._holiday = now + timedelta(days=self._rng.uniform(40.0, 120.0))
            model.set("system_mode", "automatic")
            model.draws.away = False

    def _disinfect(self, now: datetime) -> None:
        if self._hot_since is None:
            if now.weekday() == self._weekday and now.hour == self._hour and now.minute < 5:
                self._hot_since = now
                self._set_water(_HOT)
        elif self._model.tank.top >= _HOT - 1 or now - self._hot_since > _LEGIONELLA:
            if now - self._hot_since > timedelta(minutes=10):
                self._hot_since = None
                self._set_water(self._wanted)
