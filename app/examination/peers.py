"""Who the hub talks to: hotline, robots, cameras. Only whether a connection opens; nothing is ever sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from app.examination.finding import Finding
from hub.errors import ConfigError
from hub.settings.city import City
from hub.settings.deployment import Deployment

PATIENCE: Final = 3.0
AT_ONCE: Final = 64
NAMED: Final = 20
"""So many unreachable cameras are named; what is beyond is only counted."""

_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


class _Door(msgspec.Struct, frozen=True):
    host: str
    port: int

    @classmethod
    def of(cls, address: str) -> _Door | None:
        """Where an address leads, without its path and credentials; None for what is no network address."""
        parts = urlsplit(address)
        if not parts.hostname or parts.scheme not in _PORTS:
            return None
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def reachable(host: str, port: int) -> str:
    """ "" when a TCP connection opens, else why it does not."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""


async def peers(deployment: Deployment) -> AsyncIterator[Finding]:
    """The hotline and the robots, one line for each host."""
    doors: dict[_Door, list[str]] = {}
    hotline = deployment.bridge.hotline
    addresses = {"hotline": hotline.url} if hotline else {}
    addresses |= {f"robot {name}": robot.url for name, robot in deployment.channels.robots.items()}
    for name, address in addresses.items():
        if (door := _Door.of(address)) is not None:
            doors.setdefault(door, []).append(name)
    for (door, names), problem in zip(doors.items(), await _knock(doors), strict=True):
        said = f"{door} ({', '.join(names)})"
        if problem:
            remedy = "check network and firewall; messages wait in the outbox until it is back"
            yield Finding("peers", "trouble", f"{said}: {problem}", remedy)
        else:
            yield Finding("peers", "ok", f"{said} opens")
    if hotline is None:
        yield Finding("peers", "note", "no hotline is configured: nothing goes to 12345")


async def cameras(deployment: Deployment, city: City) -> AsyncIterator[Finding]:
    """Every camera that is fetched from somewhere: a sum, and who can't be reached."""
    doors: dict[str, _Door] = {}
    for camera in city.cameras.values():
        try:
            address = deployment.stream_address(camera)
        except ConfigError as error:
            yield Finding("cameras", "trouble", str(error), "correct 'cameras:' in hub.yaml, or put the secret there")
            continue
        if address is not None and (door := _Door.of(address)) is not None:
            doors[camera.id] = door
    distinct = sorted(set(doors.values()), key=str)
    problems = dict(zip(distinct, await _knock(distinct), strict=True))
    away = {name: door for name, door in doors.items() if problems[door]}
    for name, door in list(away.items())[:NAMED]:
        remedy = "check power and network, and its address in configs/sites/"
        yield Finding("cameras", "trouble", f"{name} at {door}: {problems[door]}", remedy)
    if len(away) > NAMED:
        yield Finding("cameras", "trouble", f"and {len(away) - NAMED} more can't be reached", "probably one network")
    if len(doors) > len(away):
        yield Finding("cameras", "ok", f"{len(doors) - len(away)} of {len(doors)} answer")


async def _knock(doors: Iterable[_Door]) -> list[str]:
    few = asyncio.Semaphore(AT_ONCE)

    async def one(door: _Door) -> str:
        async with few:
            return await reachable(door.host, door.port)

    return list(await asyncio.gather(*(one(door) for door in doors)))
