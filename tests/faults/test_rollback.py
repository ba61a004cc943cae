"""T18: a row, a table, a file, a WAL, or both stores together are put back to what they were a while ago.

Found at the start, at the read, by the log's digests, or by the first call of a caller that has called since. Rows that
are put back alone or with their keys are in tests/abuse/test_rollback.py, files of one store beside a newer one also in
tests/storage/sqlite/test_restore.py; here it is each table and each file, one after the other.

Some tables may go back without a finding, and `UNNOTICED` says what of: nothing that anybody reads is wrong then.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.abuse import disk
from tests.abuse.digests import against_log
from tests.abuse.tampered import Truth
from tests.faults.damage import Outcome, Patient, Seen
from tests.figures import Figures
from tests.running import RunningVault, make_home, new_id, serving
from tests.vaults import OpenVault, contact, opened
from vault.client.errors import RolledBack
from vault.client.sync import ProvisioningClient, StorefrontClient
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import visitor_service_pb2 as visitors

NOW = {"name": "Newest Name", "city": "Bonn", "country_code": "DE", "phone": "+49228123456", "email": "ann@example.org"}
OLD_KEY_MS = -2 * 3600 * 1000
DATA_TABLES = ("records", "log_entries", "checkpoints", "requests", "tombstones", "clock", "meta", "visit_counts")
KEY_TABLES = ("key_places", "slots", "free_slots", "lookups", "system_rows", "vault_keys", "log_sizes", "meta")
TABLES = [*((disk.DATA, table) for table in DATA_TABLES), *((disk.KEYS, table) for table in KEY_TABLES)]
UNNOTICED = {
    (disk.DATA, "checkpoints"): "the entries are all there, and the next start signs the same tree",
    (disk.DATA, "requests"): "a repeat of a request from in between would be done again; nothing read is wrong",
    (disk.DATA, "tombstones"): "the key store has them too, and the next start copies them back",
    (disk.DATA, "clock"): "a start may hold deletions back that it need not",
    (disk.DATA, "meta"): "what the rows depend on is there",
    (
        disk.KEYS,
        "free_slots",
    ): "a slot in use may be taken for another key; its record is then DATA_LOSS when it is read",
    (disk.KEYS, "lookups"): "a search may miss what was written in between, and shows nothing that is wrong",
    (disk.KEYS, "vault_keys"): "nothing had changed in it",
    (disk.DATA, "visit_counts"): "a report counts fewer visits; there is nobody in it",
    (disk.KEYS, "log_sizes"): "the log is longer than it says",
}


@dataclass(frozen=True, slots=True)
class Past:
    """A vault then and now, closed in order and as a kill leaves it."""

    folder: Path
    truth: Truth

    def patient(self, state: str) -> Patient:
        """The vault of now, to be put back in part."""
        patient = Patient(self.folder / f"now-{state}", self.folder / "damaged", self.truth)
        patient.reset()
        return patient


async def write(vault: OpenVault, name: str) -> None:
    """A new version of everybody's contact."""
    for who in ("a", "b", "c"):
        put = contacts.PutContactRequest(customer_id=who, contact=contact(**{**NOW, "name": name}))
        await vault.call("storefront", "ContactService.PutContact", put)
    visit = visitors.Visit(host="pc.isp.de", page="/")
    visit.time.GetCurrentTime()
    await vault.call("storefront", "VisitorService.RecordVisits", visitors.RecordVisitsRequest(visits=[visit]))


def keep(home: Path, kept: Path) -> None:
    """As a kill would leave it."""
    shutil.copytree(home, kept, ignore=shutil.ignore_patterns("*-shm"))


@pytest.fixture
async def past(pristine: Path, quick_disk: Path) -> Past:
    """Between then and now: changed, created, erased."""
    folder = quick_disk / "past"
    shutil.rmtree(folder, ignore_errors=True)
    home = shutil.copytree(pristine, folder / "home")
    async with opened(home) as vault:
        vault.now_shift = OLD_KEY_MS
        for who in ("a", "b", "c", "gone"):
            await vault.create(who)
        await asyncio.sleep(1.2)
        keep(home, folder / "then-killed")
    keep(home, folder / "then-closed")
    async with opened(home) as vault:
        vault.now_shift = OLD_KEY_MS
        await write(vault, "Older Name")
        await asyncio.sleep(1.2)
        keep(home, folder / "then-killed-later")
        await write(vault, NOW["name"])
        await vault.create("d")
        await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="gone"))
        await asyncio.sleep(1.2)
        keep(home, folder / "now-killed")
        truth = await read(vault)
    keep(home, folder / "now-closed")
    return Past(folder, truth)


async def read(vault: OpenVault) -> Truth:
    """What everybody's contact is now."""
    names = [f"customers/{who}/contact" for who in ("a", "b", "c")]
    assert (await vault.get_contact(customer_id="a")).name == NOW["name"]
    return Truth({}, {name: dict(NOW) for name in names}, {name: set() for name in names})


def told(home: Path, outcome: Outcome) -> str:
    """How it was found, if it was."""
    if outcome.seen is Seen.REFUSED:
        return "start"
    if outcome.seen in (Seen.LOST, Seen.HIDDEN):
        return "read"
    return "log" if outcome.log_finding or against_log(home) else ""


async def test_a_table_that_is_put_back_is_found(past: Past, figures: Figures) -> None:
    """Each of both stores."""
    found: dict[str, list[str]] = {"start": [], "read": [], "log": [], "": []}
    for file, table in TABLES:
        patient = past.patient("closed")
        with disk.writer(patient.home / file) as connection:
            connection.execute("ATTACH ? AS then_", (str(past.folder / "then-closed" / file),))
            connection.execute("BEGIN")
            connection.execute(f"DELETE FROM main.{table}")  # noqa: S608 - a table of ours
            connection.execute(f"INSERT INTO main.{table} SELECT * FROM then_.{table}")  # noqa: S608
            connection.execute("COMMIT")
        outcome = await patient.examine()
        assert not outcome.wrong or told(patient.home, outcome), (table, outcome)
        how = told(patient.home, outcome)
        found[how].append(f"{Path(file).stem}.{table}")
        assert how or (file, table) in UNNOTICED, (table, outcome)
    figures(
        f"{len(TABLES)} tables put back: {len(found['start'])} found at start, {len(found['read'])} at read, "
        f"{len(found['log'])} by the log's digests; of {len(found[''])} nothing is told and nothing read is wrong: "
        f"{', '.join(found[''])}"
    )


@pytest.mark.parametrize("state", ["closed", "killed"])
async def test_a_file_that_is_put_back_beside_a_newer_one_is_found(past: Past, state: str, figures: Figures) -> None:
    """One store, with the WAL of then or without one; and a WAL alone."""
    cases: list[list[str]] = [[disk.DATA], [disk.KEYS]]
    then = past.folder / f"then-{state}"
    if state == "killed":
        then = past.folder / "then-killed-later"
        cases = [[f"{disk.DATA}-wal"], [f"{disk.KEYS}-wal"], [disk.DATA, f"{disk.DATA}-wal"]]
        cases += [[disk.KEYS, f"{disk.KEYS}-wal"]]
    for names in cases:
        patient = past.patient(state)
        for name in names:
            shutil.copy(then / name, patient.home / name)
        outcome = await patient.examine()
        figures(f"{state}: {' and '.join(names)} put back: {outcome.said.replace(str(patient.home), 'DIR')}")
        assert outcome.seen is Seen.REFUSED, (names, outcome)
        assert "is older than" in outcome.said or "fewer entries" in outcome.said, outcome


@pytest.mark.timeout(200)
def test_both_stores_put_back_together_are_found_by_the_first_call_of_who_called_since(
    tmp_path: Path, figures: Figures
) -> None:
    """They agree with each other, so no start can tell; a caller that was restarted in between remembers it, too."""
    home = make_home(tmp_path)
    who = new_id()
    settings = home / "callers/provisioning/client.toml"
    settings.write_text(f'state = "witness.json"\n{settings.read_text()}')

    def session() -> None:
        with serving(home) as vault:
            call(vault, who)

    with serving(home) as vault, StorefrontClient.open(vault.caller("storefront")) as storefront:
        from vault.client import Contact, NewCustomer  # noqa: PLC0415 - of the SDK, used here alone

        storefront.create_customer(NewCustomer(who, Contact(name="Ada")))
    then = [(name, (home / name).read_bytes()) for name in (disk.DATA, disk.KEYS)]
    for _ in range(2):
        session()
    for name, raw in then:
        (home / name).write_bytes(raw)
    with pytest.raises(RolledBack) as raised:
        session()
    figures(f"both stores put back: {type(raised.value).__name__} at the first call, {raised.value.seen} entries seen")


def call(vault: RunningVault, who: str) -> None:
    """A caller's process: begins, reads until a checkpoint has come along that covers it, ends."""
    with ProvisioningClient.open(vault.caller("provisioning")) as provisioning:
        for _ in range(3):
            assert provisioning.get_contact(who).name == "Ada"
            provisioning.get_checkpoint()
