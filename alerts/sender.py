"""Sends what was promised to people's phones: urgent ones first, at each robot's pace, until taken or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import httpx
import msgspec
import structlog

from alerts.channels import CHANNELS, Address, Answer, Channel
from alerts.message import TEXTS, Message
from alerts.pace import Pace
from alerts.policy import RINGING
from hub import metrics, outbox
from hub.errors import TransientError
from hub.outbox import Row
from hub.redact import redact
from hub.store import Store

log = structlog.get_logger()

DIGEST_FROM: Final = 3
"""So many less urgent messages waiting for one robot become one."""
TIMEOUT: Final = 8.0


class Sender:
    """Claims rows of the chat channels and sends them. `robots` are the addresses by name."""

    def __init__(
        self,
        store: Store,
        client: httpx.AsyncClient,
        robots: Mapping[str, Address],
        worker: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._client = client
        self._robots = robots
        self._worker = worker
        self._clock = clock
        self._paces: dict[str, Pace] = {}

    async def round(self, busy: Sequence[str] = ()) -> dict[str, list[Row]]:
        """Claim what is due, by robot; the most urgent first. Robots in `busy` are left alone."""
        rows = await outbox.claim(self._store, tuple(CHANNELS), self._worker, self._clock(), without=busy)
        by_robot: dict[str, list[Row]] = {}
        for row in rows:
            by_robot.setdefault(row.recipient, []).append(row)
        return by_robot

    async def deliver(self, robot: str, rows: Sequence[Row]) -> None:
        """Send one robot's rows, one after the other; many less urgent ones as one. After a failure the rest waits."""
        lesser = [row for row in rows if row.priority > RINGING]
        heaps = [[row] for row in rows if row.priority <= RINGING]
        heaps += [lesser] if len(lesser) >= DIGEST_FROM else [[row] for row in lesser]
        for index, heap in enumerate(heaps):
            if not await self._send(robot, heap):
                for row in (row for rest in heaps[index + 1 :] for row in rest):
                    await outbox.later(self._store, row, outbox.pause(0), "behind one that failed", self._clock())
                return

    async def _send(self, robot: str, rows: Sequence[Row]) -> bool:
        """Whether the robot answered, be it with a refusal."""
        first, now = rows[0], self._clock()
        address = self._robots.get(robot)
        channel = CHANNELS.get(first.channel)
        if address is None or channel is None or address.kind != first.channel:
            await self._settle(rows, Answer("refused", f"no {first.channel} robot named {robot}"))
            return True
        pace = self._paces.setdefault(robot, Pace(channel.per_minute))
        wait = pace.wait(now.timestamp(), first.priority <= RINGING)
        if wait > 0:
            for row in rows:
                await outbox.later(self._store, row, wait, "waiting for the robot's pace", now)
            return True
        pace.sent(now.timestamp())
        answer = await self._post(channel, address, digest(rows))
        if answer.limited:
            pace.too_fast(now.timestamp(), answer.wait)
        await self._settle(rows, answer)
        return answer.outcome != "later"

    async def _post(self, channel: Channel, address: Address, message: Message) -> Answer:
        request = channel.request(address, message, self._clock().timestamp())
        try:
            response = await self._client.post(request.url, json=request.body, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            return Answer("later", redact(f"{type(error).__name__}: {error}"))
        except httpx.InvalidURL as error:
            return Answer("refused", redact(f"the robot's address can't be used: {error}"))
        try:
            body: object = response.json()
        except (ValueError, RecursionError):
            body = None
        return channel.judge(response.status_code, body)

    async def _settle(self, rows: Sequence[Row], answer: Answer) -> None:
        now = self._clock()
        for index, row in enumerate(rows):
            if answer.outcome == "later" and not outbox.expired(row, now):
                await outbox.later(self._store, row, max(answer.wait, outbox.pause(row.tries)), answer.text, now)
                outcome = "later"
            elif answer.outcome == "accepted":
                await outbox.settle(self._store, row, "merged" if index else "sent", answer.text, now)
                outcome = "accepted"
            else:
                state: Literal["dead", "refused"] = "dead" if answer.outcome == "later" else "refused"
                await outbox.settle(self._store, row, state, answer.text, now)
                outcome = state
                log.warning("message_refused", channel=row.channel, robot=row.recipient, answer=answer.text)
            metrics.NOTIFICATIONS.labels(row.channel, outcome).inc()


def digest(rows: Sequence[Row]) -> Message:
    """The message of one row, or one message that names all of several."""
    messages = [msgspec.convert(row.body["message"], Message) for row in rows]
    if len(messages) == 1:
        return messages[0]
    first, others = messages[0], messages[1:]
    more = TEXTS[first.language]["digest"].format(n=len(others))
    return msgspec.structs.replace(first, lines=(*first.lines, more, *(message.title for message in others)))


async def run(sender: Sender, wake: asyncio.Event, beat: Callable[[], None]) -> None:
    """Send until cancelled. A slow robot holds up nobody else's messages."""
    busy: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            beat()
            wake.clear()
            for robot in [name for name, task in busy.items() if task.done()]:
                _finish(busy.pop(robot))
            try:
                found = await sender.round(tuple(busy))
            except TransientError as error:
                log.warning("waiting", loop="sender", error=redact(str(error)))
                found = {}
            for robot, rows in found.items():
                busy[robot] = asyncio.create_task(sender.deliver(robot, rows))
                busy[robot].add_done_callback(lambda _: wake.set())
            if not found:
                await woken(wake, 0.5)
    finally:
        for task in busy.values():
            task.cancel()
        await asyncio.gather(*busy.values(), return_exceptions=True)


def _finish(task: asyncio.Task[None]) -> None:
    # What failed in between is claimed again when its claim runs out.
    error = task.exception()
    if isinstance(error, TransientError):
        log.warning("waiting", loop="sender", error=redact(str(error)))
    elif error is not None:
        raise error


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until somebody wakes us, or until `seconds` have passed."""
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return
