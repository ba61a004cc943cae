"""Proofs as callers get them: they hold against the signed checkpoint, and nothing unsigned is proven."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.vaults import OpenVault
from vault.audit import log as log_module
from vault.audit.log import AuditLog
from vault.crypto.merkle import LeafHash, RootHash, leaf_hash, root_of, verify_consistency, verify_inclusion
from vault.crypto.note import open_checkpoint
from vault.errors import DataLoss, InvalidArgument, NotFound, PermissionDenied
from vault.v1 import audit_service_pb2 as v1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sign more often than once a second."""
    monkeypatch.setattr(log_module, "INTERVAL_S", 0.02)


async def signed_past(log: AuditLog, size: int) -> None:
    """Wait until the newest checkpoint covers so many entries."""
    while log.signed < size:  # noqa: ASYNC110 - the log has no event for it
        await asyncio.sleep(0.02)


async def fill(vault: OpenVault, count: int = 5) -> None:
    """Make entries, and wait until they are signed."""
    for _ in range(count):
        await vault.call("auditor", "AuditService.GetCheckpoint", v1.GetCheckpointRequest())
    await signed_past(vault.parts.log, len(await vault.entries()))


async def inclusion(vault: OpenVault, role: str = "auditor", **parts: Any) -> v1.GetInclusionProofResponse:
    """Ask."""
    answer = await vault.call(role, "AuditService.GetInclusionProof", v1.GetInclusionProofRequest(**parts))
    assert isinstance(answer, v1.GetInclusionProofResponse)
    return answer


async def consistency(vault: OpenVault, *sizes: int, role: str = "provisioning") -> v1.GetConsistencyProofResponse:
    """Ask."""
    request = v1.GetConsistencyProofRequest(tree_sizes=sizes)
    answer = await vault.call(role, "AuditService.GetConsistencyProof", request)
    assert isinstance(answer, v1.GetConsistencyProofResponse)
    return answer


async def test_an_entry_is_proven_against_the_signed_checkpoint(vault: OpenVault) -> None:
    """By whoever has the entry, the note and the log's key; the officer holds receipts that name an entry."""
    await fill(vault)
    entries = await vault.entries()
    for role, index in (("auditor", 0), ("officer", 3)):
        answer = await inclusion(vault, role, index=index)
        signed = open_checkpoint(answer.checkpoint, vault.parts.log.origin, vault.parts.log.public_key)
        assert (answer.log_id, answer.index, answer.tree_size) == (vault.parts.log.log_id, index, signed.size)
        assert answer.leaf_hash == leaf_hash(entries[index])
        verify_inclusion(LeafHash(answer.leaf_hash), index, signed.size, answer.hashes, signed.root)


async def test_an_entry_is_proven_in_an_older_tree(vault: OpenVault) -> None:
    """For a checkpoint that somebody kept; and the proof itself is in the log."""
    await fill(vault)
    entries = await vault.entries()
    answer = await inclusion(vault, index=1, tree_size=3)
    verify_inclusion(leaf_hash(entries[1]), 1, 3, answer.hashes, root_of(map(leaf_hash, entries[:3])))
    assert b"AuditService.GetInclusionProof" in (await vault.entries())[-1]


async def test_growth_is_proven_to_every_caller_and_not_logged(vault: OpenVault) -> None:
    """One proof for each pair of neighbours."""
    await fill(vault)
    entries = await vault.entries()
    sizes = [0, 1, 4, vault.parts.log.signed]
    answer = await consistency(vault, *sizes)
    roots: list[RootHash] = [root_of(map(leaf_hash, entries[:size])) for size in sizes]
    assert [(proof.first_size, proof.second_size) for proof in answer.proofs] == list(pairwise(sizes))
    for at, proof in enumerate(answer.proofs):
        verify_consistency(proof.first_size, proof.second_size, proof.hashes, roots[at], roots[at + 1])
    assert await vault.entries() == entries


@pytest.mark.parametrize(
    "sizes", [(), (1,), (2, 1), (1, 1), (0, 10**6), tuple(range(65)), (1, 1 << 63)], ids=lambda sizes: str(sizes[:3])
)
async def test_sizes_that_make_no_proof_are_refused(vault: OpenVault, sizes: tuple[int, ...]) -> None:
    """Too few, too many, not ascending, or not signed yet."""
    await fill(vault)
    with pytest.raises(InvalidArgument, match="tree_sizes"):
        await consistency(vault, *sizes)


@pytest.mark.parametrize(("index", "tree_size"), [(10**6, 0), (3, 3), (0, 10**6)])
async def test_an_entry_that_is_not_in_the_tree_is_not_proven(vault: OpenVault, index: int, tree_size: int) -> None:
    """The field is named."""
    await fill(vault)
    with pytest.raises(InvalidArgument, match=r"index|tree_size"):
        await inclusion(vault, index=index, tree_size=tree_size)


async def test_a_log_that_is_not_there_proves_nothing(vault: OpenVault) -> None:
    """As for every method of a log."""
    with pytest.raises(NotFound):
        await inclusion(vault, log_id="log-9")


async def test_who_does_not_read_the_log_gets_no_inclusion_proof(vault: OpenVault) -> None:
    """A leaf hash would confirm a guess at somebody else's entry."""
    with pytest.raises(PermissionDenied):
        await inclusion(vault, "provisioning")


async def test_altered_entries_are_not_proven(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree in memory remembers what was signed."""
    await fill(vault, 300)

    async def altered(log_id: str, start: int, limit: int) -> list[tuple[int, bytes]]:
        return [(index, b"other") for index in range(start, start + limit)]

    monkeypatch.setattr(vault.parts.log.proofs._store, "log_entries", altered)
    with pytest.raises(DataLoss, match="audit verify"):
        await inclusion(vault, index=3)
