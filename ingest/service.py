"""The ingest role: sensors, cameras and the recorder, each in a task of its own."""

from __future__ import annotations

import asyncio

import msgspec

from hub.bus import Bus
from hub.model import VideoChunk
from hub.progress import Progress
from hub.settings.city import City
from hub.settings.deployment import MqttPart
from hub.settings.revision import Settings
from hub.store import Store
from ingest.cameras import Address, Cameras
from ingest.decoders import decoder
from ingest.hopper import Hopper
from ingest.mqtt import MqttDoor, Subscribed
from ingest.mqtt_link import Broker
from ingest.outlet import Outlet
from ingest.recorder import record
from ingest.register import Register
from ingest.seen import Heard, Seen


class Doors(msgspec.Struct, frozen=True):
    """What the ingest role needs of the deployment: its broker, its subscriptions, and where a camera's stream is."""

    broker: Broker
    subscribed: tuple[Subscribed, ...]
    address: Address


async def run(bus: Bus, store: Store, settings: Settings, progress: Progress, doors: Doors) -> None:
    """Serve until cancelled. Raises ConfigError when the broker's certificates can't be used."""

    def city() -> City:
        return settings.current.city

    seen = Seen()
    outlet = Outlet(bus)

    def heard(chunk: VideoChunk) -> None:
        seen.hear(_heard(city(), chunk))

    # An outlet of its own: readings must not wait in line behind pictures.
    hopper = Hopper(Outlet(bus), heard)
    door = MqttDoor(doors.broker, doors.subscribed, Register(city), outlet, seen)
    cameras = Cameras(city, doors.address, hopper)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(door.run(progress.beat("mqtt")))
        tasks.create_task(hopper.run(progress.beat("video")))
        tasks.create_task(cameras.run(progress.beat("cameras")))
        tasks.create_task(seen.run(store, progress.beat("seen")))
        tasks.create_task(record(bus, store, progress.beat("recorder")))


def broker_of(part: MqttPart, kind: str = "") -> Broker:
    """The broker that hub.yaml names. `kind` is that of the embedded one ("mosquitto", "amqtt"), "" elsewhere.

    Raises ConfigError when the password can't be read.
    """
    tls = part.tls
    return Broker(
        host=part.host,
        port=part.port,
        client_id=part.client_id,
        protocol="v3.1.1" if kind == "amqtt" else part.protocol,
        username=part.username,
        password=part.password.read() if part.password else None,
        tls=tls is not None,
        ca=tls.ca if tls else None,
        certificate=tls.certificate if tls else None,
        key=tls.key if tls else None,
    )


def subscribed_of(part: MqttPart) -> tuple[Subscribed, ...]:
    """The subscriptions that hub.yaml names, with their decoders. Raises ConfigError when one can't be made."""
    return tuple(
        Subscribed(one.topic, decoder(one.decoder, part.mappings.get(one.mapping) if one.mapping else None))
        for one in part.subscriptions.values()
    )


def _heard(city: City, chunk: VideoChunk) -> Heard:
    camera = city.camera(chunk.camera)
    return Heard(
        device=chunk.camera,
        site=chunk.site,
        kind="camera",
        place=camera.place if camera else chunk.site,
        registered=camera is not None,
        at=chunk.at,
        arrived=chunk.at,
    )
