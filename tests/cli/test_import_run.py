"""An import sends each row once, goes on where it stopped, and repeats without harm."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.sheets import row, text, write
from vault.cli.importer.rows import Checker, Refused
from vault.cli.importer.run import BATCH, run
from vault.cli.importer.sheet import Sheet, inspect
from vault.cli.importer.state import Progress, StateFile
from vault.client.records import NewCustomer
from vault.domain.card import Month
from vault.errors import (
    AlreadyExists,
    ConfigError,
    FailedPrecondition,
    InvalidArgument,
    OutcomeUnknown,
    Unavailable,
    VaultError,
)
from vault.v1 import status_pb2 as status

VAULT_ID = "00" * 16


class Store:
    """A storefront's view of a vault: keeps ids, and can be made to fail."""

    def __init__(self) -> None:
        self.customers: dict[str, NewCustomer] = {}
        self.calls: list[list[str]] = []
        self.break_after = 1 << 30
        self.errors: dict[str, VaultError] = {}
        self.poison = ""
        """The id of a customer over whom a whole batch is refused."""

    async def batch_create_customers(self, customers: Sequence[NewCustomer]) -> Sequence[object]:
        """As the SDK's."""
        if len(self.calls) >= self.break_after:
            raise Unavailable("the vault did not answer")
        self.calls.append([customer.customer_id for customer in customers])
        if self.poison in self.calls[-1]:
            raise InvalidArgument(f"requests[{self.calls[-1].index(self.poison)}].contact.city", "must be a city")
        return [self._create(customer) for customer in customers]

    def _create(self, customer: NewCustomer) -> object:
        if error := self.errors.get(customer.customer_id):
            return error
        if customer.customer_id in self.customers:
            return AlreadyExists("the name is taken")
        self.customers[customer.customer_id] = customer
        return customer


class Import:
    """One file, one vault, one state file; `run` is one run of the command."""

    def __init__(self, folder: Path, rows: list[dict[str, str]]) -> None:
        self.path = write(folder / "customers.csv", text(rows))
        self.state = folder / "state.json"
        self.store = Store()
        self.advanced = 0

    @property
    def sheet(self) -> Sheet:
        """The file as it is now."""
        return inspect(self.path)

    async def run(self, vault_id: str = VAULT_ID) -> Progress:
        """Import."""
        sheet = self.sheet
        kept = StateFile(self.state, sheet.digest, vault_id)
        return await run(sheet, self.store, Checker(Month(2026, 6)), kept, self._advance)

    def _advance(self, rows: int) -> None:
        self.advanced += rows


def rows(count: int, **changes: dict[str, str]) -> list[dict[str, str]]:
    """Rows r0, r1, …; `changes` by id."""
    return [row(n, **changes.get(f"r{n}", {})) for n in range(count)]


async def test_good_rows_are_kept_and_bad_ones_reported_by_line(tmp_path: Path) -> None:
    """A row that is wrong does not take its batch along."""
    job = Import(tmp_path, rows(250, r120={"country_code": "XC"}, r7={"phone": "1"}))
    done = await job.run()
    assert (done.stored, done.already_there) == (248, 0)
    assert [(r.line, r.field) for r in done.refused] == [(9, "phone"), (122, "country_code")]
    assert len(job.store.customers) == 248
    assert job.advanced == 250
    assert max(map(len, job.store.calls)) <= BATCH
    assert not job.state.exists()


async def test_a_broken_import_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What was answered is not sent again, and the report is about the whole file."""
    job = Import(tmp_path, rows(1000, r3={"email": "no"}, r950={"email": "no"}))
    job.store.break_after = 2
    with pytest.raises(Unavailable):
        await job.run()
    kept = len(json.loads(job.state.read_text())["done"])
    assert kept <= 2
    job.store.break_after = 1 << 30
    done = await job.run()
    assert done.stored + done.already_there == 998
    assert len(done.refused) == 2
    assert len(job.store.calls) == 2 + 10 - kept
    assert len(job.store.customers) == 998
    assert not job.state.exists()


async def test_a_batch_that_was_stored_and_not_answered_is_found_there(tmp_path: Path) -> None:
    """The connection broke after the commit: the next run is told that they exist, and that is well."""
    job = Import(tmp_path, rows(150))
    for each in rows(150)[:100]:
        job.store.customers[each["customer_id"]] = NewCustomer(each["customer_id"])
    done = await job.run()
    assert (done.stored, done.already_there, done.refused) == (50, 100, [])


async def test_a_repeated_import_changes_nothing(tmp_path: Path) -> None:
    """Whoever is not sure whether it ran runs it again."""
    job = Import(tmp_path, rows(120))
    await job.run()
    before = dict(job.store.customers)
    done = await job.run()
    assert (done.stored, done.already_there, done.refused) == (0, 120, [])
    assert job.store.customers == before


async def test_a_corrected_file_is_a_new_import(tmp_path: Path) -> None:
    """Also when the state of the old one is still there."""
    job = Import(tmp_path, rows(300, r250={"country_code": "XC"}))
    job.store.break_after = 1
    with pytest.raises(Unavailable):
        await job.run()
    write(job.path, text(rows(300)))
    job.store.break_after = 1 << 30
    done = await job.run()
    assert done.refused == []
    assert len(job.store.customers) == 300


async def test_the_same_file_into_another_vault_is_a_new_import(tmp_path: Path) -> None:
    """Progress in one vault says nothing of another."""
    job = Import(tmp_path, rows(300))
    job.store.break_after = 1
    with pytest.raises(Unavailable):
        await job.run()
    job.store = Store()
    assert (await job.run("11" * 16)).stored == 300


async def test_an_erased_customer_is_refused_and_not_taken_for_present(tmp_path: Path) -> None:
    """An erased id is never used again."""
    job = Import(tmp_path, rows(3))
    job.store.errors["r1"] = AlreadyExists("was erased", reason=status.REASON_ERASED)
    done = await job.run()
    assert done.refused == [Refused(3, "customer_id", "must not be that of a customer who was erased")]


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (InvalidArgument("requests[1].contact.phone", "must be possible"), Refused(3, "phone", "must be possible")),
        (
            FailedPrecondition(status.REASON_KEY_REFUSED, "the purpose has no key"),
            Refused(3, "", "the purpose has no key"),
        ),
    ],
)
async def test_what_the_vault_refuses_is_reported_by_line(tmp_path: Path, error: VaultError, refused: Refused) -> None:
    """Its checks may be newer than ours."""
    job = Import(tmp_path, rows(3))
    job.store.errors["r1"] = error
    done = await job.run()
    assert (done.stored, done.refused) == (2, [refused])


async def test_a_row_over_which_a_whole_batch_is_refused_is_found(tmp_path: Path) -> None:
    """Rules of form are checked before the items; the other 99 are good."""
    job = Import(tmp_path, rows(130))
    job.store.poison = "r77"
    done = await job.run()
    assert (done.stored, done.refused) == (129, [Refused(79, "city", "must be a city")])
    assert len(job.store.calls) < 20


async def test_what_is_not_the_rows_fault_stops_the_import(tmp_path: Path) -> None:
    """Nobody could correct the row; the next run sends the batch again."""
    job = Import(tmp_path, rows(3))
    job.store.errors["r1"] = OutcomeUnknown("may or may not be done")
    with pytest.raises(OutcomeUnknown):
        await job.run()
    assert json.loads(job.state.read_text())["done"] == []
    job.store.errors.clear()
    assert (await job.run()).already_there == 2


async def test_the_state_holds_no_value(tmp_path: Path) -> None:
    """Only lines, columns and rules, for this user alone."""
    job = Import(tmp_path, rows(600, r5={"name": "4111111111111111"}))
    job.store.break_after = 5
    with pytest.raises(Unavailable):
        await job.run()
    kept = job.state.read_text()
    for value in ("Customer", "4111", "Bonn", "example.org", "r5"):
        assert value not in kept
    assert job.state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "file": 1}'])
async def test_a_file_that_is_no_state_is_not_overwritten(tmp_path: Path, content: str) -> None:
    """--state may have been given the wrong file."""
    job = Import(tmp_path, rows(3))
    job.state.write_text(content)
    with pytest.raises(ConfigError):
        await job.run()
    assert job.state.read_text() == content
    assert job.store.calls == []


async def test_an_import_that_cannot_remember_does_not_start(tmp_path: Path) -> None:
    """A table on a read-only disk needs --state."""
    job = Import(tmp_path, rows(3))
    job.state = tmp_path / "missing" / "state.json"
    with pytest.raises(ConfigError, match="--state"):
        await job.run()
    assert job.store.calls == []


async def test_an_empty_table_is_done_at_once(tmp_path: Path) -> None:
    """Nothing to send, nothing to keep."""
    job = Import(tmp_path, [])
    assert await job.run() == Progress()
    assert not job.state.exists()
