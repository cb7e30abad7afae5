"""The page's server over real HTTP: who may enter, what they may ask for, and what the stream tells."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from alerts import books
from control_room import service
from control_room.attempts import FREE
from control_room.config import WebConfig
from hub.errors import ConfigError
from hub.evidence_link import sign
from hub.model import Command
from hub.store import Store
from hub.topics import COMMANDS, VIDEO
from tests.watch_room import LINK_SECRET, PASSWORD, Room, admit, filmed, room, until

Client = httpx.AsyncClient


@pytest.fixture
async def open_room(store: Store, tmp_path: Path) -> AsyncIterator[Room]:
    """A control room with an operator "li" and a viewer "guest"."""
    await admit(store, "li", "operator")
    await admit(store, "guest", "viewer")
    async with room(store, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def signed_in(at: Room, name: str = "li") -> AsyncIterator[Client]:
    """Somebody's browser, as far as the server can tell."""
    async with Client(base_url=at.address, trust_env=False) as client:
        answer = await client.post("/api/login", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        yield client


async def commands(at: Room) -> list[Command]:
    """What was asked for, as the bus has it."""
    now = datetime.now(UTC)
    return [
        d.decode() async for d in at.bus.read(COMMANDS, "cuihu", now - timedelta(hours=1), now + timedelta(hours=1))
    ]


async def smoke(at: Room) -> str:
    """A smoke alarm's incident."""
    await at.see("smoke", "cuihu/smoke-b3-12", "cuihu/b3/u1/12", "烟感报警")
    return await at.incident("smoke")


class Heard:
    """The stream as a page would read it."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, wait: float = 10.0) -> tuple[str, str, Any]:
        """The next message: id, kind, data."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(wait):
            async for line in self._lines:
                if not line and "data" in fields:
                    return fields["id"], fields["event"], json.loads(fields["data"])
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        raise AssertionError("the stream ended")


@asynccontextmanager
async def hearing(client: Client, last: str = "") -> AsyncIterator[Heard]:
    """An open stream."""
    headers = {"Last-Event-ID": last} if last else {}
    async with client.stream("GET", "/api/stream", headers=headers, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        yield Heard(answer.aiter_lines())


async def test_the_first_run_leaves_a_password_for_whoever_may_read_it(store: Store, tmp_path: Path) -> None:
    async with room(store, tmp_path) as at:
        note = at.config.data / "first-password"
        assert stat.S_IMODE(os.stat(note).st_mode) == 0o600
        name, password = note.read_text().split()
        async with Client(base_url=at.address, trust_env=False) as client:
            answer = await client.post("/api/login", json={"name": name, "password": password})
            assert answer.json()["person"] == {"name": "admin", "shown": "admin", "role": "admin"}
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            change = {"old": password, "new": "another password"}
            assert (await client.post("/api/password", json=change)).status_code == 200
            assert not note.exists()
            assert (await client.get("/api/session")).json()["person"] is not None
            made = {"name": "li", "role": "operator", "password": "a third password"}
            assert (await client.post("/api/accounts", json=made)).status_code == 201
            assert (await client.post("/api/accounts", json=made)).status_code == 409
    async with room(store, tmp_path) as at:
        assert not (at.config.data / "first-password").exists()


async def test_without_signing_in_there_is_nothing_to_see(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        for path in ("/api/snapshot", "/api/incidents/x", "/api/stream", "/api/devices?kind=cameras"):
            assert (await client.get(path)).status_code == 401, path
        assert (await client.get("/cameras/cuihu/cam-b3/still.jpg")).status_code == 401
        assert (await client.get("/evidence/x")).status_code == 401
        assert (await client.post("/api/sound-test", json={"heard": True})).status_code == 401
        assert (await client.get("/api/session")).json() == {"person": None}
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/livez")).json() == {"alive": True}


async def test_the_cookie_is_out_of_reach_of_scripts(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        answer = await client.post("/api/login", json={"name": "li", "password": PASSWORD})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie  # plain http on loopback: a browser would not send it back


async def test_a_password_may_be_tried_a_few_times_only(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        for _ in range(FREE):
            assert (await client.post("/api/login", json={"name": "li", "password": "no"})).status_code == 401
        answer = await client.post("/api/login", json={"name": "li", "password": PASSWORD})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 5


async def test_signing_in_from_a_foreign_page_is_refused(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        form = {"name": "li", "password": PASSWORD}
        foreign = {"Sec-Fetch-Site": "cross-site"}
        assert (await client.post("/api/login", json=form, headers=foreign)).status_code == 403
        assert (await client.post("/api/login", data=form)).status_code == 422


async def test_a_change_needs_the_sessions_own_token(open_room: Room) -> None:
    incident = await smoke(open_room)
    ask = {"id": "cmd_0000000001", "action": "acknowledge"}
    async with signed_in(open_room) as client:
        for wrong in ("", "something else"):
            client.headers["X-CSRF-Token"] = wrong
            assert (await client.post(f"/api/incidents/{incident}/commands", json=ask)).status_code == 403
    assert await commands(open_room) == []


async def test_a_viewer_may_look_and_not_act(open_room: Room) -> None:
    incident = await smoke(open_room)
    async with signed_in(open_room, "guest") as client:
        assert (await client.get(f"/api/incidents/{incident}")).status_code == 200
        ask = {"id": "cmd_0000000001", "action": "acknowledge"}
        assert (await client.post(f"/api/incidents/{incident}/commands", json=ask)).status_code == 403
        made = {"name": "x", "role": "admin", "password": "long enough, this one"}
        assert (await client.post("/api/accounts", json=made)).status_code == 403


async def test_signing_out_ends_the_session(open_room: Room) -> None:
    async with signed_in(open_room) as client:
        cookies = dict(client.cookies)
        assert (await client.post("/api/logout")).status_code == 200
        client.cookies.update(cookies)
        assert (await client.get("/api/snapshot")).status_code == 401


async def test_the_same_press_twice_is_one_command(open_room: Room) -> None:
    incident = await smoke(open_room)
    ask = {"id": "cmd_0000000001", "action": "false_alarm", "reason": "做饭油烟", "details": {"cause": "cooking"}}
    async with signed_in(open_room) as client:
        for _ in range(2):
            answer = await client.post(f"/api/incidents/{incident}/commands", json=ask)
            assert (answer.status_code, answer.json()["accepted"]) == (202, True)
        sent = await commands(open_room)
        assert {(c.id, c.by, c.channel, c.action, c.details["cause"]) for c in sent} == {
            ("cmd_0000000001", "li", "page", "false_alarm", "cooking")
        }
        await open_room.reaches(incident, "false_alarm")
        steps = (await client.get(f"/api/incidents/{incident}")).json()["timeline"]
        assert [step["action"] for step in steps].count("false_alarm") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "short", "action": "acknowledge"},
        {"id": "cmd_0000000001", "action": "open_the_gate"},
        {"id": "cmd_0000000001", "action": "note", "reason": "x" * 501},
        {"id": "cmd_0000000001", "action": "note", "details": {str(n): "" for n in range(9)}},
        {"id": "cmd_0000000001", "action": "note", "unknown": 1},
    ],
)
async def test_a_command_that_makes_no_sense_is_refused_with_words(open_room: Room, wrong: dict[str, Any]) -> None:
    async with signed_in(open_room) as client:
        answer = await client.post("/api/incidents/x/commands", json=wrong)
        assert answer.status_code == 422
        assert answer.json()["say"]
        right = {"id": "cmd_0000000001", "action": "acknowledge"}
        assert (await client.post("/api/incidents/nowhere/commands", json=right)).status_code == 404


async def test_the_snapshot_and_one_incident_say_it_in_names(open_room: Room) -> None:
    incident = await smoke(open_room)
    async with signed_in(open_room) as client:
        snapshot = (await client.get("/api/snapshot")).json()
        assert (snapshot["city"], snapshot["zone"]) == ("云川市", "Asia/Shanghai")
        (row,) = snapshot["incidents"]
        assert (row["id"], row["place_name"], row["grid_name"]) == (incident, "翠湖苑 3号楼 1单元 12层", "同心第一网格")
        more = (await client.get(f"/api/incidents/{incident}")).json()
        assert more["alerts"][0]["subject_name"] == "3号楼12层烟感"
        assert [person["name"] for person in more["people"]] == ["王秀兰", "陈桂花", "刘建军", "孙志强"]
        assert more["call_119"]["unit"] == "云川市 迎宾街1101号 翠湖苑"
        assert more["call_119"]["called"] is None
        assert {camera["id"] for camera in more["cameras"]} == {"cuihu/cam-b3", "cuihu/therm-b3"}
        assert more["notifications"][0]["recipient_name"] == "王秀兰"
        called = {"id": "cmd_0000000119", "action": "called_119"}
        await client.post(f"/api/incidents/{incident}/commands", json=called)

        async def caller() -> str | None:
            card = (await client.get(f"/api/incidents/{incident}")).json()["call_119"]
            return card["called"] and str(card["called"]["who"])

        assert await until(caller) == "li"
        assert await open_room.state(incident) == "new"  # calling is not acknowledging


async def test_an_id_that_was_merged_away_resolves_for_ever(open_room: Room) -> None:
    incident = await smoke(open_room)
    await open_room.see("water", "cuihu/water-b1-12", "cuihu/b1/u1/12", "水浸")
    other = await open_room.incident("water")
    async with open_room.store.transaction() as connection:
        await books.lock(connection, ["cuihu"])  # as the router does: it may have this incident in hand just now
        await connection.execute(
            """
            UPDATE incident SET merged_into = %s, body = body || jsonb_build_object('merged_into', %s::text)
            WHERE id = %s
            """,
            (incident, incident, other),
        )
    async with signed_in(open_room) as client:
        more = (await client.get(f"/api/incidents/{other}")).json()
        assert (more["incident"]["id"], more["asked_for"]) == (incident, other)
        assert {alert["kind"] for alert in more["alerts"]} == {"smoke", "water"}
        assert [row["id"] for row in (await client.get("/api/snapshot")).json()["incidents"]] == [incident]


async def test_the_stream_ticks_without_a_gap_and_tells_an_incident_at_once(open_room: Room) -> None:
    async with signed_in(open_room) as client, hearing(client) as heard:
        first, kind, data = await heard.next()
        assert (kind, data) == ("hello", {"replayed": False})
        boot, _, begin = first.partition(".")
        seen = [int(begin)]
        kinds: set[str] = set()
        await open_room.see("gas", "cuihu/gas-b3-12", "cuihu/b3/u1/12", "燃气 28 %LEL")
        while {"tick", "incident"} - kinds or len(seen) < 5:
            id_, kind, data = await heard.next()
            kinds.add(kind)
            assert id_.partition(".")[0] == boot
            seen.append(int(id_.partition(".")[2]))
            if kind == "incident":
                assert (data["kind"], data["place_name"]) == ("gas", "翠湖苑 3号楼 1单元 12层")
            else:
                assert {"at", "version", "ill", "roles", "selftest", "settings", "counts"} <= data.keys()
        assert seen == list(range(seen[0], seen[0] + len(seen)))


async def test_what_was_missed_comes_first_when_a_page_comes_back(open_room: Room) -> None:
    async with signed_in(open_room) as client:
        async with hearing(client) as heard:
            await heard.next()
            last, *_ = await heard.next()
        incident = await smoke(open_room)
        await asyncio.sleep(0.5)
        async with hearing(client, last) as heard:
            _, kind, data = await heard.next()
            assert (kind, data) == ("hello", {"replayed": True})
            while kind != "incident":
                id_, kind, data = await heard.next()
                assert int(id_.partition(".")[2]) > int(last.partition(".")[2])
            assert data["id"] == incident
        async with hearing(client, "00000000.7") as heard:
            assert (await heard.next())[2] == {"replayed": False}


async def test_evidence_is_served_in_parts_and_each_viewing_is_kept(open_room: Room) -> None:
    incident = await smoke(open_room)
    data = bytes(range(256)) * 40
    evidence = await open_room.keep(incident, "clip.mp4", data, "video/mp4")
    async with signed_in(open_room) as client:
        whole = await client.get(f"/evidence/{evidence}")
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, data, "video/mp4")
        assert whole.headers["accept-ranges"] == "bytes"
        part = await client.get(f"/evidence/{evidence}", headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, data[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
        beyond = await client.get(f"/evidence/{evidence}", headers={"Range": f"bytes={len(data)}-"})
        assert beyond.status_code == 416
    async with open_room.store.connection() as connection:
        cursor = await connection.execute("SELECT evidence, by, channel FROM evidence_view")
        assert await cursor.fetchall() == [(evidence, "li", "page")] * 3


async def test_a_file_outside_the_evidence_folder_is_never_served(open_room: Room) -> None:
    incident = await smoke(open_room)
    evidence = await open_room.keep(incident, "clip.mp4", b"x", "video/mp4")
    open_room.config.data.mkdir(exist_ok=True)
    (open_room.config.data / "secret").write_text("secret")
    async with signed_in(open_room) as client:
        for file in ("../data/secret", str(open_room.config.data / "secret")):
            async with open_room.store.transaction() as connection:
                await connection.execute("UPDATE evidence SET file = %s WHERE id = %s", (file, evidence))
            assert (await client.get(f"/evidence/{evidence}")).status_code == 410


async def test_the_hotline_sees_what_its_address_is_for_and_nothing_else(open_room: Room) -> None:
    incident = await smoke(open_room)
    mine = await open_room.keep(incident, "clip.mp4", b"mine", "video/mp4")
    other = await open_room.keep("another", "other.mp4", b"other", "video/mp4")
    soon = datetime.now(UTC) + timedelta(minutes=5)
    good = sign(LINK_SECRET, open_room.address, mine, incident, soon)
    async with Client(trust_env=False) as client:
        assert (await client.get(good)).content == b"mine"
        refused = [
            sign(LINK_SECRET, open_room.address, mine, incident, datetime.now(UTC) - timedelta(seconds=2)),
            sign(b"another secret", open_room.address, mine, incident, soon),
            good.replace(mine, other),
            good.replace("expires=", "expires=9"),
        ]
        assert [(await client.get(address)).status_code for address in refused] == [403] * 4
        # Signed, but for an incident that this piece is not of.
        astray = sign(LINK_SECRET, open_room.address, other, incident, soon)
        assert (await client.get(astray)).status_code == 404
    async with open_room.store.connection() as connection:
        cursor = await connection.execute("SELECT by, channel FROM evidence_view")
        assert await cursor.fetchall() == [("hotline", "link")]


async def test_a_cameras_latest_picture_comes_from_the_log(open_room: Room, tmp_path: Path) -> None:
    begin = datetime.now(UTC).timestamp() - 2
    film = await asyncio.to_thread(filmed, tmp_path / "film.mp4", "cuihu/cam-b3", begin, 2.0)
    await open_room.bus.publish(VIDEO, film.chunks)
    async with signed_in(open_room) as client:
        answer = await client.get("/cameras/cuihu/cam-b3/still.jpg")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content.startswith(b"\xff\xd8")
        shown = datetime.fromisoformat(answer.headers["x-picture-at"]).timestamp()
        assert begin <= shown <= begin + 2
        nothing = await client.get("/cameras/cuihu/cam-b1/still.jpg")
        assert (nothing.status_code, nothing.json()["say"]) == (404, "最近 40 秒没有收到画面")
        assert (await client.get("/cameras/cuihu/unknown/still.jpg")).status_code == 404


async def test_readiness_and_figures(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert set(ready.json()["checks"]) == {"store", "pulse", "incidents"}
        figures = await client.get("/metrics")
        assert "hub_stream_clients" in figures.text


async def test_every_answer_forbids_foreign_scripts_and_frames(open_room: Room) -> None:
    async with Client(base_url=open_room.address, trust_env=False) as client:
        for path in ("/", "/static/app.js", "/api/session", "/nowhere", "/install-ca"):
            headers = (await client.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"


async def test_off_loopback_the_page_speaks_tls_with_the_hubs_own_authority(store: Store, tmp_path: Path) -> None:
    await admit(store, "li", "operator")
    async with room(store, tmp_path, host="0.0.0.0", names=("localhost",)) as at:
        assert at.address.startswith("https://")
        port = urlsplit(at.address).port
        trust = ssl.create_default_context(cafile=at.config.data / "tls" / "ca.crt")
        async with Client(base_url=f"https://127.0.0.1:{port}", verify=trust, trust_env=False) as client:
            answer = await client.post("/api/login", json={"name": "li", "password": PASSWORD})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-hub=")
            assert "Secure" in cookie
            assert (await client.get("/api/snapshot")).status_code == 200
            authority = await client.get("/ca.crt")
            assert authority.content == (at.config.data / "tls" / "ca.crt").read_bytes()
            assert "SHA-256" in (await client.get("/install-ca")).text
        async with Client(trust_env=False) as plain:
            with pytest.raises(httpx.RemoteProtocolError):
                await plain.get(f"http://127.0.0.1:{port}/")


async def test_a_taken_address_is_told_with_a_remedy(open_room: Room) -> None:
    port = urlsplit(open_room.address).port
    assert port is not None
    config = msgspec.structs.replace(open_room.config, port=port)
    assert isinstance(config, WebConfig)
    with pytest.raises(ConfigError, match="another hub running"):
        service.listen(config)
