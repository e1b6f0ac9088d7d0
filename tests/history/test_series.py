"""Snapshots become lines that say exactly what was read."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
import json
from math import inf, nan
from struct import pack, unpack
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.drivers.points import Kind, Point, Quantity, Snapshot, Value
from custom_components.heat_pump_hub.history import series
from custom_components.heat_pump_hub.history.codec import Coding, coding_of, decompress
from custom_components.heat_pump_hub.history.series import (
    Encoder,
    Frame,
    Series,
    canonical,
    milliseconds,
)
from custom_components.heat_pump_hub.history.tally import Tally

from .conftest import at, encoder, points

LABELS = {
    "heatpump_id": "idm-keller",
    "manufacturer": "IDM",
    "model": 'Navigator "2.0" Südhang',
}


def lines(frames: list[Frame]) -> list[dict[str, Any]]:
    """Parse what frames hold."""
    return [json.loads(line) for frame in frames for line in decompress(frame.body).splitlines()]


def stored(values: Mapping[str, Value], **more: Any) -> dict[str, float]:
    """Encode one snapshot and return its numbers by the name of their series."""
    snapshot = Snapshot(time=at(1_000), values=values, **more)
    return {
        line["metric"]["__name__"]: line["values"][0]
        for line in lines(encoder().encode([snapshot]))
    }


def test_line_has_name_labels_value_and_time() -> None:
    snapshot = Snapshot(
        time=at(1_790_000_000_123),
        values={"outdoor_temperature": -3.7, "circuit_a_flow_temperature": 31.2},
    )
    assert lines(encoder().encode([snapshot])) == [
        {
            "metric": {"__name__": "heatpump_outdoor_temperature", **LABELS},
            "values": [-3.7],
            "timestamps": [1_790_000_000_123],
        },
        {
            "metric": {
                "__name__": "heatpump_circuit_a_flow_temperature",
                "circuit": "a",
                **LABELS,
            },
            "values": [31.2],
            "timestamps": [1_790_000_000_123],
        },
    ]


def test_rooms_carry_zone_and_room() -> None:
    snapshot = Snapshot(time=at(0), values={"zone_1_room_2_humidity": 45.25})
    [line] = lines(encoder().encode([snapshot]))
    assert line["metric"]["zone"] == "1"
    assert line["metric"]["room"] == "2"


def test_flags_are_0_and_1() -> None:
    assert stored({"utility_lock": True}) == {"heatpump_utility_lock": 1}
    assert stored({"utility_lock": False}) == {"heatpump_utility_lock": 0}


def test_states_are_sent_by_number() -> None:
    assert stored({"operating_mode": "defrost"}) == {"heatpump_operating_mode": 3}


def test_unknown_code_is_sent_raw() -> None:
    assert stored({}, unknown_codes={"operating_mode": 11}) == {"heatpump_operating_mode": 11}


def test_unknown_code_wins_over_its_placeholder() -> None:
    snapshot = Snapshot(
        time=at(0), values={"operating_mode": "other"}, unknown_codes={"operating_mode": 11}
    )
    assert [line["values"] for line in lines(encoder().encode([snapshot]))] == [[11]]


def test_text_without_a_number_is_not_sent() -> None:
    assert stored({"note": "serviced", "operating_mode": "dancing"}) == {}


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_a_number_is_not_sent(value: float) -> None:
    assert stored({"outdoor_temperature": value, "electrical_power": 900.0}) == {
        "heatpump_electrical_power": 900
    }


def test_widened_float32_is_rounded_to_the_resolution() -> None:
    (widened,) = unpack("<f", pack("<f", 21.3))
    assert widened != 21.3
    assert stored({"outdoor_temperature": widened}) == {"heatpump_outdoor_temperature": 21.3}


def test_negative_zero_is_zero() -> None:
    snapshot = Snapshot(time=at(0), values={"outdoor_temperature": -0.04})
    [frame] = encoder().encode([snapshot])
    assert b'"values":[0.0]' in decompress(frame.body)


def test_missing_value_gives_no_line_and_nothing_gives_no_frame() -> None:
    assert encoder().encode([Snapshot(time=at(0), values={})]) == []
    assert encoder().encode([]) == []


def test_only_wanted_points_are_sent() -> None:
    snapshot = Snapshot(
        time=at(0),
        values={"outdoor_temperature": 1.0, "electrical_power": 2.0},
        unknown_codes={"operating_mode": 11},
    )
    assert [
        line["metric"]["__name__"]
        for line in lines(encoder().encode([snapshot], {"electrical_power"}))
    ] == ["heatpump_electrical_power"]


def test_value_without_a_point_is_an_error() -> None:
    with pytest.raises(KeyError):
        encoder().encode([Snapshot(time=at(0), values={"nonsense": 1.0})])


def test_several_snapshots_share_a_line() -> None:
    snapshots = [
        Snapshot(time=at(1_000), values={"outdoor_temperature": 1.0, "compressor_starts": 7}),
        Snapshot(time=at(2_000), values={"outdoor_temperature": 2.0}),
        Snapshot(time=at(3_000), values={"compressor_starts": 8, "outdoor_temperature": 3.0}),
    ]
    [frame] = encoder().encode(snapshots)
    assert [(line["values"], line["timestamps"]) for line in lines([frame])] == [
        ([1.0, 2.0, 3.0], [1_000, 2_000, 3_000]),
        ([7, 8], [1_000, 3_000]),
    ]
    assert (frame.samples, frame.first, frame.last) == (5, 1_000, 3_000)
    assert frame.tally.histogram == {3: 1, 2: 1}


def test_frame_of_one_snapshot_counts_itself() -> None:
    snapshot = Snapshot(time=at(5_000), values={"utility_lock": True, "compressor_starts": 7})
    [frame] = encoder().encode([snapshot])
    assert (frame.samples, frame.first, frame.last) == (2, 5_000, 5_000)
    assert frame.tally.histogram == {1: 2}


def test_frames_stay_below_the_limit_and_hold_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "TEXT_LIMIT", 100_000)
    many = {
        f"point_{number}": Point(
            key=f"point_{number}", name="p", quantity=Quantity.COUNT, kind=Kind.ANALOG
        )
        for number in range(1_400)
    }
    wide = Encoder(many, heatpump_id="h" * 200, manufacturer="m", model="n")
    snapshots = [
        Snapshot(time=at(second * 1_000), values=dict.fromkeys(many, 1.5)) for second in (1, 2)
    ]
    frames = wide.encode(snapshots)
    assert len(frames) > 1
    assert all(len(decompress(frame.body)) <= 100_000 for frame in frames)
    assert sum(frame.samples for frame in frames) == 2_800
    assert {line["metric"]["__name__"] for line in lines(frames)} == {
        f"heatpump_{key}" for key in many
    }


def test_frames_can_be_joined() -> None:
    first, second = (
        encoder().encode([Snapshot(time=at(time), values={"compressor_starts": time})])[0]
        for time in (1, 2)
    )
    assert [
        json.loads(line)["values"] for line in decompress(first.body + second.body).splitlines()
    ] == [
        [1],
        [2],
    ]


def test_times_are_exact_to_the_millisecond() -> None:
    time = datetime(2026, 11, 20, 12, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))
    assert milliseconds(time) == 1_795_172_400_123


def test_a_time_without_zone_is_an_error() -> None:
    with pytest.raises(TypeError):
        milliseconds(datetime(2026, 11, 20))


@given(
    st.lists(
        st.tuples(
            st.floats(width=32, min_value=-1e6, max_value=1e6),
            st.integers(min_value=-999, max_value=2**32),
            st.booleans(),
            st.sampled_from(["off", "heating", "dhw", "defrost", "cooling", "other"]),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(min_value=0, max_value=4_000_000_000_000),
)
def test_what_is_encoded_is_what_was_read(
    rows: list[tuple[float, int, bool, str]], start: int
) -> None:
    codes = {slug: code for code, slug in (points()["operating_mode"].options or {}).items()}
    times = [start + 30_000 * index for index in range(len(rows))]
    snapshots = [
        Snapshot(
            time=at(time),
            values={
                "zone_1_room_2_humidity": analog,
                "compressor_starts": count,
                "utility_lock": flag,
                "operating_mode": state,
            },
        )
        for time, (analog, count, flag, state) in zip(times, rows, strict=True)
    ]
    found = {
        line["metric"]["__name__"].removeprefix("heatpump_"): line
        for line in lines(encoder().encode(snapshots))
    }
    assert all(line["timestamps"] == times for line in found.values())
    assert {key: line["values"] for key, line in found.items()} == {
        "zone_1_room_2_humidity": [round(row[0], 2) for row in rows],
        "compressor_starts": [row[1] for row in rows],
        "utility_lock": [int(row[2]) for row in rows],
        "operating_mode": [codes[row[3]] for row in rows],
    }


def test_utc_and_other_zones_give_the_same_time() -> None:
    utc = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert milliseconds(utc) == milliseconds(utc.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.parametrize("coding", list(Coding))
def test_frame_has_the_coding_that_was_asked_for(coding: Coding) -> None:
    snapshots = [Snapshot(time=at(time), values={"compressor_starts": time}) for time in (1, 2)]
    frames = [encoder().encode([one], coding=coding)[0] for one in snapshots]
    assert {coding_of(frame.body) for frame in frames} == {coding}
    joined = decompress(b"".join(frame.body for frame in frames))
    assert [json.loads(line)["values"] for line in joined.splitlines()] == [[1], [2]]


def test_polls_that_read_the_same_share_a_tally() -> None:
    encode = encoder().encode
    values: list[dict[str, Value]] = [
        {"outdoor_temperature": 1.0, "compressor_starts": 7},
        {"outdoor_temperature": 2.0, "compressor_starts": 8},
        {"outdoor_temperature": 2.0},
    ]
    tallies = [encode([Snapshot(time=at(9), values=one)])[0].tally for one in values]
    assert tallies[0] is tallies[1]
    assert tallies[2].text != tallies[0].text


def test_more_tallies_than_are_kept_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_TALLIES", 1)
    encode = encoder().encode
    for values in ({"outdoor_temperature": 1.0}, {"compressor_starts": 7}) * 2:
        [frame] = encode([Snapshot(time=at(9), values=values)])
        text = decompress(frame.body).splitlines()
        assert frame.tally.text == Tally.of_lines(text).text
        assert Tally.from_text(frame.tally.text).counts == frame.tally.counts


@given(
    st.one_of(
        st.floats(width=32),
        st.floats(),
        st.floats(-1000, 1000).map(lambda n: round(n, 1)),
        st.integers(-(1 << 32), 1 << 32),
        st.booleans(),
    ),
    st.sampled_from([1, 1, 0.001, 60]),
    st.integers(-2, 3),
)
def test_a_live_poll_stores_what_joined_polls_do(
    value: Value, factor: float, decimals: int
) -> None:
    def naming(point: Point) -> Series:
        return replace(canonical(point), factor=factor, decimals=decimals)

    def made() -> Encoder:
        return Encoder(points(), heatpump_id="a", manufacturer="", model="", naming=naming)

    snapshot = Snapshot(time=at(0), values={"outdoor_temperature": value})
    live = made().encode([snapshot])
    joined = made().encode([snapshot, Snapshot(time=at(1), values={})])
    # Signs of zeros, too, are the same.
    assert repr([float(one) for line in lines(live) for one in line["values"]]) == repr(
        [float(one) for line in lines(joined) for one in line["values"]]
    )


@pytest.mark.parametrize("values", [(1, True), (1, 1.0), (0.0, False), (2.5, 2.5)])
def test_equal_values_of_two_polls_are_told_apart(values: tuple[Value, Value]) -> None:
    used = encoder()
    for value in values:
        [line] = lines(used.encode([Snapshot(time=at(0), values={"outdoor_temperature": value})]))
        fresh = lines(
            encoder().encode([Snapshot(time=at(0), values={"outdoor_temperature": value})])
        )
        assert [repr(one) for one in line["values"]] == [repr(one) for one in fresh[0]["values"]]


def test_a_prepared_encoder_learns_nothing_at_the_first_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = encoder()
    prepared.prepare({"outdoor_temperature"})
    monkeypatch.setattr(prepared, "_learn", None)
    assert prepared.encode([Snapshot(time=at(0), values={"outdoor_temperature": 1.5})])
