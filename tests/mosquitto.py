"""A real MQTT broker for tests, as the hub itself starts it; a fresh one for each test.

    async def test_x(mosquitto: EmbeddedBroker)     Debian's mosquitto; carries the marker `mosquitto`
    async def test_x(guarded: EmbeddedBroker)       the same with TLS and an account; see AUTHORITY, USER and PASSWORD
    async def test_x(amqtt: EmbeddedBroker)         the one that stands in where there is none

A missing mosquitto is a skip, and a failure when CI=true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ingest import broker
from ingest.broker import EmbeddedBroker, Guard
from tests.postgres import missing

AUTHORITY: Final = "ca.pem"
"""Under the test's tmp_path: what signed the guarded broker's certificate."""
USER, PASSWORD = "hub", "geheim-77"


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    if broker.mosquitto() is None:
        missing("no mosquitto")
    async with EmbeddedBroker(tmp_path / "mosquitto", kind="mosquitto") as running:
        yield running


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    if broker.mosquitto() is None:
        missing("no mosquitto")
    key = certified(tmp_path / AUTHORITY)
    guard = Guard(username=USER, password=PASSWORD, certificate=tmp_path / AUTHORITY, key=key)
    async with EmbeddedBroker(tmp_path / "guarded", host="127.0.0.1", guard=guard, kind="mosquitto") as running:
        yield running


def certified(file: Path) -> Path:
    """A certificate for 127.0.0.1 and localhost, signed by itself, in `file`; the file of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test broker")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    beside = file.with_suffix(".key")
    beside.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return beside


@pytest.fixture
async def amqtt(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker(tmp_path / "amqtt", kind="amqtt") as running:
        yield running


@pytest.hookimpl(tryfirst=True)  # before `-m mosquitto` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"mosquitto", "guarded"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.mosquitto)
