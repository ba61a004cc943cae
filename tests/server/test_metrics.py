"""The figures: what is counted, what the page looks like, and that nothing of a caller's is on it."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.running import CANARY, FakeVault, Running, failure, get, place, running
from vault.domain.histogram import Histogram
from vault.errors import PermissionDenied
from vault.pki import spiffe
from vault.server.metrics import families
from vault.server.metrics.families import FAMILIES
from vault.server.metrics.page import Page
from vault.service.gauges import Sample
from vault.v1 import status_pb2 as status

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


async def scrape(server: Running) -> dict[tuple[str, tuple[str, ...]], float]:
    """All samples of the page, by name and values of labels in the order of their names."""
    _, text = await server.page("/metrics")
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sample.labels[key] for key in sorted(sample.labels))] = float(sample.value)
    return found


async def test_calls_are_counted_by_method_role_and_outcome(tmp_path: Path) -> None:
    """Code, method, reason, role: in that order here."""

    async def deny(request: object) -> object:
        raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, "denied")

    vault = FakeVault()
    async with running(place(tmp_path), vault) as server, server.channel() as channel:
        await get(channel)
        await get(channel)
        vault.work = deny  # type: ignore[assignment]
        await failure(get(channel))
        found = await scrape(server)
    method = "ContactService.GetContact"
    assert found["vault_calls_total", ("OK", method, "", "provisioning")] == 2
    assert found["vault_calls_total", ("PERMISSION_DENIED", method, "PURPOSE_NOT_ALLOWED", "provisioning")] == 1
    assert found["vault_call_seconds_count", (method,)] == 3
    assert found["vault_records_total", ("provisioning",)] == 3
    assert found["vault_calls_in_flight", ()] == 0


async def test_who_the_policy_does_not_name_is_unknown(tmp_path: Path) -> None:
    """A SPIFFE ID may name a person, and there is no end of them."""
    async with running(place(tmp_path)) as server:
        stranger = server.place.caller(spiffe.parse("spiffe://vault.example/person/mallory"))
        async with server.channel(stranger) as channel:
            await get(channel)
        _, page = await server.page("/metrics")
    assert 'role="unknown"' in page
    assert "mallory" not in page
    assert "spiffe" not in page


async def test_nothing_that_a_caller_sent_is_on_the_page(tmp_path: Path) -> None:
    """Neither an id, nor a value in an error."""

    async def fail(request: object) -> object:
        raise RuntimeError(CANARY)

    async with (
        running(place(tmp_path), FakeVault(fail)) as server,  # type: ignore[arg-type]
        server.channel() as channel,
    ):
        await failure(get(channel, "c-canary"))
        _, page = await server.page("/metrics")
    assert 'code="INTERNAL"' in page
    assert "canary" not in page


def test_the_documentation_names_every_family_and_no_other() -> None:
    """Alert rules are written against it."""
    documented = dict(re.findall(r"^\| `(vault_\w+)` \| (\w+) \|", DOCS.read_text(), re.MULTILINE))
    assert documented == {name: family.kind for name, family in FAMILIES.items()}
    said = families.__doc__ or ""
    assert {name for name in FAMILIES if name not in said} == set()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_names_say_their_kind_and_unit(name: str) -> None:
    """As Prometheus has it: what only grows ends in _total."""
    assert name.endswith("_total") == (FAMILIES[name].kind == "counter")
    assert not {"customer", "card", "caller", "record", "spiffe_id"} & set(FAMILIES[name].labels)


async def test_a_figure_of_no_known_family_is_our_mistake() -> None:
    """Nothing gets on the page that the table does not have."""
    with pytest.raises(KeyError):
        await Page().text([Sample("vault_surprise", 1)])


def test_a_histogram_counts_at_most_each_bound() -> None:
    """The bound belongs to its bucket, as Prometheus's `le` says."""
    noted = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 9):
        noted.note(value)
    assert list(noted.cumulative()) == [(1, 2), (2, 3), (float("inf"), 4)]
    assert (noted.count, noted.total) == (4, 12)
