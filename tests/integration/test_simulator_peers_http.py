"""The chat robot and the hotline over real HTTP: what they answer, what they record, how the hotline tells back."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from standardwebhooks.webhooks import Webhook

from simulator.hotline import HotlineSettings, hotline_serving
from simulator.robot import robot_app
from simulator.signature import signed
from simulator.web import serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as one:
        yield one


class Door:
    """The hub's side of the hotline's callbacks: refuses the first `refusals`, verifies and keeps the rest."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.ids: list[str] = []
        self.told: list[dict[str, str]] = []
        self.news = asyncio.Event()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/hotline/status")
        async def status(request: Request) -> Response:
            body = await request.body()
            self.ids.append(request.headers["webhook-id"])
            if self.refusals:
                self.refusals -= 1
                return Response(status_code=503)
            self.told.append(Webhook(SECRET).verify(body, dict(request.headers)))
            self.news.set()
            return Response(status_code=204)

        return app

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.told) < count:
                await self.news.wait()
                self.news.clear()


async def post(client: httpx.AsyncClient, url: str, webhook_id: str, **body: object) -> httpx.Response:
    content = json.dumps(body).encode()
    headers = signed(SECRET, webhook_id, content, time.time())
    return await client.post(f"{url}/orders", content=content, headers=headers)


async def test_the_robot_over_http(client: httpx.AsyncClient) -> None:
    async with serving(robot_app(["key-1"])) as url:
        send = f"{url}/cgi-bin/webhook/send"
        message = {"msgtype": "markdown", "markdown": {"content": "**火情** 6号楼"}}
        taken = await client.post(send, params={"key": "key-1"}, json=message)
        assert (taken.status_code, taken.json()) == (200, {"errcode": 0, "errmsg": "ok"})
        assert (await client.post(send, params={"key": "no"}, json=message)).json()["errcode"] == 93000
        assert (await client.post(send, params={"key": "key-1"}, content=b"\xff")).json()["errcode"] == 40008
        await client.post(f"{url}/faults", json={"times": 1, "status": 500})
        assert (await client.post(send, params={"key": "key-1"}, json=message)).status_code == 500
        assert (await client.post(send, params={"key": "key-1"}, json=message)).status_code == 200
        messages = (await client.get(f"{url}/messages")).json()
        assert [entry["text"] for entry in messages] == ["**火情** 6号楼"] * 2
        assert len((await client.get(f"{url}/refused")).json()) == 3
        assert (await client.post(f"{url}/faults", json={"tmes": 1})).status_code == 422


async def test_an_order_is_accepted_signed_in_and_told_back(client: httpx.AsyncClient) -> None:
    door = Door(refusals=2)
    async with serving(door.app()) as hub:
        settings = HotlineSettings(
            secret=SECRET, callback_url=f"{hub}/hotline/status", accept_after=0.05, sign_after=0.1
        )
        async with hotline_serving(settings) as url:
            reply = await post(client, url, "wh_1", kind="incident", incident="inc_1", title="燃气泄漏")
            assert reply.status_code == 200
            number = reply.json()["data"]["order_no"]
            await door.wait(2)
            wish = {"status": "70", "note": "已办结"}
            assert (await client.post(f"{url}/orders/{number}/status", json=wish)).status_code == 200
            assert (await client.post(f"{url}/orders/none/status", json=wish)).status_code == 404
            await door.wait(3)
            async with asyncio.timeout(10):
                delivered = [False]
                while not all(delivered):  # the hotline notes the answer after our door gave it
                    await asyncio.sleep(0.01)
                    orders = (await client.get(f"{url}/orders")).json()
                    delivered = [callback["delivered"] for callback in orders[0]["callbacks"]]
    assert {entry["status"] for entry in door.told} == {"20", "40", "70"}
    assert door.told[-1] == {**door.told[-1], "order_no": number, "ext_order_no": "inc_1", "note": "已办结"}
    assert len(door.ids) == 5, "two refusals were tried again"
    assert len(set(door.ids)) == 3, "under the same id"
    assert orders[0]["status"] == "70"
    assert orders[0]["body"]["title"] == "燃气泄漏"
    assert sum(callback["attempts"] for callback in orders[0]["callbacks"]) == 5


async def test_the_ledger_over_http_balances_through_faults_and_repeats(client: httpx.AsyncClient) -> None:
    quiet = HotlineSettings(secret=SECRET, accept_after=None, sign_after=None)
    async with hotline_serving(quiet) as url:
        await client.post(f"{url}/faults", json={"times": 1, "status": 503})
        assert (await post(client, url, "wh_1", kind="incident", incident="inc_1")).status_code == 503
        await client.post(f"{url}/faults", json={"times": 1, "code": 7})
        assert (await post(client, url, "wh_1", kind="incident", incident="inc_1")).json()["code"] == 7
        await client.post(f"{url}/faults", json={"times": 1, "status": 502, "accept": True})
        assert (await post(client, url, "wh_1", kind="incident", incident="inc_1")).status_code == 502
        assert (await post(client, url, "wh_1", kind="incident", incident="inc_1")).json()["code"] == 0
        assert (await post(client, url, "wh_1", kind="incident", incident="inc_2")).json()["code"] == 4090
        unsigned = await client.post(f"{url}/orders", json={"kind": "incident", "incident": "inc_3"})
        assert (unsigned.status_code, unsigned.json()["code"]) == (200, 4010)
        ledger = (await client.get(f"{url}/ledger")).json()
        messages = (await client.get(f"{url}/messages")).json()
    assert ledger == {
        "attempts": 6,
        "accepted": 1,
        "repeats": 1,
        "conflicts": 1,
        "unsigned": 1,
        "refused": 0,
        "failed": 2,
        "same_incident": 0,
        "orders": 1,
    }
    assert [entry["outcome"] for entry in messages] == [
        "failed",
        "failed",
        "accepted",
        "repeats",
        "conflicts",
        "unsigned",
    ]


async def test_the_hotline_remembers_its_orders_over_a_restart(client: httpx.AsyncClient, tmp_path: Path) -> None:
    settings = HotlineSettings(secret=SECRET, journal=tmp_path / "orders.jsonl", accept_after=None, sign_after=None)
    async with hotline_serving(settings) as url:
        first = await post(client, url, "wh_1", kind="incident", incident="inc_1")
    async with hotline_serving(settings) as url:
        again = await post(client, url, "wh_1", kind="incident", incident="inc_1")
        update = await post(client, url, "wh_2", kind="status", incident="inc_1", state="closed")
        ledger = (await client.get(f"{url}/ledger")).json()
    assert again.json()["data"] == update.json()["data"] == first.json()["data"]
    assert (ledger["repeats"], ledger["accepted"], ledger["orders"]) == (1, 1, 1)


@pytest.mark.parametrize("module", ["simulator.robot", "simulator.hotline"])
async def test_as_programs_of_their_own_they_say_where_they_are_and_end_at_sigterm(
    client: httpx.AsyncClient, module: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env={**os.environ, "HOTLINE_SECRET": SECRET}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        ready: dict[str, Any] = json.loads(await process.stdout.readline())
        path = "messages"
        assert (await client.get(f"{ready['url']}/{path}")).json() == []
        process.terminate()
        assert await process.wait() == 0
