"""A store that comes from a backup is made to fit, at a cost that is said; what was erased or deleted stays so."""

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.vaults import OpenVault, contact, make_home, opened
from vault.cli.backup import announce, put_back
from vault.cli.backup.put_back import Told, Wish
from vault.cli.backup.take import take
from vault.cli.deployment.layout import Layout
from vault.errors import ConfigError, DataLoss, NotFound, VaultError
from vault.service.settings import Settings
from vault.storage.engine import sqlite3
from vault.v1 import contact_service_pb2 as contacts
from vault.v1.customer_service_pb2 import EraseCustomerRequest


def _no_step(_what: str, _done: int, _total: int) -> None:
    pass


class Place:
    """A deployment and its backups."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder

    def backup(self, store: str, name: str = "b") -> Path:
        """Take one."""
        target = self.folder / store / f"{name}.db"
        target.parent.mkdir(exist_ok=True)
        take(
            Settings.load(self.home / "vault.toml"), store, target, self.home / "pins.json", _no_step, same_folder=False
        )
        return target

    def restore(
        self, data: Path | None = None, keys: Path | None = None, longer: Path | None = None, *, cut: bool = False
    ) -> Told:
        """Put back and repair."""
        for path in self.home.glob("*/*.before-restore*"):
            path.unlink()
        wish = Wish(Layout(self.home), self.home / "vault.toml", data, keys, longer, cut=cut)
        # The command runs loops of its own.
        return _in_thread(lambda: put_back.restore(wish, lambda _: True, _no_step))

    def survey(self, data: Path | None = None, keys: Path | None = None, *, cut: bool = False) -> Told:
        """The plan alone."""
        wish = Wish(Layout(self.home), self.home / "vault.toml", data, keys, None, cut=cut)
        return _in_thread(lambda: put_back.restore(wish, lambda _: False, _no_step))


def _in_thread(work: Callable[[], Told]) -> Told:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - used here alone

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """Customers `kept`, `changed`, `deleted`, `erased`, each with a contact and a card."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        for who in ("kept", "changed", "deleted", "erased"):
            await vault.create(who)
    return Place(home, tmp_path)


async def _go_on(vault: OpenVault) -> None:
    """What happens after the backup."""
    await vault.create("new")
    put = contacts.PutContactRequest(customer_id="changed", contact=contact(name="Changed Name"))
    await vault.call("care", "ContactService.PutContact", put)
    await vault.call("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="deleted"))
    await vault.call("officer", "CustomerService.EraseCustomer", EraseCustomerRequest(customer_id="erased"))


async def _names(vault: OpenVault) -> dict[str, str]:
    """Each customer's contact name as it is read; the error's kind where it is not."""
    found = {}
    for who in ("kept", "changed", "deleted", "erased", "new"):
        try:
            found[who] = (await vault.get_contact(customer_id=who)).name
        except VaultError as error:
            found[who] = type(error).__name__
    return found


GONE = NotFound.__name__


async def test_data_put_back_opens_with_the_keys_that_were_retired_since(place: Place) -> None:
    """Old versions are back, new records are lost and named; erased and deleted stay so; the log goes on as another."""
    data = place.backup("data")
    async with opened(place.home) as vault:
        await _go_on(vault)
        before = len(await vault.entries())
    told = place.restore(data=data)
    assert [told.lost[0], told.lost[2]] == ["customers/new", "customers/new/contact"]
    assert told.lost[1].startswith("customers/new/cards/")
    assert told.older == ["customers/changed/contact"]
    assert told.deleted == ["customers/deleted/contact"]
    assert told.erasures == told.counts["erasures_finished"] == 1
    ((log, published, left),) = told.cut_logs
    assert (log, left < before <= published) == ("log-0", True)
    assert told.log_id == "log-1"
    async with opened(place.home) as vault:
        name = contact().name
        assert await _names(vault) == {"kept": name, "changed": name, "deleted": GONE, "erased": GONE, "new": GONE}
        found = contacts.FindContactsRequest(email="ann@example.org", purpose="account_service")
        answer = await vault.call("care", "ContactService.FindContacts", found)
        assert sorted(c.record_name for c in answer.contacts) == ["customers/changed/contact", "customers/kept/contact"]
        erased = await vault.refusal("storefront", "CustomerService.CreateCustomer", _create("erased"))
        assert "ERASED" in str(erased.reason) or erased.reason
        actions = [json.dumps(_described(entry)) for entry in await vault.entries()]
    assert "Vault.BeginRestore" in actions[0]
    assert f'"log-0/published": {published}, "log-0/restored": {left}' in actions[0]
    assert any("Vault.RestoreDropped" in action for action in actions)
    assert any('"Vault.Restore"' in action for action in actions)


async def test_the_pins_and_the_settings_name_the_log_that_goes_on(place: Place) -> None:
    """And the old one is verified to its end with them; a server that would go on with it is refused."""
    data = place.backup("data")
    async with opened(place.home) as vault:
        await vault.create("new")
    told = place.restore(data=data)
    pins = json.loads((place.home / "pins.json").read_text())
    assert pins["logs"]["vault.example/log/log-1"] == told.public_key
    assert set(pins["logs"]) == {"vault.example/log/log-0", "vault.example/log/log-1"}
    assert json.loads((place.home / "callers/billing/pins.json").read_text()) == pins
    config = place.home / "vault.toml"
    assert 'log_id = "log-1"' in config.read_text()
    place.backup("data", "after")  # which verifies both logs
    config.write_text(config.read_text().replace("log-1", "log-0"))
    with pytest.raises(ConfigError, match='ended with a restore: set it to "log-1"'):
        async with opened(place.home):
            pass


async def test_a_restore_that_was_cut_short_before_its_pins_pins_the_log_when_it_is_run_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else callers could never be given the new log's key, and nothing would say so."""
    data = place.backup("data")
    async with opened(place.home) as vault:
        await vault.create("new")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(announce, "pin_log", killed)
        with pytest.raises(KeyboardInterrupt):
            place.restore(data=data)
    told = place.restore()
    pins = json.loads((place.home / "pins.json").read_text())
    assert pins["logs"]["vault.example/log/log-1"] == told.public_key
    assert 'log_id = "log-1"' in (place.home / "vault.toml").read_text()


async def test_keys_put_back_lose_what_was_written_since(place: Place) -> None:
    """Rows whose keys are not there are removed and named; what was deleted or erased since does not come back."""
    keys = place.backup("keys")
    async with opened(place.home) as vault:
        await _go_on(vault)
    told = place.restore(keys=keys)
    assert told.keys_behind
    assert told.cut_logs == []
    assert told.lost[:2] + told.lost[3:] == ["customers/changed/contact", "customers/new", "customers/new/contact"]
    assert told.counts["keys_destroyed"] == 1
    async with opened(place.home) as vault:
        name = contact().name
        assert await _names(vault) == {"kept": name, "changed": GONE, "deleted": GONE, "erased": GONE, "new": GONE}
        await vault.create("new")
        assert (await vault.get_contact(customer_id="new")).name == name
    assert 'log_id = "log-0"' in (place.home / "vault.toml").read_text()


async def test_both_put_back_are_one_earlier_day(place: Place) -> None:
    """Nothing in the stores shows it, so the operator says it; the log must not go on as if nothing had been."""
    data, keys = place.backup("data"), place.backup("keys")
    async with opened(place.home) as vault:
        await _go_on(vault)
    assert not place.survey(data, keys).needed
    told = place.restore(data, keys, cut=True)
    assert told.log_id == "log-1"
    async with opened(place.home) as vault:
        name = contact().name
        assert await _names(vault) == {"kept": name, "changed": name, "deleted": name, "erased": name, "new": GONE}


async def test_a_longer_log_erases_and_deletes_again(place: Place) -> None:
    """With both stores of yesterday only a copy of the log knows; here the old data file."""
    data, keys = place.backup("data"), place.backup("keys")
    async with opened(place.home) as vault:
        await _go_on(vault)
    longer = place.folder / "old.db"
    shutil.copy(place.home / "data" / "vault.db", longer)
    told = place.restore(data, keys, longer, cut=True)
    assert told.actions["CustomerService.EraseCustomer"] == 1
    assert told.counts["erased_again"] == told.counts["erasures_finished"] == told.counts["deleted_again"] == 1
    async with opened(place.home) as vault:
        name = contact().name
        assert await _names(vault) == {"kept": name, "changed": name, "deleted": GONE, "erased": GONE, "new": GONE}


async def test_a_longer_log_closes_the_log_even_if_nobody_said_that_it_was_cut(place: Place) -> None:
    """Were it to go on, its key would sign other entries in the place of those that the longer copy has."""
    data, keys = place.backup("data"), place.backup("keys")
    async with opened(place.home) as vault:
        await vault.get_contact(customer_id="kept")  # not even a write is missing
        published = len(await vault.entries())
    longer = place.folder / "old.db"
    shutil.copy(place.home / "data" / "vault.db", longer)
    told = place.restore(data, keys, longer)
    ((log, seen, left),) = told.cut_logs
    assert (log, seen, left < seen, told.log_id) == ("log-0", published, True, "log-1")
    again = place.restore(longer=longer)
    assert (again.cut_logs, again.log_id or "log-1") == ([], "log-1")


async def test_what_a_restore_lost_is_not_deleted_again(place: Place) -> None:
    """An older key store was put back by mistake; with the right one the rows open, whatever the log says of them."""
    oldest = place.backup("keys", "oldest")
    async with opened(place.home) as vault:
        await vault.create("new")
    data, keys = place.backup("data"), place.backup("keys")
    assert place.restore(keys=oldest).counts["rows_without_key"]
    async with opened(place.home) as vault:
        assert (await _names(vault))["new"] == GONE
        await vault.call("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="deleted"))
    longer = place.folder / "old.db"
    shutil.copy(place.home / "data" / "vault.db", longer)
    assert place.restore(data, keys, longer).counts["deleted_again"] == 1
    async with opened(place.home) as vault:
        names = await _names(vault)
        assert (names["new"], names["deleted"]) == (contact().name, GONE)


async def test_a_longer_log_deletes_again_what_was_changed_before_it_was_deleted(place: Place) -> None:
    """The version that is restored is not the one that the deletion names; those between lead from one to the other."""
    data, keys = place.backup("data"), place.backup("keys")
    async with opened(place.home) as vault:
        for name in ("First Change", "Second Change"):
            put = contacts.PutContactRequest(customer_id="deleted", contact=contact(name=name))
            await vault.call("care", "ContactService.PutContact", put)
        await vault.call("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="deleted"))
        put = contacts.PutContactRequest(customer_id="changed", contact=contact(name="Changed Name"))
        await vault.call("care", "ContactService.PutContact", put)
    longer = place.folder / "old.db"
    shutil.copy(place.home / "data" / "vault.db", longer)
    told = place.restore(data, keys, longer, cut=True)
    assert told.delete_again == told.counts["deleted_again"] == 1
    async with opened(place.home) as vault:
        names = await _names(vault)
        assert (names["deleted"], names["changed"]) == (GONE, contact().name)


async def test_many_writes_later_every_record_is_as_it_was(place: Place) -> None:
    """Several versions of each, more than one page of keys."""
    async with opened(place.home) as vault:
        for number in range(200):
            await vault.create(f"m{number}", cards=[])
    data = place.backup("data")
    async with opened(place.home) as vault:
        for number in range(200):
            put = contacts.PutContactRequest(customer_id=f"m{number}", contact=contact(name=f"Later {number}"))
            await vault.call("care", "ContactService.PutContact", put)
    told = place.restore(data=data)
    assert len(told.older) == told.counts["keys_revived"] == 200
    async with opened(place.home) as vault:
        for number in range(0, 200, 7):
            assert (await vault.get_contact(customer_id=f"m{number}")).name == contact().name


async def test_what_was_changed_before_the_restore_window_is_lost_and_named(place: Place) -> None:
    """The purge took the key of the version in the backup, the restore takes the newer version: nothing is left.

    What was changed within the window is back; what was not changed at all, too.
    """
    async with opened(place.home) as vault:
        await vault.create("late", cards=[])
    data = place.backup("data")
    async with opened(place.home) as vault:
        await _go_on(vault)
    async with opened(place.home) as vault:  # what was replaced is retired by now
        window_ms = 7 * 24 * 3600 * 1000
        assert (await vault.parts.store.purge(time.time_ns() // 1_000_000 - window_ms)).destroyed == 0
        assert (await vault.parts.store.purge(time.time_ns() // 1_000_000 + 1)).destroyed == 1
        put = contacts.PutContactRequest(customer_id="late", contact=contact(name="Later"))
        await vault.call("care", "ContactService.PutContact", put)
    told = place.restore(data=data)
    assert "customers/changed/contact" in told.lost
    assert told.older == ["customers/late/contact"]
    assert not any("kept" in name for name in told.lost + told.older)
    async with opened(place.home) as vault:
        name = contact().name
        assert await _names(vault) == {"kept": name, "changed": GONE, "deleted": GONE, "erased": GONE, "new": GONE}
        assert (await vault.get_contact(customer_id="late")).name == name
        put = contacts.PutContactRequest(customer_id="changed", contact=contact(name="Written Again"))
        await vault.call("care", "ContactService.PutContact", put)
        assert (await vault.get_contact(customer_id="changed")).name == "Written Again"


async def test_a_second_restore_follows_the_first(place: Place) -> None:
    """The log of the first one is closed in its turn; files from before are not taken for newer ones."""
    data = place.backup("data")
    async with opened(place.home) as vault:
        await vault.create("new")
    newest_keys = place.backup("keys", "newest")
    place.restore(data=data)
    async with opened(place.home) as vault:
        await vault.create("later")
    assert place.restore(data=data).log_id == "log-2"
    async with opened(place.home) as vault:
        assert (await vault.get_contact(customer_id="kept")).name
    assert place.survey(keys=newest_keys).keys_behind


async def test_stores_that_fit_need_nothing(place: Place) -> None:
    """And nothing is done to them."""
    before = {path: path.read_bytes() for path in place.home.glob("*/*.db")}
    assert not place.restore().needed
    assert 'log_id = "log-0"' in (place.home / "vault.toml").read_text()
    for path, content in before.items():
        assert len(path.read_bytes()) == len(content)


@pytest.mark.parametrize("store", ["data", "keys"])
async def test_a_copy_that_was_cut_short_is_refused_before_anything_is_changed(place: Place, store: str) -> None:
    """By its digest, and where no manifest came along by its pages."""
    copy = place.backup(store)
    os.truncate(copy, copy.stat().st_size - 4096)
    live = {path: path.read_bytes() for path in place.home.glob("*/*.db")}
    for match in ("not what its manifest says", "damaged"):
        with pytest.raises(DataLoss, match=match):
            _ = place.restore(copy) if store == "data" else place.restore(None, copy)
        copy.with_name(f"{copy.name}.json").unlink(missing_ok=True)
    assert {path: path.read_bytes() for path in place.home.glob("*/*.db")} == live


async def test_a_row_that_its_index_does_not_find_is_no_deleted_one(place: Place) -> None:
    """What the index hides would look deleted, and with an older key store its key would be destroyed for that."""
    keys = place.backup("keys")
    async with opened(place.home) as vault:
        await _go_on(vault)
    data = place.home / "data" / "vault.db"
    with closing(sqlite3.connect(data)) as connection:
        sql = "SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size WHERE name = ?"
        (page,) = connection.execute(sql, ("sqlite_autoindex_records_1",)).fetchone()
    content = bytearray(data.read_bytes())
    name = b"customers/keptcustomers/kept/contact"
    content[content.index(name, page) + len(name) - 1] ^= 2
    data.write_bytes(content)
    before = (place.home / "keys" / "keys.db").read_bytes()
    with pytest.raises(DataLoss, match="is damaged"):
        place.restore(keys=keys)
    assert (place.home / "keys" / "keys.db").read_bytes() == before


async def test_a_store_of_another_vault_or_kind_is_refused(place: Place, tmp_path: Path) -> None:
    """Two vaults of one company look alike."""
    other = Place(await make_home(tmp_path / "other"), tmp_path / "of-other")
    other.folder.mkdir()
    with pytest.raises(ConfigError, match="is of another vault than"):
        place.restore(keys=other.backup("keys"))
    with pytest.raises(ConfigError, match="is no backup of the data store"):
        place.restore(data=place.backup("keys"))


async def test_a_wrong_root_key_is_refused_before_anything_is_changed(place: Place, tmp_path: Path) -> None:
    """No key could be wrapped again."""
    data = place.backup("data")
    async with opened(place.home) as vault:
        await _go_on(vault)
    other = await make_home(tmp_path / "other")
    shutil.copy(other / "root.key", place.home / "root.key")
    live = {path: path.read_bytes() for path in place.home.glob("*/*.db")}
    with pytest.raises(ConfigError, match="does not open the vault key"):
        place.restore(data=data)
    assert {path: path.read_bytes() for path in place.home.glob("*/*.db")} == live


async def test_an_open_vault_is_not_restored(place: Place) -> None:
    """The server is stopped first."""
    async with opened(place.home):
        with pytest.raises(ConfigError, match="another process has this vault open"):
            place.restore()


async def test_a_stale_write_ahead_log_does_not_come_into_the_copy(place: Place) -> None:
    """What a kill left beside the old file goes aside with it."""
    data = place.backup("data")
    live = place.home / "data" / "vault.db"
    async with opened(place.home) as vault:
        await vault.create("new")
        await vault.create("newer")
        wal = live.with_name("vault.db-wal").read_bytes()
    live.with_name("vault.db-wal").write_bytes(wal)
    place.restore(data=data)
    assert (place.home / "data" / "vault.db.before-restore").exists()
    async with opened(place.home) as vault:
        assert (await _names(vault))["new"] == GONE
        assert (await _names(vault))["kept"] == contact().name


def _create(who: str) -> object:
    from vault.v1.customer_service_pb2 import CreateCustomerRequest  # noqa: PLC0415 - used here alone

    return CreateCustomerRequest(customer_id=who, contact=contact())


def _described(entry: bytes) -> dict[str, object]:
    from vault.audit.entry import describe  # noqa: PLC0415 - used here alone

    with suppress(DataLoss):
        return describe(entry)
    return {}
