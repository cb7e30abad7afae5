"""One process reads the folder, the others follow: on a real database and a bus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hub.bus.memory import MemoryBus
from hub.errors import ConfigError
from hub.settings.keeper import Keeper
from hub.settings.revision import Settings
from hub.store import Store
from hub.topics import SETTINGS
from tests.unit.hub.small_city import FILES, SECTIONS, Thermal

pytestmark = pytest.mark.postgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def keeper(folder: Path, store: Store, bus: MemoryBus) -> Keeper:
    return Keeper(folder, store, bus, SECTIONS, environ={})


def set_limit(folder: Path, value: str) -> None:
    (folder / "tuning/defaults.yaml").write_text(f"thermal:\n  rules:\n    fixed: {{at: {value}}}\n")


def limit(settings: Settings) -> float:
    return settings.current.tuning.of("thermal", Thermal).rules["fixed"].at


async def rows(store: Store, query: str) -> list[Any]:
    async with store.connection() as connection:
        cursor = await connection.execute(query)
        found: list[Any] = await cursor.fetchall()
        return found


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # the other side is a database, which sets no event
            await asyncio.sleep(0.05)


async def announced(bus: MemoryBus) -> list[tuple[str, int]]:
    async with bus.subscribe([SETTINGS], "test-reader") as reader:
        taken = await reader.take(wait=0.2)
        await reader.commit(taken)
        return [(delivery.decode().site, delivery.decode().number) for delivery in taken]


async def test_what_is_sound_is_stored_once_and_announced_for_each_site(folder: Path, store: Store) -> None:
    async with MemoryBus() as bus:
        mine = keeper(folder, store, bus)
        assert await mine.start() == 1
        assert await mine.look() is None
        assert sorted(await announced(bus)) == [("", 1), ("cuihu", 1)]
        # Another start of the hub finds the same revision, and says so again in case nobody heard it.
        assert await keeper(folder, store, bus).start() == 1
        assert sorted(await announced(bus)) == [("", 1), ("cuihu", 1)]
        assert await rows(store, "SELECT number, author, accepted FROM settings_revision") == [(1, "files", True)]


async def test_a_bad_reload_keeps_the_old_revision_and_says_why(folder: Path, store: Store) -> None:
    async with MemoryBus() as bus:
        mine = keeper(folder, store, bus)
        await mine.start()
        settings = await Settings.open(store, "detect", "a")
        set_limit(folder, "95")
        await mine.look()
        assert not await settings.refresh()
        assert limit(settings) == 80.0
        [(last_ok, mistakes)] = await rows(store, "SELECT last_ok, mistakes FROM settings_state")
        assert last_ok is False
        assert [(m["file"], m["line"], m["column"]) for m in mistakes] == [("tuning/defaults.yaml", 3, 17)]
        # It stays false as long as the bad file is there, and the next good one is taken.
        await mine.look()
        assert await rows(store, "SELECT last_ok FROM settings_state") == [(False,)]
        set_limit(folder, "95 °C")
        await mine.look()
        assert await settings.refresh()
        assert (settings.current.number, limit(settings)) == (2, 95.0)
        assert await rows(store, "SELECT last_ok, mistakes FROM settings_state") == [(True, [])]


async def test_going_back_is_a_new_revision(folder: Path, store: Store) -> None:
    async with MemoryBus() as bus:
        mine = keeper(folder, store, bus)
        await mine.start()
        for value in ("95 °C", "80 °C"):
            set_limit(folder, value)
            await mine.look()
        assert [number for (number,) in await rows(store, "SELECT number FROM settings_revision ORDER BY 1")] == [
            1,
            2,
            3,
        ]


async def test_a_start_with_mistakes_lists_them_all(folder: Path, store: Store) -> None:
    set_limit(folder, "95")
    (folder / "city.yaml").write_text(FILES["city.yaml"].replace("grid: two", "grid: tow"))
    async with MemoryBus() as bus:
        with pytest.raises(ConfigError) as caught:
            await keeper(folder, store, bus).start()
    assert {m.file for m in caught.value.mistakes} == {"city.yaml", "tuning/defaults.yaml"}


async def test_followers_take_a_saved_file_and_answer(folder: Path, store: Store) -> None:
    """The whole way: an editor saves, the watcher sees it, another process works by it and says so."""
    async with MemoryBus() as bus, asyncio.TaskGroup() as group:
        mine = keeper(folder, store, bus)
        await mine.start()
        followers = [await Settings.open(store, role, "a") for role in ("detect", "alerts")]
        tasks = [group.create_task(mine.run()), *(group.create_task(one.follow(bus)) for one in followers)]

        async def answered(number: int) -> bool:
            query = "SELECT role, number FROM settings_applied ORDER BY role"
            return await rows(store, query) == [("alerts", number), ("detect", number)]

        await until(lambda: answered(1))
        # As editors do it: a new file is put in the place of the old one. Repeated until the watch has begun.
        draft = folder / "tuning/defaults.yaml.tmp"

        async def saved_and_answered() -> bool:
            draft.write_text("thermal:\n  rules:\n    fixed: {at: 95 °C}\n")
            draft.replace(folder / "tuning/defaults.yaml")
            await asyncio.sleep(0.5)
            return await answered(2)

        await until(saved_and_answered)
        assert [limit(one) for one in followers] == [95.0, 95.0]
        for task in tasks:
            task.cancel()


async def test_opening_waits_for_the_first_revision(folder: Path, store: Store) -> None:
    async with MemoryBus() as bus:
        with pytest.raises(ConfigError, match="no settings are stored"):
            await Settings.open(store, "detect", "a", wait=0.5)
        opening = asyncio.create_task(Settings.open(store, "detect", "a"))
        await keeper(folder, store, bus).start()
        assert (await opening).current.number == 1


async def test_a_folder_that_vanishes_keeps_the_old_revision(folder: Path, store: Store, tmp_path: Path) -> None:
    async with MemoryBus() as bus:
        mine = keeper(folder, store, bus)
        await mine.start()
        for name in FILES:
            (folder / name).unlink()
        checked = await mine.look()
        assert checked is not None
        assert "missing" in str(checked.mistakes[0])
        assert (await Settings.open(store, "detect", "a")).current.number == 1
