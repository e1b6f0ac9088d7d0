"""Every simulated heat pump by what it has: which circuits it needs, and its server."""

from typing import Any

from .daikin import DaikinMachine, DaikinServer
from .idm import IdmMachine, IdmServer
from .lambda_pump import LambdaMachine, LambdaServer
from .nibe import NibeMachine, NibeServer
from .physics import HeatPumpModel
from .server import RegisterServer

type Machine = IdmMachine | NibeMachine | DaikinMachine | LambdaMachine


def circuits_of(machine: Machine) -> str:
    """Return the letters of the circuits that a model for this machine needs."""
    match machine:
        case IdmMachine():
            return machine.circuits.lower()
        case NibeMachine():
            return machine.systems
        case LambdaMachine():
            return machine.circuits
    return "ab" if machine.additional else "a"


def server_of(machine: Machine, model: HeatPumpModel, **options: Any) -> RegisterServer:
    """Return a server for this machine; ``options`` are those of its class."""
    match machine:
        case IdmMachine():
            return IdmServer(model, machine, **options)
        case NibeMachine():
            return NibeServer(model, machine, **options)
        case LambdaMachine():
            return LambdaServer(model, machine, **options)
    return DaikinServer(model, machine, **options)
