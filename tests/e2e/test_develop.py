"""``scripts/develop``, as an owner starts it."""

from collections.abc import Mapping
import os
from pathlib import Path
import signal
import subprocess
import time

import pytest

from tests.servers import ROOT, find_program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROGRAMS = ("HPH_PYTHON_LATEST", "HPH_VICTORIA_METRICS")
SECONDS = 120


@pytest.fixture
def environment() -> Mapping[str, str]:
    """Return the environment in which ``scripts/develop`` need not run setup again."""
    try:
        found = {variable: str(find_program(variable, None)) for variable in PROGRAMS}
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return os.environ | found


def wait_for(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a program has printed a text."""
    deadline = time.monotonic() + SECONDS
    while text not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.2)


def children(parent: int) -> dict[int, str]:
    """Return the processes that one has started, with what they are."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (folder / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
        except OSError:
            continue
        if int(fields[1]) == parent:
            found[int(folder.name)] = command
    return found


def test_check_holds_in_german(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [ROOT / "scripts/develop", "--check", "--language", "de", "--seconds", "20"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks, 0 failed" in done.stdout


@pytest.mark.timeout(620)
def test_pictures_show_texts_and_no_keys(environment: Mapping[str, str], tmp_path: Path) -> None:
    try:
        chromium = str(find_program("HPH_CHROMIUM", "chromium"))
    except FileNotFoundError as error:
        pytest.skip(str(error))

    done = subprocess.run(
        [ROOT / "scripts/shots", tmp_path, "--language", "de"],
        env={**environment, "HPH_CHROMIUM": chromium},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    said = [line for line in done.stderr.splitlines() if line.startswith("shots:")]
    assert done.returncode == 0, f"{said}\n{done.stdout}\n{done.stderr}"
    pictures = {path.name[3:] for path in (tmp_path / "de").glob("*.png")}
    assert {"flow-found.png", "device-warmwasser.png", "number.png", "options.png"} <= pictures


def test_a_fault_stands_when_the_page_opens(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [ROOT / "scripts/develop", "--fault", "frozen", "--seconds", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "The heat pump answers, but none of its values has changed for" in done.stdout
    assert "Rather the controller or its connection." in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(
    environment: Mapping[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [ROOT / "scripts/develop", "--keep", tmp_path / "run"],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(log, "points stored", process)
        started = children(process.pid)
        process.send_signal(number)
        process.wait(90)
    finally:
        process.kill()

    assert process.returncode == 0, log.read_text(encoding="utf-8")
    assert len(started) == 3, started
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    # What it may not do is hide: the files that were asked for are still there.
    assert (tmp_path / "run" / "home-assistant.log").is_file()


def test_a_server_that_does_not_start_is_named(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "victoria-metrics"
    broken.write_text("#!/bin/sh\necho no room left\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)

    done = subprocess.run(
        [ROOT / "scripts/develop", "--keep", tmp_path / "run"],
        env={**environment, "HPH_VICTORIA_METRICS": str(broken)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 1
    assert "VictoriaMetrics ended by itself" in done.stderr
    assert "no room left" in done.stderr
    assert "Traceback" not in done.stderr
