"""What is to be seen in each recording: a labels file read, checked and spread out to single clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hub.errors import ConfigError, Mistake

Only = Literal["falling_object", "thermal_fire", "sensors"]
SECTIONS: Final[tuple[Only, ...]] = ("falling_object", "thermal_fire", "sensors")


class _Loose(BaseModel):
    """Keys not named here are notes."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class Truth(_Loose):
    """A moment that a correct detector reports once. Seconds from the start of the file, or from ignition."""

    start: float
    end: float | None = None
    level: Literal["fire", "pre_alarm"] | None = None
    found_by: Literal["alarm", "suspected"] = "alarm"


class Calibration(_Loose):
    """What commissioning would have given for the camera: see Geometry of the falling-object detector."""

    vanishing_row: float | None = None


class Channel(_Loose):
    """One column of a table: whose reading it is."""

    device: str
    metric: str
    unit: str = ""


class Label(_Loose):
    """One line of the labels file."""

    file: str
    truth: tuple[Truth, ...] = ()
    tolerate: tuple[str, ...] = ()
    calibration: Calibration | None = None
    sequence: bool = False
    seconds_between: float = 1.0
    still: float | None = None
    kind: str = ""
    time_column: str = ""
    channels: dict[str, Channel] = {}


class Clip(_Loose):
    """One recording, or one sequence of pictures, with its label."""

    name: str
    files: tuple[Path, ...]
    label: Label


def read_labels(path: Path, directory: Path, sections: Sequence[Only] = SECTIONS) -> dict[Only, list[Clip]]:
    """The clips of each of these detectors. Raises ConfigError when the file can't be read or names no file."""
    try:
        document: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Mistake(str(path), 1, 1, "", f"can't be read: {error}")]) from error
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise ConfigError([Mistake(str(path), line, column, "", "this is no YAML")]) from error
    if not isinstance(document, dict):
        raise ConfigError([Mistake(str(path), 1, 1, "", "expected sections such as falling_object")])
    mistakes: list[Mistake] = []
    found: dict[Only, list[Clip]] = {}
    for section in sections:
        clips: list[Clip] = []
        for index, entry in enumerate(document.get(section) or []):
            where = f"{section}.{index}"
            try:
                label = Label.model_validate(entry)
            except ValidationError as error:
                for detail in error.errors():
                    field = ".".join(map(str, detail["loc"]))
                    mistakes.append(Mistake(str(path), 1, 1, f"{where}.{field}", detail["msg"]))
                continue
            spread = _spread(label, directory)
            if not spread:
                mistakes.append(Mistake(str(path), 1, 1, where, f"no file matches {label.file}"))
            clips += spread
        found[section] = clips
    if mistakes:
        raise ConfigError(mistakes)
    return found


def _spread(label: Label, directory: Path) -> list[Clip]:
    wild = any(sign in label.file for sign in "*?[")
    files = sorted(directory.glob(label.file)) if wild else [directory / label.file]
    files = [file for file in files if file.is_file()]
    if not files:
        return []
    if label.sequence:
        return [Clip(name=label.file, files=tuple(files), label=label)]
    return [Clip(name=str(file.relative_to(directory)), files=(file,), label=label) for file in files]
