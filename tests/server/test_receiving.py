"""The places for requests on their way: bounded, not lost to who never finishes, and given to who came last."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from vault.errors import InvalidArgument, RateLimited, Unavailable
from vault.server import receiving
from vault.server.receiving import LARGE_BYTES, PLACES, Receiving

SMALL = b"small"


@pytest.fixture
async def held() -> AsyncIterator[tuple[Receiving, list["asyncio.Task[bytes]"]]]:
    """Places that are all taken by requests which never arrive, in the order in which they came."""
    places = Receiving()
    tasks = [asyncio.create_task(places.take(asyncio.Event().wait)) for _ in range(PLACES)]
    await asyncio.sleep(0)
    yield places, tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def arrives(raw: object = SMALL) -> Callable[[], Awaitable[object]]:
    """A request that is there."""

    async def read() -> object:
        await asyncio.sleep(0)
        return raw

    return read


async def test_a_small_request_leaves_its_place_at_once() -> None:
    """However many there are."""
    places = Receiving()
    assert [await places.take(arrives()) for _ in range(3 * PLACES)] == [SMALL] * 3 * PLACES


async def test_a_large_request_keeps_its_place_until_its_call_ends() -> None:
    """The next one waits for that."""
    places, large = Receiving(), bytes(LARGE_BYTES + 1)
    for _ in range(PLACES):
        await places.take(arrives(large))
    waits = asyncio.create_task(places.take(arrives()))
    await asyncio.sleep(0.01)
    assert not waits.done()
    places.leave()
    assert await asyncio.wait_for(waits, 5) == SMALL


async def test_what_never_arrives_is_sent_away_for_who_waits(
    held: tuple[Receiving, list["asyncio.Task[bytes]"]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as wait, the ones first who have been on the way for the longest time; it is told to call again."""
    monkeypatch.setattr(receiving, "PATIENCE_S", 0.01)
    places, tasks = held
    assert await asyncio.wait_for(places.take(arrives()), 5) == SMALL
    with pytest.raises(Unavailable, match="nothing was done"):
        await tasks[0]
    assert not any(task.done() for task in tasks[1:])
    assert not tasks[0].cancelling()


async def test_who_came_last_is_let_in_first(held: tuple[Receiving, list["asyncio.Task[bytes]"]]) -> None:
    """Those who wait for long are the ones whom nobody finishes."""
    places, tasks = held
    came: list[int] = []

    async def come(number: int) -> None:
        await places.take(arrives())
        came.append(number)

    waiting = [asyncio.create_task(come(number)) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*waiting)
    assert came == [2, 1, 0]


async def test_who_goes_while_waiting_costs_no_place(held: tuple[Receiving, list["asyncio.Task[bytes]"]]) -> None:
    """Before its place is given, and in the same moment."""
    places, tasks = held
    before, later, now = (asyncio.create_task(places.take(arrives())) for _ in range(3))
    await asyncio.sleep(0)
    before.cancel()
    await asyncio.gather(before, return_exceptions=True)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    now.cancel()
    assert await asyncio.wait_for(later, 5) == SMALL
    assert [await places.take(arrives()) for _ in range(2)] == [SMALL] * 2


async def test_a_call_that_is_cancelled_while_its_request_comes_is_cancelled() -> None:
    """And not sent away: that is something else."""
    places = Receiving()
    task = asyncio.create_task(places.take(asyncio.Event().wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_no_request_at_all_is_said_to_be_missing() -> None:
    """A stream that ends before its first message."""
    with pytest.raises(InvalidArgument, match="missing"):
        await Receiving().take(arrives(raw=object()))


async def test_how_many_wait_is_bounded(
    held: tuple[Receiving, list["asyncio.Task[bytes]"]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes then is told to come again."""
    monkeypatch.setattr(receiving, "WAITING", 1)
    places, _ = held
    waits = asyncio.create_task(places.take(arrives()))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await places.take(arrives())
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
