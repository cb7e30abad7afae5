"""`python -m simulator`: the demo's world as a process of its own.

Prints one JSON line when ready ({"ready": {...}}). With --commentary also {"progress": 0.4} while it renders and
{"happens": {...}} as the story goes on. Ends at SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import msgspec

from simulator.demo_world import demo_world
from simulator.run import Listener, run
from simulator.web import stopped, tell


def main() -> None:
    """Read the command line and run."""
    asyncio.run(_until_stopped(_options()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--mqtt", required=True, metavar="HOST:PORT")
    parser.add_argument("--mqtt-user", default=os.environ.get("SIMULATOR_MQTT_USER"))
    parser.add_argument("--rtsp-port", type=int, default=0)
    parser.add_argument("--robot-port", type=int, default=0)
    parser.add_argument("--hotline-port", type=int, default=0)
    parser.add_argument("--callback", metavar="URL", help="where the hotline tells its statuses")
    parser.add_argument("--cache", type=Path, required=True, help="where rendered films are kept")
    parser.add_argument("--without", action="append", default=[], help="leave this happening out; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--begin", choices=("watched", "at_once"), default="watched")
    parser.add_argument("--commentary", action="store_true")
    options = parser.parse_args()
    if not os.environ.get("HOTLINE_SECRET"):
        parser.error("the environment must hold HOTLINE_SECRET (whsec_<base64>)")
    return options


async def _until_stopped(options: argparse.Namespace) -> None:
    host, _, port = options.mqtt.rpartition(":")
    listener = Listener(ready=lambda ready: tell({"ready": msgspec.to_builtins(ready)}))
    if options.commentary:
        listener = msgspec.structs.replace(
            listener,
            progress=lambda share: tell({"progress": round(share, 3)}),
            happens=lambda told: tell({"happens": msgspec.to_builtins(told)}),
        )
    world = asyncio.create_task(
        run(
            demo_world(options.seed),
            mqtt_host=host,
            mqtt_port=int(port),
            rtsp_port=options.rtsp_port,
            robot_port=options.robot_port,
            hotline_port=options.hotline_port,
            hotline_secret=os.environ["HOTLINE_SECRET"],
            callback_url=options.callback,
            cache_dir=options.cache,
            without=frozenset(options.without),
            seed=options.seed,
            begin=options.begin,
            mqtt_user=options.mqtt_user,
            mqtt_password=os.environ.get("SIMULATOR_MQTT_PASSWORD"),
            listener=listener,
        )
    )
    stop = asyncio.create_task(stopped())
    await asyncio.wait({world, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in (world, stop):
        task.cancel()
    results = await asyncio.gather(world, stop, return_exceptions=True)
    if isinstance(results[0], Exception):
        raise results[0]


if __name__ == "__main__":
    main()
