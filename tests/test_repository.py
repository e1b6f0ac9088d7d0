"""What hassfest, HACS and an owner who opens the repository expect of it."""

from collections.abc import Callable
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import _checks
from _repository import DOMAIN, ROOT, Problems, Repository
from PIL import Image
import pytest

PACKAGE = ROOT / "custom_components" / DOMAIN


@pytest.mark.parametrize("check", _checks.CHECKS, ids=lambda check: check.__name__)
def test_check_finds_nothing(check: Callable[[Repository], Problems]) -> None:
    assert list(check(Repository())) == []


@pytest.mark.parametrize(
    "path",
    [
        ".ci/run",
        ".github/workflows/test.yml",
        ".github/workflows/validate.yml",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "hacs.json",
        "pyproject.toml",
        "requirements_test.txt",
        "scripts/bench",
        "scripts/develop",
        "scripts/lint",
        "scripts/setup",
        "scripts/test",
        f"custom_components/{DOMAIN}/icons.json",
        f"custom_components/{DOMAIN}/manifest.json",
        f"custom_components/{DOMAIN}/translations/de.json",
        f"custom_components/{DOMAIN}/translations/en.json",
    ],
)
def test_file_exists_and_is_not_empty(path: str) -> None:
    assert (ROOT / path).stat().st_size > 0


@pytest.mark.parametrize("name", ["bench", "develop", "lint", "setup", "test"])
def test_script_can_be_started_and_parsed(name: str) -> None:
    path = ROOT / "scripts" / name
    assert path.stat().st_mode & 0o111 == 0o111
    first_line = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first_line.startswith("#!/usr/bin/env ")
    if first_line.endswith("bash"):
        subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize("name", ["develop", "shots"])
def test_script_finds_the_integration_from_another_folder(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts" / name, "--help"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HPH_PYTHON_LATEST": sys.executable,
            "HPH_VICTORIA_METRICS": "not-run",
            "HPH_CHROMIUM": "not-run",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_ci_calls_the_test_script() -> None:
    assert "/scripts/test" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_rooms_that_are_tested_once_know_nothing_of_home_assistant() -> None:
    script = (ROOT / "scripts/test").read_text(encoding="utf-8")
    found = re.search(r"^pure=\((.+)\)$", script, re.MULTILINE)
    assert found is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [
        one
        for one in project["tool"]["importlinter"]["contracts"]
        if one["id"] == "no-home-assistant"
    ]
    assert found[1].split() == [name.rpartition(".")[2] for name in contract["source_modules"]]
    for room in found[1].split():
        for path in (ROOT / "tests" / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"homeassistant|\bhass\b|\brecorder_mock\b", text), path


def test_license_is_mit() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.startswith("MIT License\n")
    assert 'THE SOFTWARE IS PROVIDED "AS IS"' in text


def test_workflows_run_hassfest_hacs_and_the_suite() -> None:
    folder = ROOT / ".github" / "workflows"
    validate = (folder / "validate.yml").read_text(encoding="utf-8")
    assert "home-assistant/actions/hassfest@master" in validate
    assert "hacs/action@main" in validate
    assert "category: integration" in validate
    assert "scripts/test" in (folder / "test.yml").read_text(encoding="utf-8")


def test_hacs_asks_for_the_oldest_supported_home_assistant() -> None:
    hacs = json.loads((ROOT / "hacs.json").read_text(encoding="utf-8"))
    assert hacs["homeassistant"] == "2026.10.0"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("icon.png", (256, 256)),
        ("icon@2x.png", (512, 512)),
        ("dark_icon.png", (256, 256)),
        ("dark_icon@2x.png", (512, 512)),
    ],
)
def test_icon_is_transparent_and_has_the_right_size(name: str, size: tuple[int, int]) -> None:
    with Image.open(PACKAGE / "brand" / name) as image:
        assert image.size == size
        assert image.mode == "RGBA"
        assert image.getpixel((0, 0))[3] == 0
        assert image.getbbox() is not None


@pytest.mark.parametrize(
    ("name", "height"),
    [("logo.png", 256), ("logo@2x.png", 512), ("dark_logo.png", 256), ("dark_logo@2x.png", 512)],
)
def test_logo_is_transparent_and_has_the_right_height(name: str, height: int) -> None:
    with Image.open(PACKAGE / "brand" / name) as image:
        assert image.height == height
        assert image.width > image.height
        assert image.mode == "RGBA"
        assert image.getpixel((0, 0))[3] == 0


class Copy:
    """A copy of the files that are checked, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        """Copy what the checks read."""
        self.repository = Repository(folder)
        self.package = self.repository.package
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, self.package, ignore=ignored)
        for name in ("hacs.json", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)

    def change(self, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a JSON file."""
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    def manifest(self, **values: object) -> None:
        """Set keys of the manifest."""
        self.change(self.package / "manifest.json", lambda content: content.update(values))

    def text(self, language: str, value: str, *path: str) -> None:
        """Set a text of a translation."""

        def change(content: dict[str, Any]) -> None:
            for key in path[:-1]:
                content = content.setdefault(key, {})
            content[path[-1]] = value

        self.change(self.package / "translations" / f"{language}.json", change)

    def module(self, source: str) -> None:
        """Add a module to the integration."""
        (self.package / "spoilt.py").write_text(source, encoding="utf-8")

    def services(self, source: str) -> None:
        """Replace services.yaml."""
        (self.package / "services.yaml").write_text(source, encoding="utf-8")


TITLE = ("config", "step", "user", "title")

SPOILT: dict[str, tuple[Callable[[Copy], object], str]] = {
    "second integration": (
        lambda copy: (copy.package.parent / "other").mkdir(),
        "HACS takes exactly one",
    ),
    "unsorted manifest": (lambda copy: copy.manifest(bluetooth=[]), "not sorted"),
    "unknown manifest key": (lambda copy: copy.manifest(zz_min_version="1"), "unknown keys"),
    "manifest lacks a key": (
        lambda copy: copy.change(
            copy.package / "manifest.json", lambda content: content.pop("issue_tracker")
        ),
        "lacks ['issue_tracker']",
    ),
    "other domain": (lambda copy: copy.manifest(domain="other"), "domain is not"),
    "documentation over http": (
        lambda copy: copy.manifest(documentation="http://example.org"),
        "documentation is not an https",
    ),
    "owner without @": (lambda copy: copy.manifest(codeowners=["me"]), "begin with @"),
    "iot class": (lambda copy: copy.manifest(iot_class="local"), "iot_class"),
    "integration type": (lambda copy: copy.manifest(integration_type="pump"), "integration_type"),
    "version": (lambda copy: copy.manifest(version="one"), "is not like 1.2.3"),
    "other version": (lambda copy: copy.manifest(version="99.0.0"), "pyproject.toml says"),
    "unpinned requirement": (lambda copy: copy.manifest(requirements=["river"]), "not pinned"),
    "no config flow": (
        lambda copy: (copy.package / "config_flow.py").unlink(),
        "config_flow.py is missing",
    ),
    "undeclared component": (
        lambda copy: copy.module("from homeassistant.components.mqtt import client\n"),
        "imports mqtt",
    ),
    "undeclared component by name": (
        lambda copy: copy.module("from homeassistant.components import mqtt\n"),
        "imports mqtt",
    ),
    "no config schema": (
        lambda copy: (copy.package / "__init__.py").write_text("async def async_setup(): ...\n"),
        "without CONFIG_SCHEMA",
    ),
    "unknown key for HACS": (
        lambda copy: copy.change(
            copy.repository.root / "hacs.json", lambda content: content.update(domains=["sensor"])
        ),
        "unknown key domains",
    ),
    "type for HACS": (
        lambda copy: copy.change(
            copy.repository.root / "hacs.json", lambda content: content.update(name=1)
        ),
        "wrong type",
    ),
    "missing translation": (lambda copy: copy.text("en", "x", "title"), "de.json lacks title"),
    "surplus translation": (lambda copy: copy.text("de", "x", "title"), "en.json lacks title"),
    "other placeholder": (lambda copy: copy.text("de", "a {b}", *TITLE), "placeholders ['b']"),
    "open brace": (lambda copy: copy.text("de", "a {b", *TITLE), "expected '}'"),
    "HTML": (lambda copy: copy.text("de", "<b>a</b>", *TITLE), "HTML"),
    "URL": (lambda copy: copy.text("de", "see https://example.org", *TITLE), "URL"),
    "empty text": (lambda copy: copy.text("de", " ", *TITLE), "is not a text"),
    "reference": (lambda copy: copy.text("de", "[%key:common::x%]", *TITLE), "another key"),
    "quoted placeholder": (lambda copy: copy.text("de", "'{x}'", *TITLE), "single quotes"),
    "key that is no slug": (lambda copy: copy.text("de", "a", "device", "A B", "name"), "slug"),
    "unknown section": (lambda copy: copy.text("de", "a", "colour"), "unknown sections"),
    "field without description": (
        lambda copy: copy.text("en", "a", "config", "step", "connection", "data", "colour"),
        "data_description lacks colour",
    ),
    "error without text": (
        lambda copy: copy.module('raise HomeAssistantError(translation_key="unheard_of")\n'),
        "en.json lacks exceptions.unheard_of.message",
    ),
    "error of an action without text": (
        lambda copy: copy.module('raise invalid("unheard_of", signal="x")\n'),
        "en.json lacks exceptions.unheard_of.message",
    ),
    "issue without text": (
        lambda copy: copy.module('ir.async_create_issue(h, translation_key="unheard_of")\n'),
        "en.json lacks issues.unheard_of",
    ),
    "abort without text": (
        lambda copy: copy.module('self.async_abort(reason="unheard_of")\n'),
        "en.json lacks config.abort.unheard_of",
    ),
    "step without text": (
        lambda copy: copy.module('self.async_show_form(step_id="unheard_of")\n'),
        "en.json lacks config.step.unheard_of",
    ),
    "text that nothing uses": (
        lambda copy: copy.text("en", "a", "exceptions", "unheard_of", "message"),
        "exceptions.unheard_of is used nowhere",
    ),
    "action without text": (
        lambda copy: copy.services("unheard_of:\n  fields:\n    a:\n"),
        "en.json lacks unheard_of",
    ),
    "action without icon": (
        lambda copy: copy.services("unheard_of:\n  fields:\n    a:\n"),
        "icons.json lacks unheard_of",
    ),
    "target filtered by device": (
        lambda copy: copy.services("unheard_of:\n  target:\n    device:\n"),
        "filters its target",
    ),
    "icon that is none": (
        lambda copy: (copy.package / "icons.json").write_text(
            '{"entity": {"sensor": {"a": {"default": "pump"}}}}'
        ),
        "not an mdi icon",
    ),
    "icon of nothing": (
        lambda copy: (copy.package / "icons.json").write_text(
            '{"entity": {"sensor": {"unheard_of": {"default": "mdi:pump"}}}}'
        ),
        "has no text",
    ),
    "image of another size": (
        lambda copy: shutil.copy(
            copy.package / "brand" / "icon.png", copy.package / "brand" / "icon@2x.png"
        ),
        "icon@2x.png is 256 x 256",
    ),
    "image that is none": (
        lambda copy: (copy.package / "brand" / "icon.png").write_text("pump"),
        "is not a PNG",
    ),
    "image of unknown name": (
        lambda copy: shutil.copy(
            copy.package / "brand" / "icon.png", copy.package / "brand" / "pump.png"
        ),
        "not a name",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_checks_find_what_is_spoilt(name: str, tmp_path: Path) -> None:
    spoil, expected = SPOILT[name]
    copy = Copy(tmp_path)
    spoil(copy)
    # The last checks read every source; most of what is spoilt is found before.
    problems = []
    for check in _checks.CHECKS:
        problems += check(copy.repository)
        if any(expected in problem for problem in problems):
            return
    pytest.fail(f"{expected!r} is not in {problems}")


def test_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "en.json"
    path.write_text('{"a": 1, "a": 2}', encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        Repository(tmp_path).json(path)
