"""A backup is one moment of a store, complete or not there, and holds nothing that was destroyed before."""

import hashlib
import json
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import RunningVault, new_id
from tests.vaults import make_home, opened
from vault.cli.backup.take import take
from vault.errors import ConfigError, DataLoss
from vault.service.settings import Settings
from vault.storage import backup
from vault.storage.engine import sqlite3
from vault.v1.customer_service_pb2 import EraseCustomerRequest


def _no_step(_what: str, _done: int, _total: int) -> None:
    pass


async def _home(folder: Path) -> Path:
    home = await make_home(folder / "home")
    async with opened(home) as vault:
        await vault.create("1")
    return home


def _take(home: Path, store: str, target: Path, *, same_folder: bool = False) -> None:
    target.parent.mkdir(exist_ok=True)
    take(Settings.load(home / "vault.toml"), store, target, home / "pins.json", _no_step, same_folder=same_folder)


@pytest.mark.parametrize("store", ["data", "keys"])
def test_a_backup_is_taken_beside_the_running_server(running_vault: RunningVault, store: str, tmp_path: Path) -> None:
    """For this user only; the manifest says which store, of which moment, with which digest."""
    running_vault.run("customer", "create", "--id", new_id())
    target = tmp_path / "copy.db"
    said = running_vault.json("backup", store, str(running_vault.home), "--to", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    manifest = json.loads((tmp_path / "copy.db.json").read_text())
    assert said == {"file": str(target), **manifest}
    assert manifest["store"] == store
    assert manifest["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    content = backup.examine(target)
    assert (content.vault_id.hex(), content.sequence) == (manifest["vault_id"], manifest["sequence"])
    assert manifest["logs"]["log-0"] == content.logs["log-0"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "copy.db.json"]


async def test_a_destroyed_key_is_in_no_later_backup(tmp_path: Path) -> None:
    """Neither in a row nor in an unused part of a page, and a live one is."""
    home = await _home(tmp_path)
    with closing(sqlite3.connect(home / "keys/keys.db")) as connection:
        sql = "SELECT wrapped FROM record_keys WHERE owner = 'customers/1'"
        keys = [key for (key,) in connection.execute(sql).fetchall()]
    _take(home, "keys", tmp_path / "before" / "keys.db")
    async with opened(home) as vault:
        await vault.call("officer", "CustomerService.EraseCustomer", EraseCustomerRequest(customer_id="1"))
        _take(home, "keys", tmp_path / "after" / "keys.db")
    before, after = ((tmp_path / when / "keys.db").read_bytes() for when in ("before", "after"))
    assert keys
    assert all(key in before and key not in after for key in keys)


async def test_the_two_stores_do_not_lie_together_unless_that_is_wanted(tmp_path: Path) -> None:
    """Neither beside the other's backups nor beside the other live store."""
    home = await _home(tmp_path)
    _take(home, "data", tmp_path / "b" / "data.db")
    with pytest.raises(ConfigError, match="holds a backup of the data store; the two stores must be kept apart"):
        _take(home, "keys", tmp_path / "b" / "keys.db")
    with pytest.raises(ConfigError, match="holds the live data store"):
        _take(home, "keys", home / "data" / "keys.db")
    _take(home, "keys", tmp_path / "b" / "keys.db", same_folder=True)


async def test_a_backup_is_never_overwritten(tmp_path: Path) -> None:
    """Yesterday's may be the only good one."""
    home = await _home(tmp_path)
    _take(home, "data", tmp_path / "b" / "data.db")
    before = (tmp_path / "b" / "data.db").read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        _take(home, "data", tmp_path / "b" / "data.db")
    assert (tmp_path / "b" / "data.db").read_bytes() == before


@pytest.mark.parametrize("at", ["copying", "looking through", "verifying the log", "digest"])
async def test_a_backup_that_is_broken_off_leaves_nothing(tmp_path: Path, at: str) -> None:
    """Ctrl-C at any step; a part that a kill left is written over by the next run."""
    home = await _home(tmp_path)

    def step(what: str, _done: int, _total: int) -> None:
        if what == at:
            raise KeyboardInterrupt

    folder = tmp_path / "b"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        take(Settings.load(home / "vault.toml"), "data", folder / "x.db", home / "pins.json", step, same_folder=False)
    assert list(folder.iterdir()) == []
    backup.part_of(folder / "x.db").write_bytes(b"left by a kill")
    _take(home, "data", folder / "x.db")
    assert sorted(path.name for path in folder.iterdir()) == ["x.db", "x.db.json"]


async def test_a_damaged_store_or_an_altered_log_gives_no_backup(tmp_path: Path) -> None:
    """Better an alarm today than a backup that fails when it is needed."""
    home = await _home(tmp_path)
    data = home / "data" / "vault.db"
    with closing(sqlite3.connect(data)) as connection, connection:
        connection.execute("UPDATE log_entries SET entry = CAST(entry || x'00' AS BLOB) WHERE idx = 0")
    with pytest.raises(DataLoss, match=r"vault\.example/log/log-0 is not what was signed"):
        _take(home, "data", tmp_path / "b" / "data.db")
    keys = bytearray((home / "keys" / "keys.db").read_bytes())
    keys[8192:12288] = bytes(4096)
    (home / "keys" / "keys.db").write_bytes(keys)
    with pytest.raises(DataLoss):
        _take(home, "keys", tmp_path / "c" / "keys.db")
    assert list((tmp_path / "b").iterdir()) == list((tmp_path / "c").iterdir()) == []


async def test_a_backup_taken_during_writes_is_one_moment(tmp_path: Path) -> None:
    """Every row of the data has its key in a key-store backup that was taken after it."""
    home = await make_home(tmp_path / "home")
    async with opened(home) as vault:
        for number in range(30):
            await vault.create(f"c{number}")
            if number == 15:
                _take(home, "data", tmp_path / "data" / "x.db")
        _take(home, "keys", tmp_path / "keys" / "x.db")
    with closing(sqlite3.connect(tmp_path / "data" / "x.db")) as connection:
        connection.execute("ATTACH ? AS k", (str(tmp_path / "keys" / "x.db"),))
        sql = "SELECT count(*) FROM records LEFT JOIN k.key_places USING (owner, record_name, key_id) WHERE slot IS "
        assert connection.execute(sql + "NULL").fetchone() == (0,)
        assert connection.execute(sql + "NOT NULL").fetchone() == (16 * 3,)
