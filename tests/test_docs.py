"""What README.md and docs/ say is what the code does."""

from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

import _docs
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.template import Template
from homeassistant.setup import async_setup_component
import pytest
import yaml

from custom_components.heat_pump_hub import (
    SAFE_TIMEOUT,
    anomaly_notes,
    archive,
    const,
    iotawatt,
    reports,
    warm_recorder,
    warm_start,
    whereabouts,
)
from custom_components.heat_pump_hub.anomaly import SAVE_INTERVAL
from custom_components.heat_pump_hub.control import guard, ledger
from custom_components.heat_pump_hub.control.values import allowed
from custom_components.heat_pump_hub.detection import known, latches, monitors
from custom_components.heat_pump_hub.diagnostics import LEDGER_TAIL
from custom_components.heat_pump_hub.drivers import (
    FAMILIES,
    daikin_points,
    family,
    idm_points,
    link,
    nibe_points,
    refusals,
)
from custom_components.heat_pump_hub.drivers.driver import Address, Driver, Layout
from custom_components.heat_pump_hub.drivers.idm import FAMILY, IdmDriver
from custom_components.heat_pump_hub.drivers.luxtronik import (
    FAMILY as LUXTRONIK,
    LuxtronikDriver,
    create,
    discovery,
)
from custom_components.heat_pump_hub.drivers.luxtronik.firmware import version
from custom_components.heat_pump_hub.drivers.points import Point, Wear
from custom_components.heat_pump_hub.drivers.table import SMART_GRID_MODES
from custom_components.heat_pump_hub.flow.fields import DEMO_INTERVAL
from custom_components.heat_pump_hub.history import (
    backoff,
    feed,
    iotawatt_log,
    journal,
    outbox,
    probe,
    shipper,
    steady,
)
from custom_components.heat_pump_hub.history.iotawatt import PAGE_ROWS
from custom_components.heat_pump_hub.history.report_files import EXCEL_ROWS, Format
from custom_components.heat_pump_hub.history.reports import DISK_LIMIT

from .drivers.test_registers import EVERYTHING
from .fakes import FakeFamily, families, make_entry, set_up

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "custom_components" / const.DOMAIN
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]
PLATFORMS = "binary_sensor|button|number|select|sensor|switch"


FORMATS = {Format.CSV: "CSV", Format.JSON: "JSON", Format.XLSX: "Excel"}


def luxtronik(**layout: Any) -> LuxtronikDriver:
    """Return the driver of a Luxtronik with everything, as far as nothing else is said."""
    return LuxtronikDriver(
        Address(host="", port=0), Layout(**{"circuits": ("a", "b", "c")} | layout)
    )


OTHERS = {
    "nibe": Layout(circuits=tuple(nibe_points.SYSTEMS), features=nibe_points.EVERY),
    "daikin": Layout(),
    "daikin air to air": Layout(features=frozenset({"air_to_air"})),
}
"""Families that share the generic page, with everything that a machine can have."""


def other(key: str) -> Driver:
    """Return the driver of one of :data:`OTHERS`."""
    return family(key.split(maxsplit=1)[0]).create(Address(host="", port=0), OTHERS[key], None)


def english() -> dict[str, Any]:
    """Return the English translation."""
    found: dict[str, Any] = json.loads((PACKAGE / "translations/en.json").read_text("utf-8"))
    return found


def flat(text: str) -> str:
    """Return a text without its line breaks and its bold marks."""
    return " ".join(text.replace("**", "").split())


def rows(text: str, title: str) -> dict[str, str]:
    """Return the lines of the table whose first column is ``title``, by their first cell."""
    _, _, table = text.partition(f"| {title} |")
    assert table, f"no table {title}"
    lines = table.split("\n\n", 1)[0].splitlines()[2:]
    return {line.split("|")[1].strip(): line for line in lines}


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[str, str]]:
    """Yield every link of a page to something in this repository."""
    for page, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not target.startswith("https://"):
                yield page, target


def test_page_of_all_values_is_up_to_date() -> None:
    made = {path.relative_to(ROOT).as_posix(): text for path, text in _docs.pages().items()}
    there = {page: text for page, text in TEXTS.items() if page.startswith("docs/entities-")}
    assert made.keys() == there.keys() == {f"docs/entities-{key}.md" for key in FAMILIES}
    for page, text in made.items():
        assert there[page] == text, f"{page}: run python -m scripts._docs"


def test_page_of_all_values_leaves_none_out() -> None:
    shown = set(re.findall(r"^\| `(\w+)` ", TEXTS["docs/entities-idm.md"], re.MULTILINE))
    layout = Layout(
        circuits=("a",),
        zones={"1": ("1",)},
        features=EVERYTHING.features - {"booster_b"},
    )
    points = IdmDriver(Address(host="", port=0), layout).points
    assert points.keys() <= shown


@pytest.mark.parametrize("shi", [False, True], ids=["own protocol", "interface"])
def test_page_of_all_values_of_luxtronik_leaves_none_out(shi: bool) -> None:
    """What repeats stands there once: with the name of the first, and how many there are."""
    text = TEXTS["docs/entities-luxtronik.md"].split("## States", 1)[0]
    text = text.split("## Smart Home Interface", 1)[shi]
    points = interface() if shi else luxtronik().points
    lines = re.findall(r"^\| `(\w+)` .*$", text, re.MULTILINE)
    shown = {points[key].name for key in lines}
    assert {point.name for point in points.values()} == shown
    counted = re.findall(r"\((\d+) values\)", text)
    by_name = Counter((point.part, point.name) for point in points.values())
    assert sorted(map(int, counted)) == sorted(n for n in by_name.values() if n > 1)


def interface(**layout: Any) -> Mapping[str, Point]:
    """Return what the Smart Home Interface adds to a Luxtronik."""
    whole = {"circuits": ("a", "b", "c")} | layout
    features = frozenset({"shi", *layout.get("features", ())})
    driver = create(Address(host="", port=0), Layout(**whole | {"features": features}))
    own = luxtronik(**layout).points
    return {key: point for key, point in driver.points.items() if key not in own}


@pytest.mark.parametrize("page", ["README.md", "docs/history.md"])
def test_number_of_values_of_the_interface(page: str) -> None:
    assert f"Its Smart Home Interface adds {len(interface())}." in flat(TEXTS[page])


def test_everything_the_interface_takes_is_held_in_memory() -> None:
    assert {point.wear for point in interface().values()} == {None, Wear.VOLATILE}
    assert {point.default for point in interface().values()} == {None}


@pytest.mark.parametrize("key", OTHERS)
def test_page_of_all_values_of_other_makers_leaves_none_out(key: str) -> None:
    text = TEXTS[f"docs/entities-{key.split(maxsplit=1)[0]}.md"].split("## States", 1)[0]
    lines = re.findall(r"^\| `(\w+)` .*$", text, re.MULTILINE)
    names = {point.name for point in other(key).points.values()}
    assert len(names) == len(names & {re.sub(r"^circuit_[a-h]_", "", line) for line in lines})


@pytest.mark.parametrize("key", OTHERS)
def test_inputs_of_other_makers_are_told(key: str) -> None:
    """Each cyclic input stands in a table of its page, with its value on stop."""
    driver, page = other(key), TEXTS[f"docs/{key.split(maxsplit=1)[0]}.md"]
    said = page.split("## Inputs made for regular writes", 1)[1]
    for point in driver.points.values():
        if point.wear is Wear.CYCLIC:
            address = driver.register(point.key)[1]
            default = str(point.default).replace("None", "–").replace("False", "off")
            spans = re.findall(r"(\d+) … (\d+)", said)
            inside = any(int(low) <= address <= int(high) for low, high in spans)
            line = rf"\| [^|]*\b{address}\b[^|]* \| {default} \|"
            assert inside or re.search(line, said), point


def test_number_of_all_values_of_other_makers() -> None:
    nibe, daikin = len(other("nibe").points), len(other("daikin").points)
    assert f"A NIBE has up to {nibe}, a Daikin {daikin}." in flat(README)
    history = flat(TEXTS["docs/history.md"])
    assert f"For a NIBE they are up to {nibe}, for a Daikin {daikin}." in history
    assert f"NIBE: {family('nibe').interval} s by default." in README


@pytest.mark.parametrize("key", FAMILIES)
def test_page_of_a_maker_tells_what_an_owner_has_to_know(key: str) -> None:
    page = flat(TEXTS[f"docs/{key}.md"])
    assert f"{family(key).interval} s by default" in page or (
        f"{family(key).interval} s" in page and "by default" in page
    )
    assert "no login" in page
    assert "assume one" in page or "accept only one" in page
    assert "## Switch" in page or "## Connect" in page


@pytest.mark.parametrize("page", ["docs/history.md", "docs/nibe.md"])
def test_numbers_of_the_smart_grid_are_told(page: str) -> None:
    told = ", ".join(f"{state} {number}" for number, state in SMART_GRID_MODES.items())
    assert told in flat(TEXTS[page])


def test_numbers_of_the_smart_grid_of_a_hub_are_told() -> None:
    register = next(
        one for one in daikin_points.registers(Layout()) if one.point.key == "smart_grid_mode"
    )
    numbers = {state: number for number, state in SMART_GRID_MODES.items()}
    for state, line in rows(TEXTS["docs/daikin.md"], "Smart grid mode").items():
        _, _, history, raw, _, _ = (cell.strip() for cell in line.split("|"))
        assert int(history) == numbers[state]
        assert register.decode(int(raw)) == state


def test_entities_of_the_hub_are_those_of_no_family() -> None:
    of_hub = {text.split("## Entities of the hub itself", 1)[1] for text in _docs.pages().values()}
    assert len(of_hub) == 1
    ours = set(re.findall(r"^\| `(\w+)`", of_hub.pop(), re.MULTILINE))
    assert "anomaly" in ours
    assert not ours & {point.name for point in luxtronik().points.values()}


@pytest.mark.parametrize(("page", "target"), links())
def test_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    goal = (ROOT / page).parent / path if path else ROOT / page
    assert goal.exists()
    if anchor:
        assert anchor in anchors(goal.read_text(encoding="utf-8"))


def test_every_file_that_is_named_exists() -> None:
    named = {
        (page, name)
        for page, text in TEXTS.items()
        for name in re.findall(r"`([\w./-]+)`", text)
        if "/" in name.strip("/") or name.endswith((".py", ".md", ".json", ".yaml"))
        if not name.startswith("/")
    }
    assert len(named) > 10
    missing = {
        (page, name)
        for page, name in named
        if not (ROOT / name).exists() and not (PACKAGE / name).exists()
    }
    assert not missing


def test_every_script_that_is_named_exists() -> None:
    named = set(re.findall(r"\bscripts/(\w+)", "".join(TEXTS.values())))
    assert {"bench", "develop", "lint", "setup", "test"} <= named
    assert all(list((ROOT / "scripts").glob(f"{name}*")) for name in named)


def test_rooms_of_the_picture_are_those_of_the_code() -> None:
    tree = README.split("custom_components/heat_pump_hub/\n", 1)[1].split("```", 1)[0]
    shown: set[str] = set()
    folder = ""
    for line in tree.splitlines():
        names = re.split(r"\s{3,}", line.strip())[0].split()
        if not line.startswith("    "):
            folder = names[0] if names[0].endswith("/") else ""
            shown.update(names)
        else:
            shown.update(folder + name for name in names)
    there = {path.name for path in PACKAGE.glob("*.py")} - {"const.py"}
    there |= {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    there |= {f"drivers/{path.name}" for path in (PACKAGE / "drivers").glob("[!_]*.py")}
    there |= {f"drivers/{path.parent.name}/" for path in PACKAGE.glob("drivers/*/__init__.py")}
    assert shown == there


def test_set_up_fields_are_described() -> None:
    described = flat(README)
    for step in english()["config"]["step"].values():
        fields = dict(step.get("data", {}))
        for part in step.get("sections", {}).values():
            fields |= part["data"]
        for label in fields.values():
            assert f"| {label} |" in described or f"*{label}*" in described, label


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            const.CONF_INTERVAL,
            "{} to {} s | {} s".format(*const.INTERVAL_RANGE, FAMILY.interval),
        ),
        (const.CONF_INTERVAL, "demo heat pump takes {} to {} s".format(*const.DEMO_INTERVAL_RANGE)),
        (const.CONF_COOLDOWN, "{} to {} s".format(*const.COOLDOWN_RANGE)),
        (const.CONF_COOLDOWN, f"| {const.DEFAULT_COOLDOWN} s |"),
        (const.CONF_ALLOW_CONTROL, "on, off | on |"),
        (
            const.CONF_JOURNAL_DAYS,
            "{} to {} d | {} d |".format(*journal.DAYS_RANGE, journal.DAYS),
        ),
        (const.CONF_HISTORY_EVERYTHING, "on, off | off |"),
        (const.CONF_HISTORY_EVERYTHING, f" {len(list(idm_points.registers(EVERYTHING)))}."),
        (const.CONF_HISTORY_NAMES, "Heat Pump Hub, forerunner | Heat Pump Hub |"),
    ],
)
def test_option_is_described(key: str, said: str) -> None:
    label = english()["options"]["step"]["init"]["data"][key]
    assert said in rows(README, "Option")[label]


def test_what_is_learned_of_the_past() -> None:
    _, _, said = TEXTS["docs/anomaly.md"].partition("## Learning from the past")
    assert f"of the last {warm_start.DAYS} days" in said
    assert (warm_recorder.STALE, warm_recorder.LONGEST) == (HOUR / 2, 6 * HOUR)
    assert "counts for half an hour after its last report" in said
    assert "a measured value for 6 hours at most" in said


def test_no_option_is_left_out_or_made_up() -> None:
    page = english()["options"]["step"]["init"]
    # a section is one row, told in full on a page of its own
    labels = {*page["data"].values(), *(section["name"] for section in page["sections"].values())}
    assert rows(README, "Option").keys() == labels


def listed(numbers: tuple[float, ...]) -> str:
    """Return numbers as a sentence lists them."""
    *first, last = (f"{number:g}" for number in numbers)
    return f"{', '.join(first)} and {last}"


HOUR = 3_600_000
MINUTE = 60_000
PROMISE = (
    "a killed server loses nothing; a killed writer loses at most what was not yet posted; if both die"
    f" within W, at most W ({outbox.SPILL_AFTER:g} s;"
    f" {feed.JOINED_POLLS * FAMILY.interval / 60:g} minutes once frames hold {feed.JOINED_POLLS} polls);"
    " an ordinary stop, reload or outage loses nothing."
)
NUMBERS = {
    "settings": ("README.md", f"settings every {const.SETTINGS_INTERVAL / 60:g} minutes"),
    "after a write": ("README.md", f"{const.SETTINGS_AFTER_WRITE:g} s after a write"),
    "no answer": ("README.md", f"given up after {link.TIMEOUT:g} s"),
    "read back": ("README.md", f"read back after {listed(FAMILY.read_back)} s"),
    "read back of a guard": ("docs/write-guard.md", f"after {listed(FAMILY.read_back)} s"),
    "cooldown": ("README.md", f"({const.DEFAULT_COOLDOWN} s by default)"),
    "cooldown range": (
        "docs/write-guard.md",
        "{} s by default, {} to {} s by option".format(
            const.DEFAULT_COOLDOWN, *const.COOLDOWN_RANGE
        ),
    ),
    "volatile": ("README.md", f"can be written every {guard.VOLATILE_COOLDOWN:g} s"),
    "volatile of a guard": ("docs/write-guard.md", f"every {guard.VOLATILE_COOLDOWN:g} s"),
    "volatile of IDM": ("docs/idm.md", f"at most once in {guard.VOLATILE_COOLDOWN:g} s"),
    "ledger": ("docs/write-guard.md", f"last {ledger.ENTRIES} are kept"),
    "ledger days": ("docs/write-guard.md", f"each register and day for {ledger.DAYS} days"),
    "ledger in diagnostics": ("README.md", f"the last {LEDGER_TAIL} writes"),
    "safe values": ("docs/write-guard.md", f"takes {SAFE_TIMEOUT:g} s at most"),
    "demo": (
        "README.md",
        "({} to {} s, {} s by default)".format(*const.DEMO_INTERVAL_RANGE, DEMO_INTERVAL),
    ),
    "quarantine": (
        "README.md",
        (
            f"refused in {refusals.STRIKES} polls at least"
            f" {refusals.STRIKE_EVERY.total_seconds() / 60:g} minutes apart"
        ),
    ),
    "report options": (
        "README.md",
        "*Format*: {}; *Keep for*: {} to {} d | off; {}; {} d |".format(
            ", ".join(FORMATS[one] for one in Format),
            *reports.REPORT_DAYS_RANGE,
            FORMATS[Format.CSV],
            reports.REPORT_DAYS,
        ),
    ),
    "report hour": ("docs/reports.md", f"At {reports.REPORT_HOUR} o'clock"),
    "report days": ("docs/reports.md", f"older than {reports.REPORT_DAYS} days are removed"),
    "report retry": ("docs/reports.md", f"after {reports.RETRY_AFTER / 60:g} minutes"),
    "report disk": ("docs/reports.md", f"More than {DISK_LIMIT:.0%}".replace("%", " %")),
    "report rows": ("docs/reports.md", f"Excel takes {EXCEL_ROWS:,} rows"),
    "hold": ("README.md", f"{shipper.HOLD:g} s later the samples of every series are counted"),
    "canaries sent again": (
        "docs/history.md",
        f"if they do not show within {probe.AGAIN_AFTER:g} s",
    ),
    "a clock that settles": (
        "docs/history.md",
        f"run evenly for {'an hour' if steady.SETTLED_AFTER == 3600 else ''}",
    ),
    "hold of the history": ("docs/history.md", f"held for {shipper.HOLD:g} s after the answer"),
    "journal": ("README.md", f"not verified {outbox.SPILL_AFTER:g} s after it was read"),
    "promise": ("README.md", PROMISE),
    "promise of the history": ("docs/history.md", PROMISE),
    "days of the journal": (
        "README.md",
        f"keeps {journal.DAYS} days by default and at most {outbox.LIMIT_BYTES >> 20} MiB",
    ),
    "size of the journal": (
        "docs/history.md",
        "{} days (*Days in the journal*, {} to {}), at most {} MiB".format(
            journal.DAYS, *journal.DAYS_RANGE, journal.LIMIT_RECORD >> 20
        ),
    ),
    "memory": ("docs/history.md", f"at most {outbox.LIMIT_MEMORY >> 20} MiB, and a repair"),
    "record": (
        "docs/history.md",
        f"every {journal.BATCH_POLLS} polls or {journal.BATCH_SECONDS / 60:g} minutes",
    ),
    "attempts": (
        "docs/history.md",
        f"from {backoff.FIRST_DELAY:g} s to {backoff.LONGEST_DELAY:g} s apart",
    ),
    "chunks of IoTaWatt": ("docs/iotawatt.md", f"{iotawatt_log.CHUNK // 86_400} days at a time"),
    "pages of IoTaWatt": ("docs/iotawatt.md", f"{PAGE_ROWS:,} rows"),
    "IoTaWatt in step": ("docs/iotawatt.md", f"Every {iotawatt.EVERY / 60:g} minutes"),
    "hold of IoTaWatt": ("docs/iotawatt.md", f"series, {shipper.HOLD:g} s after it was sent"),
    "IoTaWatt of the changelog": ("CHANGELOG.md", f"in step every {iotawatt.EVERY / 60:g} minutes"),
    "flush": ("docs/history.md", f"it tries for {archive.FLUSH_TIMEOUT:g} s to send"),
    "port of Luxtronik": ("docs/luxtronik.md", f"The port is {LUXTRONIK.port};"),
    "port of Luxtronik at set-up": ("README.md", f"Luxtronik: {LUXTRONIK.port}, with old"),
    "checks": (
        "docs/network.md",
        (
            f"every {whereabouts.CHECK_INTERVAL.total_seconds() / 60:g} minutes, is looked for at most"
            f" every {whereabouts.SEARCH_INTERVAL.total_seconds() / 60:g} minutes"
        ),
    ),
    "ports of the search": ("docs/network.md", f"ports {listed(discovery.PORTS)}"),
    "learning": ("README.md", f"| {monitors.WARM_UP // (24 * HOUR)} days |"),
    "learning to freeze": ("README.md", f"| {monitors.FROZEN_WARM_UP // HOUR} hours |"),
    "start of frozen": ("docs/anomaly.md", f"after {monitors.FROZEN_WARM_UP // HOUR} hours"),
    "start of stuck": ("docs/anomaly.md", f"after {monitors.WARM_UP // (24 * HOUR)} days"),
    "stuck": ("README.md", f"at least {monitors._FLOOR // HOUR} hours"),
    "stuck while running": ("README.md", f"or {monitors._FLOOR_RUNNING // MINUTE} minutes of"),
    "frozen": ("README.md", f"at least {monitors.FROZEN_FLOOR // MINUTE} minutes |"),
    "out of range": ("README.md", f"forbids for {monitors._RANGE_HOLD // MINUTE} minutes"),
    "margin": ("docs/anomaly.md", f"alarms at {monitors._MARGIN:g} times its longest rest"),
    "changes": ("docs/anomaly.md", f"seen to change {monitors.CHANGES} times"),
    "accepted": (
        "README.md",
        f"stands for {latches.ACCEPTED_AFTER // (24 * HOUR)} days is accepted",
    ),
    "saved": (
        "docs/anomaly.md",
        f"saved every {SAVE_INTERVAL.total_seconds() / 3600:g} hours",
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_number_is_that_of_the_code(name: str) -> None:
    page, said = NUMBERS[name]
    assert said in flat(TEXTS[page])


def test_inputs_without_a_request_are_told() -> None:
    """Each cyclic input stands in the table of docs/idm.md, with its value on stop."""
    said = flat(TEXTS["docs/idm.md"].split("## Inputs made for regular writes", 1)[1])
    for register in idm_points.registers(Layout(circuits=("a",), features=EVERYTHING.features)):
        point = register.point
        if point.wear is Wear.CYCLIC:
            default = str(point.default).replace("None", "–").replace("False", "off")
            assert re.search(rf"\| [^|]*\b{register.address}\b[^|]* \| {default} \|", said), point


def test_messages_of_the_troubleshooting_are_real() -> None:
    messages = [
        text.replace("{manufacturer}", FAMILY.manufacturer)
        for text in english()["config"]["error"].values()
    ]
    for begins in rows(README, "Message begins with"):
        assert any(message.startswith(begins) for message in messages), begins


def test_messages_of_the_write_guard_are_real() -> None:
    messages = [error["message"] for error in english()["exceptions"].values()]
    for begins in rows(TEXTS["docs/write-guard.md"], "Message begins with"):
        assert any(message.startswith(begins) for message in messages), begins


@pytest.fixture
async def owner(hass: HomeAssistant) -> AsyncGenerator[HomeAssistant]:
    """Set an IDM with two circuits up, as the examples presume."""
    fake = FakeFamily()
    layout = Layout(circuits=("a", "b"))
    fake.points = IdmDriver(Address(host="", port=0), layout).points
    fake.prepare = lambda driver: driver.values.clear()
    entry = make_entry(title="IDM Navigator 2.0", data={"layout": layout.to_json()})
    with families(fake):
        await set_up(hass, entry)
        yield hass
        await hass.config_entries.async_unload(entry.entry_id)


def examples() -> list[dict[str, Any]]:
    """Return the automations of the README."""
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


async def test_entities_of_the_examples_exist(owner: HomeAssistant) -> None:
    registry = er.async_get(owner)
    named = set(re.findall(rf"\b(?:{PLATFORMS})\.idm_navigator_\w+", README))
    assert len(named) >= 5
    assert {name for name in named if registry.async_get(name) is None} == set()


@pytest.mark.parametrize(
    ("driver", "whose"),
    [
        (
            IdmDriver(Address(host="", port=0), Layout(circuits=("a", "b"))),
            "an IDM with two circuits",
        ),
        (luxtronik(circuits=("a",)), "a Luxtronik with one mixing circuit"),
    ],
    ids=["idm", "luxtronik"],
)
async def test_number_of_entities_is_about_right(
    hass: HomeAssistant, fake: FakeFamily, driver: Driver, whose: str
) -> None:
    """Those of the heat pump, of the history and of the detector together."""
    fake.points = dict(driver.points)
    fake.prepare = lambda driver: driver.values.clear()
    entry = make_entry()
    await set_up(hass, entry)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    said = re.search(rf"{whose}[a-z ]* about (\d+) of about ([\d,]+)", flat(README))
    assert said is not None
    enabled, all_of_them = (int(number.replace(",", "")) for number in said.groups())
    assert abs(enabled - sum(one.disabled_by is None for one in entities)) <= 2
    assert abs(all_of_them - len(entities)) <= 0.02 * len(entities)


async def test_disabled_entities_of_the_examples_are_marked(owner: HomeAssistant) -> None:
    registry = er.async_get(owner)
    for example in examples():
        text = json.dumps(example)
        before = README.split(f"alias: {example['alias']}", 1)[0].rsplit("**", 1)[1]
        disabled = [
            name
            for name in re.findall(rf"\b(?:{PLATFORMS})\.idm_navigator_\w+", text)
            if (found := registry.async_get(name)) is not None and found.disabled_by
        ]
        assert bool(disabled) is (" *" in before and "* *" in before), example["alias"]


async def test_examples_are_automations(
    owner: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    assert await async_setup_component(owner, "automation", {"automation": examples()})
    await owner.async_block_till_done()
    states = owner.states.async_all("automation")
    assert len(states) == len(examples()) == 4
    assert {state.state for state in states} == {"on"}, caplog.text
    await owner.services.async_call("automation", "turn_off", {"entity_id": "all"}, blocking=True)


def surplus(hass: HomeAssistant) -> float:
    """Return what the example sends as PV surplus."""
    template = examples()[0]["actions"][0]["data"]["value"]
    return float(Template(template, hass).async_render())


@pytest.mark.parametrize(
    ("state", "sent"),
    [("1234.5", 1200), ("-800", 0), ("60000", 50000), ("unavailable", 0), ("49", 0)],
)
async def test_surplus_that_is_sent_is_one_the_register_takes(
    owner: HomeAssistant, state: str, sent: float
) -> None:
    owner.states.async_set("sensor.power_to_grid", state)
    value = surplus(owner)
    assert value == sent
    point = IdmDriver(Address(host="", port=0), Layout()).points["pv_surplus"]
    assert allowed(point, value) == sent


async def test_notification_says_the_reason(owner: HomeAssistant) -> None:
    anomaly = "binary_sensor.idm_navigator_2_0_anomaly"
    owner.states.async_set(anomaly, "on", {"explanation": "Flow is at 140 °C."})
    message = examples()[2]["actions"][0]["data"]["message"]
    assert Template(message, owner).async_render() == "Flow is at 140 °C."


@pytest.mark.parametrize(
    ("page", "begins"), [("README.md", "has"), ("docs/history.md", "Luxtronik")]
)
def test_number_of_all_values_of_a_luxtronik(page: str, begins: str) -> None:
    assert f"{begins} up to {len(luxtronik().points):,}." in flat(TEXTS[page])


def bounds(key: str, firmware: str) -> str:
    """Return the bounds of a point with a firmware, as a page writes them."""
    point = luxtronik(features=frozenset({f"firmware_{firmware}"})).points[key]
    return f"{point.minimum:g} to {point.maximum:g} {point.unit}"


def place(key: str, firmware: str) -> str:
    """Return where a point lies with a firmware, as a page writes it."""
    driver = luxtronik(features=frozenset({f"firmware_{firmware}"}))
    return "{} {}".format(*driver.register(key))


@pytest.mark.parametrize(
    ("begins", "found"),
    [
        ("up to V3.90.0", place("dhw_temperature_setpoint", "V3.90.0")),
        ("from V3.90.1", place("dhw_temperature_setpoint", "V3.90.1")),
        ("up to V3.92.0", bounds("cooling_outdoor_threshold", "V3.92.0")),
        ("from V3.92.1", bounds("cooling_outdoor_threshold", "V3.92.1")),
        ("before V3.88", place("backup_heater_energy", "V3.87.9")),
        ("from V3.88", place("backup_heater_energy", "V3.88.0")),
    ],
)
def test_what_depends_on_the_firmware_is_told(begins: str, found: str) -> None:
    assert f"| {begins} | {found} |" in TEXTS["docs/luxtronik.md"]


def test_everything_a_luxtronik_takes_is_a_setting() -> None:
    points = luxtronik().points.values()
    assert {point.wear for point in points} == {None, Wear.EEPROM}
    assert {point.default for point in points} == {None}


def test_firmware_that_restarts_is_told() -> None:
    for text in (README, TEXTS["docs/luxtronik.md"]):
        told = set(re.findall(r"V\d\.90\b(?!\.)", text.split("V3.90 is not affected")[0]))
        assert told == {f"V{series}.90" for series in (1, 2, 3) if restarts(series)}


def restarts(series: int) -> bool:
    """Return whether a write restarts release 90 of a series."""
    found = version(f"V{series}.90.0")
    assert found is not None
    return found.restarts_on_write


RULES = [
    "action-setup",
    "appropriate-polling",
    "brands",
    "common-modules",
    "config-flow-test-coverage",
    "config-flow",
    "dependency-transparency",
    "docs-actions",
    "docs-triggers",
    "docs-conditions",
    "docs-high-level-description",
    "docs-installation-instructions",
    "docs-removal-instructions",
    "entity-event-setup",
    "entity-unique-id",
    "has-entity-name",
    "runtime-data",
    "test-before-configure",
    "test-before-setup",
    "unique-config-entry",
    "action-exceptions",
    "config-entry-unloading",
    "docs-configuration-parameters",
    "docs-installation-parameters",
    "entity-unavailable",
    "integration-owner",
    "log-when-unavailable",
    "parallel-updates",
    "reauthentication-flow",
    "test-coverage",
    "devices",
    "diagnostics",
    "discovery",
    "discovery-update-info",
    "docs-data-update",
    "docs-examples",
    "docs-known-limitations",
    "docs-supported-devices",
    "docs-supported-functions",
    "docs-troubleshooting",
    "docs-use-cases",
    "dynamic-devices",
    "entity-category",
    "entity-device-class",
    "entity-disabled-by-default",
    "entity-translations",
    "exception-translations",
    "icon-translations",
    "reconfiguration-flow",
    "repair-issues",
    "stale-devices",
    "async-dependency",
    "inject-websession",
    "strict-typing",
]


def test_quality_scale_answers_every_rule() -> None:
    found = yaml.safe_load((PACKAGE / "quality_scale.yaml").read_text(encoding="utf-8"))["rules"]
    assert len(RULES) == 54
    assert found.keys() == set(RULES)
    for rule, answer in found.items():
        if isinstance(answer, str):
            assert answer in {"done", "todo"}, rule
        else:
            assert answer["status"] in {"done", "todo", "exempt"}, rule
            assert answer["comment"], rule


def test_rules_about_files_are_not_claimed_without_the_file() -> None:
    found = yaml.safe_load((PACKAGE / "quality_scale.yaml").read_text(encoding="utf-8"))["rules"]
    assert (found["icon-translations"] == "done") is (PACKAGE / "icons.json").exists()
    assert found["diagnostics"] == "done"
    assert (found["action-setup"] == "done") is (PACKAGE / "services.yaml").exists()


def test_changelog_has_the_usual_form() -> None:
    text = TEXTS["CHANGELOG.md"]
    assert text.startswith("# Changelog\n")
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    version = json.loads((PACKAGE / "manifest.json").read_text("utf-8"))["version"]
    assert version in text
    assert f"Version {version}" in README


def test_known_events_explain_for_as_long_as_is_said() -> None:
    table = rows(TEXTS["docs/anomaly.md"], "Event")
    assert set(table) == {
        "A setting was changed", "Holiday", "Other firmware", "Power cut", "Commissioning",
    }  # fmt: skip
    for name, event, unit in (
        ("A setting was changed", "setting", "hours"),
        ("Holiday", "holiday", "days"),
        ("Holiday", "holiday_end", "hours"),
        ("Other firmware", "firmware", "days"),
        ("Power cut", "power_cut", "hours"),
        ("Commissioning", "commissioning", "days"),
    ):
        length = known._EXPLAINS[event][0] // (HOUR if unit == "hours" else 24 * HOUR)
        assert f"{length} {unit}" in table[name]
    assert f"{warm_start.GAP.total_seconds() / 60:.0f} minutes" in table["Power cut"]
    assert f"{anomaly_notes.SELDOM.days} days" in table["A setting was changed"]
