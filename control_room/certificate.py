"""The hub's own certificate authority, for control rooms that have none: made on the first run, kept in its data."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control_room.config import WebConfig
from hub.errors import ConfigError

AUTHORITY_LIFE: Final = timedelta(days=3650)
SERVER_LIFE: Final = timedelta(days=397)
"""The longest that browsers accept from anyone."""
RENEW_BEFORE: Final = timedelta(days=30)


class TlsFiles(msgspec.Struct, frozen=True):
    """What the server needs. `authority` is the CA certificate that people install, None with the operator's own."""

    certificate: Path
    key: Path
    authority: Path | None

    @property
    def fingerprint(self) -> str:
        """The authority's SHA-256 as people compare it: pairs of hexadecimal digits; "" with the operator's own."""
        if self.authority is None:
            return ""
        return x509.load_pem_x509_certificate(self.authority.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()


def tls_files(config: WebConfig, now: datetime) -> TlsFiles | None:
    """The certificate to serve with, None where plain http is right. Raises ConfigError when it can't be had.

    Plain http is right on loopback and behind a named proxy. The hub's own server certificate is made anew when it is
    about to expire or this machine has an address that it does not name; the authority stays, so nobody installs twice.
    """
    if not config.tls:
        return None
    if config.certificate is not None:
        if config.key is None:
            raise ConfigError("web.tls: a certificate needs its key; write 'key: <path>' beside it")
        for path in (config.certificate, config.key):
            if not os.access(path, os.R_OK):
                raise ConfigError(f"web.tls: {path} can't be read")
        return TlsFiles(config.certificate, config.key, None)
    folder = config.data / "tls"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = _authority(folder, now)
        files = TlsFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt")
        names = host_names(config)
        if not _still_good(files, authority, names, now):
            _issue(files, authority, authority_key, names, now)
    except OSError as error:
        raise ConfigError(
            f"the page listens on {config.host}, which needs TLS, and no certificate can be kept in {folder}: {error}. "
            "Make the folder writable, name your own under 'web.tls', or put 'web.proxy: true' behind a TLS proxy"
        ) from error
    return files


def host_names(config: WebConfig) -> tuple[str, ...]:
    """The names and addresses under which people reach this machine, sorted."""
    names = {"localhost", "127.0.0.1", socket.gethostname(), *config.names}
    if config.host not in ("0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        names.add(config.host.strip("[]"))
    names |= set(_own_addresses())
    return tuple(sorted(name for name in names if name))


def _own_addresses() -> Sequence[str]:
    found = set()
    try:
        for *_, address in socket.getaddrinfo(socket.gethostname(), None):
            found.add(str(address[0]).split("%")[0])
    except OSError:
        pass  # a machine that does not know its own name; the route below says more
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Connecting a datagram socket sends nothing; it only asks which of our addresses would be used.
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
                found.add(str(probe.getsockname()[0]).split("%")[0])
            except OSError:
                continue
    return sorted(found)


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and certificate.not_valid_after_utc > now + SERVER_LIFE:
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Property hub"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Property hub CA {socket.gethostname()[:40]}"),
        ]
    )
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _pem(key), 0o600)
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key


def _still_good(files: TlsFiles, authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    if not (files.certificate.exists() and files.key.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {*covered.get_values_for_type(x509.DNSName), *map(str, covered.get_values_for_type(x509.IPAddress))}
    return (
        certificate.issuer == authority.subject
        and certificate.not_valid_after_utc > now + RENEW_BEFORE
        and known >= set(names)
    )


def _issue(
    files: TlsFiles,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:60] or "hub")])
    certificate = (
        _builder(subject, authority.subject, key.public_key(), now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(files.key, _pem(key), 0o600)
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - timedelta(hours=1)).astimezone(UTC))
        .not_valid_after((now + life).astimezone(UTC))
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    # The new file has its mode from its first byte on, and takes the old one's place in one step.
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    fresh.replace(path)
