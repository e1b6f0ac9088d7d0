"""Run a simulated heat pump from the shell until it is interrupted."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
import json
from pathlib import Path
import signal
import sys
from typing import Any, Final

from .daikin import DaikinMachine
from .faults import FaultProxy, FrameLength, modbus_frame
from .idm_values import FEATURES, IdmMachine
from .lambda_pump import LambdaMachine
from .luxtronik import LuxtronikServer, luxtronik_frame
from .luxtronik_shi import port_beside
from .luxtronik_values import LuxtronikMachine
from .machine_faults import NAMES as FAULTS
from .machines import Machine, circuits_of, server_of
from .nibe import NibeMachine
from .nibe_table import MODELS
from .past import begin, past, schedule
from .physics import HeatPumpModel
from .server import RegisterServer

FAMILIES: Final = ("idm", "luxtronik", "nibe", "daikin", "map")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options. Raises ``SystemExit`` on a wrong one."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument(
        "--family", choices=FAMILIES, default="idm", help="map: a Lambda, which has a map file"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--latency", type=float, default=0.0, help="ms a request")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=datetime.fromisoformat, help="first moment of the model")
    parser.add_argument("--circuits", default="AB", help="of an IDM; a Luxtronik mixes all but A")
    parser.add_argument("--zones", default="", help="zone:rooms, as 1:3,2:6")
    parser.add_argument("--features", default="", help=f"more of: {', '.join(sorted(FEATURES))}")
    parser.add_argument("--navigator", choices=["2.0", "10", "1.7"], default="2.0")
    parser.add_argument("--shi", action="store_true", help="a Luxtronik has it, one port on")
    parser.add_argument("--model", choices=MODELS, default=MODELS[0], help="of a NIBE")
    parser.add_argument("--read-back", type=float, default=15.0, help="longest delay, s")
    parser.add_argument("--fault", choices=FAULTS, help="45 healthy days, then this, as its past")
    parser.add_argument("--past", type=Path, help="with --fault: where that is written, by lines")
    return parser.parse_args(arguments)


def machine(options: argparse.Namespace) -> Machine:
    """Return the machine the options describe. Raises ``ValueError`` if it cannot be."""
    if options.family == "nibe":
        return NibeMachine(model=options.model, systems=options.circuits.lower())
    if options.family == "daikin":
        return DaikinMachine(additional="b" in options.circuits.lower())
    if options.family == "map":
        circuits = {f"circuit_{letter}" for letter in options.circuits.lower()}
        return LambdaMachine(modules=frozenset({"e_manager", "boiler", "buffer"} | circuits))
    zones = dict(pair.split(":") for pair in options.zones.split(",") if pair)
    features = {name for name in options.features.split(",") if name}
    return IdmMachine(
        circuits=options.circuits,
        zones={int(zone): int(count) for zone, count in zones.items()},
        features=IdmMachine().features | features,
        navigator=options.navigator,
    )


def serving(
    options: argparse.Namespace,
) -> tuple[str, Callable[[HeatPumpModel], RegisterServer | LuxtronikServer], FrameLength]:
    """Return the model's circuits, how to make the server, and how its protocol is cut."""
    shared: dict[str, Any] = {
        "host": options.host,
        "port": 0 if options.latency else options.port,
        "speed": options.speed,
        "seed": options.seed,
    }
    delay = (0.0, options.read_back)
    if options.family == "luxtronik":
        circuits = options.circuits.lower()
        luxtronik = LuxtronikMachine(mixing=len(circuits) - 1, shi=options.shi)
        return (
            circuits,
            lambda model: LuxtronikServer(model, luxtronik, read_back_delay=delay, **shared),
            luxtronik_frame,
        )
    fitted = machine(options)
    return (
        circuits_of(fitted),
        lambda model: server_of(fitted, model, read_back_delay=delay, **shared),
        modbus_frame,
    )


def write_past(model: HeatPumpModel, now: datetime, path: Path | None) -> None:
    """Bring a model to ``now``; write what it showed meanwhile, a time and its values a line."""
    if path is None:
        for _ in past(model, now):
            pass
        return
    with path.open("w", encoding="utf-8") as file:
        for time, values in past(model, now):
            file.write(json.dumps([time.isoformat(), values]) + "\n")


async def run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Serve until ``stop``; print the port as soon as it listens."""
    start = options.start or datetime.now(UTC)
    start = start if start.tzinfo is not None else start.replace(tzinfo=UTC)
    circuits, make, frame = serving(options)
    model = HeatPumpModel(
        options.seed,
        begin(options.fault, start) if options.fault else start,
        circuits=circuits,
        inner_step=60.0,
    )
    if options.fault:
        schedule(model, options.fault, start, options.seed)
        write_past(model, start, options.past)
    model.inner_step = 2.0 if options.speed <= 5.0 else 10.0
    server = make(model)
    port = await server.start()
    proxy = FaultProxy(options.host, port, host=options.host, port=options.port, frame=frame)
    proxy.latency = options.latency
    proxies = [proxy]
    try:
        if options.latency:
            port = await proxy.start()
            if isinstance(server, LuxtronikServer) and server.shi is not None:
                beside = FaultProxy(
                    options.host,
                    server.shi.port,
                    host=options.host,
                    port=port_beside(port),
                    frame=modbus_frame,
                )
                beside.latency = options.latency
                proxies.append(beside)
                await beside.start()
        sys.stdout.write(f"port {port}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        for proxy in proxies:
            await proxy.stop()
        await server.stop()


async def main(arguments: Sequence[str]) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(parse(arguments), stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
