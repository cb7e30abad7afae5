"""The city's 12345 hotline: takes signed work orders over HTTP and tells back, signed, how they fare.

Answers HTTP 200 also for refusals (`code` says which), takes every webhook id once, and counts the same id with
another body as the sender's fault.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from simulator.orders import ACCEPTED, SIGNED_IN, Answer, Callback, OrderBook
from simulator.signature import signed, unsound
from simulator.web import serving, stopped, tell


class HotlineFaults(BaseModel):
    """POST /faults: the next `times` messages to /orders are answered with this HTTP status or this code.

    `accept` takes the message all the same: the order is there, only the answer is lost.
    """

    model_config = ConfigDict(extra="forbid")
    times: Annotated[int, Field(ge=0)] = 1
    status: Annotated[int, Field(ge=200, le=599)] = 200
    code: int = 5000
    accept: bool = False
    delay: Annotated[float, Field(ge=0, le=60, description="seconds before the answer")] = 0.0


class StatusWish(BaseModel):
    """POST /orders/{order_no}/status: give the order this status and tell the hub."""

    model_config = ConfigDict(extra="forbid")
    status: Annotated[str, Field(pattern=r"^\d{2}$", description="20 受理 ... 70 办结, 90 直接答复, 95 作废")]
    note: str = ""


class HotlineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` signs both ways. `callback_url` is the hub's door; without it nothing is told back.

    A new order is accepted (20) after `accept_after` s and signed in (40) after `sign_after` s; None for never.
    With a `journal` the book is as before after a restart: a real hotline does not forget its orders either.
    """

    secret: str
    callback_url: str | None = None
    accept_after: float | None = 1.0
    sign_after: float | None = 5.0
    retry_for: float = 120.0
    journal: Path | None = None


class _Accepted(msgspec.Struct, frozen=True):
    """A line of the journal."""

    webhook_id: str
    body: bytes
    at: str


class Hotline:
    """The running hotline: the order book, its faults and the callbacks under way."""

    def __init__(self, settings: HotlineSettings) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = httpx.AsyncClient(timeout=5, trust_env=False)
        self.book = OrderBook()
        if settings.journal is not None and settings.journal.exists():
            for line in settings.journal.read_bytes().splitlines():
                entry = msgspec.json.decode(line, type=_Accepted)
                self.book.take(entry.webhook_id, entry.body, entry.at)
        self.faults = HotlineFaults(times=0)

    async def close(self) -> None:
        """Give up callbacks that are under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def take(self, headers: dict[str, str], body: bytes) -> tuple[int, Answer]:
        """One POST to /orders: the HTTP status and the answer."""
        webhook_id, at = headers.get("webhook-id", ""), _now()
        wrong = unsound(self._settings.secret, headers, body, time.time())
        if wrong is not None:
            answer = Answer(4010, wrong)
            self.book.note(at, webhook_id, body, "unsigned", answer)
            return 200, answer
        faults = self.faults
        if faults.times:
            self.faults = faults.model_copy(update={"times": faults.times - 1})
            await asyncio.sleep(faults.delay)
            if not faults.accept:
                failure = Answer(faults.code, "系统繁忙")
                self.book.note(at, webhook_id, body, "failed", failure)
                return faults.status, failure
        outcome, answer = self.book.take(webhook_id, body, at)
        self.book.note(at, webhook_id, body, outcome, answer)
        if outcome == "accepted" and self._settings.journal is not None:
            with self._settings.journal.open("ab") as journal:
                journal.write(msgspec.json.encode(_Accepted(webhook_id, body, at)) + b"\n")
        if answer.created:
            self._follow(answer.order_no)
        if faults.times:
            return faults.status, Answer(faults.code, "系统繁忙")
        return 200, answer

    def tell(self, order_no: str, status: str, note: str) -> Callback:
        """Give an order a status and begin to tell the hub. KeyError for an unknown order."""
        callback = self.book.callback(order_no, status, note, _now())
        if self._settings.callback_url is not None:
            self._begin(self._deliver(callback))
        return callback

    def _follow(self, order_no: str) -> None:
        steps = ((self._settings.accept_after, ACCEPTED, "已受理"), (self._settings.sign_after, SIGNED_IN, "已签收"))
        for after, status, note in steps:
            if after is not None:
                self._begin(self._later(after, order_no, status, note))

    async def _later(self, after: float, order_no: str, status: str, note: str) -> None:
        await asyncio.sleep(after)
        order = self.book.order(order_no)
        # What a person set by hand in the meantime is further on than our routine.
        if order is not None and order["status"] < status:
            self.tell(order_no, status, note)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, callback: Callback) -> None:
        """Post until the hub answers 2xx, ever more patiently, signed afresh each time under the same id."""
        body, wait, until = callback.body(), 0.25, time.monotonic() + self._settings.retry_for
        while self._settings.callback_url is not None and time.monotonic() < until:
            headers = signed(self._settings.secret, callback.id, body, time.time())
            headers["content-type"] = "application/json"
            try:
                reply = await self._client.post(self._settings.callback_url, content=body, headers=headers)
                delivered, answer = reply.is_success, f"{reply.status_code} {reply.text[:200]}"
            except httpx.HTTPError as error:
                delivered, answer = False, f"{type(error).__name__}: {error}"
            self.book.told(callback, delivered=delivered, answer=answer)
            if delivered:
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def hotline_app(hotline: Hotline) -> FastAPI:
    """The hotline as a web application.

    POST /orders takes a signed message. GET /orders lists orders ({"order_no", "incident", "at", "status", "body",
    "updates", "callbacks"}), GET /messages every attempt, GET /ledger the counts of `OrderBook.ledger`. POST
    /orders/{order_no}/status (`StatusWish`) tells the hub a status. POST /faults sets `HotlineFaults`.
    """
    app = FastAPI(title="simulated 12345 hotline", openapi_url=None)

    @app.post("/orders")
    async def order(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answer = await hotline.take(headers, await request.body())
        return JSONResponse(answer.body(), status_code=status)

    @app.get("/orders")
    async def orders() -> list[dict[str, Any]]:
        return list(hotline.book.orders.values())

    @app.post("/orders/{order_no}/status")
    async def status(order_no: str, wish: StatusWish) -> dict[str, Any]:
        if hotline.book.order(order_no) is None:
            raise HTTPException(404, f"no order {order_no}")
        return msgspec.to_builtins(hotline.tell(order_no, wish.status, wish.note))  # type: ignore[no-any-return] # it is a struct

    @app.get("/messages")
    async def messages() -> list[dict[str, Any]]:
        return hotline.book.messages

    @app.get("/ledger")
    async def ledger() -> dict[str, int]:
        return hotline.book.ledger()

    @app.post("/faults")
    async def faults(wanted: HotlineFaults) -> HotlineFaults:
        hotline.faults = wanted
        return wanted

    return app


@contextlib.asynccontextmanager
async def hotline_serving(settings: HotlineSettings, port: int = 0) -> AsyncIterator[str]:
    """Run the hotline inside this process; yields its address."""
    hotline = Hotline(settings)
    try:
        async with serving(hotline_app(hotline), port) as url:
            yield url
    finally:
        await hotline.close()


async def _run(settings: HotlineSettings, port: int, ready: Callable[[dict[str, object]], None]) -> None:
    async with hotline_serving(settings, port) as url:
        ready({"url": url})
        await stopped()


def main() -> None:
    """Run the hotline as a program of its own."""
    parser = argparse.ArgumentParser(description="A 12345 hotline that takes signed work orders.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", default=os.environ.get("HOTLINE_SECRET"), help="whsec_<base64>")
    parser.add_argument("--callback", help="where status callbacks are posted")
    options = parser.parse_args()
    if not options.secret:
        parser.error("--secret or HOTLINE_SECRET is needed")
    settings = HotlineSettings(secret=options.secret, callback_url=options.callback)
    asyncio.run(_run(settings, options.port, tell))


if __name__ == "__main__":
    main()
