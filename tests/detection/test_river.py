"""River is imported when asked for, and its absence is told."""

import importlib
import subprocess
import sys

import pytest

from custom_components.heat_pump_hub.detection import Detector, load, river_parts

from .days import SIGNALS


@pytest.fixture
def no_river(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot allocate memory in static TLS block")

    monkeypatch.setattr(river_parts, "_parts", {})
    monkeypatch.setattr(importlib, "import_module", fail)


@pytest.mark.usefixtures("no_river")
def test_broken_river_is_an_import_error_with_words() -> None:
    with pytest.raises(ImportError, match="River, which the anomaly detection learns with"):
        load()
    with pytest.raises(ImportError, match="static TLS"):
        Detector(SIGNALS)


def test_importing_the_package_does_not_import_river() -> None:
    code = (
        "import sys; import custom_components.heat_pump_hub.detection as detection;"
        "assert not [name for name in sys.modules if name.partition('.')[0] in ('river', 'numpy')];"
        "detection.load(); detection.load(); assert 'river.stats' in sys.modules;"
        "assert not [n for n in sys.modules if n.startswith(('river.anomaly', 'scipy.stats'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_river_parts_continue_bit_for_bit() -> None:
    load()
    mean = river_parts.Typical(0.1)
    assert mean.value is None
    for value in (60_013.0, 59_871.0, 120_000.0, 61_002.5):
        mean.learn(value)
    twin = river_parts.Typical(0.1, mean.value)
    for value in (58_333.3, 60_001.0):
        mean.learn(value)
        twin.learn(value)
    assert twin.value == mean.value
    longest = river_parts.Longest(7)
    longest.learn(3)
    assert longest.value == 7
