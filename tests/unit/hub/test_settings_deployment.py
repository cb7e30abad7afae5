"""hub.yaml: where things are, secrets by reference, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from hub.errors import ConfigError, Mistake
from hub.settings.check import examine
from hub.settings.city import Camera
from hub.settings.deployment import Deployment, Secret, deploy
from hub.settings.document import parse
from tests.unit.hub.small_city import CITY, CONFIGS, HUB, SECTIONS, SITE, checked, only, where

HERE = Path("/etc/hub")


def deployed(text: str, **environ: str) -> Deployment:
    document = parse("hub.yaml", text.encode()).document
    assert document is not None
    deployment, mistakes = deploy(document, HERE, environ)
    assert mistakes == []
    assert deployment is not None
    return deployment


def refused(text: str, **environ: str) -> Mistake:
    document = parse("hub.yaml", text.encode()).document
    assert document is not None
    deployment, mistakes = deploy(document, HERE, environ)
    assert deployment is None
    assert len(mistakes) == 1, mistakes
    return mistakes[0]


def test_an_empty_file_is_an_embedded_hub() -> None:
    deployment = deployed("")
    assert (deployment.bus.kind, deployment.store.kind, deployment.mqtt.broker) == ("embedded",) * 3
    assert deployment.web.host == "127.0.0.1"
    assert deployment.mqtt.subscriptions["hub"].topic == "property/+/+/+"


def test_paths_count_from_the_file() -> None:
    deployment = deployed("data: ../var\nevidence: {directory: /srv/evidence}\n")
    assert deployment.data == Path("/etc/var")
    assert deployment.bus_directory == Path("/etc/var/bus")
    assert deployment.store_directory == Path("/etc/var/store")
    assert deployment.evidence_directory == Path("/srv/evidence")


def test_the_environment_wins_and_strangers_are_left_alone() -> None:
    environ = {
        "HUB_WEB__PORT": "9000",
        "HUB_DATA": "/srv/hub",
        "HUB_DISK__WARN_FREE": "20 %",
        "HUB_PORT": "tcp://10.0.0.1:80",
        "HUB_BROKER_KIND": "mosquitto",
        "PATH": "/bin",
    }
    deployment = deployed("web: {port: 80, host: 0.0.0.0}\n", **environ)
    assert (deployment.web.port, deployment.web.host) == (9000, "0.0.0.0")
    assert deployment.data == Path("/srv/hub")
    assert deployment.disk.warn_free == pytest.approx(0.2)


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    mistake = refused("", HUB_WEB__PROT="9000")
    assert mistake.file == "environment HUB_WEB__PROT"
    assert mistake.remedy == "did you mean 'port'?"


@pytest.mark.parametrize(
    ("text", "at", "problem", "remedy"),
    [
        ("mqtt:\n  password: hunter2\n", "hunter2", "a secret never stands in this file", "env"),
        ("mqtt:\n  password: 12345\n", "12345", "a secret never stands in this file", "file"),
        ("mqtt: {password: {file: a, env: B}}\n", "password", "name one source", "either"),
        ("store: {kind: postgres}\n", "store", "needs its address", ""),
        ("store:\n  kind: postgres\n  dsn: postgresql://hub:hunter2@db/hub\n", "postgresql:", "holds a password", ""),
        ("store: {kind: postgres, dsn: host=db password=hunter2}\n", "host=db", "holds a password", "refer to it"),
        ("bus: {kind: kafka}\n", "bus", "needs its addresses", "servers"),
        ("cameras: {bases: {nvr: 'rtsp://u:hunter2@h/'}}\n", "'rtsp", "holds a password", ""),
        (
            "channels:\n  robots:\n    a: {kind: wecom, url: 'https://q/send?key=hunter2'}\n",
            "'https",
            "holds a pass",
            "",
        ),
        ("web: {port: 80000}\n", "80000", "at most 65535", ""),
        ("web: {prot: 80}\n", "prot", "unknown key", "did you mean 'port'?"),
        ("bus: {kind: kafak}\n", "kafak", "none of the words", "did you mean 'kafka'?"),
        ("disk: {warn_free: 0.15}\n", "0.15", "0.15 has no unit", "0.15 %"),
        ("disk: {warn_free: 5 %, shrink_free: 10 %}\n", "10 %", "is above warn_free", "first"),
        ("retention: {vedio: {keep: 3 min}}\n", "vedio", "none of the words", "did you mean 'video'?"),
        ("bridge: {hotline: {url: ftp://x/y, secret: {env: A}}}\n", "ftp", "does not fit", "http"),
        ("mqtt:\n  subscriptions:\n    a: {topic: x, mapping: b}\n", "b}", "there is no mapping 'b'", ""),
    ],
)
def test_points_at_each_mistake(text: str, at: str, problem: str, remedy: str) -> None:
    mistake = refused(text)
    assert problem in mistake.problem
    assert remedy in mistake.remedy
    assert (mistake.line, mistake.column) == where(text, at)
    assert "hunter2" not in str(mistake)


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert Secret(file=tmp_path / "key").read({}) == "s3cret"
    assert Secret(env="KEY").read({"KEY": "s3cret"}) == "s3cret"
    with pytest.raises(ConfigError, match="KEY is empty or not set"):
        Secret(env="KEY").read({})
    with pytest.raises(ConfigError, match="can't be read"):
        Secret(file=tmp_path / "none").read({})


def test_a_cameras_address_is_put_together_when_it_is_needed() -> None:
    deployment = deployed(HUB)
    camera = Camera(id="cuihu/a", site="cuihu", place="cuihu/b3", name="a", stream="nvr:/b3", secret="nvr")
    address = deployment.stream_address(camera, {"NVR_PASSWORD": "p@ss/word"})
    assert address == "rtsp://hub:p%40ss%2Fword@10.0.0.2:554/live/b3"
    plain = Camera(id="cuihu/b", site="cuihu", place="cuihu/b3", name="b", address="rtsp://10.0.0.9/1")
    assert deployment.stream_address(plain, {}) == "rtsp://10.0.0.9/1"
    thermal = Camera(id="cuihu/c", site="cuihu", place="cuihu/b3", name="c", kind="thermal")
    assert deployment.stream_address(thermal, {}) is None
    with pytest.raises(ConfigError, match="no camera base 'nvx'"):
        deployment.stream_address(plain.model_copy(update={"stream": "nvx:/b3"}), {})


def test_load_tells_every_mistake_or_that_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    with pytest.raises(ConfigError, match="--config"):
        Deployment.load(path, {})
    path.write_text("web: {port: x}\nbus: {kind: y}\n")
    with pytest.raises(ConfigError) as caught:
        Deployment.load(path, {})
    assert [m.line for m in caught.value.mistakes] == [1, 2]
    assert Deployment.load(CONFIGS / "hub.yaml", {}).data == CONFIGS.parent / "var"


class Mapped(BaseModel):
    model_config = ConfigDict(extra="forbid")
    topic: str


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("{decoder: jsn, topic: x}", "jsn", "no decoder 'jsn'"),
        ("{decoder: mapped, topic: x}", "a: {", "needs a mapping"),
        ("{decoder: plain, topic: x, mapping: m}", "mapping: m", "takes no mapping"),
        ("{decoder: mapped, topic: x, mapping: m}", "tropic", "unknown key 'tropic'"),
    ],
)
def test_decoders_and_their_mappings_are_checked(text: str, at: str, problem: str) -> None:
    hub = f"{HUB}mqtt:\n  mappings:\n    m: {{topic: x, tropic: y}}\n  subscriptions:\n    a: {text}\n"
    files = {"hub.yaml": hub, "city.yaml": CITY, "sites/cuihu.yaml": SITE}
    raw = {name: content.encode() for name, content in files.items()}
    mistake = only(examine(raw, SECTIONS, {"plain": None, "mapped": Mapped}, environ={}))
    assert problem in mistake.problem
    assert (mistake.line, mistake.column) == where(hub, at)
    assert checked(hub=hub).mistakes == ()


@pytest.mark.parametrize(
    ("dsn", "fine"),
    [
        ("postgresql://hub@store/hub", True),
        ("postgresql://hub@store/hub?sslmode=require", True),
        ("postgresql://hub:geheim@store/hub", False),
        ("postgresql://hub:a@b@store/hub", False),
        ("postgresql://hub@store/hub?password=geheim", False),
    ],
)
def test_a_users_name_may_stand_in_an_address_and_a_password_may_not(tmp_path: Path, dsn: str, fine: bool) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text(f"store: {{kind: postgres, dsn: '{dsn}'}}\n")
    if fine:
        assert Deployment.load(file, {}).store.dsn == dsn
    else:
        with pytest.raises(ConfigError, match="password"):
            Deployment.load(file, {})
