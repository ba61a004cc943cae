"""The tree that a log keeps in memory, and the proofs that it makes of it.

A proof needs about 2 log2(n) nodes from anywhere in the tree. To hash the whole log for each would cost a second for a
million entries; to keep every node would cost 64 MB. So the leaves are cut into tiles of 256 (as C2SP tlog-tiles cuts
them): the nodes at and above a tile's root are kept, 64 bytes for 256 entries, a quarter of a megabyte for a million;
those inside of a tile are computed from its entries, read from the store when a proof needs them. A proof crosses at
most two tiles, whatever the length of the log. The tiles used last are kept, because the callers of one log ask about
the same checkpoints.

What is read back is hashed and compared with the tile's root in memory. So a proof is also a check: entries that were
altered in the store since they were signed make no proof, and the call fails instead.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from vault.crypto.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    LeafHash,
    Range,
    RootHash,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
)
from vault.errors import DataLoss

_HEIGHT = 8
TILE = 1 << _HEIGHT
"""Leaves of a tile."""
_KEPT = 64
"""Tiles whose leaf hashes are kept, about 20 KB each."""

_ALTERED = "stored entries are not those that were signed; run `customer-vault audit verify`, which names the first"


class Entries(Protocol):
    """Where the entries are."""

    async def log_entries(self, log_id: str, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(index, entry) ascending from `start`."""


class Tree:
    """A growing tree: the roots of its full tiles, all nodes above them, and the leaves behind the last full tile."""

    __slots__ = ("_levels", "_rest", "size")

    size: int
    """Number of leaves."""

    def __init__(self) -> None:
        self.size = 0
        # The nodes of height 8, 9, … side by side, full subtrees only.
        self._levels: list[bytearray] = []
        self._rest: list[LeafHash] = []

    def extend(self, leaves: Iterable[LeafHash]) -> None:
        """Add leaves."""
        before = len(self._rest)
        self._rest.extend(leaves)
        self.size += len(self._rest) - before
        full = len(self._rest) - len(self._rest) % TILE
        for begin in range(0, full, TILE):
            self._add(root_of(self._rest[begin : begin + TILE]))
        del self._rest[:full]

    def _add(self, node: bytes) -> None:
        """Add the root of a full tile, and every node that it completes."""
        height = 0
        while True:
            if height == len(self._levels):
                self._levels.append(bytearray())
            level = self._levels[height]
            level += node
            if len(level) // HASH_SIZE % 2:
                return
            node = node_hash(bytes(level[-2 * HASH_SIZE : -HASH_SIZE]), bytes(level[-HASH_SIZE:]))
            height += 1

    @property
    def rest(self) -> tuple[LeafHash, ...]:
        """The leaves behind the last full tile."""
        return tuple(self._rest)

    def tile_root(self, tile: int) -> bytes:
        """The root of a full tile."""
        return self._node(_HEIGHT, tile)

    def root(self) -> RootHash:
        """The root at this size."""
        return RootHash(self.root_of((0, self.size), {self.size // TILE: self._rest})) if self.size else EMPTY_ROOT

    def root_of(self, leaves: Range, tiles: dict[int, Sequence[LeafHash]]) -> bytes:
        """The root over the leaves of a subtree; `tiles` has those that `tiles_of` names."""
        root: bytes | None = None
        for height, at in reversed(_full_subtrees(leaves)):
            if height < _HEIGHT:
                begin = at << height
                offset = begin % TILE
                node: bytes = root_of(tiles[begin // TILE][offset : offset + (1 << height)])
            else:
                node = self._node(height, at)
            root = node if root is None else node_hash(node, root)
        return EMPTY_ROOT if root is None else root

    def _node(self, height: int, at: int) -> bytes:
        return bytes(self._levels[height - _HEIGHT][at * HASH_SIZE : (at + 1) * HASH_SIZE])


def tiles_of(leaves: Range) -> set[int]:
    """The tiles whose leaves are needed for the root over a subtree: at most one, where it ends inside of a tile."""
    return {(at << height) // TILE for height, at in _full_subtrees(leaves) if height < _HEIGHT}


def _full_subtrees(leaves: Range) -> list[tuple[int, int]]:
    """(height, position at this height) of the full subtrees that a subtree is made of, the largest first.

    A subtree of the RFC begins at a multiple of the largest power of two in it, so taking the largest each time fits.
    """
    begin, end = leaves
    found = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        found.append((height, begin >> height))
        begin += 1 << height
    return found


class Prover:
    """Makes proofs of a tree whose entries are in a store."""

    def __init__(self, store: Entries, log_id: str, tree: Tree) -> None:
        self._store = store
        self._log_id = log_id
        self._tree = tree
        self._kept: dict[int, tuple[LeafHash, ...]] = {}

    async def root_at(self, size: int) -> RootHash:
        """The root that the tree had at a size, which is at most its own.

        Raises:
            DataLoss: stored entries are not those that the tree was made of.
        """
        return RootHash((await self._roots([(0, size)]))[0])

    async def leaf_hash(self, index: int) -> LeafHash:
        """The hash of an entry. Raises as `root_at`."""
        return LeafHash((await self._roots([(index, index + 1)]))[0])

    async def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion proof of an entry in the tree of a size, 0 <= index < size. Raises as `root_at`."""
        return await self._roots(inclusion_ranges(index, size))

    async def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """The consistency proof between two sizes, 0 <= first <= second. Raises as `root_at`."""
        return await self._roots(consistency_ranges(first, second))

    async def _roots(self, ranges: list[Range]) -> tuple[bytes, ...]:
        needed = set().union(*map(tiles_of, ranges))
        # The last tile is taken as it is now: while others are read it may fill up, and what is asked for is in it.
        tiles: dict[int, Sequence[LeafHash]] = {self._tree.size // TILE: self._tree.rest}
        for tile in needed - tiles.keys():
            tiles[tile] = await self._tile(tile)
        return tuple(self._tree.root_of(each, tiles) for each in ranges)

    async def _tile(self, tile: int) -> tuple[LeafHash, ...]:
        """The leaf hashes of a full tile."""
        hashes = self._kept.pop(tile, None)
        if hashes is None:
            page = await self._store.log_entries(self._log_id, tile * TILE, TILE)
            hashes = tuple(leaf_hash(entry) for _, entry in page)
            if root_of(hashes) != self._tree.tile_root(tile):
                raise DataLoss(f"log {self._log_id}: {_ALTERED}")
        self._kept[tile] = hashes  # at the end: what was used last goes last
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return hashes
