"""Changed facts: who began before, and who began after."""

from vault.service import freshness
from vault.service.freshness import Freshness

ONE, OTHER = "customers/1", "customers/2"


def test_a_change_makes_stale_who_began_before_it() -> None:
    """And nobody whose customers are others."""
    fresh = Freshness()
    since = fresh.now()
    assert not fresh.stale(since, [ONE])
    fresh.settled([fresh.changing(ONE)])
    assert fresh.stale(since, [OTHER, ONE])
    assert not fresh.stale(since, [OTHER])
    assert not fresh.stale(fresh.now(), [ONE])


def test_who_begins_before_a_change_is_durable_is_stale() -> None:
    """It could still read what was before; another change's end does not hide it."""
    fresh = Freshness()
    first, second = fresh.changing(ONE), fresh.changing(ONE)
    fresh.settled([first])
    since = fresh.now()
    assert fresh.stale(since, [ONE])
    fresh.settled([second])
    assert fresh.stale(since, [ONE])
    assert not fresh.stale(fresh.now(), [ONE])


def test_who_began_before_what_was_forgotten_is_stale() -> None:
    """Marks are bounded, and forgetting never hides a change."""
    fresh = Freshness()
    since = fresh.now()
    for at in range(freshness.KEPT + 1):
        fresh.settled([fresh.changing(f"customers/x{at}")])
    assert fresh.stale(since, [ONE])
    assert not fresh.stale(fresh.now(), [ONE])
