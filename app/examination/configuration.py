"""The settings folder as `check` sees it, and whether every secret is where hub.yaml says it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.examination.finding import Finding
from app.sections import DECODERS, SECTIONS
from hub.errors import ConfigError, Mistake
from hub.settings.check import Checked, check
from hub.settings.deployment import Deployment, Secret


def settings(folder: Path) -> tuple[Checked | None, list[Finding]]:
    """What `property-hub check` says, in one line for each mistake."""
    try:
        checked = check(folder, SECTIONS, DECODERS)
    except ConfigError as error:
        return None, [Finding("settings", "trouble", str(error), "name the deployment file with --config")]
    found = [
        Finding("settings", "trouble", _placed(folder, mistake), "correct it there") for mistake in checked.mistakes
    ]
    found += [Finding("settings", "warning", _placed(folder, warning)) for warning in checked.warnings]
    if not checked.mistakes:
        city = checked.city
        sizes = f"{len(city.sites)} sites, {len(city.devices)} sensors, {len(city.cameras)} cameras"
        found.append(Finding("settings", "ok", f"{len(checked.documents)} files are sound: {sizes}"))
    return checked, found


def _placed(folder: Path, mistake: Mistake) -> str:
    """With the folder of its file; what the environment overrides lies in none."""
    return str(mistake) if mistake.file.startswith("environment ") else f"{folder}/{mistake}"


def secrets(deployment: Deployment) -> Iterator[Finding]:
    """Each secret can be read; none is ever shown."""
    count = absent = 0
    for path, secret in _secrets(deployment, ""):
        count += 1
        try:
            secret.read()
        except ConfigError as error:
            absent += 1
            yield Finding("secrets", "trouble", f"{path}: {error}", "set it, or name another source in hub.yaml")
    if not absent:
        yield Finding("secrets", "ok", f"all {count} that hub.yaml refers to can be read")


def _secrets(node: Any, path: str) -> Iterator[tuple[str, Secret]]:
    if isinstance(node, Secret):
        yield path, node
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _secrets(getattr(node, name), f"{path}.{name}" if path else name)
    elif isinstance(node, Mapping):
        for name, one in node.items():
            yield from _secrets(one, f"{path}.{name}")
