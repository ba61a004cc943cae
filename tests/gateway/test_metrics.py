"""Figures for monitoring: what waits, for how long, and what happened; never whose."""

from tests.gateway.fake_store import FakeStore, Kept
from vault.domain.names import Owner
from vault.errors import Unavailable
from vault.gateway.backoff import wait
from vault.gateway.counts import FAMILIES, Counts
from vault.gateway.metrics import Metrics
from vault.gateway.port import Envelope


async def test_a_page_has_depth_age_and_counts() -> None:
    """As Prometheus reads them."""
    store, counts = FakeStore(), Counts()
    store.kept["x"] = Kept("x", Owner("customers/42"), Envelope("s@a.example", ()), b"", "")
    counts.add("relayed", "tempfail", 3)
    page = (await Metrics(store, counts).page()).decode()
    assert "customer_vault_mail_waiting 1.0" in page
    assert "customer_vault_mail_oldest_seconds 12.5" in page
    assert 'customer_vault_mail_relayed_total{outcome="tempfail"} 3.0' in page
    assert "customers/" not in page
    assert "a.example" not in page
    assert "process_resident_memory_bytes" in page


async def test_a_vault_that_is_away_leaves_out_what_it_would_say() -> None:
    """And the gateway is not ready; the counts stay."""
    store = FakeStore()
    metrics = Metrics(store, Counts())
    assert await metrics.ready()
    store.failing = Unavailable("restarting")
    page = (await metrics.page()).decode()
    assert "customer_vault_mail_waiting" not in page
    assert all(f"customer_vault_mail_{family}" in page for family in FAMILIES)
    assert not await metrics.ready()


def test_waits_grow_up_to_a_bound_and_are_never_the_same() -> None:
    """From the upper half of a span that doubles."""
    for attempts, span in ((0, 30), (1, 30), (2, 60), (5, 480), (8, 3600), (5000, 3600)):
        drawn = [wait(attempts) for _ in range(50)]
        assert all(span / 2 <= seconds <= span for seconds in drawn)
        assert len(set(drawn)) > 10
