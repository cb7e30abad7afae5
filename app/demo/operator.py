"""An operator without hands on the hub: signs in at the page, listens to its stream, asks the robot and the hotline."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.demo.surroundings import Ports
from hub.errors import TransientError


class Operator:
    """Speaks HTTP only, as the page in a browser does."""

    def __init__(self, client: httpx.AsyncClient, used: Ports, data: Path) -> None:
        self._client = client
        self._page = f"http://127.0.0.1:{used.page}"
        self._robot = f"http://127.0.0.1:{used.robot}"
        self._hotline = f"http://127.0.0.1:{used.hotline}"
        self._data = data
        self._csrf = ""

    async def ready(self, seconds: float) -> None:
        """Wait until the hub says that it is ready. Raises TransientError with its reasons."""
        said = "it does not answer"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        answer = await self._client.get(f"{self._page}/readyz")
                    except httpx.TransportError:
                        await asyncio.sleep(0.2)
                        continue
                    if answer.status_code == 200:
                        return
                    said = answer.text
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise TransientError(f"the hub is not ready after {seconds:g} s: {said}") from None

    def password(self) -> str:
        """The first password, as the hub wrote it down; "" when there is no such note."""
        path = self._data / "first-password"
        return path.read_text("utf-8").strip().rpartition(" ")[2] if path.exists() else ""

    async def sign_in(self) -> None:
        """Begin a session with the first password."""
        form = {"name": "admin", "password": self.password()}
        answer = await self._client.post(f"{self._page}/api/login", json=form)
        answer.raise_for_status()
        self._csrf = answer.json()["csrf"]

    async def stream(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """What the page hears: ("tick" | "incident" | "hello", body), until it breaks off."""
        timeout = httpx.Timeout(5.0, read=15.0)
        async with self._client.stream("GET", f"{self._page}/api/stream", timeout=timeout) as answer:
            answer.raise_for_status()
            kind = ""
            async for line in answer.aiter_lines():
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    yield kind, msgspec.json.decode(line.removeprefix("data:").strip())

    async def incident(self, id_: str) -> dict[str, Any]:
        """Everything the page shows of an incident."""
        return dict(await self._json(f"{self._page}/api/incidents/{id_}"))

    async def evidence(self, url: str) -> bytes:
        """A clip or picture, as the browser fetches it."""
        answer = await self._client.get(self._page + url)
        answer.raise_for_status()
        return answer.content

    async def ask(self, incident: str, action: str, reason: str = "") -> None:
        """Press a key on the page."""
        ask = {"id": secrets.token_hex(8), "action": action, "reason": reason}
        answer = await self._client.post(
            f"{self._page}/api/incidents/{incident}/commands", json=ask, headers={"X-CSRF-Token": self._csrf}
        )
        answer.raise_for_status()

    async def robot(self) -> list[dict[str, Any]]:
        """What grid workers' chat groups received."""
        found: list[dict[str, Any]] = _rows(await self._json(f"{self._robot}/messages"), "messages")
        return found

    async def orders(self) -> list[dict[str, Any]]:
        """What the hotline has on its books."""
        return _rows(await self._json(f"{self._hotline}/orders"), "orders")

    async def hotline_messages(self) -> list[dict[str, Any]]:
        """Every message that the hotline accepted."""
        return _rows(await self._json(f"{self._hotline}/messages"), "messages")

    async def ledger(self) -> dict[str, Any]:
        """The hotline's own count of attempts, repeats and conflicts."""
        return dict(await self._json(f"{self._hotline}/ledger"))

    async def _json(self, url: str) -> Any:
        answer = await self._client.get(url)
        answer.raise_for_status()
        return answer.json()


def _rows(body: Any, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = body[name] if isinstance(body, dict) else body
    return rows
