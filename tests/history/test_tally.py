"""What is counted on a server tells whether everything is there."""

from collections import Counter

from hypothesis import given, strategies as st
import pytest

from custom_components.heat_pump_hub.history.codec import (
    Coding,
    Compressor,
    DamagedError,
    coding_of,
    decompress,
    transcode,
)
from custom_components.heat_pump_hub.history.tally import Tally, expected, holds

TALLIES = st.lists(
    st.dictionaries(st.integers(0, 6), st.integers(1, 4), min_size=1).map(Tally), min_size=1
)


def held(counts: Counter[int]) -> Counter[int]:
    """Return what a server says that holds so many samples of each series."""
    return Counter(count for count in counts.values() if count)


def test_a_poll_of_three_series() -> None:
    poll = Tally({1: 1, 2: 1, 3: 1})
    assert expected([poll, poll]) == {2: 3}
    assert expected([poll, Tally({3: 1, 4: 1})]) == {1: 3, 2: 1}


@pytest.mark.parametrize(
    ("found", "enough"),
    [({2: 3}, True), ({2: 2, 1: 1}, False), ({2: 2}, False), ({}, False), ({3: 1, 1: 2}, False)],
)
def test_a_series_cannot_make_up_for_another(found: dict[int, int], enough: bool) -> None:
    assert holds(found, {2: 3}) is enough


@given(TALLIES)
def test_everything_there_is_enough(tallies: list[Tally]) -> None:
    sent: Counter[int] = Counter()
    for tally in tallies:
        sent.update(tally.counts)
    assert holds(held(sent), expected(tallies))


@given(TALLIES, st.data())
def test_whatever_lacks_is_noticed(tallies: list[Tally], data: st.DataObject) -> None:
    sent: Counter[int] = Counter()
    for tally in tallies:
        sent.update(tally.counts)
    lost = data.draw(st.sampled_from(sorted(sent)))
    sent[lost] -= data.draw(st.integers(1, sent[lost]))
    assert not holds(held(sent), expected(tallies))


@given(TALLIES)
def test_a_tally_comes_back_from_its_text(tallies: list[Tally]) -> None:
    for tally in tallies:
        back = Tally.from_text(tally.text)
        assert (back.counts, back.samples) == (tally.counts, tally.samples)


@pytest.mark.parametrize("coding", list(Coding))
def test_frames_behind_one_another_are_one_body(coding: Coding) -> None:
    compressor = Compressor()
    body = b"".join(compressor.compress(text, coding) for text in (b"a\n", b"b\n"))
    assert coding_of(body) is coding
    assert decompress(body) == b"a\nb\n"


@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("harm", [lambda body: body[:-3], lambda body: body[:12] + b"xxx"])
def test_damage_is_noticed(coding: Coding, harm: object) -> None:
    body = Compressor().compress(b"some text that is longer than a header\n" * 9, coding)
    assert callable(harm)
    with pytest.raises(DamagedError):
        decompress(harm(body))


def test_frames_change_their_coding_if_need_be() -> None:
    compressor = Compressor()
    bodies = [compressor.compress(b"a", Coding.ZSTD), compressor.compress(b"b", Coding.GZIP)]
    changed = transcode(bodies, Coding.GZIP)
    assert [coding_of(body) for body in changed] == [Coding.GZIP] * 2
    assert changed[1] is bodies[1]
    assert decompress(changed[0]) == b"a"
