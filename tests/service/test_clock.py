"""What destroys the old asks for the time, and gets none while the clock is in doubt."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.service.clock import AGREEMENT_S, CONFIRMED_FOR_MS, MAX_AWAY_MS, TOLERANCE_MS, Clock, Doubt
from vault.storage.port import ClockNote, Upkeep

NOW = 1_800_000_000_000
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


@dataclass
class Time:
    """Two clocks in the test's hand."""

    wall: int = NOW
    steady: float = 1000.0

    def passes(self, milliseconds: int) -> None:
        """On both."""
        self.wall += milliseconds
        self.steady += milliseconds / 1000


async def started(vault: OpenVault, at: Time, home: Path) -> Clock:
    """A clock as a start of the process makes it."""
    clock = Clock(vault.parts.store, home / "confirmed", wall=lambda: at.wall, steady=lambda: at.steady)
    await clock.start()
    return clock


@pytest.fixture
async def store(vault: OpenVault) -> Upkeep:
    """A store that was right at NOW; the vault's own upkeep, which notes the real time, is stopped first."""
    await vault.vault._upkeep.close()
    await vault.parts.store.note_clock(ClockNote(NOW, ""))
    return vault.parts.store


async def test_clocks_that_agree_are_trusted_and_noted_every_hour(
    vault: OpenVault, store: Upkeep, tmp_path: Path
) -> None:
    """The note is what the next start compares with."""
    at = Time()
    clock = await started(vault, at, tmp_path)
    at.passes(HOUR_MS - 1)
    assert await clock.trusted() == at.wall
    assert await store.clock_note() == ClockNote(NOW, "")
    at.passes(1)
    assert await clock.trusted() == at.wall
    assert await store.clock_note() == ClockNote(at.wall, "")


@pytest.mark.parametrize("jump", [400 * DAY_MS, TOLERANCE_MS + 1000, -TOLERANCE_MS - 1000, -2 * HOUR_MS])
async def test_a_jump_holds_deletions_back_until_the_clocks_have_agreed_for_a_day(
    vault: OpenVault, store: Upkeep, tmp_path: Path, jump: int
) -> None:
    """What was written meanwhile carries the time of the jump."""
    at = Time()
    clock = await started(vault, at, tmp_path)
    at.wall += jump
    assert await clock.trusted() is None
    assert clock.doubt is Doubt.JUMPED
    assert await store.clock_note() == ClockNote(NOW, Doubt.JUMPED.value)
    at.passes(3 * DAY_MS)
    assert await clock.trusted() is None
    at.wall -= jump
    assert await clock.trusted() is None
    at.passes(int(AGREEMENT_S * 1000) - 1)
    assert await clock.trusted() is None
    at.passes(1)
    assert await clock.trusted() == at.wall
    assert await store.clock_note() == ClockNote(at.wall, "")


async def test_a_clock_that_is_set_a_little_is_trusted(vault: OpenVault, store: Upkeep, tmp_path: Path) -> None:
    """Up to five minutes, in both directions."""
    at = Time()
    clock = await started(vault, at, tmp_path)
    at.wall += TOLERANCE_MS
    assert await clock.trusted() is not None
    at.wall -= 2 * TOLERANCE_MS
    assert await clock.trusted() is not None
    assert (await store.clock_note()) == ClockNote(NOW, "")


@pytest.mark.parametrize(
    ("noted", "doubt"),
    [
        (ClockNote(NOW, ""), Doubt.NONE),
        (ClockNote(NOW - MAX_AWAY_MS, ""), Doubt.NONE),
        (ClockNote(NOW - MAX_AWAY_MS - 1, ""), Doubt.AWAY),
        (ClockNote(NOW + TOLERANCE_MS + 1, ""), Doubt.BEHIND),
        (ClockNote(NOW, "the wall clock jumped while the server ran"), Doubt.EARLIER),
    ],
)
async def test_a_start_compares_with_the_last_right_moment(
    vault: OpenVault, tmp_path: Path, noted: ClockNote, doubt: Doubt
) -> None:
    """Not before it, at most 7 days after it; and a start does not end a doubt."""
    await vault.vault._upkeep.close()
    await vault.parts.store.note_clock(noted)
    at = Time()
    clock = await started(vault, at, tmp_path)
    assert (await clock.trusted() is None) == bool(doubt)
    assert clock.doubt is doubt
    at.passes(2 * DAY_MS)
    assert (await clock.trusted() is None) == bool(doubt)


async def test_an_operator_ends_the_doubt(vault: OpenVault, store: Upkeep, tmp_path: Path) -> None:
    """Once: what was said is taken away, and what comes later is another doubt."""
    at = Time()
    clock = await started(vault, at, tmp_path)
    at.wall += 400 * DAY_MS
    assert await clock.trusted() is None
    (tmp_path / "confirmed").write_text(str(at.wall))
    at.passes(CONFIRMED_FOR_MS)
    assert await clock.trusted() == at.wall
    assert not (tmp_path / "confirmed").exists()
    assert await store.clock_note() == ClockNote(at.wall, "")
    at.wall -= 400 * DAY_MS
    assert await clock.trusted() is None


@pytest.mark.parametrize("said", ["", "yes", str(NOW + 400 * DAY_MS), str(NOW - CONFIRMED_FOR_MS - 1), "1" * 5000])
async def test_a_word_of_another_time_counts_for_nothing(
    vault: OpenVault, store: Upkeep, tmp_path: Path, said: str
) -> None:
    """Nor does what is none, and it does not stay."""
    at = Time()
    clock = await started(vault, at, tmp_path)
    at.wall -= HOUR_MS
    assert await clock.trusted() is None
    at.wall += HOUR_MS
    (tmp_path / "confirmed").write_text(said)
    assert await clock.trusted() is None
    assert not (tmp_path / "confirmed").exists()
    assert (await store.clock_note()) == ClockNote(NOW, Doubt.JUMPED.value)


async def test_changes_are_announced_once(vault: OpenVault, store: Upkeep, tmp_path: Path) -> None:
    """And again only when they change."""
    del store
    at = Time()
    clock = await started(vault, at, tmp_path)
    told: list[str] = []

    async def tell(action: str, _when: int) -> None:
        told.append(action)

    clock.announce = tell
    for jump in (0, HOUR_MS, 0, -HOUR_MS, 0):
        at.wall += jump
        await clock.trusted()
    (tmp_path / "confirmed").write_text(str(at.wall))
    await clock.trusted()
    assert told == ["HoldDeletions", "ConfirmClock"]


async def test_nothing_is_destroyed_while_the_clock_is_in_doubt(vault: OpenVault) -> None:
    """Not a request, not the key of its day; and the log says that the jobs are held back."""
    await vault.vault._upkeep.close()  # its own first round; those below are all there are
    await vault.vault._upkeep.round()
    request_id = new_request_id()
    vault.now_shift = -73 * HOUR_MS
    await vault.create(request_id=request_id)
    clock = vault.parts.clock
    clock._began -= 400 * DAY_MS  # the wall clock, as it is now, is 400 days ahead of where it began
    await vault.vault._upkeep.round()
    caller = "spiffe://vault.example/storefront"
    assert await vault.parts.store.seen_request(caller, request_id)
    assert await vault.parts.store.system_rows("request-day-key")
    assert parse((await vault.entries())[-1]).action == "Vault.HoldDeletions"
    clock._confirmation.write_text(str(clock._wall()))
    await vault.vault._upkeep.round()
    assert not await vault.parts.store.seen_request(caller, request_id)
    assert not await vault.parts.store.system_rows("request-day-key")
    assert "Vault.ConfirmClock" in {parse(entry).action for entry in await vault.entries()}
