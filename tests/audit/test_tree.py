"""The log's tree: the same roots and proofs as those computed from all leaf hashes, with two tiles read for each."""

import random

import pytest

from tests.audit.fakes import FakeLogStore, make_entry
from vault.audit import tree as module
from vault.audit.tree import TILE, Prover, Tree
from vault.crypto.merkle import (
    EMPTY_ROOT,
    RootHash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from vault.errors import DataLoss

ENTRIES = [make_entry(i) for i in range(5 * TILE + 37)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
BORDERS = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 768, 1023, 1024, 1025, 1280, 1281, len(LEAVES)]


def tree_of(size: int) -> Tree:
    """A tree of the first leaves, grown in uneven steps."""
    tree, random_ = Tree(), random.Random(size)
    while tree.size < size:
        tree.extend(LEAVES[tree.size : min(size, tree.size + random_.choice([1, 7, 255, 256, 1000]))])
    return tree


def prover(size: int = len(LEAVES)) -> tuple[Prover, FakeLogStore]:
    """Of a tree, over a store that has all entries."""
    store = FakeLogStore(ENTRIES)
    return Prover(store, "0", tree_of(size)), store


@pytest.mark.parametrize("size", BORDERS)
def test_the_root_is_that_of_all_leaves(size: int) -> None:
    """At every border of a tile and between them."""
    assert tree_of(size).root() == root_of(LEAVES[:size])


async def test_a_root_of_the_past_is_told() -> None:
    """For a checkpoint that is kept elsewhere."""
    proofs, _ = prover()
    assert [await proofs.root_at(size) for size in BORDERS] == [root_of(LEAVES[:size]) for size in BORDERS]
    assert await proofs.root_at(0) == EMPTY_ROOT


@pytest.mark.parametrize("size", BORDERS[1:])
async def test_inclusion_proofs_are_those_of_the_rfc(size: int) -> None:
    """For trees that are smaller than the one at hand, too."""
    proofs, _ = prover()
    for index in {0, size // 3, size // 2, max(0, size - 257), size - 1}:
        proof = await proofs.inclusion(index, size)
        assert proof == inclusion_proof(LEAVES[:size], index)
        verify_inclusion(await proofs.leaf_hash(index), index, size, proof, root_of(LEAVES[:size]))


@pytest.mark.parametrize("second", BORDERS)
async def test_consistency_proofs_are_those_of_the_rfc(second: int) -> None:
    """Between any two borders."""
    proofs, _ = prover()
    for first in [size for size in BORDERS if size <= second]:
        proof = await proofs.consistency(first, second)
        assert proof == consistency_proof(LEAVES[:second], first)
        verify_consistency(first, second, proof, root_of(LEAVES[:first]), root_of(LEAVES[:second]))


async def test_a_proof_reads_two_tiles_at_most_and_none_twice() -> None:
    """Whatever the length of the log; the newest tile is in memory."""
    proofs, store = prover()
    await proofs.consistency(300, 1000)
    assert store.reads == 2
    await proofs.inclusion(301, 1001)
    assert store.reads == 2
    await proofs.consistency(1024, len(LEAVES))
    assert store.reads == 2


async def test_the_tiles_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used longest ago goes first."""
    monkeypatch.setattr(module, "_KEPT", 2)
    proofs, store = prover()
    for index in (0, TILE, 0, 2 * TILE):
        await proofs.leaf_hash(index)
    assert list(proofs._kept) == [0, 2]
    assert store.reads == 3


@pytest.mark.parametrize("change", [300, None], ids=["altered", "gone"])
async def test_altered_entries_make_no_proof(change: int | None) -> None:
    """Also if the leaf hash beside the entry was altered with it: the tree remembers."""
    proofs, store = prover()
    if change is None:
        del store.entries[TILE : 2 * TILE]
    else:
        store.entries[change] = (change, make_entry(10**6))
    assert await proofs.leaf_hash(5)
    for _ in range(2):
        with pytest.raises(DataLoss, match="audit verify"):
            await proofs.consistency(310, 1000)


async def test_a_tree_that_grows_while_tiles_are_read_still_proves() -> None:
    """What was in the last tile when it was asked for is in a full one then."""
    proofs, store = prover(700)
    wanted = consistency_proof(LEAVES[:690], 300)

    class Growing(FakeLogStore):
        async def log_entries(self, log_id: str, start: int, limit: int) -> list[tuple[int, bytes]]:
            proofs._tree.extend(LEAVES[proofs._tree.size : proofs._tree.size + 300])
            return list(await store.log_entries(log_id, start, limit))

    proofs._store = Growing()
    assert await proofs.consistency(300, 690) == wanted
    assert await proofs.root_at(1000) == RootHash(root_of(LEAVES[:1000]))
