"""What the detector found, in sentences that a plumber accepts, in the system's language.

The sentences are options of the selectors ``anomaly_sentence`` and ``anomaly_word`` in the
translations. They say what was seen and what would be usual; causes are possible ones only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .detection.basis import GAPS
from .drivers.points import Point
from .names import chosen_unit, entity_of, title_of
from .units import Converter, difference, for_owner

if TYPE_CHECKING:
    from .detection import Reason

SHOWN: Final = 3
"""Reasons that are spelt out; more tell nobody more."""
NAMED: Final = 4
"""Signals that a sentence names."""
DECIMALS: Final = 3
"""Of the numbers that are given to automations."""
_CELSIUS: Final = "°C"
_KELVIN: Final = "K"
_COARSE: Final = ("kW", "MW", "MWh", "m³/h", "gal/min")
"""Units of which a tenth is much."""
_OF_SIGNAL: Final = ("range_high", "range_low", "spike", "jump", "generic")
"""Sentences whose numbers are readings of the signal."""
_RESTS: Final = ("flatline", "flatline_running", "frozen", "generic_rest")
_PER_HOUR: Final = ("cycle_length", "cycle_defrost_interval")
"""Given as number per hour; an owner thinks in minutes."""
_COUNTS: Final = ("cycle_starts_3h", "cycle_starts_24h", "tank_runs")
_DEVIATIONS: Final = (
    "relation_fast", "relation_slow", "relation_multi", "generic_fast", "generic_slow",
)  # fmt: skip
"""Found in different ways, but alike to who reads them."""
_OF_MACHINE: Final = ("cycle", "tank", "heater")
_GAPS: Final[Mapping[str, tuple[str, str]]] = {name: (plus, minus) for name, plus, minus in GAPS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of a reason, in the units that its owner reads."""

    observed: float
    expected: float
    tolerance: float
    unit: str
    tolerance_unit: str


class AnomalyTexts:
    """Words for the reasons of one heat pump."""

    def __init__(self, hass: HomeAssistant, identity: str, points: Mapping[str, Point]) -> None:
        """``identity`` begins the unique ids of the entities that show the points."""
        self._hass = hass
        self._identity = identity
        self._points = points
        self._texts: Mapping[str, str] = {}

    async def async_load(self) -> None:
        """Load the words; before, every sentence is empty."""
        self._texts = await async_get_translations(
            self._hass, self._hass.config.language, "selector", {DOMAIN}
        )

    def explanation(self, reasons: Sequence[Reason]) -> str:
        """Return everything there is to say, strongest first."""
        return " ".join(self.paragraphs(reasons))

    def paragraphs(self, reasons: Sequence[Reason]) -> list[str]:
        """Return one paragraph a reason, then whom to suspect, then possible causes.

        The strongest of each kind come first: another kind tells more than more of the same.
        """
        about: dict[object, Reason] = {}
        for one in reasons:
            about.setdefault(self._subject(one), one)
        kinds: set[str] = set()
        order: list[tuple[bool, bool, Reason]] = []
        for one in about.values():
            order.append((bool(one.context.get("accepted")), _kind(one) in kinds, one))
            kinds.add(_kind(one))
        told = [one for _, _, one in sorted(order, key=lambda item: item[:2])]
        found = [f"{self.statement(one)} {self._when(one)}" for one in told[:SHOWN]]
        if more := told[SHOWN:]:
            alike = {_kind(one) for one in more} == {_kind(told[SHOWN - 1])}
            found.append(
                self._say("more" if alike else "more_else", count=self._number(len(more), 0))
            )
        if reasons:
            found.append(self._blame(reasons))
        if causes := self.causes(reasons):
            found.append(self._say("causes", causes=", ".join(causes)))
        return found

    def _subject(self, reason: Reason) -> object:
        """Return what is equal for reasons that say the same, found in two ways."""
        relation = str(reason.context.get("relation", ""))
        if reason.monitor in ("relation_fast", "relation_slow") and relation:
            # One difference may be expected in two ways.
            return _GAPS.get(relation, relation), reason.context.get("mode")
        return self._variant(reason), reason.signals

    def statement(self, reason: Reason) -> str:
        """Return the sentence that says what was seen and what would be usual."""
        monitor = reason.monitor
        name = self._variant(reason)
        signals = list(reason.signals)
        if gap := _GAPS.get(str(reason.context.get("relation", ""))):
            signals = list(gap)
        elif reason.context.get("relation"):
            signals = [str(reason.context["relation"])]
        numbers = self.numbers(reason)
        observed, expected = numbers.observed, numbers.expected
        if monitor in _PER_HOUR:
            observed, expected = (60 / one if one > 0 else 0.0 for one in (observed, expected))
        if monitor in (*_RESTS, *_PER_HOUR, "heater_run", "tank_balance"):
            said = [self._duration(observed), self._duration(expected)]
        elif monitor in _COUNTS:
            said = [self._number(observed, 0), self._number(expected, 0)]
        else:
            said = [self._quantity(one, numbers.unit) for one in (observed, expected)]
        value = reason.context.get("value")
        return self._say(
            name,
            signal=self._quoted(signals[:1]),
            other=self._quoted(signals[1:2]),
            signals=self._quoted(signals),
            observed=said[0],
            expected=said[1],
            tolerance=self._quantity(abs(numbers.tolerance), numbers.tolerance_unit),
            value="" if not isinstance(value, float | int) else self._reading(signals[0], value),
        )

    def numbers(self, reason: Reason) -> Numbers:
        """Return the numbers of a reason; of a difference of two signals in K, or in °F."""
        unit = str(reason.context.get("unit") or "")
        relation = str(reason.context.get("relation", ""))
        gap = relation in _GAPS
        signal = reason.signals[0] if gap or not relation else relation
        if self._variant(reason) in _OF_SIGNAL:
            unit = self._unit_of(signal) or unit
        if gap and unit == _CELSIUS:
            unit = _KELVIN
        shown, convert = self._for_owner(unit, "" if gap else signal)
        tolerance_unit, convert_tolerance = difference(unit, shown)
        return Numbers(
            observed=convert(reason.observed),
            expected=convert(reason.expected),
            tolerance=convert_tolerance(reason.tolerance),
            unit=shown,
            tolerance_unit=tolerance_unit,
        )

    def attributes(self, reason: Reason) -> dict[str, float | str | None]:
        """Return the same numbers for automations, with their unit."""
        numbers = self.numbers(reason)
        return {
            "observed": round(numbers.observed, DECIMALS),
            "expected": round(numbers.expected, DECIMALS),
            "tolerance": round(numbers.tolerance, DECIMALS),
            "unit": numbers.unit or None,
        }

    def causes(self, reasons: Sequence[Reason]) -> list[str]:
        """Return possible causes, likelier first, each once."""
        keys = [key for one in reasons for key in str(one.context.get("causes", "")).split(",")]
        found = [key for key in dict.fromkeys(keys) if key]
        if _of_machine(reasons):
            # No sensor makes a machine run otherwise.
            found.sort(key="sensor".__eq__)
        return [self._word(f"cause_{key}") for key in found]

    def name(self, key: str) -> str:
        """Return what an owner calls a signal."""
        if (point := self._points.get(key)) is None:
            return key
        return title_of(self._hass, point, entity_of(self._hass, self._identity, point))

    def moment(self, time: datetime) -> str:
        """Return a moment in words, in local time."""
        local = dt_util.as_local(time)
        return self._say(
            "moment",
            day=str(local.day),
            month=self._word(f"month_{local.month}"),
            time=f"{local:%H:%M}",
        )

    def word(self, key: str) -> str:
        """Return one of the other sentences, as it stands."""
        return self._texts.get(_place("anomaly_sentence", key), "")

    def _variant(self, reason: Reason) -> str:
        """Return which of the sentences of a monitor fits."""
        monitor, signals = reason.monitor, reason.signals
        gap = str(reason.context.get("relation", "")) in _GAPS
        off = abs(reason.observed - reason.expected)
        match monitor:
            case "range" | "flatline" | "flatline_running" if len(signals) > 1:
                return f"{monitor.partition('_')[0]}_many"
            case "range":
                return "range_high" if reason.observed >= reason.expected else "range_low"
            case "relation_fast":
                return "relation_fast_gap" if gap else monitor
            case "relation_slow" if off < reason.tolerance:
                return "relation_slow_gap" if gap else "relation_slow_plain"
            case "relation_slow":
                return "relation_slow_numbers_gap" if gap else monitor
            case "relation_flow_over" if reason.context.get("mode") == "dhw":
                return "relation_flow_over_dhw"
            case "cycle_length" | "cycle_defrost_interval" if reason.expected <= 0:
                return f"{monitor}_new"
            case "generic_fast":
                return "relation_fast"
            case "generic_slow":
                return "relation_slow_plain" if off < reason.tolerance else "relation_slow"
            case "tank_loss":
                return "tank_cooling"
            case _:
                return monitor

    def _when(self, reason: Reason) -> str:
        situation = ""
        if _of_machine((reason,)):
            # It says by itself when that is.
            return self._say("since", since=self.moment(reason.since))
        if mode := reason.context.get("mode"):
            situation = self._word(f"mode_{mode}")
        elif (running := reason.context.get("compressor_running")) is not None:
            situation = self._word("running" if running else "resting")
        if not situation:
            return self._say("since", since=self.moment(reason.since))
        return self._say("since_in", since=self.moment(reason.since), situation=situation)

    def _blame(self, reasons: Sequence[Reason]) -> str:
        suspects: list[str] = []
        # What a sensor shows by itself is surer than what it shows beside others.
        for one in sorted(reasons, key=lambda one: one.monitor.startswith("relation")):
            if one.suspect is not None and not any(key in one.signals for key in suspects):
                suspects.append(one.suspect)
        machine = _of_machine(reasons)
        if suspects:
            sentence = "suspect_or_machine" if machine else "suspect"
            return self._say(sentence, signal=self._quoted(suspects))
        if any(one.monitor == "frozen" for one in reasons):
            return self.word("suspect_controller")
        return self.word("suspect_machine" if machine else "suspect_unknown")

    def _say(self, key: str, **words: str) -> str:
        return self.word(key).format_map(words)

    def _word(self, key: str) -> str:
        return self._texts.get(_place("anomaly_word", key), "")

    def _quoted(self, keys: Sequence[str]) -> str:
        names = [self._say("quoted", name=self.name(key)) for key in keys[:NAMED]]
        if len(keys) > NAMED:
            names.append(self._say("others", count=self._number(len(keys) - NAMED, 0)))
        if len(names) < 2:
            return "".join(names)
        return self._say("list", first=", ".join(names[:-1]), last=names[-1])

    def _unit_of(self, key: str) -> str:
        point = self._points.get(key)
        return (point.unit if point is not None else None) or ""

    def _for_owner(self, unit: str, key: str) -> tuple[str, Converter]:
        """Return the unit in which an owner reads numbers of a signal, and what converts them."""
        wish = None
        if (point := self._points.get(key)) is not None and point.unit == unit:
            wish = chosen_unit(entity_of(self._hass, self._identity, point))
        return for_owner(self._hass.config.units, unit, wish)

    def _reading(self, key: str, value: float) -> str:
        """Return what a signal shows, in words."""
        unit, convert = self._for_owner(self._unit_of(key), key)
        return self._quantity(convert(value), unit)

    def _quantity(self, value: float, unit: str) -> str:
        decimals = 0 if abs(value) >= 99.95 else 1
        if unit in ("1", ""):
            decimals, unit = min(2, decimals + 1), ""
        elif unit in _COARSE and abs(value) < 10:
            decimals = 2
        text = self._number(value, decimals)
        spelt = self._word(f"unit_{_UNITS[unit]}") if unit in _UNITS else unit
        return f"{text} {spelt}" if spelt else text

    def _duration(self, minutes: float) -> str:
        for most, size, unit in ((120.0, 1.0, "minutes"), (2880.0, 60.0, "hours")):
            if minutes < most:
                return f"{self._number(minutes / size, 0)} {self._word(unit)}"
        return f"{self._number(minutes / 1440, 0)} {self._word('days')}"

    def _number(self, value: float, decimals: int) -> str:
        text = f"{value:.{decimals}f}"
        if not float(text):
            text = text.removeprefix("-")
        return text.replace("-", "\N{MINUS SIGN}").replace(".", self._word("decimal") or ".")


_UNITS: Final[Mapping[str, str]] = {
    "%/h": "percent_per_hour",
    "min/K": "minutes_per_degree",
    "kWh/d": "kwh_per_day",
    "kWh/(K d)": "kwh_per_degree_day",
    "min/°F": "minutes_per_fahrenheit",
    "kWh/(°F d)": "kwh_per_fahrenheit_day",
}
"""Units that need words."""


def _of_machine(reasons: Iterable[Reason]) -> bool:
    """Whether a reason is about what the machine does, and not only about what sensors show."""
    return any(one.monitor.partition("_")[0] in _OF_MACHINE for one in reasons)


def _kind(reason: Reason) -> str:
    """Return what kind of observation it is; all that is unlike what is expected is of one."""
    return "deviation" if reason.monitor in _DEVIATIONS else reason.monitor


def _place(selector: str, key: str) -> str:
    return f"component.{DOMAIN}.selector.{selector}.options.{key}"
