"""Checks of translations, actions and icons: each by itself, and against one another."""

import ast
from collections.abc import Iterator
from functools import cache
import re
from string import Formatter
from typing import Any, Final

from _repository import Problems, Repository, difference, leaves

TRANSLATION_SECTIONS: Final = frozenset(
    "common conditions config config_subentries device device_automation entity entity_component exceptions "
    "issues options selector services system_health title triggers".split()
)
SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
ICON: Final = re.compile(r"mdi:[a-z0-9]+(?:-[a-z0-9]+)*")
HTML: Final = re.compile(r"</?[A-Za-z][^<>]*>")
URL: Final = re.compile(r"\bwww\.|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
QUOTED_PLACEHOLDER: Final = re.compile(r"'\{\w+\}'")


def placeholders(text: str) -> set[str]:
    """Return the names in braces. Raises ``ValueError`` for a brace that is not closed."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def check_translations(repository: Repository) -> Problems:
    """Check each translation by itself, and that all have the same keys and placeholders."""
    translations = repository.translations
    if not translations:
        return
    if (repository.package / "strings.json").exists():
        yield "strings.json: a custom integration has translations/ only"
    english = dict(leaves(translations.get("en", {})))
    for language, tree in translations.items():
        if unknown := tree.keys() - TRANSLATION_SECTIONS:
            yield f"{language}.json: unknown sections {sorted(unknown)}"
        own = dict(leaves(tree))
        yield from difference(
            "translations",
            {".".join(path) for path in english},
            {".".join(path) for path in own},
            ("en.json", f"{language}.json"),
        )
        for path, text in own.items():
            where = f"{language}.json: {'.'.join(path)}"
            yield from _check_text(where, path, text)
            if isinstance(text, str) and isinstance(english.get(path), str):
                yield from _check_placeholders(where, text, english[path])


def _check_text(where: str, path: tuple[str, ...], text: Any) -> Problems:
    for key in path:
        if not SLUG.fullmatch(key):
            yield f"{where}: {key!r} is not a slug"
    if not isinstance(text, str) or not text.strip():
        yield f"{where}: is not a text"
        return
    if text != text.strip():
        yield f"{where}: begins or ends with a space"
    if HTML.search(text):
        yield f"{where}: contains HTML"
    if URL.search(text):
        yield f"{where}: contains a URL; hand it over as a placeholder"
    if "[%key:" in text:
        yield f"{where}: refers to another key; custom integrations spell texts out"
    if QUOTED_PLACEHOLDER.search(text):
        yield f"{where}: has a placeholder in single quotes"


def _check_placeholders(where: str, text: str, english: str) -> Problems:
    try:
        names, expected = placeholders(text), placeholders(english)
    except ValueError as error:
        yield f"{where}: {error}"
        return
    if names != expected:
        yield f"{where}: has the placeholders {sorted(names)}, English {sorted(expected)}"


def check_flow_texts(repository: Repository) -> Problems:
    """Check that every field of a flow has both its name and its description."""
    for language, tree in repository.translations.items():
        for flow in ("config", "options"):
            for step, texts in tree.get(flow, {}).get("step", {}).items():
                forms = {step: texts} | {
                    f"{step}.sections.{key}": section
                    for key, section in texts.get("sections", {}).items()
                }
                for where, form in forms.items():
                    yield from difference(
                        f"{language}.json: {flow}.step.{where}",
                        set(form.get("data", {})),
                        set(form.get("data_description", {})),
                        ("data", "data_description"),
                    )


def _literal(call: ast.Call, name: str) -> str | None:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            value = keyword.value.value
            return value if isinstance(value, str) else None
    return None


def _wanted_texts(call: ast.Call) -> Iterator[tuple[str, ...]]:
    """Yield the dotted places one of which must exist for the words that a call names."""
    called = ast.unparse(call.func).rpartition(".")[2]
    if key := _literal(call, "translation_key"):
        if called == "async_create_issue":
            yield (f"issues.{key}",)
        elif called.endswith(("Error", "Failed", "NotReady")):
            yield (f"exceptions.{key}.message",)
    # Those of the integration's errors.py.
    match call.args:
        # Those of the integration's errors.py.
        case [ast.Constant(value=str(key))] if called in {"invalid", "failed"}:
            yield (f"exceptions.{key}.message",)
    if called == "async_abort" and (reason := _literal(call, "reason")):
        yield (
            f"config.abort.{reason}",
            f"options.abort.{reason}",
            f"issues.*.fix_flow.abort.{reason}",
            f"config_subentries.*.abort.{reason}",
        )
    if called in {"async_show_form", "async_show_menu"} and (step := _literal(call, "step_id")):
        yield (
            f"config.step.{step}",
            f"options.step.{step}",
            f"config_subentries.*.step.{step}",
            f"issues.*.fix_flow.step.{step}",
        )


@cache
def _texts_of(tree: ast.Module) -> tuple[frozenset[str], tuple[tuple[int, tuple[str, ...]], ...]]:
    """Return the words of a module, and line and places of each text that it names."""
    words = set()
    wanted = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.Call):
            wanted += [(node.lineno, places) for places in _wanted_texts(node)]
    return frozenset(words), tuple(wanted)


def check_used_texts(repository: Repository) -> Problems:
    """Check that texts which the code names literally exist, and that exceptions are all used."""
    english = repository.translations.get("en")
    if english is None:
        return
    have: set[str] = set()
    for path, _ in leaves(english):
        have.update(".".join(path[:end]) for end in range(1, len(path) + 1))
    have |= {
        f"issues.*.fix_flow.{kind}.{key}"
        for issue in english.get("issues", {}).values()
        for kind, texts in issue.get("fix_flow", {}).items()
        for key in texts
    }
    have |= {
        f"config_subentries.*.{kind}.{key}"
        for texts in english.get("config_subentries", {}).values()
        for kind in ("abort", "step")
        for key in texts.get(kind, {})
    }
    words: set[str] = set()
    for source, tree in repository.sources():
        said, wanted = _texts_of(tree)
        words |= said
        for line, places in wanted:
            if not have.intersection(places):
                yield f"{source}:{line}: en.json lacks {places[0]}"
    for key in english.get("exceptions", {}):
        if key not in words:
            yield f"en.json: exceptions.{key} is used nowhere"


def check_services(repository: Repository) -> Problems:
    """Check that services.yaml, its translations and its icons name the same actions and fields."""
    services = repository.services or {}
    icons = repository.json(repository.package / "icons.json") or {}
    if services:
        yield from difference(
            "icons.json: services",
            set(services),
            set(icons.get("services", {})),
            ("services.yaml", "icons.json"),
        )
    for language, tree in repository.translations.items():
        texts = tree.get("services", {})
        sides = ("services.yaml", f"{language}.json")
        yield from difference("services", set(services), set(texts), sides)
        for name in services.keys() & texts.keys():
            fields: set[str] = set()
            for key, field in ((services[name] or {}).get("fields") or {}).items():
                fields |= set(field["fields"]) if "fields" in (field or {}) else {key}
            said = texts[name].get("fields", {})
            yield from difference(f"services.{name}.fields", fields, set(said), sides)
            for where, entry in ((name, texts[name]), *said.items()):
                if missing := {"name", "description"} - entry.keys():
                    yield f"{language}.json: services.{name} ({where}) lacks {sorted(missing)}"
    for name, service in services.items():
        if "device" in ((service or {}).get("target") or {}):
            yield f"services.yaml: {name} filters its target by device"


def check_icons(repository: Repository) -> Problems:
    """Check that icons are icons, and belong to entities and states that have a text."""
    icons = repository.json(repository.package / "icons.json")
    if icons is None:
        return
    for path, value in leaves(icons):
        if not isinstance(value, str) or not ICON.fullmatch(value):
            yield f"icons.json: {'.'.join(path)} is {value!r}, not an mdi icon"
    texts = repository.translations.get("en", {}).get("entity", {})
    for platform, entities in icons.get("entity", {}).items():
        for key, icon in entities.items():
            known = texts.get(platform, {}).get(key)
            if known is None:
                yield f"icons.json: entity.{platform}.{key} has no text in en.json"
                continue
            states = known.get("state", {})
            for state in icon.get("state", {}):
                if states and state not in states:
                    yield f"icons.json: entity.{platform}.{key} has an icon for {state}, which is no state"
