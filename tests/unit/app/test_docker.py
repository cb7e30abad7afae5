"""The files for containers: sound by their schemas, and in agreement with one another."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from app.sections import DECODERS, SECTIONS
from hub.errors import ConfigError
from hub.settings.check import examine, read_folder
from hub.settings.deployment import Deployment

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(DOCKER / "compose.yaml")
    return loaded


def test_compose_follows_its_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DOCKER / "compose.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_deployment_loads_before_there_is_any_secret() -> None:
    deployment = Deployment.load(DOCKER / "hub.yaml", {})
    assert deployment.bus.servers == ("kafka:9092",)
    assert deployment.store.password is not None
    with pytest.raises(ConfigError, match="secret"):
        deployment.store.password.read()


def test_the_deployment_fits_the_places_and_people() -> None:
    files = read_folder(ROOT / "configs") | {"hub.yaml": (DOCKER / "hub.yaml").read_bytes()}
    assert examine(files, SECTIONS, DECODERS, folder=DOCKER, environ={}).mistakes == ()


def test_compose_and_deployment_say_the_same() -> None:
    file, deployment = compose(), Deployment.load(DOCKER / "hub.yaml", {})
    services = file["services"]
    assert {"kafka", "store", "mosquitto"} <= set(services)
    assert f"{deployment.web.port}:{deployment.web.port}" in services["web"]["ports"]
    named = {str(secret.file) for secret in (deployment.store.password,) if secret}
    named |= {str(robot.key.file) for robot in deployment.channels.robots.values() if robot.key}
    assert deployment.bridge.hotline is not None
    named.add(str(deployment.bridge.hotline.secret.file))
    assert named == {f"/run/secrets/{name}" for name in file["secrets"]}
    prometheus = YAML(typ="safe").load(DOCKER / "prometheus.yml")
    targets = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    roles = {name for name, service in services.items() if service.get("command", [""])[0] == "run"}
    assert set(targets) == {f"{role}:{deployment.metrics.port}" for role in roles}


def test_mosquitto_keeps_everything_for_a_hub_that_is_away() -> None:
    lines = (DOCKER / "mosquitto.conf").read_text().splitlines()
    assert "max_queued_messages 0" in lines
    assert "persistence true" in lines
