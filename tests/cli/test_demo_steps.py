"""Each step of the demo looks at what it claims.

The steps are played in this process, and what a step relies on is broken, one thing at a time: a step that would still
say `ok` then is a step that does not look.
"""

import dataclasses
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vault.cli import billing, plugins, profile
from vault.cli.demo import play, thief
from vault.cli.demo.customers import Table, make
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Answer, Loot, Stage
from vault.client import Card, OfficerClient
from vault.client.records import OpenedCard
from vault.domain.secret import Secret
from vault.v1.customer_service_pb2 import ErasureReceipt


def _run(name: str, stage: Stage) -> Screen:
    """Run one real step."""
    say = Screen(as_json=True)
    say.step(name, "")
    plugins.load(play.STEPS, name).run(stage, say)
    say.done()
    return say


def _answering(answers: Sequence[str | None]) -> Callable[..., str | None]:
    """Gives one answer after the other, whatever is asked."""
    left = iter(answers)
    return lambda *_: next(left)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on which the first three steps were played: server, customers, the added card."""
    stage = Stage(tmp_path_factory.mktemp("demo"))
    try:
        for name in ("s10_start", "s20_import", "s30_add_card"):
            _run(name, stage)
        stage.loot = stage.steal("before")
        yield stage
    finally:
        if stage.server:
            stage.server.kill()


def test_start_sees_a_key_that_lies_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Billing's private key in the folder of another caller, or in the vault's, is found; the server is not started."""
    real = plugins.load(play.STEPS, "s10_start")
    create = real.create

    def careless(home: Path, wish: Any) -> Any:
        made = create(home, wish)
        key = (home / "callers" / "billing" / "payment_processing.key").read_text()
        with (home / "keys" / "keys.db").open("ab") as store:
            store.write(bytes.fromhex(key))
        return made

    monkeypatch.setattr(real, "create", careless)
    stage = Stage(tmp_path)
    with pytest.raises(NotSo, match="own folder only"):
        _run("s10_start", stage)
    assert stage.server is None


def test_import_sees_rows_that_are_missing(staged: Stage) -> None:
    """The second import of the same table stores nobody, so it cannot say that it did."""
    with pytest.raises(NotSo, match="0 customers stored"):
        _run("s20_import", staged)


def test_reading_compares_with_the_table(staged: Stage) -> None:
    """Another name than the one that was imported is not the customer's contact."""
    wrong = tuple(dataclasses.replace(row, name="Somebody Else") for row in staged.table.good)
    with pytest.raises(NotSo, match="decrypted by the vault"):
        _run("s40_read_contact", dataclasses.replace(staged, table=Table(wrong, staged.table.bad)))


def test_charging_compares_with_the_card_that_was_sealed(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number is another card, be it valid or not."""
    step = plugins.load(play.STEPS, "s50_charge")
    monkeypatch.setattr(step, "new_card", lambda _: Card(card_number="4111111111111111"))
    with pytest.raises(NotSo, match="charged"):
        _run("s50_charge", staged)


def test_an_answer_to_provisioning_is_no_refusal(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the vault gave the card out, the step would say so."""
    card = billing.run(staged.home, None, lambda vault: vault.get_card(staged.card))
    assert isinstance(card, OpenedCard)
    monkeypatch.setattr(profile, "run_with", lambda *_: card)
    with pytest.raises(NotSo, match="refused by the vault"):
        _run("s60_refuse", staged)


def test_a_partner_who_reads_without_consent_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is a consent, or a withdrawal, that changes nothing."""
    step = plugins.load(play.STEPS, "s61_consent")
    name = staged.one.name
    for answers, claim in (
        ([name], "is refused"),
        ([None, None], "the partner reads"),
        ([None, name, name], "withdraws it"),
    ):
        monkeypatch.setattr(step, "_read", _answering(answers))
        with pytest.raises(NotSo, match=claim):
            _run("s61_consent", staged)


def test_an_order_that_opens_too_much_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one approval, beyond its fields, or after it was closed."""
    step = plugins.load(play.STEPS, "s62_disclosure")
    phone = staged.one.phone
    for answers, claim in (
        ([phone, phone], "legal is refused"),
        ([None, phone, "Lindenweg 43"], "the address is refused"),
        ([None, phone, None, phone], "nothing more is read"),
    ):
        monkeypatch.setattr(step, "_read", _answering(answers))
        with pytest.raises(NotSo, match=claim):
            _run("s62_disclosure", staged)


def test_a_report_that_tells_advertisers_of_a_small_page_is_seen(
    staged: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What analytics sees is not what leaves the company; and a log that is not counted is no report."""
    step = plugins.load(play.STEPS, "s63_traffic")
    real = step._report
    monkeypatch.setattr(step, "_report", lambda stage, _, monday: real(stage, "analytics", monday))
    with pytest.raises(NotSo, match="no small page"):
        _run("s63_traffic", staged)
    monkeypatch.setattr(step, "command", lambda *_: Answer(1, {}, ""))
    with pytest.raises(NotSo, match="a report for"):
        step._report(staged, "analytics", datetime(2026, 11, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "claim"),
    [("", "JSON by its schema"), ('{"disclosures": []}', "contact in plain")],
)
def test_an_export_that_leaves_something_out_is_seen(
    staged: Stage, monkeypatch: pytest.MonkeyPatch, text: str, claim: str
) -> None:
    """Nothing, or nobody told of."""

    async def export(_: OfficerClient, __: str) -> AsyncIterator[str]:
        yield text

    monkeypatch.setattr(OfficerClient, "export_customer", export)
    with pytest.raises(NotSo, match=claim):
        _run("s75_export", staged)


def test_one_card_that_opens_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vault that kept a copy of billing's key would be robbed of every card; the thief finds it among the rest."""
    seed = (staged.home / "callers" / "billing" / "payment_processing.key").read_text().strip()
    real = thief.broken_in

    @asynccontextmanager
    async def with_one_more(loot: Loot) -> AsyncIterator[thief.Thief]:
        async with real(loot) as inside:
            inside._found = [*inside._found, Secret(bytes.fromhex(seed))]
            yield inside

    step = plugins.load(play.STEPS, "s70_thief")
    monkeypatch.setattr(step, "broken_in", with_one_more)
    monkeypatch.setattr(Stage, "steal", lambda *_: staged.loot)
    with pytest.raises(NotSo, match="0 of 301 cards"):
        _run("s70_thief", staged)


def test_an_erasure_that_only_says_so_is_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receipt is paper: the step asks for the records."""

    async def say_so(_: OfficerClient, customer_id: str) -> ErasureReceipt:
        return ErasureReceipt(customer_id=customer_id, keys_destroyed=4, records_removed=4)

    monkeypatch.setattr(OfficerClient, "erase_customer", say_so)
    with pytest.raises(NotSo, match="is erased"):
        _run("s80_erase", staged)


def test_keys_that_survive_an_erasure_are_seen(staged: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault answers NOT_FOUND and yet the keys are there: the old data would open."""
    step = plugins.load(play.STEPS, "s80_erase")

    async def say_so(_: OfficerClient, customer_id: str) -> ErasureReceipt:
        return ErasureReceipt(customer_id=customer_id, keys_destroyed=4, records_removed=4)

    monkeypatch.setattr(OfficerClient, "erase_customer", say_so)
    monkeypatch.setattr(step, "_gone", lambda _: True)
    with pytest.raises(NotSo, match="0 of 4 records open"):
        _run("s80_erase", staged)


def test_a_log_that_lacks_an_entry_is_seen(staged: Stage) -> None:
    """Nobody was erased on this stage, so the log cannot show it."""
    with pytest.raises(NotSo, match="entries, without names"):
        _run("s90_log", staged)


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": False, "logs": [{"entries": 5, "checkpoints": 1, "proven": 5, "finding": None}]},
        {"ok": True, "logs": [{"entries": 5, "checkpoints": 1, "proven": 4, "finding": None}]},
        {"ok": True, "logs": [{"entries": 0, "checkpoints": 1, "proven": 0, "finding": None}]},
        {"ok": True, "logs": []},
    ],
)
def test_a_log_that_does_not_verify_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Mapping[str, Any]
) -> None:
    """Not only the exit code counts."""
    step = plugins.load(play.STEPS, "s90_log")
    monkeypatch.setattr(step, "command", lambda *_: Answer(0, answer, ""))
    say = Screen(as_json=True)
    say.step("log", "")
    with pytest.raises(NotSo):
        step._verify(Stage(tmp_path), say, 3)


def test_the_servers_log_holds_no_value(staged: Stage) -> None:
    """What the server wrote down of an import is fit for a ticket."""
    assert staged.server
    log = staged.server.log.read_text()
    for row in (*staged.table.good, staged.table.bad):
        assert row.card_number not in log
        assert row.email not in log


def test_the_customers_are_nobody() -> None:
    """A few hundred different people, under addresses and numbers that belong to no one."""
    table = make()
    assert 200 <= len(table.good) <= 999
    for values in ("customer_id", "name", "email"):
        assert len({getattr(row, values) for row in table.good}) == len(table.good)
    free = re.compile(r"\+(493023125\d{3}|492214710\d{3}|441134960\d{3}|441414960\d{3}|3319900\d{4}|161755501\d\d)")
    assert all(free.fullmatch(row.phone) for row in table.good)
    assert all(row.email.endswith("@example.org") for row in table.good)
