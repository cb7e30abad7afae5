"""One run of the demo: hub and city up, the story told as it happens, and in the end a verdict."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import structlog
from rich.console import Console
from rich.text import Text

from app.demo.operator import Operator
from app.demo.surroundings import Ports, city, environment, ports
from app.demo.tally import FALL, FIRE, KINDS, Seen, Tally
from app.ending import first, stop_event
from app.whole import load, running, sole
from hub import log as logs
from hub.errors import TransientError
from hub.video.preview import frames_in

log = structlog.get_logger()

CONFIG: Final = Path(__file__).resolve().parents[2] / "configs" / "hub.yaml"
LOOK_EVERY: Final = 1.0
NAMES: Final = {"fall": "falling object", "fire": "fire", "gas": "gas"}


async def run_demo(data: Path, port: int, *, seconds: float, as_json: bool, without: frozenset[str]) -> int:
    """Run until Ctrl-C, or for `seconds`. Returns 0 when nothing is missing (unattended runs), else 1."""
    stop = stop_event()
    used = ports(port)
    with sole(data):
        pass  # said at once, and not after the films are rendered
    (data / "log").mkdir(parents=True, exist_ok=True)
    os.environ.update(environment(data, used))
    deployment = load(CONFIG)
    told = Commentary(quiet=as_json)
    with (data / "log" / "hub.log").open("a") as out:
        logs.configure("demo", deployment.log.level, out)
        play = Play(told, used, data, unattended=seconds > 0)
        async with AsyncExitStack() as stack:
            # Rendering the films, once, takes longer than all the rest: the hub's clock begins after it.
            await stack.enter_async_context(
                city(used, data / "films", without, play.city_says, data / "log" / "city.log")
            )
            await first(stop.wait(), play.city_ready.wait())
            if stop.is_set():
                return 130
            told.begin()
            told(f"starting the hub; its log is in {data / 'log'}")
            await stack.enter_async_context(running(CONFIG, deployment, play.hub_says, out))
            await first(stop.wait(), play.watch(), _after(seconds))
            told("stopping ...")
        return play.verdict(as_json)


class Commentary:
    """A line at a time, with the seconds since the start."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=quiet)
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._began, 2)

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.monotonic()

    def __call__(self, text: str, style: str = "") -> None:
        line = Text.assemble((f"{self.now:6.1f} s  ", "dim"), (text, style))
        self._console.print(line, soft_wrap=True)


class Play:
    """What the demo's operator knows and says. `unattended`: presses the keys that a person would."""

    def __init__(self, told: Commentary, used: Ports, data: Path, *, unattended: bool) -> None:
        self._told = told
        self._used = used
        self._data = data
        self._unattended = unattended
        self._tally = Tally()
        self.city_ready = asyncio.Event()
        self._since = datetime.now(UTC).isoformat()
        self._acted: set[str] = set()
        self._said: set[str] = set()
        self.trouble: list[str] = []

    def city_says(self, line: dict[str, Any]) -> None:
        """A line of the simulated city's."""
        if "progress" in line:
            share = int(line["progress"] * 10)
            self._once(f"rendering {share}", f"rendering the cameras' films: {share * 10} %", only=share not in (0, 10))
        elif "ready" in line:
            self.city_ready.set()
            self._told(f"the simulated city is up: {len(line['ready']['cameras'])} cameras on RTSP, sensors on MQTT")
        elif "happens" in line:
            self._told(f"[world] {line['happens']['words']}", "magenta")
        elif "ended" in line:
            self.city_ready.set()
            self.trouble.append(f"the simulated city ended with code {line['ended']}")
            self._told(self.trouble[-1], "red")

    def hub_says(self, name: str, what: str) -> None:
        """A line of the supervisor's."""
        self._told(f"{name}: {what}", "red" if "ended" in what or "hangs" in what else "")
        if "ended" in what or "hangs" in what:
            self.trouble.append(f"{name}: {what}")

    async def watch(self) -> None:
        """Look on until cancelled."""
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
            operator = Operator(client, self._used, self._data)
            await operator.ready(60.0)
            await operator.sign_in()
            page = f"http://127.0.0.1:{self._used.page}/"
            self._told(f"the page: {page}   name: admin   password: {operator.password()}", "bold green")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(operator))
                tasks.create_task(self._look(operator))

    def verdict(self, as_json: bool) -> int:
        """Print what is missing, or the whole tally as JSON. 1 when an unattended run lacks anything."""
        missing = self._tally.missing(acted=self._unattended) + self.trouble
        if as_json:
            summary = {"ok": not missing, "missing": missing, "seconds": self._told.now, **self._tally.summary()}
            print(json.dumps(summary, ensure_ascii=False, indent=2))
        elif self._unattended:
            for line in missing:
                self._told(f"missing: {line}", "red")
            self._told("everything was seen, linked, sent and received" if not missing else "not whole", "bold")
        return 1 if missing and self._unattended else 0

    async def _listen(self, operator: Operator) -> None:
        while True:
            try:
                async for kind, body in operator.stream():
                    if kind == "incident":
                        self._hear(body)
            except httpx.TransportError as error:
                log.warning("demo_stream_lost", error=repr(error))
            await asyncio.sleep(0.5)

    def _hear(self, body: dict[str, Any]) -> None:
        story = self._tally.incident(body, self._since, self._told.now)
        if story is None:
            return
        seen = self._tally.stories[story]
        self._once(f"page {story}", f"[page] {seen.number} {seen.title}: {seen.reason}", "bold yellow")
        for why in seen.why_linked:
            self._once(f"link {story} {why}", f"[page] {seen.number} linked: {why}", "yellow")
        self._once(f"state {story} {seen.state}", f"[page] {seen.number} is {seen.state}", only=seen.state != "new")

    async def _look(self, operator: Operator) -> None:
        while True:
            try:
                for story, seen in tuple(self._tally.stories.items()):
                    await self._look_at(operator, story, seen)
                await self._peers(operator)
            except (httpx.HTTPError, TransientError) as error:
                log.warning("demo_look_failed", error=repr(error))
            await asyncio.sleep(LOOK_EVERY)

    async def _look_at(self, operator: Operator, story: str, seen: Seen) -> None:
        whole = await operator.incident(seen.incident)
        card = whole.get("call_119") or {}
        lines = [card.get(name, "") for name in ("unit", "place", "burning", "scale", "caller")]
        seen.call_119 = [line for line in lines if line]
        if seen.call_119:
            self._once(f"119 {story}", f"[page] {seen.number} 119: " + " / ".join(seen.call_119), "red")
        for order in whole["work_orders"]:
            if order["status"] and order["status"] != seen.hotline_said:
                seen.hotline_said = order["status"]
                self._told(f"[page] {seen.number}: the hotline says status {order['status']} of {order['order_no']}")
        ready = [one for one in whole["evidence"] if one["state"] == "ready"]
        seen.pictures = sum(one["kind"] in ("trajectory", "thermal") for one in ready)
        clip = next((one for one in ready if one["kind"] == "clip"), None)
        if clip is not None and not seen.clip_frames:
            film = await operator.evidence(clip["url"])
            seen.clip_bytes, seen.clip_frames = len(film), await asyncio.to_thread(frames_in, film)
            self._told(f"[page] {seen.number}: clip of {seen.clip_frames} pictures, {len(film) // 1024} KiB, plays")
        if self._unattended and story not in self._acted and self._complete(story, seen):
            self._acted.add(story)
            self._told(f"[operator] acknowledges, resolves and closes {seen.number}", "cyan")
            for action in ("acknowledge", "resolve", "close"):
                await operator.ask(seen.incident, action, "演示：现场已处理")

    def _complete(self, story: str, seen: Seen) -> bool:
        """Whether all that comes by itself has come, so that closing cuts nothing off."""
        shown = seen.clip_frames > 0 or story not in (FALL, FIRE)
        return shown and set(seen.kinds) >= KINDS[story] and bool(seen.order_no) and bool(seen.hotline_said)

    async def _peers(self, operator: Operator) -> None:
        for message in await operator.robot():
            for story, seen in self._tally.stories.items():
                if seen.robot_at < 0 and seen.number in message["text"]:
                    seen.robot_at, seen.robot_says = self._told.now, message["text"].splitlines()[0]
                    self._told(f"[robot] {NAMES[story]}: {seen.robot_says}", "green")
        for order in await operator.orders():
            for story, seen in self._tally.stories.items():
                if order["incident"] != seen.incident:
                    continue
                if not seen.order_no:
                    seen.order_no, seen.order_at = order["order_no"], self._told.now
                    seen.by_emergency_rules = "应急" in json.dumps(order["body"], ensure_ascii=False)
                    marked = ", marked as handled by emergency rules" if seen.by_emergency_rules else ""
                    self._told(f"[12345] {NAMES[story]}: order {seen.order_no}{marked}", "blue")
                updates = [
                    str(update["body"].get("status", update["body"].get("state"))) for update in order["updates"]
                ]
                for update in updates[len(seen.updates) :]:
                    self._told(f"[12345] {seen.order_no}: told {update}", "blue")
                seen.updates = updates

    def _once(self, name: str, text: str, style: str = "", *, only: bool = True) -> None:
        if only and name not in self._said:
            self._said.add(name)
            self._told(text, style)


async def _after(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
    else:
        await asyncio.Event().wait()
