"""Anomaly detection: learns a heat pump's usual behaviour and says what is not usual.

Importing this package does not import River. Whoever owns an event loop runs
:func:`load` in an executor first; making a :class:`Detector` does it otherwise.
"""

from .detector import Detector, Feedback
from .generic import GenericScorer
from .known import EVENTS, Event
from .river_parts import load
from .signals import Signal
from .verdict import Reason, State, Verdict

__all__ = [
    "EVENTS",
    "Detector",
    "Event",
    "Feedback",
    "GenericScorer",
    "Reason",
    "Signal",
    "State",
    "Verdict",
    "load",
]
