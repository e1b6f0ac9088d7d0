"""Signals of unknown meaning: learned silently, told when they go where they never were."""

from datetime import UTC, datetime, timedelta
import json
import math
import random

import pytest

from custom_components.heat_pump_hub.detection import Detector, Signal, Verdict

SIGNALS = (
    Signal("desuperheater_temperature", "analog", "°C"),
    Signal("mystery_number", "analog"),
    Signal("room_temperature", "analog", "°C"),
    Signal("compressor_running", "state"),
)


class Oddity:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)
        self.dice = random.Random(3)
        self.off = 0.0

    def live(self, detector: Detector, days: float) -> list[Verdict]:
        verdicts = []
        for _ in range(int(days * 288)):
            self.time += timedelta(minutes=5)
            day = self.time.timestamp() / 86_400
            on = self.time.minute < 40
            values: dict[str, float | int | str | bool | None] = {
                "desuperheater_temperature": round(
                    50
                    + 8 * math.sin(day * 2)
                    + (9 if on else 0)
                    + self.dice.gauss(0, 0.3)
                    + self.off,
                    1,
                ),
                "mystery_number": 3.0 + self.dice.gauss(0, 1) + day / 400,
                "room_temperature": 21 + self.dice.gauss(0, 0.1) + self.off,
                "compressor_running": on,
            }
            verdicts.append(detector.observe(self.time, values))
        return verdicts


@pytest.fixture(scope="module")
def calibrated() -> str:
    detector = Detector(SIGNALS)
    verdicts = Oddity().live(detector, 30)
    assert not any(verdict.alarm for verdict in verdicts)
    return json.dumps(detector.to_json())


def machine(saved: str) -> tuple[Detector, Oddity]:
    oddity = Oddity()
    oddity.time += timedelta(days=30)
    return Detector.from_json(SIGNALS, json.loads(saved)), oddity


def test_value_where_it_never_was_is_told_and_only_that(calibrated: str) -> None:
    detector, oddity = machine(calibrated)
    assert not any(verdict.alarm for verdict in oddity.live(detector, 10))
    oddity.off = 45.0
    verdict = oddity.live(detector, 0.2)[-1]
    assert verdict.alarm
    told = {reason.signals[0]: reason for reason in verdict.reasons if reason.monitor == "generic"}
    assert set(told) == {"desuperheater_temperature"}
    reason = told["desuperheater_temperature"]
    assert reason.suspect == "desuperheater_temperature"
    assert reason.observed > reason.expected + reason.tolerance


def test_normal_is_learned(calibrated: str) -> None:
    detector, oddity = machine(calibrated)
    oddity.off = 45.0
    assert oddity.live(detector, 1)[-1].alarm
    detector.feedback("normal")
    assert not any(
        reason.monitor == "generic"
        for verdict in oddity.live(detector, 2)
        for reason in verdict.reasons
    )


def test_nothing_is_told_before_it_is_calibrated() -> None:
    detector, oddity = Detector(SIGNALS), Oddity()
    oddity.live(detector, 12)
    oddity.off = 45.0
    verdicts = oddity.live(detector, 1)
    assert not any(r.monitor == "generic" for verdict in verdicts for r in verdict.reasons)


def test_restart_changes_nothing(calibrated: str) -> None:
    one, life = machine(calibrated)
    life.live(one, 0.13)
    other = Detector.from_json(SIGNALS, json.loads(json.dumps(one.to_json())))
    twin = Oddity()
    twin.time, twin.dice = life.time, random.Random()
    twin.dice.setstate(life.dice.getstate())
    life.off = twin.off = 30.0
    assert life.live(one, 1) == twin.live(other, 1)


def test_damage_costs_only_what_it_hit(calibrated: str) -> None:
    saved = json.loads(calibrated)
    saved["learned"]["strays"]["moments"] = "AAAA"
    detector = Detector.from_json(SIGNALS, saved)
    assert (
        detector.to_json()["signals"]
        == Detector.from_json(SIGNALS, json.loads(calibrated)).to_json()["signals"]
    )
    assert not any(verdict.alarm for verdict in Oddity().live(detector, 0.1))
