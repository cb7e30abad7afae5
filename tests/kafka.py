"""A real Apache Kafka for tests: one broker for the session, topics of their own for each test.

    def test_x(kafka_servers: str)         "127.0.0.1:PORT" of a broker without topics; use a prefix of your own
    async def test_x(kafka_place: KafkaPlace)   opens KafkaBuses on fresh topics (tests.bus_places.TOPICS)

Tests that use them carry the marker `kafka`. The jars come through Maven, once, into .cache/kafka-jars. Where Java or
Maven are missing it is a skip, and a failure when CI=true.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NoReturn

import pytest

from hub.bus.kafka import KafkaBus
from tests.bus_places import TOPICS, LedgerBus

_ROOT: Final = Path(__file__).resolve().parent.parent
_JARS: Final = _ROOT / ".cache" / "kafka-jars"
_POM: Final = _ROOT / "tests" / "kafka-broker.pom.xml"


@pytest.fixture(scope="session")
def kafka_servers() -> Iterator[str]:
    """The address of a broker that lives as long as the tests."""
    jars = kafka_jars()
    with tempfile.TemporaryDirectory(prefix="kafka-") as directory:
        broker = Broker(jars, Path(directory))
        broker.start()
        try:
            yield broker.servers
        finally:
            broker.stop()


@pytest.fixture
def kafka_place(kafka_servers: str) -> KafkaPlace:
    """Buses on topics that no other test uses."""
    return KafkaPlace(kafka_servers)


class KafkaPlace:
    """Buses over one cluster, apart from others' by a prefix."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        self.prefix = f"t-{uuid.uuid4().hex[:8]}-"
        self._made = False

    @asynccontextmanager
    async def open(self, session: float = 10.0) -> AsyncIterator[LedgerBus]:
        """A bus of its own, with connections of its own."""
        async with KafkaBus(self.servers, prefix=self.prefix, session=session) as bus:
            if not self._made:
                await bus.ensure_topics(TOPICS)
                self._made = True
            yield bus


class Broker:
    """One broker that is its own controller, on two free ports of the loopback interface."""

    def __init__(self, jars: Path, directory: Path) -> None:
        self._jars = jars
        self._directory = directory
        self._ports = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self.servers = f"127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Start it (again), and wait until it answers. Its log is in `directory`."""
        settings = self._directory / "server.properties"
        if not settings.exists():
            settings.write_text(self._settings())
            identity = self._java("kafka.tools.StorageTool", "random-uuid").strip().splitlines()[-1]
            self._java("kafka.tools.StorageTool", "format", "-t", identity, "-c", str(settings))
        with (self._directory / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command("-Xmx512m"), "kafka.Kafka", str(settings)], stdout=output, stderr=output
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"Kafka did not start:\n{(self._directory / 'broker.log').read_text()[-4000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a power cut would end the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it, gently at first."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self._ports[0])) == 0

    def _command(self, *options: str) -> list[str]:
        return ["java", *options, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self._jars}/*"]

    def _java(self, *arguments: str) -> str:
        done = subprocess.run([*self._command(), *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _settings(self) -> str:
        broker, controller = self._ports
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": self._directory / "log",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "message.max.bytes": 10485760,
            "replica.fetch.max.bytes": 10485760,
            "auto.create.topics.enable": "false",
            "log.index.size.max.bytes": 65536,
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def kafka_jars() -> Path:
    """The folder of Kafka's jars. Skips or fails the test when they can't be had."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None and not (program == "mvn" and _JARS.exists()):
            _missing(f"a real Kafka needs {program}")
    if not _JARS.exists():
        draft = _JARS.with_name(f"kafka-jars.{os.getpid()}")
        command = ["mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            _missing(f"Maven could not fetch Kafka: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        draft.rename(_JARS)
    return _JARS


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
