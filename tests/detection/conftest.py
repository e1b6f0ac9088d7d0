"""A detector that has learned eight days, and the house it watched."""

from collections.abc import Callable
import copy
import json

import pytest

from custom_components.heat_pump_hub.detection import Detector

from .days import SIGNALS, House

type Household = tuple[Detector, House]


@pytest.fixture(scope="session")
def household() -> Callable[[], Household]:
    """Return a function that makes a copy of detector and house after eight days at 60 s."""
    house = House(seed=5)
    detector = Detector(SIGNALS)
    for time, values in house.days(8):
        detector.observe(time, values)
    saved = json.dumps(detector.to_json())

    def make() -> Household:
        return Detector.from_json(SIGNALS, json.loads(saved)), copy.deepcopy(house)

    return make
