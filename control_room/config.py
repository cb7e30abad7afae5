"""How the page is served: where, with which certificate, and which files of the hub it may show."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import msgspec

from hub.errors import ConfigError


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT broker as the self-test reaches it. `kind`: "mosquitto", "amqtt" or "external"; `note` warns people."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    kind: str = "external"
    note: str = ""


class WebConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What app/wiring.py tells the page.

    `data` is the hub's own folder (certificates, the first password). `certificate` and `key` are the operator's own
    PEM files; without them the hub makes its own off loopback. `proxy`: a reverse proxy in front ends TLS.
    `names`: further host names or addresses the certificate is for. `link_secret` signs addresses for the hotline.
    `roles` are the processes that must be running; `broker` where the self-test is published (None: no self-test).
    """

    data: Path
    evidence: Path
    host: str = "127.0.0.1"
    port: int = 8321
    certificate: Path | None = None
    key: Path | None = None
    proxy: bool = False
    names: tuple[str, ...] = ()
    instance: str = "web"
    version: str = "0"
    roles: tuple[str, ...] = ()
    broker: Broker | None = None
    link_secret: bytes = b""
    force_tls: bool = False

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        return is_loopback(self.host)

    @property
    def tls(self) -> bool:
        """Whether the page itself speaks TLS: off loopback always, unless a named proxy does it in front."""
        if self.certificate is not None or self.force_tls:
            return True
        return not self.loopback and not self.proxy

    @property
    def secure(self) -> bool:
        """Whether browsers see https, so that cookies may be for https alone."""
        return self.tls or self.proxy


def is_loopback(host: str) -> bool:
    """Whether this listening address is reached from this machine alone. Raises ConfigError when it is none."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError as error:
        raise ConfigError(
            f"web.host: {host!r} is no address to listen on; write an IP address such as 0.0.0.0"
        ) from error
