"""Checks of what Home Assistant's hassfest and the HACS action look at, and of our own tables.

``python scripts/_checks.py`` prints every problem and ends with 1 if there is one. A file that does
not exist is nobody's problem here: ``tests/test_repository.py`` says which files must exist.
"""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
import re
import struct
import sys
import tomllib
from typing import Final

from _checks_texts import (
    check_flow_texts,
    check_icons,
    check_services,
    check_translations,
    check_used_texts,
)
from _repository import Problems, Repository

MANIFEST_REQUIRED: Final = frozenset(
    "codeowners documentation domain integration_type iot_class issue_tracker name requirements version".split()
)
MANIFEST_KNOWN: Final = MANIFEST_REQUIRED | frozenset(
    "after_dependencies bluetooth categories config_flow connectivity dependencies dhcp disabled homekit "
    "import_executor loggers mqtt preview_features quality_scale requirements single_config_entry ssdp usb "
    "zeroconf".split()
)
IOT_CLASSES: Final = frozenset(
    "assumed_state calculated cloud_polling cloud_push local_polling local_push".split()
)
INTEGRATION_TYPES: Final = frozenset(
    "device entity hardware helper hub service system virtual".split()
)
# hassfest lets these be imported undeclared: entity platforms and what always runs.
UNDECLARED_IMPORTS: Final = frozenset(
    "alarm_control_panel binary_sensor button calendar climate cover date datetime event fan humidifier image "
    "lock number select sensor siren switch text time update valve water_heater weather "
    "automation conversation device_automation diagnostics frontend group homeassistant "
    "persistent_notification repairs script system_health template webhook websocket_api zone".split()
)
HACS_KEYS: Final[dict[str, type | tuple[type, ...]]] = {
    "content_in_root": bool,
    "country": (str, list),
    "filename": str,
    "hacs": str,
    "hide_default_branch": bool,
    "homeassistant": str,
    "name": str,
    "persistent_directory": str,
    "render_readme": bool,
    "zip_release": bool,
}
# shortest side in pixels, from and to; an icon is square and of the larger size
BRAND_SIZES: Final = {
    "icon.png": (256, 256),
    "icon@2x.png": (512, 512),
    "dark_icon.png": (256, 256),
    "dark_icon@2x.png": (512, 512),
    "logo.png": (128, 256),
    "logo@2x.png": (256, 512),
    "dark_logo.png": (128, 256),
    "dark_logo@2x.png": (256, 512),
}
VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc|-alpha\.|-beta\.|-rc\.)\d+)?")
REQUIREMENT: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(?:==[\w.]+|(?:(?:>=|>|<|<=|~=|!=)[\w.]+)(?:,(?:>=|>|<|<=|~=|!=)[\w.]+)*)"
)


def check_manifest(repository: Repository) -> Problems:
    """Check manifest.json as hassfest and HACS do."""
    manifest = repository.manifest
    if manifest is None:
        return
    keys = list(manifest)
    ordered = sorted(keys, key=lambda key: (key != "domain", key != "name", key))
    if keys != ordered:
        yield f"manifest: keys are not sorted (domain, name, then by alphabet): {keys}"
    if missing := MANIFEST_REQUIRED - manifest.keys():
        yield f"manifest: lacks {sorted(missing)}"
    if unknown := manifest.keys() - MANIFEST_KNOWN:
        yield f"manifest: unknown keys {sorted(unknown)}"
    if manifest.get("domain") != repository.package.name:
        yield f"manifest: domain is not the folder's name {repository.package.name}"
    for key in ("documentation", "issue_tracker"):
        url = manifest.get(key, "")
        if not url.startswith("https://") or "www.home-assistant.io" in url:
            yield f"manifest: {key} is not an https address of our own: {url!r}"
    owners = manifest.get("codeowners", [])
    if not owners or not all(owner.startswith("@") for owner in owners):
        yield f"manifest: codeowners must begin with @: {owners}"
    if manifest.get("iot_class") not in IOT_CLASSES:
        yield f"manifest: unknown iot_class {manifest.get('iot_class')!r}"
    if manifest.get("integration_type") not in INTEGRATION_TYPES:
        yield f"manifest: unknown integration_type {manifest.get('integration_type')!r}"
    if not VERSION.fullmatch(manifest.get("version", "")):
        yield f"manifest: version {manifest.get('version')!r} is not like 1.2.3"
    for requirement in manifest.get("requirements", []):
        if not REQUIREMENT.fullmatch(requirement):
            yield f"manifest: requirement {requirement!r} is not pinned or ranged"
    if manifest.get("config_flow") and not (repository.package / "config_flow.py").is_file():
        yield "manifest: config_flow is true, but config_flow.py is missing"


def check_versions(repository: Repository) -> Problems:
    """Check that the version is the same everywhere."""
    manifest, path = repository.manifest, repository.root / "pyproject.toml"
    if manifest is None or not path.is_file():
        return
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"]
    if project != manifest.get("version"):
        yield f"version: pyproject.toml says {project}, the manifest {manifest.get('version')}"


@cache
def _imported_components(tree: ast.Module) -> frozenset[str]:
    """Return the components of Home Assistant that a module imports outside ``TYPE_CHECKING``."""
    prefix = "homeassistant.components"
    found = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == prefix:
            names = [f"{prefix}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        else:
            continue
        found |= {
            name.removeprefix(f"{prefix}.").partition(".")[0]
            for name in names
            if name.startswith(f"{prefix}.")
        }
    return frozenset(found)


def check_dependencies(repository: Repository) -> Problems:
    """Check that components which are imported are declared in the manifest."""
    manifest = repository.manifest
    if manifest is None:
        return
    declared = {*manifest.get("dependencies", ()), *manifest.get("after_dependencies", ())}
    for path, tree in repository.sources():
        # a platform is loaded by the component whose name it has
        allowed = declared | UNDECLARED_IMPORTS | {Path(path).stem}
        for component in sorted(_imported_components(tree) - allowed):
            yield f"{path}: imports {component}, which the manifest does not declare"


def check_setup(repository: Repository) -> Problems:
    """Check that an integration with ``async_setup`` has a ``CONFIG_SCHEMA``."""
    path = repository.package / "__init__.py"
    if not path.is_file():
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    text = path.read_text(encoding="utf-8")
    if "async_setup" in functions and not re.search(r"^CONFIG_SCHEMA\b", text, re.MULTILINE):
        yield "__init__.py: async_setup without CONFIG_SCHEMA"


def check_hacs(repository: Repository) -> Problems:
    """Check hacs.json by the schema of HACS."""
    hacs = repository.json(repository.root / "hacs.json")
    if hacs is None:
        return
    if not hacs.get("name"):
        yield "hacs.json: lacks name"
    for key, value in hacs.items():
        if key not in HACS_KEYS:
            yield f"hacs.json: unknown key {key}"
        elif not isinstance(value, HACS_KEYS[key]):
            yield f"hacs.json: {key} has the wrong type"
    if hacs.get("zip_release") and not str(hacs.get("filename", "")).endswith(".zip"):
        yield "hacs.json: zip_release needs the filename of a zip"
    if not re.fullmatch(r"\d{4}\.\d{1,2}\.\d+", hacs.get("homeassistant", "2026.10.0")):
        yield "hacs.json: homeassistant is not a version like 2026.10.0"


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG in pixels. Raises ``ValueError`` if it is none."""
    head = path.read_bytes()[:24]
    if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        raise ValueError(f"{path.name} is not a PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def check_brand(repository: Repository) -> Problems:
    """Check the sizes of the brand images."""
    for path in sorted((repository.package / "brand").glob("*")):
        if path.name not in BRAND_SIZES:
            yield f"brand: {path.name} is not a name that Home Assistant knows"
            continue
        try:
            width, height = png_size(path)
        except ValueError as error:
            yield f"brand: {error}"
            continue
        least, most = BRAND_SIZES[path.name]
        if not least <= min(width, height) <= most:
            yield f"brand: {path.name} is {width} x {height}, its shorter side not {least} to {most}"
        if "icon" in path.name and width != height:
            yield f"brand: {path.name} is {width} x {height}, not square"


def check_layout(repository: Repository) -> Problems:
    """Check what HACS expects of the repository's shape."""
    folders = [path.name for path in (repository.root / "custom_components").glob("*/")]
    folders = [name for name in folders if name != "__pycache__"]
    if folders != [repository.package.name]:
        yield f"custom_components: holds {sorted(folders)}, HACS takes exactly one"


CHECKS: Final[tuple[Callable[[Repository], Problems], ...]] = (
    check_layout,
    check_manifest,
    check_versions,
    check_dependencies,
    check_setup,
    check_hacs,
    check_translations,
    check_flow_texts,
    check_used_texts,
    check_services,
    check_icons,
    check_brand,
)


def main() -> int:
    """Print every problem; return 1 if there is one."""
    repository = Repository()
    problems = [problem for check in CHECKS for problem in check(repository)]
    for problem in problems:
        print(problem)
    print(f"{len(CHECKS)} checks, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
