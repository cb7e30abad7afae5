"""TLS off loopback, with an authority of our own that people install once."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from control_room.certificate import SERVER_LIFE, TlsFiles, host_names, tls_files
from control_room.config import WebConfig
from hub.errors import ConfigError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def web(data: Path, **fields: Any) -> WebConfig:
    return WebConfig(**{"data": data, "evidence": data / "evidence", "host": "0.0.0.0", **fields})


def made(config: WebConfig, now: datetime = NOW) -> TlsFiles:
    files = tls_files(config, now)
    assert files is not None
    return files


def loaded(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_needs_none(tmp_path: Path, host: str) -> None:
    assert tls_files(web(tmp_path, host=host), NOW) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "2001:db8::7"])
def test_every_other_address_has_it(tmp_path: Path, host: str) -> None:
    config = web(tmp_path, host=host)
    assert config.secure
    assert tls_files(config, NOW) is not None


def test_a_named_proxy_does_it_instead(tmp_path: Path) -> None:
    config = web(tmp_path, proxy=True)
    assert tls_files(config, NOW) is None
    assert config.secure  # the browser speaks https to the proxy


def test_the_certificate_names_this_machine_and_was_signed_by_the_authority(tmp_path: Path) -> None:
    config = web(tmp_path, host="192.0.2.7", names=("hub.example",))
    files = made(config)
    assert files.authority is not None
    certificate, authority = loaded(files.certificate), loaded(files.authority)
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "hub.example" in names.get_values_for_type(x509.DNSName)
    assert "192.0.2.7" in map(str, names.get_values_for_type(x509.IPAddress))
    assert set(host_names(config)) >= {"localhost", "127.0.0.1", "hub.example", "192.0.2.7"}
    assert isinstance(authority.public_key(), ec.EllipticCurvePublicKey)
    assert len(files.fingerprint) == 32 * 3 - 1


def test_keys_are_for_the_hub_alone(tmp_path: Path) -> None:
    files = made(web(tmp_path))
    for path in (files.key, tmp_path / "tls" / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    first = made(web(tmp_path)).certificate.read_bytes()
    assert made(web(tmp_path)).certificate.read_bytes() == first


def test_a_new_name_or_a_near_end_makes_a_new_certificate_by_the_same_authority(tmp_path: Path) -> None:
    files = made(web(tmp_path))
    assert files.authority is not None
    authority, first = files.authority.read_bytes(), files.certificate.read_bytes()
    named = made(web(tmp_path, names=("new.example",)))
    second = named.certificate.read_bytes()
    assert second != first
    later = made(web(tmp_path, names=("new.example",)), NOW + SERVER_LIFE - timedelta(days=10))
    assert later.certificate.read_bytes() != second
    assert files.authority.read_bytes() == authority


def test_what_can_not_be_had_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file in the way")
    with pytest.raises(ConfigError, match=r"web\.proxy"):
        tls_files(web(tmp_path), NOW)
    with pytest.raises(ConfigError, match="needs its key"):
        tls_files(web(tmp_path, certificate=tmp_path / "own.crt"), NOW)
    with pytest.raises(ConfigError, match="can't be read"):
        tls_files(web(tmp_path, certificate=tmp_path / "own.crt", key=tmp_path / "own.key"), NOW)
    with pytest.raises(ConfigError, match="no address to listen on"):
        tls_files(web(tmp_path, host="hub.example"), NOW)
