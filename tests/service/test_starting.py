"""What opening a vault finishes before it serves, and that closing it may be repeated."""

import hashlib
from pathlib import Path

from tests.abuse import digests, disk
from tests.vaults import make_home, opened
from vault.audit.entry import parse
from vault.service.settings import Settings
from vault.service.vault import Vault


async def _stopped_after_the_keys(home: Path) -> list[bytes]:
    """Erase a customer's keys as a crash leaves them between the two stores; digests of its rows."""
    async with opened(home) as vault:
        await vault.create("42")
        await vault.create("43")
    with disk.writer(home / disk.KEYS) as keys:
        keys.execute("INSERT INTO tombstones VALUES ('customers/42', 5)")
        keys.execute("DELETE FROM key_places WHERE owner = 'customers/42'")
    return [hashlib.sha256(row[6]).digest() for row in disk.rows(home / disk.DATA, "records") if row[0][-2:] == "42"]


async def test_an_erasure_that_a_start_finishes_is_in_the_log_with_what_it_took_out(tmp_path: Path) -> None:
    """Once, by digests: who verifies the rows by the log alone misses none of them."""
    home = await make_home(tmp_path / "home")
    taken = await _stopped_after_the_keys(home)
    for _ in range(2):
        async with opened(home) as vault:
            finished = [e for e in map(parse, await vault.entries()) if e.action == "Vault.FinishErasure"]
            assert [sorted(entry.replaced) for entry in finished] == [sorted(taken)]
            assert sorted(len(name) for name in finished[0].records) == [0, len("contact"), len("cards/") + 32]
            assert (await vault.get_contact(customer_id="43")).name
        assert digests.against_log(home) == []


async def test_a_vault_may_be_closed_twice(tmp_path: Path) -> None:
    """The second time nothing is left to do, and no file of somebody else's is closed."""
    home = await make_home(tmp_path / "home")
    ended: list[str] = []
    vault = await Vault.open(Settings.load(home / "vault.toml"), fatal=ended.append)
    await vault.close()
    with (home / "vault.toml").open() as other:
        await vault.close()
        assert other.read()
    assert not ended
