"""A writer in the database (T17): whatever he changes, nothing wrong is served, and what nobody touched still is.

VAULT_MUTATIONS sets how many changes are tried while the vault is open (default 2,000), VAULT_SEED which.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.abuse.billing import Billing
from tests.abuse.mutations import ACTIONS, SYSTEM_ACTIONS, Writer
from tests.abuse.sealer import SealedSide
from tests.abuse.tables import Tables
from tests.abuse.tampered import Reading, Verdict, forged_names, searchers, settle
from tests.figures import Figures
from tests.vaults import OpenVault, opened
from vault.errors import VaultError

MUTATIONS = int(os.environ.get("VAULT_MUTATIONS", "2000"))
REOPENED = max(100, MUTATIONS // 20)
pytestmark = pytest.mark.timeout(120 + MUTATIONS // 10)
SEED = int(os.environ.get("VAULT_SEED", "17"))


async def test_nothing_that_a_writer_in_the_database_does_is_accepted(vault: OpenVault, figures: Figures) -> None:
    """Rows, keys, search tokens, epochs and stanzas are swapped, moved, altered, dropped, doubled, put back, forged."""
    truth, earlier = await settle(vault)
    reading = Reading(vault, truth, Billing(vault.home))
    before = Tables.read(vault.home)
    assert (await reading.everything()).values == truth.values
    verdict, rng = Verdict(), random.Random(SEED)
    side = SealedSide(vault.parts.keyring, "payment_processing")
    while verdict.mutations.total() < MUTATIONS:
        after = before.copy()
        label = Writer(rng, after, [earlier, before], side).mutate()
        if after.rows == before.rows:
            continue
        after.write(vault.home, before)
        verdict.judge(label, truth, before, after, await reading.everything(forged_names(truth, after)))
        for who in searchers(before, after) or {rng.choice([*truth.persons])}:
            await _search(reading, who, label, verdict)
        before.write(vault.home, after)
    assert (await reading.everything()).values == truth.values
    figures(verdict.line())
    assert not verdict.accepted, verdict.accepted[:5]
    assert not verdict.unserved, verdict.unserved[:5]
    assert not verdict.unlogged, verdict.unlogged[:5]


async def _search(reading: Reading, who: str, label: str, verdict: Verdict) -> None:
    """A search finds the one who is looked for, or nobody."""
    try:
        hits = await reading.search(who)
    except VaultError:
        return
    strangers = [hit for hit in hits if hit != reading.truth.values[f"customers/{who}/contact"]]
    verdict.accepted += [f"{label}: a search for {who} found {stranger}" for stranger in strangers]


async def test_a_vault_that_was_changed_while_it_was_closed_refuses_to_start_or_serves_the_truth(
    home: Path, figures: Figures
) -> None:
    """Rows that are read once, at the start: purpose keys, the log's key, the search key; and all the others, cold."""
    async with opened(home) as vault:
        truth, earlier = await settle(vault)
        side = SealedSide(vault.parts.keyring, "payment_processing")
    billing, before = Billing(home), Tables.read(home)
    verdict, rng, refused = Verdict(), random.Random(SEED), 0
    while verdict.mutations.total() + refused < REOPENED:
        after = before.copy()
        label = Writer(rng, after, [earlier, before], side).mutate(rng.choice([ACTIONS, SYSTEM_ACTIONS]))
        if after.rows == before.rows:
            continue
        with another_copy(home) as copy:
            after.write(copy, before)
            try:
                async with opened(copy) as vault:
                    found = await Reading(vault, truth, billing).everything(forged_names(truth, after))
                    verdict.judge(label, truth, before, after, found)
            except VaultError:
                refused += 1
    figures(f"{verdict.line()}; starts refused {refused}")
    assert not verdict.accepted, verdict.accepted[:5]
    assert not verdict.unserved, verdict.unserved[:5]
    assert not verdict.unlogged, verdict.unlogged[:5]


@contextmanager
def another_copy(home: Path) -> Iterator[Path]:
    """The folder of a closed vault, to be spoilt."""
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        yield shutil.copytree(home, Path(folder) / "home")
