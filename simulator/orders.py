"""The 12345 hotline's book of work orders, and of all that was sent to it: pure, without network or clock."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from uuid import uuid4

import msgspec

SIGNED_IN: Final = "40"
ACCEPTED: Final = "20"


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A status that the hotline tells the hub. `id` stays the same in every repeat."""

    id: str
    order_no: str
    ext_order_no: str
    status: str
    note: str
    at: str

    def body(self) -> bytes:
        """The JSON that is sent and signed."""
        told = {name: getattr(self, name) for name in ("order_no", "ext_order_no", "status", "note", "at")}
        return json.dumps(told, ensure_ascii=False).encode()


class Answer(msgspec.Struct, frozen=True):
    """What the sender is told. `created` is the number of an order that this message has just opened."""

    code: int
    text: str = ""
    order_no: str = ""
    created: bool = False

    def body(self) -> dict[str, object]:
        """The hotline's usual envelope: success is `code` 0, not the HTTP status."""
        return {"code": self.code, "msg": self.text, "data": {"order_no": self.order_no} if self.order_no else {}}


class OrderBook:
    """Takes each webhook id once. `ledger()` has the counts that a test balances."""

    def __init__(self, prefix: str = "140681") -> None:
        self._prefix = prefix
        self._accepted: dict[str, tuple[bytes, Answer]] = {}
        self._numbers: dict[str, str] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.messages: list[dict[str, Any]] = []
        self._counts = dict.fromkeys(
            ("attempts", "accepted", "repeats", "conflicts", "unsigned", "refused", "failed", "same_incident"), 0
        )

    def count(self, what: str) -> None:
        """Add one to a count of the ledger."""
        self._counts[what] += 1

    def ledger(self) -> dict[str, int]:
        """attempts = accepted + repeats + conflicts + unsigned + refused + failed.

        `accepted`: webhook ids taken, each once. `repeats`: the same id with the same body again, harmless.
        `conflicts`: the same id with another body, always the sender's fault. `same_incident`: among the accepted,
        new ids that would have opened a second order for one incident. `failed`: answered so on a test's wish.
        """
        return {**self._counts, "orders": len(self.orders)}

    def note(self, at: str, webhook_id: str, body: bytes, outcome: str, answer: Answer | None) -> None:
        """Keep one attempt for GET /messages."""
        self.count("attempts")
        self.count(outcome)
        try:
            said: object = json.loads(body)
        except ValueError:
            said = body.decode("utf-8", "replace")
        entry = {"at": at, "webhook_id": webhook_id, "outcome": outcome, "body": said}
        self.messages.append({**entry, "answer": answer.body() if answer else None})

    def take(self, webhook_id: str, body: bytes, at: str) -> tuple[str, Answer]:
        """Judge one correctly signed message: its outcome (a name of the ledger) and the answer."""
        before = self._accepted.get(webhook_id)
        if before is not None:
            if before[0] == body:
                return "repeats", msgspec.structs.replace(before[1], created=False)
            return "conflicts", Answer(4090, "此 webhook-id 已用于另一内容")
        answer = self._act(body, at)
        if answer.code != 0:
            return "refused", answer
        self._accepted[webhook_id] = (body, answer)
        return "accepted", answer

    def order(self, order_no: str) -> dict[str, Any] | None:
        """An order by its number."""
        return self.orders.get(order_no)

    def callback(self, order_no: str, status: str, note: str, at: str) -> Callback:
        """Give an order a status and make the message that tells it. KeyError for an unknown order."""
        order = self.orders[order_no]
        order["status"] = status
        callback = Callback(
            id=f"hl_{uuid4().hex}",
            order_no=order_no,
            ext_order_no=str(order["incident"]),
            status=status,
            note=note,
            at=at,
        )
        told = {"id": callback.id, "status": status, "note": note, "at": at}
        order["callbacks"].append({**told, "attempts": 0, "delivered": False, "answer": ""})
        return callback

    def told(self, callback: Callback, *, delivered: bool, answer: str) -> None:
        """Write down how an attempt to deliver a callback went."""
        for entry in self.orders[callback.order_no]["callbacks"]:
            if entry["id"] == callback.id:
                entry.update(attempts=entry["attempts"] + 1, delivered=delivered, answer=answer)

    def _act(self, body: bytes, at: str) -> Answer:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            return Answer(4000, "内容不是 JSON")
        if not isinstance(said, dict) or not isinstance(said.get("incident"), str) or not said["incident"]:
            return Answer(4001, "缺少 incident")
        incident, kind = said["incident"], said.get("kind")
        number = self._numbers.get(incident)
        if kind == "incident":
            if number is not None:
                self.count("same_incident")
                self.orders[number]["updates"].append({"at": at, "body": said})
                return Answer(0, "", number)
            stamp = re.sub(r"\D", "", at)[:14]
            number = f"{self._prefix}-{stamp}-{len(self.orders) + 1:06d}"
            self._numbers[incident] = number
            self.orders[number] = {
                "order_no": number,
                "incident": incident,
                "at": at,
                "status": "10",
                "body": said,
                "updates": [],
                "callbacks": [],
            }
            return Answer(0, "", number, created=True)
        if kind == "status":
            if number is None:
                return Answer(4040, "没有此 incident 的工单")
            self.orders[number]["updates"].append({"at": at, "body": said})
            return Answer(0, "", number)
        return Answer(4002, "kind 须为 incident 或 status")
