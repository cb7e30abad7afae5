"""Where this hub's own parts are: addresses, folders, limits. Secrets only by reference."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AfterValidator, Field, StrictBool, ValidationError, ValidationInfo, model_validator

from hub import topics
from hub.errors import ConfigError, Mistake
from hub.redact import redact
from hub.settings.city import Camera, Noun
from hub.settings.document import Document, parse, resolve
from hub.settings.node import Node, Position, merge
from hub.settings.quantity import Bytes, Ratio, Seconds
from hub.settings.text import HttpAddress, Id, Variable
from hub.settings.wording import explain

FILE: Final = "hub.yaml"
_PREFIX: Final = "HUB_"
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)[\w.%-]*@", re.IGNORECASE)


def _absolute(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(os.path.normpath(Path(folder) / path.expanduser()))


def _no_password(value: str) -> str:
    bare = _USER.sub(r"\1", value)  # a user's name alone is no secret: postgresql://hub@db/hub
    if redact(bare) != bare:
        raise ValueError("holds a password or key; keep it in a file or the environment and refer to it")
    return value


Folder = Annotated[Path, AfterValidator(_absolute)]
Address = Annotated[str, AfterValidator(_no_password)]
WebAddress = Annotated[HttpAddress, AfterValidator(_no_password)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Secret(Noun):
    """密钥的出处：文件或环境变量"""

    file: Folder | None = Field(None, description="内容为密钥的文件")
    env: Variable | None = Field(None, description="值为密钥的环境变量")

    @model_validator(mode="before")
    @classmethod
    def _never_literal(cls, value: Any) -> Any:
        if isinstance(value, str | int | float):
            raise ValueError("a secret never stands in this file; write '{file: <path>}' or '{env: <NAME>}'")
        return value

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("name one source; write either 'file:' or 'env:'")
        return self

    def read(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret itself. Raises ConfigError when its source is absent or empty."""
        if self.env is not None:
            text, where = environ.get(self.env, ""), f"the environment variable {self.env}"
        else:
            assert self.file is not None
            where = f"the file {self.file}"
            try:
                text = self.file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"a secret can't be read from {where}: {error}") from error
        if not text:
            raise ConfigError(f"a secret is missing: {where} is empty or not set")
        return text


class Tls(Noun):
    """TLS 证书"""

    certificate: Folder = Field(description="证书文件（PEM）")
    key: Folder = Field(description="私钥文件（PEM）")


class ClientTls(Noun):
    """连接对方时的 TLS"""

    ca: Folder | None = Field(None, description="对方证书的签发机构（PEM）；不写则用系统自带的")
    certificate: Folder | None = Field(None, description="本机客户端证书")
    key: Folder | None = Field(None, description="本机客户端私钥")


class BusPart(Noun):
    """消息总线"""

    kind: Literal["embedded", "kafka"] = Field("embedded", description="embedded 本机文件，kafka 集群")
    directory: Folder | None = Field(None, description="embedded 的目录；不写则为 data 下的 bus")
    servers: tuple[str, ...] = Field((), description="Kafka 地址，例如 kafka-1:9092")
    tls: ClientTls | None = Field(None, description="Kafka 的 TLS；不写则不加密")
    username: str | None = Field(None, description="Kafka 用户名（SASL）")
    password: Secret | None = Field(None, description="Kafka 密码的出处")
    prefix: str = Field(
        "", pattern=r"^[a-z0-9-]{0,40}$", description="主题与消费组名称前的字样，供一个 Kafka 集群上的多个系统区分"
    )
    replication: int = Field(1, ge=1, le=5, description="新建主题的副本数（Kafka）")

    @model_validator(mode="after")
    def _servers_for_kafka(self) -> Self:
        if self.kind == "kafka" and not self.servers:
            raise ValueError("servers: a Kafka bus needs its addresses; write 'servers: [kafka-1:9092]'")
        return self


class StorePart(Noun):
    """数据库"""

    kind: Literal["embedded", "postgres"] = Field("embedded", description="embedded 随程序附带，postgres 外部数据库")
    directory: Folder | None = Field(None, description="embedded 的目录；不写则为 data 下的 store")
    dsn: Address | None = Field(None, description="PostgreSQL 地址，不含密码，例如 postgresql://hub@db/hub")
    password: Secret | None = Field(None, description="数据库密码的出处")

    @model_validator(mode="after")
    def _dsn_for_postgres(self) -> Self:
        if self.kind == "postgres" and self.dsn is None:
            raise ValueError("dsn: an external database needs its address; write 'dsn: postgresql://hub@db/hub'")
        return self


class Subscription(Noun):
    """一条 MQTT 订阅"""

    topic: str = Field(min_length=1, max_length=200, description="主题过滤器，例如 property/+/+/+")
    decoder: Id = Field("hub-json", description="解码方式：ingest/decoders 中的名字")
    mapping: Id | None = Field(None, description="decoder 为 json-mapping 时，所用 mappings 的名字")


class MqttPart(Noun):
    """MQTT"""

    broker: Literal["embedded", "external"] = Field(
        "embedded", description="embedded 由本程序启动，external 连接现有的"
    )
    host: str = Field("127.0.0.1", description="服务器地址")
    port: Port = Field(1883, description="端口；0 表示启动时任选（仅 embedded）")
    tls: ClientTls | None = Field(None, description="TLS；不写则不加密")
    username: str | None = Field(None, description="用户名")
    password: Secret | None = Field(None, description="密码的出处")
    protocol: Literal["v3.1.1", "v5"] = Field("v3.1.1", description="协议版本；v5 可告知服务器会话保留多久，但处理较慢")
    client_id: Id = Field("property-hub", description="客户端编号；同一服务器上不可重复")
    subscriptions: dict[Id, Subscription] = Field(
        {"hub": Subscription(topic="property/+/+/+")}, description="订阅，按名称"
    )
    mappings: dict[Id, dict[str, Any]] = Field({}, description="JSON 字段对应规则，按名称")

    @model_validator(mode="after")
    def _mappings_exist(self) -> Self:
        for name, subscription in self.subscriptions.items():
            if subscription.mapping is not None and subscription.mapping not in self.mappings:
                raise ValueError(f"subscriptions.{name}.mapping: there is no mapping '{subscription.mapping}'")
        return self


class WebPart(Noun):
    """值班页面"""

    host: str = Field("127.0.0.1", description="监听地址；非本机地址一律使用 TLS")
    port: Port = Field(8321, description="端口")
    tls: Tls | None = Field(None, description="证书；不写且监听非本机地址时自行签发")
    proxy: StrictBool = Field(False, description="前面有负责 TLS 的反向代理")
    public_url: WebAddress | None = Field(None, description="消息中链接使用的地址")


class HotlinePart(Noun):
    """12345 热线"""

    url: WebAddress = Field(description="接收工单的地址")
    secret: Secret = Field(description="签名密钥的出处")


class BridgePart(Noun):
    """热线对接"""

    host: str = Field("127.0.0.1", description="接收热线状态回调的监听地址")
    port: Port = Field(8322, description="端口")
    tls: Tls | None = Field(None, description="证书")
    public_url: WebAddress | None = Field(None, description="热线访问本机时用的地址（证据链接、状态回调）")
    hotline: HotlinePart | None = Field(None, description="热线；不写则不对接")


class Robot(Noun):
    """群机器人"""

    kind: Literal["wecom", "dingtalk", "feishu"] = Field(description="wecom 企业微信，dingtalk 钉钉，feishu 飞书")
    url: WebAddress = Field(description="推送地址，不含 key")
    key: Secret | None = Field(None, description="地址中 key 的出处")
    secret: Secret | None = Field(None, description="签名密钥的出处")


class ChannelsPart(Noun):
    """推送渠道"""

    robots: dict[Id, Robot] = Field({}, description="群机器人，按名称；人员的 channels 引用这些名称")


class CameraAccount(Noun):
    """摄像机的用户名和密码"""

    username: str = Field(description="用户名")
    password: Secret = Field(description="密码的出处")


class CamerasPart(Noun):
    """摄像机的共用部分"""

    bases: dict[Id, Address] = Field({}, description="基址，按名称，例如 nvr: rtsp://10.0.0.2:554")
    secrets: dict[Id, CameraAccount] = Field({}, description="用户名和密码，按名称")


class EvidencePart(Noun):
    """证据"""

    directory: Folder | None = Field(None, description="证据目录；不写则为 data 下的 evidence")


class DiskPart(Noun):
    """磁盘"""

    warn_free: Ratio = Field(0.15, gt=0, lt=1, description="剩余低于此值时提醒")
    shrink_free: Ratio = Field(0.10, gt=0, lt=1, description="剩余低于此值时先缩减视频")
    reserve: Bytes = Field(2.0**30, ge=0, description="为读数、报警和数据库保留的空间")

    @model_validator(mode="after")
    def _warned_first(self) -> Self:
        if self.shrink_free > self.warn_free:
            raise ValueError("shrink_free: is above warn_free; the warning has to come first")
        return self


class MetricsPart(Noun):
    """运行指标（Prometheus）"""

    host: str = Field("127.0.0.1", description="监听地址")
    port: Port | None = Field(
        None, description="端口；不写则不监听。同机运行全部角色时由 web 代表所有进程，单独运行的角色各自监听"
    )


class LogPart(Noun):
    """日志"""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="记录到哪一级")


class Retention(Noun):
    """一个主题保留多久、多少"""

    keep: Seconds | None = Field(None, gt=0, description="保留时间")
    size: Bytes | None = Field(None, gt=0, description="保留大小")


TopicName = Literal[
    "readings", "video", "thermal", "candidates", "detections", "alerts", "incidents", "commands", "receipts",
    "settings", "dead-letters",
]  # fmt: skip
assert {topic.name for topic in topics.ALL} == set(TopicName.__args__)  # type: ignore[attr-defined]  # a Literal has them


class Deployment(Noun):
    """configs/hub.yaml：本机各部分的地址、目录和限额；相对路径从该文件所在目录算起"""

    data: Folder = Field(Path("../var"), validate_default=True, description="数据目录")
    bus: BusPart = BusPart()
    store: StorePart = StorePart()
    mqtt: MqttPart = MqttPart()
    web: WebPart = WebPart()
    bridge: BridgePart = BridgePart()
    channels: ChannelsPart = ChannelsPart()
    cameras: CamerasPart = CamerasPart()
    evidence: EvidencePart = EvidencePart()
    disk: DiskPart = DiskPart()
    metrics: MetricsPart = MetricsPart()
    log: LogPart = LogPart()
    retention: dict[TopicName, Retention] = Field({}, description="各主题的保留期限，按主题名")

    @classmethod
    def load(cls, path: Path, environ: Mapping[str, str] = os.environ) -> Deployment:
        """Read hub.yaml at `path`. Raises ConfigError with all its mistakes."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} can't be read: {error.strerror}; name another file with --config") from error
        parsed = parse(str(path), raw)
        mistakes = list(parsed.mistakes)
        deployment: Deployment | None = None
        if parsed.document is not None:
            deployment, found = deploy(parsed.document, path.parent, environ)
            mistakes += found
        if mistakes or deployment is None:
            raise ConfigError(sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column)))
        return deployment

    @property
    def bus_directory(self) -> Path:
        """Where the embedded bus keeps its log."""
        return self.bus.directory or self.data / "bus"

    @property
    def store_directory(self) -> Path:
        """Where the embedded database lives."""
        return self.store.directory or self.data / "store"

    @property
    def evidence_directory(self) -> Path:
        """Where clips and pictures are kept."""
        return self.evidence.directory or self.data / "evidence"

    def stream_address(self, camera: Camera, environ: Mapping[str, str] = os.environ) -> str | None:
        """Where a camera's stream is, *with* credentials: never print it. None for cameras that have none.

        Raises ConfigError when its base or secret is not known here or can't be read.
        """
        address = camera.address
        if camera.stream is not None:
            base, _, path = camera.stream.partition(":/")
            if base not in self.cameras.bases:
                raise ConfigError(f"{camera.id}: hub.yaml has no camera base '{base}'")
            address = f"{self.cameras.bases[base].rstrip('/')}/{path}"
        if address is None or camera.secret is None:
            return address
        account = self.cameras.secrets.get(camera.secret)
        if account is None:
            raise ConfigError(f"{camera.id}: hub.yaml has no camera secret '{camera.secret}'")
        parts = urlsplit(address)
        user = f"{quote(account.username, safe='')}:{quote(account.password.read(environ), safe='')}"
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def deploy(
    document: Document, folder: Path, environ: Mapping[str, str] = os.environ
) -> tuple[Deployment | None, list[Mistake]]:
    """The deployment that a document and the environment describe, or what is wrong with them."""
    root = merge(document.root, _from_environment(environ))
    try:
        return Deployment.model_validate(root.plain(), context={"folder": folder.absolute()}), []
    except ValidationError as error:
        return None, explain(error, root, Deployment)


def _from_environment(environ: Mapping[str, str]) -> Node:
    """HUB_WEB__PORT=80 is web.port. Only names of our own first keys count: the world sets HUB_PORT and the like."""
    nowhere = Position("environment", 1, 1)
    root = Node(nowhere, nowhere, {})
    for name in sorted(environ):
        steps = name.removeprefix(_PREFIX).lower().split("__")
        if not name.startswith(_PREFIX) or steps[0] not in Deployment.model_fields:
            continue
        at = Position(f"environment {name}", 1, 1)
        node = Node(at, at, resolve(environ[name]), text=environ[name])
        for step in reversed(steps):
            node = Node(at, at, {step: node})
        root = merge(root, node)
    return root
