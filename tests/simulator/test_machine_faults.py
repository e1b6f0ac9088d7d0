"""Simulated machines of all types live, and their faults begin, grow and show."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import mean

import pytest

from custom_components.heat_pump_hub.simulator.machine_faults import (
    HARD,
    NAMES,
    SENSORS,
    MachineFault,
    Name,
    fault,
)
from custom_components.heat_pump_hub.simulator.sampler import OPTIONAL, Sample, Sampler
from custom_components.heat_pump_hub.simulator.variant import Variant

from .conftest import WINTER

MINUTE = timedelta(minutes=1)


def calm(seed: int = 4, variant: Variant | None = None) -> Sampler:
    keys = Sampler(1, WINTER).keys + OPTIONAL + ("flow_rate", "thermal_power", "defrost_count")
    return Sampler(seed, WINTER, variant=variant, keys=tuple(dict.fromkeys(keys)), lively=False)


def day(sampler: Sampler, days: float = 1.0) -> list[Sample]:
    return list(sampler.days(days))


def mean_of(samples: list[Sample], key: str, mode: str = "heating") -> float:
    return mean(
        float(value)
        for _, values in samples
        if values["operating_mode"] == mode and (value := values[key]) is not None
    )


def with_fault(name: Name, severity: float = 1.0, key: str | None = None) -> list[Sample]:
    sampler = calm()
    sampler.model.scheduled.append(
        MachineFault(name=name, onset=WINTER + MINUTE, severity=severity, key=key)
    )
    return day(sampler)


@pytest.mark.parametrize(
    ("name", "severity", "key", "more"),
    [
        ("leak", 0.3, "superheat", True),
        ("leak", 0.3, "expansion_valve_position", True),
        ("icing", 0.8, "evaporation_temperature", False),
        ("icing", 0.8, "source_outlet_temperature", False),
        ("valve", 1.0, "suction_gas_temperature", True),
        ("pump", 0.8, "flow_rate", False),
        ("offset", 4.0, "return_temperature", True),
    ],
)
def test_fault_moves_what_it_moves(name: Name, severity: float, key: str, more: bool) -> None:
    healthy = mean_of(day(calm()), key)
    faulty = mean_of(with_fault(name, severity, "return_temperature"), key)
    assert (faulty > healthy + 0.5) if more else (faulty < healthy - 0.5)


def test_short_cycling_starts_again_and_again() -> None:
    healthy, faulty = day(calm()), with_fault("shortcycle", 5.0)
    starts = [
        int(float(run[-1][1]["compressor_starts"] or 0))
        - int(float(run[0][1]["compressor_starts"] or 0))
        for run in (healthy, faulty)
    ]
    assert starts[1] > starts[0] + 20


def test_heater_and_tank() -> None:
    assert sum(values["backup_heater_running"] is True for _, values in with_fault("heater")) > 1400
    cold = [
        sum(values["operating_mode"] == "dhw" for _, values in samples)
        for samples in (day(calm()), with_fault("dhwloss", 8.0))
    ]
    assert cold[1] > cold[0] + 20


def test_frozen_and_stuck_stand_still_and_a_spike_is_one_sample() -> None:
    frozen = with_fault("frozen")
    assert len({tuple(values.values()) for _, values in frozen[2:]}) == 1
    stuck = with_fault("stuck", key="flow_temperature")
    assert len({values["flow_temperature"] for _, values in stuck[2:]}) == 1
    spike = with_fault("spike", 30.0, "dhw_temperature")
    honest = day(calm())
    assert sum(a != b for (_, a), (_, b) in zip(spike, honest, strict=True)) == 1


def test_fault_waits_for_its_onset_and_grows() -> None:
    sampler = calm()
    sampler.model.scheduled.append(
        MachineFault(
            name="drift", onset=WINTER + timedelta(hours=6), severity=2.0,
            ramp=timedelta(hours=12), key="outdoor_temperature",
        )
    )  # fmt: skip
    off = [
        float(a["outdoor_temperature"] or 0) - float(b["outdoor_temperature"] or 0)
        for (_, a), (_, b) in zip(day(sampler), day(calm()), strict=True)
    ]
    assert max(map(abs, off[:360])) == 0
    assert off[720] == pytest.approx(1.0, abs=0.02)
    assert off[-1] == pytest.approx(2.0, abs=0.02)


def test_drawn_faults_are_milder_when_hard_and_name_a_sensor_that_is_there() -> None:
    here = frozenset({"flow_temperature"})
    for name in NAMES:
        drawn = fault(name, WINTER, Random(1), keys=here)
        assert drawn.key in (
            {"flow_temperature"} if name in ("stuck", "drift", "offset", "spike") else {None}
        )
    for name in HARD:
        usual = fault(name, WINTER, Random(2))
        mild = fault(name, WINTER, Random(2), severity="hard")
        if name == "shortcycle":
            assert mild.severity > usual.severity
        else:
            assert abs(mild.severity) < abs(usual.severity)
    assert fault("stuck", WINTER, Random(3)).key in SENSORS


@pytest.mark.parametrize("inverter", [True, False])
@pytest.mark.parametrize("source", ["air", "brine"])
def test_every_type_keeps_its_house_warm(source: str, inverter: bool) -> None:
    variant = Variant.draw(Random(3), "air" if source == "air" else "brine", inverter=inverter)
    sampler = Sampler(2, WINTER, variant=variant, period=300.0)
    samples = day(sampler, 6)
    rooms = [float(values["room_temperature"] or 20) for _, values in samples]
    assert 17 < min(rooms) <= max(rooms) < 25
    assert ("compressor_frequency" in sampler.keys) is inverter
    modes = {values["operating_mode"] for _, values in samples}
    assert {"heating", "dhw", "off"} <= modes
    assert ("defrost" in modes) is (source == "air")
    inlet = [float(values["source_inlet_temperature"] or 0) for _, values in samples]
    assert (max(inlet) - min(inlet) < 3) is (source == "brine")


def test_one_seed_lives_one_life_with_gaps_and_changes() -> None:
    def life() -> list[Sample]:
        return list(Sampler(11, datetime(2025, 11, 1, tzinfo=UTC), period=600.0).days(25))

    samples = life()
    assert samples == life()
    steps = [b[0] - a[0] for a, b in pairwise(samples)]
    assert max(steps) > timedelta(minutes=15)
    assert len({values["dhw_temperature_setpoint"] for _, values in samples}) > 1
