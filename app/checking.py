"""`property-hub check`: the same check that the running hub makes, on paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.sections import DECODERS, SECTIONS
from hub.settings.check import check, report, root_of


def check_paths(paths: Sequence[Path], *, as_json: bool) -> int:
    """Check each file or folder and print what is wrong. Returns the exit code: 0 sound, 2 mistakes."""
    code = 0
    found = []
    for path in paths:
        checked = check(path, SECTIONS, DECODERS)
        code = 2 if checked.mistakes else code
        if as_json:
            found.append(
                {
                    "path": str(path),
                    "ok": not checked.mistakes,
                    "mistakes": msgspec.to_builtins(checked.mistakes),
                    "warnings": msgspec.to_builtins(checked.warnings),
                }
            )
        else:
            print(report(checked, f"{path if path.is_dir() else root_of(path)}/"))
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    return code
