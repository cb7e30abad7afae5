"""The grid workers' chat group: a robot that takes messages as WeCom's group robot does, and shows them.

Answers as documented for WeCom: HTTP 200 always, `errcode` says whether the message was taken. 20 messages per
minute and robot, 4096 bytes of markdown, 2048 bytes of text.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from simulator.web import serve_until_stopped

PER_MINUTE: Final = 20
LIMITS: Final = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}


class RobotFaults(BaseModel):
    """POST /faults: the next `times` messages are answered with this HTTP status or this errcode.

    `accept` records the message all the same: the answer is lost on its way, the message is not.
    """

    model_config = ConfigDict(extra="forbid")
    times: Annotated[int, Field(ge=0)] = 1
    status: Annotated[int, Field(ge=200, le=599)] = 200
    errcode: int = -1
    accept: bool = False


class Robot:
    """What the robot holds: the messages it took, and those it refused with the reason."""

    def __init__(self, keys: Iterable[str] | None, now: Callable[[], float]) -> None:
        self._keys = None if keys is None else frozenset(keys)
        self._now = now
        self._recent: dict[str, deque[float]] = {}
        self.faults = RobotFaults(times=0)
        self.messages: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []

    def take(self, key: str, body: object) -> tuple[int, dict[str, object]]:
        """Judge one message; the HTTP status and the answer."""
        code, reason, text = self._judge(key, body)
        entry = {"at": self._now(), "key": key, "text": text, "body": body, "errcode": code, "errmsg": reason}
        status = 200
        if self.faults.times and code == 0:
            faults = self.faults
            self.faults = faults.model_copy(update={"times": faults.times - 1})
            status = faults.status
            if faults.accept:
                self.messages.append(entry)
            else:
                self.refused.append({**entry, "errcode": faults.errcode, "errmsg": "system error", "status": status})
            return status, {"errcode": faults.errcode, "errmsg": "system error"}
        (self.messages if code == 0 else self.refused).append(entry)
        return status, {"errcode": code, "errmsg": reason}

    def _judge(self, key: str, body: object) -> tuple[int, str, str]:
        """The errcode, its text, and the message's own text."""
        if not key or (self._keys is not None and key not in self._keys):
            return 93000, "invalid webhook url", ""
        if not isinstance(body, dict):
            return 40008, "invalid message type", ""
        kind = body.get("msgtype")
        if not isinstance(kind, str) or kind not in LIMITS:
            return 40008, "invalid message type", ""
        part = body.get(kind)
        if not isinstance(part, dict) or not isinstance(part.get("content"), str):
            return 40008, "invalid message type", ""
        text = part["content"]
        if not text:
            return 44004, "empty content", ""
        if len(text.encode()) > LIMITS[kind]:
            return 40058, f"{kind}.content exceed max length {LIMITS[kind]}", text
        recent = self._recent.setdefault(key, deque())
        now = self._now()
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= PER_MINUTE:
            return 45009, "api freq out of limit", text
        recent.append(now)
        return 0, "ok", text


def robot_app(keys: Iterable[str] | None = None, now: Callable[[], float] = time.time) -> FastAPI:
    """The robot as a web application; with `keys` None every key that is not empty is known.

    POST /cgi-bin/webhook/send?key=K takes a message; GET /messages and GET /refused list what came, oldest first
    ({"at", "key", "text", "body", "errcode", "errmsg"}); POST /faults sets `RobotFaults`; DELETE /messages forgets.
    """
    app = FastAPI(title="simulated chat robot", openapi_url=None)
    robot = Robot(keys, now)

    @app.post("/cgi-bin/webhook/send")
    async def send(request: Request, key: str = "") -> Response:
        try:
            body: object = await request.json()
        except (ValueError, RecursionError):
            body = None
        status, answer = robot.take(key, body)
        return JSONResponse(answer, status_code=status)

    @app.get("/messages")
    async def messages() -> list[dict[str, Any]]:
        return robot.messages

    @app.get("/refused")
    async def refused() -> list[dict[str, Any]]:
        return robot.refused

    @app.post("/faults")
    async def faults(wanted: RobotFaults) -> RobotFaults:
        robot.faults = wanted
        return wanted

    @app.delete("/messages")
    async def forget() -> dict[str, int]:
        forgotten = len(robot.messages)
        robot.messages.clear()
        robot.refused.clear()
        return {"forgotten": forgotten}

    return app


def main() -> None:
    """Run the robot as a program of its own."""
    parser = argparse.ArgumentParser(description="A chat robot that takes messages as WeCom's does.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", action="append", help="a key it knows; without any, it knows every key")
    options = parser.parse_args()
    asyncio.run(serve_until_stopped(robot_app(options.key), options.port))


if __name__ == "__main__":
    main()
