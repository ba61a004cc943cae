"""Vault keys and system rows: inserted, never replaced."""

import pytest

from tests.storage.conftest import VAULT_ID, Driver
from vault.errors import AlreadyExists
from vault.storage.port import Storage
from vault.storage.system import SystemRow, VaultKeyRow


def _row(row: str, version: int = 1, *, kind: str = "system", sealed: bytes = b"sealed") -> SystemRow:
    return SystemRow(kind, row, version, 1, sealed)


async def test_a_vault_keeps_its_id_and_its_keys(driver: Driver) -> None:
    """Across openings, ascending."""
    store = await driver.open()
    two, one = VaultKeyRow(2, "active", 5, b"wrapped 2"), VaultKeyRow(1, "deactivated", 4, b"wrapped 1")
    await store.add_vault_key(two)
    await store.add_vault_key(one)
    await store.close()
    store = await driver.open()
    assert await store.vault_id() == VAULT_ID
    assert await store.vault_keys() == [one, two]
    await store.close()


async def test_a_vault_key_is_never_replaced(store: Storage) -> None:
    """That would lose every record under it."""
    first = VaultKeyRow(1, "active", 5, b"first")
    await store.add_vault_key(first)
    with pytest.raises(AlreadyExists):
        await store.add_vault_key(VaultKeyRow(1, "active", 6, b"second"))
    assert await store.vault_keys() == [first]


async def test_the_newest_version_of_a_system_row_counts(store: Storage) -> None:
    """Earlier ones are there for who asks."""
    assert await store.add_system_rows([_row("a"), _row("a", 2, sealed=b"new"), _row("b")]) == 3
    assert await store.system_row("system", "a") == _row("a", 2, sealed=b"new")
    assert await store.system_row("system", "a", 1) == _row("a")
    assert await store.system_row("system", "a", 3) is None
    assert await store.system_row("log-key", "a") is None
    assert await store.system_rows("system") == [_row("a", 2, sealed=b"new"), _row("b")]


async def test_system_rows_are_listed_by_prefix_in_pages(store: Storage) -> None:
    """Ascending, after a name, of one kind."""
    names = ["epochs/a", "epochs/b", "epochs/c", "epochsx", "orders/1"]
    await store.add_system_rows([_row(each) for each in reversed(names)] + [_row("epochs/z", kind="other")])

    async def listed(prefix: str, after: str = "", limit: int = 100) -> list[str]:
        return [found.row for found in await store.system_rows("system", prefix, after, limit)]

    assert await listed("epochs/") == names[:3]
    assert await listed("epochs/", "epochs/a", 1) == names[1:2]
    assert await listed("") == names


async def test_system_rows_are_counted(store: Storage) -> None:
    """Every version of those with a prefix, but for the destroyed."""
    await store.add_system_rows([_row("epochs/a"), _row("epochs/a", 2), _row("epochs/b"), _row("orders/1")])
    assert await store.count_system_rows("system", "epochs/") == 3
    assert await store.count_system_rows("system", "") == 4
    await store.remove_system_rows("system", "epochs/b")
    assert await store.count_system_rows("system", "") == 2


async def test_system_rows_are_added_together_or_not_at_all(store: Storage) -> None:
    """One that is there refuses them all."""
    await store.add_system_rows([_row("a")])
    with pytest.raises(AlreadyExists):
        await store.add_system_rows([_row("b"), _row("a", sealed=b"other")])
    assert await store.system_rows("system") == [_row("a")]


async def test_rows_that_are_there_may_be_passed_over(store: Storage) -> None:
    """They stay as they are, and do not count."""
    await store.add_system_rows([_row("a")])
    assert await store.add_system_rows([_row("a", sealed=b"other"), _row("b")], ignore_existing=True) == 1
    assert await store.system_rows("system") == [_row("a"), _row("b")]
    assert await store.add_system_rows([]) == 0


async def test_destroyed_rows_are_gone(driver: Driver) -> None:
    """All that sort before a name, of one kind; a destroyed name is not used again."""
    store = await driver.open()
    await store.add_system_rows([_row(day, kind="day") for day in ("01", "02", "03")] + [_row("01")])
    await store.remove_system_rows("day", "03")
    for _ in range(2):
        assert await store.system_rows("day") == [_row("03", kind="day")]
        assert await store.system_row("day", "01") is None
        assert await store.system_row("system", "01") == _row("01")
        await store.close()
        store = await driver.open()
    assert await store.add_system_rows([_row("01", kind="day")], ignore_existing=True) == 0
    await store.close()
