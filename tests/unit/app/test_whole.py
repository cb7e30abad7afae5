"""What the processes of a hub are held to: one hub a folder, failures that come out, in plain words."""

import asyncio
from pathlib import Path

import pytest

from app.ending import first, plainly
from app.whole import sole
from hub.errors import ConfigError, HubError, TransientError


def test_only_one_hub_works_in_a_folder(tmp_path: Path) -> None:
    with sole(tmp_path), pytest.raises(HubError, match="is at work in"), sole(tmp_path):
        pytest.fail("two hubs in one folder")
    with sole(tmp_path):
        pass


async def test_the_first_to_end_ends_the_others() -> None:
    cancelled = asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def short() -> None:
        await asyncio.sleep(0)

    await first(long(), short())
    assert cancelled.is_set()


async def test_a_failure_is_not_swallowed() -> None:
    async def fails() -> None:
        raise ConfigError("the port is taken")

    with pytest.raises(ConfigError, match="the port is taken"):
        await first(asyncio.Event().wait(), fails())


def test_of_several_failures_the_hubs_own_words_are_told() -> None:
    inner = ExceptionGroup("web", [ZeroDivisionError("first"), ConfigError("port 8321 is taken")])
    assert str(plainly(ExceptionGroup("role", [inner]))) == "port 8321 is taken"
    assert isinstance(plainly(ExceptionGroup("role", [TransientError("away"), OSError()])), TransientError)
    assert isinstance(plainly(ExceptionGroup("role", [OSError("x")])), OSError)
