"""The loop of the visible cameras: chunks are decoded and watched for falls, each camera in its own order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from detectors import falling_object
from detectors.falling.origin import FloorLine, Geometry
from detectors.falling_object import FallingObject, FallingSettings
from detectors.work import gap, listening
from detectors.work.cameras import CameraSilence
from detectors.work.memory import Memory
from detectors.work.outlet import Outlet
from hub import metrics
from hub.bus import Assignment, Delivery, Position
from hub.model import LIVE, Candidate, VideoChunk
from hub.settings.city import City
from hub.settings.revision import Revision, Settings
from hub.video.decode import Decoder

log = structlog.get_logger()

SAVE_EVERY: Final = 60.0
BEHIND: Final = 15.0
"""Seconds of delay at which a camera starts again at a newer key frame: late is worse than incomplete."""
TAKEOVER: Final = 30.0
"""Seconds of delay that a camera may have until it has caught up for the first time. Whoever takes over from a dead
worker begins at least one group of pictures back, and a fall in there is one that nobody lived to tell of."""
CAUGHT_UP: Final = 5.0
"""Seconds of delay at which it may start."""
LET_GO: Final = 30.0
"""Seconds of silence after which a camera holds back nobody's acknowledgement."""


class _Watch:
    """One camera: its decoder, its detector, and the deliveries a restart would have to begin with."""

    def __init__(self, partition: int, fall: FallingObject) -> None:
        self.partition = partition
        self.fall = fall
        self.decoder = Decoder()
        self.gops: deque[list[Delivery[Any]]] = deque()
        self.position = Position(partition, -1)
        self.arrived = 0.0
        self.behind_since = 0.0
        self.abreast = False

    def see(self, chunks: Sequence[VideoChunk]) -> list[Candidate]:
        """Decode and look, on a worker's thread. Raises nothing of a damaged stream: the decoder counts it."""
        found: list[Candidate] = []
        for chunk in chunks:
            before = self.decoder.decoded
            for picture in self.decoder.push(chunk):
                found.extend(self.fall.observe(picture))
            metrics.FRAMES_DECODED.inc(self.decoder.decoded - before)
        return found

    def hold(self, delivery: Delivery[Any], key: bool) -> list[Delivery[Any]]:
        """Keep a chunk until two key frames have followed it. Returns those that need not come again."""
        if key or not self.gops:
            self.gops.append([])
        self.gops[-1].append(delivery)
        done: list[Delivery[Any]] = []
        while len(self.gops) > 2:
            done += self.gops.popleft()
        return done

    def let_go(self) -> list[Delivery[Any]]:
        """Everything that was held."""
        done = [delivery for gop in self.gops for delivery in gop]
        self.gops.clear()
        return done


class VideoLoop:
    """Handles deliveries of VIDEO. `clock` is seconds since 1970; `pool` decodes."""

    def __init__(
        self,
        outlet: Outlet,
        memory: Memory,
        settings: Settings,
        clock: Callable[[], float],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._outlet = outlet
        self._memory = memory
        self._settings = settings
        self._clock = clock
        self._pool = pool
        self._revision: Revision | None = None
        self._watches: dict[str, _Watch] = {}
        self._keys: dict[tuple[int, int], bool] = {}
        self._silence = CameraSilence("visible", listening.video_silence, settings, outlet, memory, clock())
        self._held: frozenset[int] = frozenset()
        self._saved = clock()
        self._quiet = False
        self.lock = asyncio.Lock()

    def assigned(self, assignment: Assignment) -> None:
        """Drop the cameras that another member has now; what they held back is that member's."""
        held = frozenset(partition for _, partition in assignment.partitions)
        if held == self._held:
            return
        self._held = held
        for lost in [name for name, watch in self._watches.items() if watch.partition not in held]:
            del self._watches[lost]
        self._silence.assigned(held)

    def settled(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Delivery[Any]]:
        """What a restart would not need: all up to the last key frame but one of each camera."""
        self._quiet = not deliveries
        done: list[Delivery[Any]] = []
        for delivery in deliveries:
            watch = self._watches.get(delivery.key)
            key = self._keys.pop((delivery.partition, delivery.offset), False)
            done += [delivery] if watch is None else watch.hold(delivery, key)
        now = self._clock()
        for watch in self._watches.values():
            if watch.gops and now - watch.arrived > LET_GO:
                done += watch.let_go()
        return done

    async def handle(self, deliveries: Sequence[Delivery[Any]]) -> None:
        """Watch a batch of chunks, the cameras beside one another. Raises MessageError, TransientError."""
        chunks: list[tuple[Delivery[Any], VideoChunk]] = [(one, one.decode()) for one in deliveries]
        async with self.lock:
            self._follow()
            await self._silence.open(self._clock())
            work: dict[str, list[VideoChunk]] = {}
            for delivery, chunk in chunks:
                watch = await self._watch(delivery, chunk)
                self._keys[(delivery.partition, delivery.offset)] = chunk.key
                watch.position = Position(delivery.partition, delivery.offset)
                watch.arrived = max(watch.arrived, chunk.at.timestamp())
                if chunk.purpose == LIVE:
                    self._silence.heard(chunk.camera, chunk.site, watch.fall.place, chunk.at.timestamp())
                if self._in_time(watch, chunk):
                    work.setdefault(chunk.camera, []).append(chunk)
            loop = asyncio.get_running_loop()
            jobs = [(self._watches[name], mine) for name, mine in work.items()]
            seen = await asyncio.gather(
                *(loop.run_in_executor(self._pool, watch.see, mine) for watch, mine in jobs), return_exceptions=True
            )
            wrong = [one for one in seen if isinstance(one, BaseException)]
            for (watch, _), found in zip(jobs, seen, strict=True):
                if not isinstance(found, BaseException):
                    for one in found:
                        self._outlet.take(one, falling_object.decide(one, watch.fall.settings))
            await self._finish()
        if wrong:
            raise wrong[0]

    async def tick(self) -> None:
        """Once a second."""
        async with self.lock:
            self._follow()
            await self._silence.open(self._clock())
            now = self._clock()
            for watch in self._watches.values():
                for found in watch.fall.advance(now):
                    self._outlet.take(found, falling_object.decide(found, watch.fall.settings))
            if self._watches:
                metrics.COVERAGE_RATIO.set(min(_covered(watch.fall) for watch in self._watches.values()))
            if self._quiet or all(now - watch.arrived < BEHIND for watch in self._watches.values()):
                self._silence.advance(now)
            await self._finish()

    def _in_time(self, watch: _Watch, chunk: VideoChunk) -> bool:
        """Whether to look at a chunk. A camera that is far behind goes on at a new key frame, and says so."""
        delay = self._clock() - chunk.at.timestamp()
        watch.abreast = watch.abreast or delay <= CAUGHT_UP
        if not watch.behind_since:
            if delay <= (BEHIND if watch.abreast else TAKEOVER):
                return True
            watch.behind_since = chunk.at.timestamp()
            log.warning("behind", camera=chunk.camera, seconds=round(delay, 1))
            self._tell_gap(watch, chunk, "begins")
        if not chunk.key or delay > CAUGHT_UP:
            return False
        missed = chunk.at.timestamp() - watch.behind_since
        metrics.FRAMES_UNCOVERED.labels("behind").inc(max(0.0, missed))
        self._tell_gap(watch, chunk, "over")
        watch.behind_since = 0.0
        return True

    def _tell_gap(self, watch: _Watch, chunk: VideoChunk, about: str) -> None:
        found = gap.candidate_of(chunk, watch.fall.place, watch.behind_since, about, self._settings.current.number)
        self._outlet.take(found, gap.decide(found))

    async def _finish(self) -> None:
        now = self._clock()
        if self._outlet.waiting:
            await self._outlet.flush()
        due = now - self._saved >= SAVE_EVERY
        await self._silence.save(now_and_then=due)
        if due:
            states = {name: (watch.fall.snapshot(), watch.position) for name, watch in self._watches.items()}
            await self._memory.save(falling_object.NAME, {name: s for name, s in states.items() if s[0]})
            self._saved = now

    async def _watch(self, delivery: Delivery[Any], chunk: VideoChunk) -> _Watch:
        watch = self._watches.get(chunk.camera)
        if watch is None:
            revision = self._settings.current
            known = revision.city.camera(chunk.camera)
            fall = FallingObject(
                chunk.camera,
                known.place if known else chunk.site,
                self._tuned(chunk.camera),
                geometry_of(revision.city, chunk.camera),
                revision.number,
            )
            fall.restore(await self._memory.load(falling_object.NAME, chunk.camera))
            watch = self._watches[chunk.camera] = _Watch(delivery.partition, fall)
        return watch

    def _follow(self) -> None:
        revision = self._settings.current
        if revision is self._revision:
            return
        self._revision = revision
        for name, watch in self._watches.items():
            watch.fall.use(self._tuned(name), revision.number)
            watch.fall.geometry = geometry_of(revision.city, name)
        self._silence.follow(self._clock())

    def _tuned(self, camera: str) -> FallingSettings:
        return self._settings.current.tuning.of("falling", FallingSettings, camera)


def _covered(fall: FallingObject) -> float:
    """The share of time and picture in which this camera's detector would have seen a fall, 0..1."""
    seen = fall.coverage
    return (1.0 - seen.masked) * (1.0 - seen.uncovered / seen.seconds if seen.seconds > 0 else 0.0)


def geometry_of(city: City, camera: str) -> Geometry:
    """What commissioning found out about a camera."""
    known = city.camera(camera)
    if known is None or known.calibration is None:
        return Geometry()
    told = known.calibration
    lines = tuple(FloorLine(line.floor, line.points) for line in told.floor_lines)
    return Geometry(told.vanishing_row, lines, told.facade, told.floor_height)
