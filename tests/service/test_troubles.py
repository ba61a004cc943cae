"""Why the vault cannot serve: found while it lasts, and gone by itself."""

import time

import pytest

from tests.vaults import OpenVault
from vault.audit.entry import describe
from vault.errors import ResourceExhausted
from vault.service import troubles
from vault.service.troubles import DISK_FULL, NOT_DURABLE, UNSIGNED


async def test_a_vault_that_is_well_has_no_trouble(vault: OpenVault) -> None:
    """And looking leaves no entry."""
    before = len(await vault.entries())
    assert await vault.vault.troubles() == []
    assert len(await vault.entries()) == before


async def test_commits_that_fail_are_a_trouble_until_an_entry_is_durable(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried without anybody's call: a balancer sends none while the vault says that it does not serve."""

    async def full(*_: object) -> int:
        raise ResourceExhausted("a disk of the store is full")

    monkeypatch.setattr(troubles, "_RETRY_S", 0.0)
    vault.parts.store.writer_stats.failed(time.monotonic())
    with monkeypatch.context() as patched:
        patched.setattr(vault.parts.journal, "append", full)
        assert await vault.vault.troubles() == [NOT_DURABLE]
    assert await vault.vault.troubles() == []
    assert describe((await vault.entries())[-1])["action"] == "Vault.Recover"


async def test_a_full_disk_and_an_unsigned_log_are_named(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own reason."""
    monkeypatch.setattr(troubles, "LEAST_FREE", 1 << 62)
    vault.parts.log._failing_since = time.monotonic() - 60
    assert await vault.vault.troubles() == [UNSIGNED, DISK_FULL]


async def test_the_figures_of_a_real_vault_are_all_known_and_name_nobody(vault: OpenVault) -> None:
    """Each sample belongs to a family, with as many labels; nothing of a customer is in one."""
    from vault.server.metrics.families import FAMILIES  # noqa: PLC0415 - the server's table, over the service's figures

    await vault.create("c-canary-7")
    await vault.get_contact("provisioning", "c-canary-7")
    samples = await vault.vault.gauges()
    assert {len(s.labels) - len(FAMILIES[s.family].labels) for s in samples} == {0}
    assert not any("canary" in label for sample in samples for label in sample.labels)
    families = {sample.family for sample in samples}
    assert {"vault_epoch_step", "vault_keys_retired", "vault_log_lag_seconds", "vault_commit_seconds"} <= families
