"""The Merkle tree of RFC 9162, section 2.1 (the same as RFC 6962's): leaves, roots, inclusion and consistency proofs.

A leaf is hashed after 0x00 and a node after 0x01, so that no node passes for a leaf (second preimages). `Frontier` is
the part of a tree that still changes: the roots of its full subtrees, one for each bit of its size. It is all that a
signing needs, whatever the length. Which leaves stand under each hash of a proof is told by `inclusion_ranges` and
`consistency_ranges`, the recursions of the RFC walked from the root; where those hashes come from is the log's matter.
Proofs are checked by the RFC's iterative algorithms, so that the two sides of our tests share no code.

Hashes are public values: they are compared with `!=`. A check raises OpenError and says nothing about where it failed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NewType

from vault.errors import InvalidArgument, OpenError

LeafHash = NewType("LeafHash", bytes)
RootHash = NewType("RootHash", bytes)

Range = tuple[int, int]
"""Leaves from the first index up to, not including, the second."""

HASH_SIZE = 32
EMPTY_ROOT = RootHash(hashlib.sha256().digest())
"""Root of a tree without leaves."""

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> LeafHash:
    """SHA-256(0x00 || entry), 32 bytes."""
    return LeafHash(_sha256(b"\x00" + entry).digest())


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), 32 bytes."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of a growing tree's full subtrees: at level i the subtree of 2^i leaves that bit i of the size says."""

    __slots__ = ("_levels", "size")

    size: int
    """Number of leaves."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[bytes | None] = []

    def copy(self) -> "Frontier":
        """An independent frontier of the same tree."""
        other = Frontier()
        other.size, other._levels = self.size, self._levels.copy()
        return other

    def append(self, leaf: LeafHash) -> None:
        """Add one leaf: O(log n), one node hash on average."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[LeafHash]) -> None:
        """Add leaves, one level of the tree after the other.

        A node that waits at a level is older than all that rises to it, so it goes first; an odd one out waits there.
        """
        rising: list[bytes] = list(leaves)
        self.size += len(rising)
        level = 0
        while rising:
            if level == len(self._levels):
                self._levels.append(None)
            waiting = self._levels[level]
            if waiting is not None:
                rising.insert(0, waiting)
            self._levels[level] = rising.pop() if len(rising) % 2 else None
            pairs = iter(rising)
            rising = [_sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            level += 1

    def root(self) -> RootHash:
        """The root at this size: smaller subtrees stand to the right, so they are folded in from the smallest."""
        root: bytes | None = None
        for node in self._levels:
            if node is not None:
                root = node if root is None else node_hash(node, root)
        return EMPTY_ROOT if root is None else RootHash(root)


def root_of(leaf_hashes: Iterable[LeafHash]) -> RootHash:
    """MTH of a list of leaf hashes (section 2.1.1)."""
    frontier = Frontier()
    frontier.extend(leaf_hashes)
    return frontier.root()


def inclusion_proof(leaf_hashes: Sequence[LeafHash], index: int) -> tuple[bytes, ...]:
    """PATH(index, D_n) of section 2.1.3.1: the siblings on the way up, lowest first.

    Raises:
        InvalidArgument: there is no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise InvalidArgument("index", "must be that of a leaf of the tree")
    return tuple(root_of(leaf_hashes[begin:end]) for begin, end in inclusion_ranges(index, len(leaf_hashes)))


def consistency_proof(leaf_hashes: Sequence[LeafHash], first: int) -> tuple[bytes, ...]:
    """PROOF(first, D_n) of section 2.1.4.1: that the tree of the first leaves is a prefix of this one.

    The empty tree is a prefix of every tree and needs no proof.

    Raises:
        InvalidArgument: the tree has fewer leaves than `first`.
    """
    if not 0 <= first <= len(leaf_hashes):
        raise InvalidArgument("first", "must be at most the size of the tree")
    return tuple(root_of(leaf_hashes[begin:end]) for begin, end in consistency_ranges(first, len(leaf_hashes)))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The leaves under each hash of PATH(index, D_size), for 0 <= index < size."""
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    return path[::-1]


def consistency_ranges(first: int, size: int) -> list[Range]:
    """The leaves under each hash of PROOF(first, D_size), for 0 <= first <= size.

    While the way goes left, what stays is the first tree itself, whose root the verifier has; once it has turned right,
    the rest of the first tree is only a part of it and must be shown.
    """
    begin, end, path = 0, size, []
    while first and first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    return path[::-1] if begin == 0 else [(begin, end), *path[::-1]]


def _split(n: int) -> int:
    """The largest power of two smaller than n, n > 1."""
    return 1 << (n - 1).bit_length() - 1


def verify_inclusion(leaf: LeafHash, index: int, size: int, proof: Sequence[bytes], root: RootHash) -> None:
    """Check that the leaf stands at `index` in the tree of `size` leaves (section 2.1.3.2, its steps numbered).

    Raises:
        OpenError: the proof does not show it.
    """
    _check_sizes(leaf, root, *proof)
    # (1) leaf_index must be smaller than tree_size
    if not 0 <= index < size:
        raise OpenError("the inclusion proof does not hold")
    # (2) fn, sn, (3) r
    fn, sn, r = index, size - 1, bytes(leaf)
    # (4) up to the root
    for p in proof:
        if sn == 0:
            raise OpenError("the inclusion proof does not hold")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    # (5) the path ends at the root, and it is this one
    if sn != 0 or r != root:
        raise OpenError("the inclusion proof does not hold")


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: RootHash, second_root: RootHash
) -> None:
    """Check that the first tree is a prefix of the second (section 2.1.4.2, its steps numbered).

    Raises:
        OpenError: the proof does not show it.
    """
    _check_sizes(first_root, second_root, *proof)
    if not 0 <= first <= second or (first == 0 and first_root != EMPTY_ROOT):
        raise OpenError("the consistency proof does not hold")
    # The RFC leaves 0 and equal sizes to the caller: nothing is to be shown, so nothing may be in the proof.
    if first in (0, second):
        if proof or (first == second and first_root != second_root):
            raise OpenError("the consistency proof does not hold")
        return
    # (1) an empty proof shows nothing
    if not proof:
        raise OpenError("the consistency proof does not hold")
    # (2) a full first tree is a node of the second: its root starts the path
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if _fold(first - 1, second - 1, path) != (first_root, second_root):
        raise OpenError("the consistency proof does not hold")


def _fold(fn: int, sn: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Steps 3 to 7 of section 2.1.4.2: the two roots that the path leads to."""
    # (3) fn, sn, (4) up to where the first tree's right edge is a full subtree
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    # (5) both trees start from there
    fr = sr = path[0]
    # (6) what stands to the left belongs to both trees, to the right to the second only
    for c in path[1:]:
        if sn == 0:
            raise OpenError("the consistency proof does not hold")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    # (7) the caller compares the roots
    if sn != 0:
        raise OpenError("the consistency proof does not hold")
    return fr, sr


def _check_sizes(*hashes: bytes) -> None:
    """A proof comes from outside: hashes of another length would move the border between left and right."""
    if any(len(h) != HASH_SIZE for h in hashes):
        raise OpenError("a hash is not 32 bytes")
