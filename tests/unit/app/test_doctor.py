"""What the doctor says without asking anybody: marks, redaction, the disk, the lock, secrets."""

from pathlib import Path

import pytest

from app.examination.configuration import secrets, settings
from app.examination.finding import Finding
from app.examination.machine import data_folder, programs, running
from app.examination.peers import _Door
from app.whole import sole
from hub.settings.deployment import Deployment, DiskPart


def test_no_line_shows_credentials() -> None:
    finding = Finding("peers", "trouble", "rtsp://admin:geheim@10.0.0.2/1 fails", "try https://x/?key=abc")
    told = finding.line() + str(finding.as_dict())
    assert "geheim" not in told
    assert "abc" not in told
    assert "-> try" in finding.line()


def test_only_trouble_is_not_ok() -> None:
    states = {state: Finding("x", state, "").ok for state in ("ok", "note", "warning", "trouble")}
    assert states == {"ok": True, "note": True, "warning": True, "trouble": False}


def test_versions_are_told() -> None:
    subjects = {finding.subject: finding for finding in programs()}
    assert subjects["hub"].state == "ok"
    assert "paho-mqtt 2" in subjects["packages"].says


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        (("0.0002 %", "0.0001 %", "0 MiB"), "ok"),
        (("99.9999 %", "0.0001 %", "0 MiB"), "warning"),
        (("99.9999 %", "99.9998 %", "0 MiB"), "trouble"),
        (("0.0002 %", "0.0001 %", "1000000000 GiB"), "trouble"),
    ],
)
def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path, limits: tuple[str, str, str], state: str) -> None:
    disk = DiskPart.model_validate(dict(zip(("warn_free", "shrink_free", "reserve"), limits, strict=True)))
    assert {f.subject: f.state for f in data_folder(tmp_path, disk)} == {"data": "ok", "disk": state}


def test_a_data_folder_that_is_a_file_is_trouble(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert [f.state for f in data_folder(tmp_path / "data", DiskPart())] == ["trouble"]


def test_a_data_folder_that_is_not_made_yet_is_fine(tmp_path: Path) -> None:
    first = next(iter(data_folder(tmp_path / "a" / "b", DiskPart())))
    assert first.ok
    assert not (tmp_path / "a").exists()


def test_the_running_hub_is_known_by_its_lock(tmp_path: Path) -> None:
    assert running(tmp_path) == ""
    with sole(tmp_path):
        assert running(tmp_path).isdigit()
    assert running(tmp_path) == ""


def test_each_secret_that_is_missing_is_named_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("streng-geheim")
    file = tmp_path / "hub.yaml"
    file.write_text(
        "bridge: {hotline: {url: 'http://h/orders', secret: {env: NOT_SET_ANYWHERE}}}\n"
        "channels: {robots: {a: {kind: wecom, url: 'http://r/', key: {file: token}}}}\n"
    )
    found = list(secrets(Deployment.load(file, {})))
    assert [f.state for f in found] == ["trouble"]
    assert found[0].says.startswith("bridge.hotline.secret: ")
    assert "NOT_SET_ANYWHERE" in found[0].says
    assert "streng-geheim" not in "".join(f.line() for f in found)


def test_each_mistake_in_the_settings_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "city.yaml").write_text("name: 云川市\nnonsense: 1\n")
    (tmp_path / "hub.yaml").write_text("web: {port: eighty}\n")
    checked, found = settings(tmp_path)
    assert checked is not None
    assert any("hub.yaml:1:" in f.says and not f.ok for f in found)
    assert any("city.yaml:2:" in f.says and not f.ok for f in found)


@pytest.mark.parametrize(
    ("address", "door"),
    [
        ("rtsp://user:pa@ss@10.0.0.2/1", "10.0.0.2:554"),
        ("https://robots.example/send?key=1", "robots.example:443"),
        ("http://[::1]:8080/x", "[::1]:8080"),
        ("file:///recordings/a.mp4", "None"),
        ("/recordings", "None"),
    ],
)
def test_where_an_address_leads(address: str, door: str) -> None:
    assert str(_Door.of(address)) == door
