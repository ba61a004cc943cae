"""What each thief gets, line by line of the design's table (T16): by really trying, and saying so where it works."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.abuse.canaries import Scanner, disguises, people
from tests.abuse.heist import CHANGED, ERASED, Heist, heist
from tests.abuse.thief import Thief, Values, select, steal_seed
from tests.figures import Figures
from vault.audit.entry import parse
from vault.crypto import record_lock
from vault.crypto.epoch import StepSequence, new_epoch_secret, node, step_key
from vault.crypto.merkle import RootHash
from vault.crypto.note import Checkpoint, LogKey, open_checkpoint, sign_checkpoint
from vault.domain.secret import Secret
from vault.store.v1.record_pb2 import StoredRecord
from vault.v1 import payment_service_pb2 as payments

PAYMENT = "payment_processing"


@pytest.fixture(scope="module")
def stolen(quick_disk: Path) -> Iterator[Heist]:
    """Two hundred customers, a server that served them, and copies of its files."""
    folder = quick_disk / "heist"
    folder.mkdir()
    with heist(folder) as found:
        yield found
    shutil.rmtree(folder)


def contacts_of(loot: dict[str, Values]) -> dict[str, Values]:
    """The contacts in what was opened."""
    return {name: values for name, values in loot.items() if name.endswith("/contact")}


def pans_of(loot: dict[str, Values]) -> set[str]:
    """The card numbers in what was opened."""
    return {values["card_number"] for values in loot.values() if "card_number" in values}


def test_the_scanner_finds_every_disguise() -> None:
    """A search that finds nothing is worth what it would have found."""
    person = people(1)[0]
    scanner = Scanner(person.values())
    for value in person.values():
        for form in disguises(value):
            assert value in scanner.hits(b"\x00garbage" + form + b"garbage")
    assert not scanner.hits(b"\x00garbage" * 1000)


def test_no_stolen_file_holds_a_value_in_any_disguise(stolen: Heist, figures: Figures) -> None:
    """Databases, write-ahead logs, shared memory, locks, standard error; values that count, and replaced ones."""
    values = [value for person in [*stolen.everybody, *stolen.earlier] for value in person.values()]
    scanner = Scanner(values)
    files = [path for copy in stolen.untouched for path in copy.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"vault.db", "vault.db-wal", "keys.db", "keys.db-wal", "stderr.log"}
    hits = {path.name: found for path in files if (found := scanner.hits(path.read_bytes()))}
    size = sum(path.stat().st_size for path in files)
    figures(f"{len(files)} files, {size >> 10} KiB, {len(values)} canaries in {scanner.forms} forms: hits {len(hits)}")
    assert not hits
    assert "denied" in (stolen.before / "stderr.log").read_text()


def test_data_files_show_names_times_and_the_log_and_no_value(stolen: Heist) -> None:
    """What the table grants: customer ids in record names, who called for what; the log itself names no customer."""
    thief = Thief(stolen.before / "data/vault.db")
    assert not thief.loot()
    names = {name for (name,) in select(thief.data, "SELECT record_name FROM records")}
    assert f"customers/{stolen.everybody[0].customer_id}/contact" in names
    entries = [entry for (entry,) in select(thief.data, "SELECT entry FROM log_entries")]
    assert {parse(entry).caller for entry in entries} >= {"spiffe://vault.example/billing"}
    assert not [entry for entry in entries if b"cust-Qz" in entry]


def test_data_and_key_store_show_who_shares_a_phone_and_no_value(stolen: Heist, figures: Figures) -> None:
    """Equal tokens stand side by side; what they stand for cannot be found out, not even with the right answer."""
    thief = Thief(stolen.before / "data/vault.db", stolen.before / "keys/keys.db")
    assert not thief.loot()
    by_token: dict[bytes, set[str]] = {}
    for owner, field, _, token in thief.tokens():
        if field == "contact.phone":
            by_token.setdefault(token, set()).add(owner)
    household = {f"customers/{stolen.everybody[at].customer_id}" for at in (30, 31)}
    assert [owners for owners in by_token.values() if len(owners) > 1] == [household]
    # Every phone number that is in there, tried with every 32 bytes that stand in the files where a key might.
    sealed = "SELECT DISTINCT substr(sealed, 14, 32) FROM system_rows WHERE length(sealed) > 60 LIMIT 4"
    keys = [bytes(32), thief.vault_id * 2, *(key for (key,) in select(stolen.before / "keys/keys.db", sealed))]
    assert not thief.guess("contact.phone", [person.phone for person in stolen.everybody], keys)
    figures(f"search tokens: {thief.tries} guesses without the keys, right values among them: hits 0")


def test_the_root_key_opens_every_contact_and_no_card(stolen: Heist, figures: Figures) -> None:
    """What is in the vault's custody is open to who has all of the vault; a card is not in its custody."""
    thief = _with_root(stolen)
    loot = thief.loot()
    expected = {f"customers/{p.customer_id}/contact": _contact(p) for p in stolen.everybody}
    assert contacts_of(loot) == expected
    assert not pans_of(loot)
    scanner = Scanner(person.card_number for person in stolen.everybody)
    assert not [name for name, record in thief.bodies() if scanner.hits(record.SerializeToString())]
    figures(f"data + key store + root key: contacts {len(expected)} of {len(expected)}, PANs 0 of {len(expected)}")


def test_the_root_key_makes_search_tokens_guessable(stolen: Heist, figures: Figures) -> None:
    """A phone number has few digits: whoever has the keys of the tokens tries them all."""
    thief = _with_root(stolen)
    whole = stolen.everybody[40].phone
    found = thief.guess("contact.phone", (f"{whole[:-4]}{last:04}" for last in range(10_000)))
    assert found[whole] == {f"customers/{stolen.everybody[40].customer_id}"}
    figures(f"search tokens with the root key: {thief.tries} guesses, the phone found")


def test_the_root_key_opens_replaced_values_of_an_old_data_backup(stolen: Heist) -> None:
    """Retired keys serve restores for seven days, and a thief who has an older copy of the data."""
    now = Thief(stolen.after / "data/vault.db", stolen.after / "keys/keys.db", stolen.after / "root.key")
    replaced = select(now.keys, "SELECT count(*) FROM record_keys WHERE retired_at > 0")  # type: ignore[arg-type]
    assert replaced == [(len(CHANGED),)]
    assert not Scanner(person.name for person in stolen.earlier).hits(repr(now.loot()).encode())


def test_the_root_key_can_forge_a_row_and_sign_a_false_checkpoint(stolen: Heist) -> None:
    """The design says so: the record lock and the log's signature are as good as the vault key."""
    thief = _with_root(stolen)
    key = thief.vault_keys[1]
    made = record_lock.lock(key.wrapping, "customers/x", 1, 1, 0, StoredRecord(unprotected=b"x").SerializeToString())
    record_key = key.wrapping.unwrap(made.wrapped, made.header.key_id, "customers/x")
    assert record_lock.unlock(record_key, thief.vault_id, made.header, made.stored)
    ((_, seed),) = thief._system("log-key")
    log_key = LogKey(Secret(seed))
    ((origin, pinned),) = json.loads((stolen.home / "pins.json").read_text())["logs"].items()
    note = sign_checkpoint(Checkpoint(origin, 7, RootHash(bytes(32))), log_key)
    assert open_checkpoint(note, origin, bytes.fromhex(pinned)).size == 7


def test_billings_private_key_and_the_data_files_open_nothing(stolen: Heist) -> None:
    """Boxes and stanzas lie behind the record lock: there is nothing in the data to which the key fits."""
    thief = Thief(stolen.before / "data/vault.db", pairs={PAYMENT: steal_seed(stolen.home, "billing", PAYMENT)})
    assert not thief.loot()
    insider = _with_root(stolen)
    epochs = {e.epoch_id for _, record in insider.bodies() for e in record.envelopes}
    raw = b"".join(path.read_bytes() for path in sorted((stolen.untouched[0] / "data").iterdir()))
    assert epochs
    assert not [epoch for epoch in epochs if epoch in raw or epoch.hex().encode() in raw]


def test_billings_private_key_with_all_of_the_vault_opens_every_card(stolen: Heist, figures: Figures) -> None:
    """Stated honestly: so they live apart."""
    thief = _with_root(stolen, pairs={PAYMENT: steal_seed(stolen.home, "billing", PAYMENT)})
    everything = {person.card_number for person in stolen.everybody}
    assert pans_of(thief.loot()) == everything
    figures(f"billing's key + data + key store + root key: PANs {len(everything)} of {len(everything)}, as stated")


def test_billings_key_with_data_and_key_store_but_no_root_key_opens_nothing(stolen: Heist) -> None:
    """The stanzas are sealed rows, and the record keys are wrapped: both under the vault key."""
    pairs = {PAYMENT: steal_seed(stolen.home, "billing", PAYMENT)}
    assert not Thief(stolen.before / "data/vault.db", stolen.before / "keys/keys.db", pairs=pairs).loot()


def test_billings_certificate_alone_gets_boxes_and_leaves_entries(stolen: Heist) -> None:
    """Each request is in the log, by name and purpose."""
    cards = [payments.ListCardsResponse.FromString(raw).cards for raw in stolen.answers]
    assert all(len(found) == 1 and found[0].sealed for found in cards)
    assert not Scanner(v for person in stolen.everybody for v in person.values()).hits(b"".join(stolen.answers))
    entries = [parse(entry) for (entry,) in select(stolen.after / "data/vault.db", "SELECT entry FROM log_entries")]
    asked = [e for e in entries if (e.action, e.purpose) == ("PaymentService.ListCards", PAYMENT)]
    assert len(asked) >= len(stolen.answers)


def test_an_old_data_backup_of_the_erased_opens_for_nobody(stolen: Heist, figures: Figures) -> None:
    """With every key alive, billing's included: the record keys are gone."""
    pairs = {PAYMENT: steal_seed(stolen.home, "billing", PAYMENT)}
    thief = Thief(stolen.before / "data/vault.db", stolen.after / "keys/keys.db", stolen.after / "root.key", pairs)
    loot = thief.loot()
    erased = {f"customers/{person.customer_id}" for person in stolen.everybody[:ERASED]}
    assert not [name for name in loot if "/".join(name.split("/")[:2]) in erased]
    assert pans_of(loot) == {person.card_number for person in stolen.staying}
    figures(f"old data of {ERASED} erased customers, every key alive: values 0; of {len(stolen.staying)} others: all")


def test_the_erased_leave_no_key_in_any_file_of_the_key_store(stolen: Heist) -> None:
    """Wrapped keys of the erased, known from the older copy, stand nowhere in the files of today."""
    keys = select(stolen.before / "keys/keys.db", "SELECT owner, wrapped FROM key_places JOIN slots USING (slot)")
    erased = {f"customers/{person.customer_id}" for person in stolen.everybody[:ERASED]}
    gone = [wrapped for owner, wrapped in keys if owner in erased]
    raw = b"".join(path.read_bytes() for path in sorted((stolen.untouched[1] / "keys").iterdir()))
    assert len(gone) == 3 * ERASED
    assert not [wrapped for wrapped in gone if wrapped in raw or wrapped[13:] in raw]


def test_with_an_old_key_store_too_the_erased_open_until_their_vault_key_is_destroyed(
    stolen: Heist, tmp_path: Path
) -> None:
    """The horizon: once the root key's version is destroyed, both old copies together are noise."""
    old = _with_root(stolen)
    erased = [f"customers/{person.customer_id}/contact" for person in stolen.everybody[:ERASED]]
    assert set(erased) <= set(old.loot())
    destroyed = tmp_path / "root.key"
    destroyed.write_text(json.dumps({"versions": {}}))
    pairs = {PAYMENT: steal_seed(stolen.home, "billing", PAYMENT)}
    assert not Thief(stolen.before / "data/vault.db", stolen.before / "keys/keys.db", destroyed, pairs).loot()


def test_a_storefront_that_is_broken_into_gives_no_step_that_is_past() -> None:
    """From what its sealer still holds, every step from now on can be derived and none before."""
    secret = new_epoch_secret()
    sequence = StepSequence(bytearray(secret.reveal()))
    for _ in range(37):
        sequence.advance()
    held = {sequence.key, *_below(sequence)}
    assert held == {step_key(secret, number) for number in range(37, 1024)}


def _below(sequence: StepSequence) -> Iterator[bytes]:
    """All steps that can be derived from the nodes that are still ahead."""
    for depth, ahead in sequence._ahead:
        for number in range(1 << (10 - depth)):
            yield node(bytes(ahead), [number >> shift & 1 for shift in range(9 - depth, -1, -1)])


def _with_root(stolen: Heist, **more: object) -> Thief:
    return Thief(
        stolen.before / "data/vault.db",
        stolen.before / "keys/keys.db",
        stolen.before / "root.key",
        **more,  # type: ignore[arg-type]
    )


def _contact(person: object) -> Values:
    contact = person.contact()  # type: ignore[attr-defined]
    names = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")
    return {name: getattr(contact, name) for name in names}
