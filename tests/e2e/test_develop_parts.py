"""What ``scripts/develop --check`` judges with: it must be able to say no."""

import asyncio
from pathlib import Path
import struct
from typing import Any

from _develop.errors import DevelopError
from _develop.flow import proposed
from _develop.frontend import raw_keys
from _develop.logbook import Polls, complaints
from _develop.processes import Program
from _develop.stand import running
from _develop.table import Table
from _develop.wire import Relay, Request, parse, read_register
from homeassistant.const import RESTART_EXIT_CODE
import pytest

STAMP = "2026-11-20 18:44:00.123+00:00"
POLL = (
    STAMP + " DEBUG (MainThread) [custom_components.heat_pump_hub] "
    "Finished fetching {} data in 0.112 seconds (success: {})\n"
)


def test_an_empty_table_does_not_hold() -> None:
    assert not Table().ok


def test_one_failed_check_fails_the_table() -> None:
    good, bad = Table(), Table()
    good.equal("first", 1, 1)
    bad.equal("first", 1, 1)
    bad.equal("second", 1, 2)

    assert good.ok
    assert not bad.ok
    assert "2 checks, 1 failed" in bad.text()
    assert bad.text().splitlines()[-2].endswith("| NO")


def test_polls_are_counted_by_title_as_the_log_grows(tmp_path: Path) -> None:
    log = tmp_path / "log"
    whole, half = POLL.format("IDM", True), POLL.format("Demo heat pump", True)
    log.write_text(whole + half[:60], encoding="utf-8")
    polls = Polls(log)
    polls.read()
    assert polls.succeeded == {"IDM": 1}

    with log.open("a", encoding="utf-8") as file:
        file.write(half[60:] + POLL.format("IDM", False))
    polls.read()

    assert polls.succeeded == {"IDM": 1, "Demo heat pump": 1}
    assert polls.failed == {"IDM": 1}


@pytest.mark.parametrize(
    "record",
    [
        f"{STAMP} ERROR (MainThread) [custom_components.heat_pump_hub] no",
        f"{STAMP} WARNING (MainThread) [frame] Detected that custom integration 'heat_pump_hub'",
        f"{STAMP} INFO (MainThread) [homeassistant] heat_pump_hub uses a deprecated thing",
        f"{STAMP} INFO (MainThread) [root] Uncaught\nTraceback\n  File heat_pump_hub/number.py",
    ],
)
def test_what_the_log_says_against_us_is_found(record: str) -> None:
    assert complaints(POLL.format("IDM", True) + record + "\n") == [record.partition("\n")[0]]


def test_what_the_log_says_of_others_is_not_ours() -> None:
    log = (
        f"{STAMP} WARNING (SyncWorker_0) [homeassistant.loader] We found a custom integration "
        "heat_pump_hub which has not been tested\n"
        f"{STAMP} ERROR (MainThread) [haffmpeg.core] FFmpeg fails\nTraceback\n"
        + POLL.format("IDM", True)
    )
    assert complaints(log) == []


def test_a_form_is_proposed_with_suggestions_defaults_and_sections() -> None:
    schema: list[dict[str, Any]] = [
        {"name": "host", "required": True},
        {"name": "port", "default": 502},
        {"name": "unit", "default": 1, "description": {"suggested_value": 3}},
        {"name": "login", "type": "expandable", "schema": [{"name": "verify", "default": True}]},
    ]
    assert proposed(schema) == {"port": 502, "unit": 3, "login": {"verify": True}}


def test_keys_are_told_from_texts() -> None:
    texts = ["Anomaly", "component.heat_pump_hub.x", "dhw_temperature", "{seconds} s", "22 °C"]
    assert raw_keys(texts) == ["component.heat_pump_hub.x", "dhw_temperature", "{seconds}"]


def test_requests_are_read_from_frames() -> None:
    single = parse(struct.pack(">BBHH", 1, 6, 1032, 49), 2)
    several = parse(struct.pack(">BBHHBHH", 1, 16, 74, 2, 4, 7, 8), 1)

    assert (single.address, single.words, single.link, single.writes) == (1032, (49,), 2, True)
    assert (several.address, several.count, several.words) == (74, 2, (7, 8))
    assert several.covers(75)
    assert not several.covers(76)


async def test_the_relay_counts_what_passes(socket_enabled: None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await reader.readexactly(12)
        writer.write(frame[:4] + b"\0\5" + frame[6:8] + b"\2\0\x31")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1])
    await relay.start()
    try:
        assert await read_register(relay.port, 1032) == 0x31
    finally:
        await relay.stop()
        server.close()
        await server.wait_closed()

    assert relay.reads(1032) == 1
    assert relay.reads(1032, since_link=2) == 0
    relay.requests.append(Request(0.0, 6, 1032, 1, (50,), 1))
    assert len(relay.writes(1032)) == 1
    assert relay.links == 0


async def test_a_program_that_ended_says_how_and_may_be_started_again(tmp_path: Path) -> None:
    program = Program("it", ["sh", "-c", "exit 100"], tmp_path / "log")
    assert program.exit_status is None
    for _ in range(2):
        await program.start()
        with pytest.raises(DevelopError, match="ended by itself"):
            await program.printed("never", 30)
        assert program.exit_status == RESTART_EXIT_CODE
    await program.stop()


async def test_a_folder_that_was_kept_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "home-assistant.log").write_text("kept")
    with pytest.raises(DevelopError, match="name another folder"):
        async with running(language="en", keep=tmp_path):
            pass
    assert (tmp_path / "home-assistant.log").read_text() == "kept"
