"""Watching the log costs little: reading it is logged, so each question makes it longer."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from vault.cli.commands.audit import tail
from vault.cli.frame import root


class Log:
    """A log that grows by the entry of each question."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked = 0

    async def get_checkpoint(self, log_id: str) -> Any:
        """Its size."""
        return SimpleNamespace(size=self.size)

    async def list_entries(self, log_id: str, *, start_index: int) -> AsyncIterator[Any]:
        """From an index on."""
        self.asked += 1
        self.size += 1
        for index in range(start_index, self.size):
            yield SimpleNamespace(index=index, entry=b"")


async def test_following_asks_every_five_seconds_and_shows_each_entry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause stands between two questions, and in --help."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError

    monkeypatch.setattr(tail, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(tail, "describe", lambda _: {})
    log, seen = Log(10), []

    async def watch() -> None:
        async for index, _ in tail._newest(log, "", 3, follow=True):  # type: ignore[arg-type]
            seen.append(index)

    with pytest.raises(asyncio.CancelledError):
        await watch()
    assert pauses == [5.0] * 4
    assert log.asked == 4
    assert seen == [8, 9, 10, 11, 12, 13]
    said = " ".join(CliRunner().invoke(root, ["audit", "tail", "--help"]).stdout.split())
    assert "asks every 5 seconds" in said
