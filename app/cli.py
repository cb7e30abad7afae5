"""property-hub: the one command that people type."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import TyperException

from hub.errors import ConfigError, HubError

app = typer.Typer(
    help="Joins the sensors, cameras and panels of residential sites, finds emergencies and tells who must act.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
err = Console(stderr=True, highlight=False)

Config = Annotated[Path, typer.Option("--config", "-c", help="The deployment file; tuning and places lie beside it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DEFAULT_CONFIG = Path("configs/hub.yaml")


@app.command()
def run(
    role: Annotated[str, typer.Argument(help="all, or one of: ingest, detect, alerts, bridge, web")] = "all",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run the hub: all roles in supervised processes, or one of them in this process."""
    from app.roles import ROLES, run_role
    from app.whole import run_all

    if role == "all":
        _finish(run_all(config))
    elif role in ROLES:
        _finish(run_role(role, config))
    else:
        raise ConfigError(f"'{role}' is no role; use all or one of: {', '.join(ROLES)}")


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="End by itself after so many seconds; 0 runs until Ctrl-C.")] = 0.0,
    as_json: AsJson = False,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8321,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave something out of the simulated world: fall, smoke, hotspot, gas.")
    ] = None,
) -> None:
    """Run the whole hub on simulated sites: real RTSP, MQTT and HTTP, nothing to install, no Docker, no root."""
    from app.demo.play import run_demo

    _finish(run_demo(data.absolute(), port, seconds=seconds, as_json=as_json, without=frozenset(without or ())))


@app.command()
def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; the whole configuration by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check YAML: every mistake with file, line, column and remedy. Ends with code 2 when there is any."""
    from app.checking import check_paths

    raise typer.Exit(check_paths(paths or [DEFAULT_CONFIG.parent], as_json=as_json))


@app.command()
def evaluate(
    directory: Annotated[Path, typer.Argument(help="Where the recordings are.")],
    labels: Annotated[Path | None, typer.Option(help="The labels; DIRECTORY/labels.yaml by default.")] = None,
    only: Annotated[str | None, typer.Option(help="falling_object, thermal_fire or sensors")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the detectors over labelled recordings: found, false alarms with their bound, time to alert, cost."""
    from app.evaluate import evaluate as evaluated

    report = evaluated(directory, labels=labels, only=only, progress=_on_terminal() and not as_json)
    print(report.to_json() if as_json else report.to_text())


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording: video, thermal picture or sensor table.")],
    as_json: AsJson = False,
) -> None:
    """Run one recording through its detector and print the detections."""
    from app.replay import replay as replayed

    for line in replayed(file, as_json=as_json):
        print(line)


@app.command()
def migrate(config: Config = DEFAULT_CONFIG) -> None:
    """Bring the store's tables up to date."""
    from app.whole import migrate_store

    for name in asyncio.run(migrate_store(config)):
        print(name)


@app.command()
def doctor(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Say what is reachable, in which version, and what to do about the rest."""
    from app.doctor import examine

    findings = asyncio.run(examine(config))
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            print(finding.line())
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def main(words: list[str] | None = None) -> int:
    """The command's entry, with its words or those of the command line.

    A configuration mistake ends with code 2, any other trouble of the hub's with 1.
    """
    try:
        return int(app(words, standalone_mode=False) or 0)
    except ConfigError as error:
        err.print(str(error), style="red", soft_wrap=True, markup=False)
        return 2
    except HubError as error:
        err.print(str(error), style="red", soft_wrap=True, markup=False)
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except TyperException as error:
        err.print(f"{error}. See: property-hub --help", style="red", soft_wrap=True, markup=False)
        return 2


def _finish(work: Coroutine[Any, Any, int]) -> None:
    raise typer.Exit(asyncio.run(work))


def _on_terminal() -> bool:
    return sys.stderr.isatty()
