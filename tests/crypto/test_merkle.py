"""The Merkle tree: published roots and proofs, a naive tree to compare with, and every way to bend a proof.

Provenance. LEAVES, NODES, ROOTS and the two lists of proofs are the reference data of RFC 6962's authors (Certificate
Transparency, merkletree tests; since then in every implementation of RFC 6962 and 9162). The two digests over all
trees of up to 130 leaves are from draft-ietf-plants-merkle-tree-certs, appendix "Subtree Test Vectors".
"""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto.merkle import (
    EMPTY_ROOT,
    Frontier,
    LeafHash,
    RootHash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from vault.errors import InvalidArgument, OpenError

LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    RootHash(bytes.fromhex(text))
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
N1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N4567 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
N0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
N01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
N0123 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
INCLUSION = [  # (index, size, proof)
    (0, 1, ()),
    (0, 8, (N1, N23, N4567)),
    (5, 8, (N4, N67, N0123)),
    (2, 3, (N01,)),
    (1, 5, (N0, N23, N4)),
]
CONSISTENCY = [  # (first, second, proof)
    (1, 1, ()),
    (1, 8, (N1, N23, N4567)),
    (6, 8, (N45, N67, N0123)),
    (2, 5, (N23, N4)),
    (6, 7, (N45, N6, N0123)),
]

HASHES = [leaf_hash(entry) for entry in LEAVES]
OTHER = hashlib.sha256(b"another").digest()


def leaves(n: int) -> list[LeafHash]:
    """Leaf hashes of the one-byte or two-byte entries 0 to n - 1."""
    return [leaf_hash(bytes([i]) if i < 256 else i.to_bytes(2, "big")) for i in range(n)]


def naive_root(hashes: list[LeafHash]) -> bytes:
    """MTH by its definition in section 2.1.1, hashing by hand."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots_are_reproduced(size: int) -> None:
    """Zero to eight leaves."""
    assert root_of(HASHES[:size]) == ROOTS[size]
    assert naive_root(HASHES[:size]) == ROOTS[size]


def test_a_node_never_hashes_as_a_leaf() -> None:
    """The domain bytes differ, so an entry that spells a node is no node."""
    assert leaf_hash(HASHES[0] + HASHES[1]) != node_hash(HASHES[0], HASHES[1])


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_the_published_inclusion_proofs_are_reproduced(index: int, size: int, proof: tuple[str, ...]) -> None:
    """Made and checked."""
    expected = tuple(bytes.fromhex(text) for text in proof)
    assert inclusion_proof(HASHES[:size], index) == expected
    verify_inclusion(HASHES[index], index, size, expected, ROOTS[size])


@pytest.mark.parametrize(("first", "second", "proof"), CONSISTENCY)
def test_the_published_consistency_proofs_are_reproduced(first: int, second: int, proof: tuple[str, ...]) -> None:
    """Made and checked."""
    expected = tuple(bytes.fromhex(text) for text in proof)
    assert consistency_proof(HASHES[:second], first) == expected
    verify_consistency(first, second, expected, ROOTS[first], ROOTS[second])


def subtrees() -> list[tuple[int, int]]:
    """Every subtree [start, end) that the draft allows, in its order, for trees of up to 130 leaves."""
    return [
        (start, end)
        for end in range(1, 131)
        for start in range(end)
        if start % (1 << (end - start - 1).bit_length()) == 0
    ]


def test_the_published_digest_over_all_subtree_roots_is_reproduced() -> None:
    """Each subtree is a tree of its own leaves."""
    hashes, total = leaves(130), hashlib.sha256()
    for start, end in subtrees():
        total.update(f"[{start}, {end}) {root_of(hashes[start:end]).hex()}\n".encode())
    assert total.hexdigest() == "94a95384a8c69acea9b50d035a58285b3a777cb7a724005faa5e1f1e1190007f"


def test_the_published_digest_over_all_inclusion_proofs_is_reproduced() -> None:
    """Every leaf of every subtree."""
    hashes, total = leaves(130), hashlib.sha256()
    for start, end in subtrees():
        subtree = hashes[start:end]
        for index in range(start, end):
            proof = inclusion_proof(subtree, index - start)
            total.update(" ".join([f"{index} [{start}, {end})", *(h.hex() for h in proof)]).encode() + b"\n")
    assert total.hexdigest() == "ac2a8f989e44d99e399db448050ff5f19757df53cfb716aa81015d3955d8163f"


@given(st.lists(st.integers(0, 70), max_size=6))
def test_a_frontier_grown_in_any_pieces_has_the_naive_root(pieces: list[int]) -> None:
    """At every size on the way, and a copy goes its own way."""
    hashes, frontier, size = leaves(sum(pieces)), Frontier(), 0
    for piece in pieces:
        before = frontier.copy()
        frontier.extend(hashes[size : size + piece])
        assert (before.size, before.root()) == (size, naive_root(hashes[:size]))
        size += piece
        assert (frontier.size, frontier.root()) == (size, naive_root(hashes[:size]))


def test_appending_one_by_one_is_the_same_as_all_at_once() -> None:
    """300 leaves."""
    frontier = Frontier()
    for leaf in leaves(300):
        frontier.append(leaf)
    assert frontier.root() == root_of(leaves(300))


@given(st.integers(1, 300), st.data())
def test_every_inclusion_proof_holds(size: int, data: st.DataObject) -> None:
    """For any leaf of any tree."""
    hashes, index = leaves(size), data.draw(st.integers(0, size - 1))
    verify_inclusion(hashes[index], index, size, inclusion_proof(hashes, index), root_of(hashes))


@given(st.integers(0, 300), st.data())
def test_every_consistency_proof_holds(second: int, data: st.DataObject) -> None:
    """For any two sizes."""
    hashes, first = leaves(second), data.draw(st.integers(0, second))
    verify_consistency(first, second, consistency_proof(hashes, first), root_of(hashes[:first]), root_of(hashes))


def bent(proof: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Every proof near this one: a hash changed, shortened, dropped, swapped, or added at either end."""
    near = [proof[:i] + proof[i + 1 :] for i in range(len(proof))]
    near += [(*proof[:i], bytes([h[0] ^ 8]) + h[1:], *proof[i + 1 :]) for i, h in enumerate(proof)]
    near += [(*proof[:i], h[:-1], *proof[i + 1 :]) for i, h in enumerate(proof)]
    near += [(*proof[:i], b, a, *proof[i + 2 :]) for i, (a, b) in enumerate(pairwise(proof))]
    near += [(*proof, added) for added in (OTHER, b"", *proof[-1:])]
    near += [(added, *proof) for added in (OTHER, b"", *proof[:1])]
    return near


@settings(max_examples=60)
@given(st.integers(2, 70), st.data())
def test_no_bent_inclusion_proof_holds(size: int, data: st.DataObject) -> None:
    """Neither a bent proof nor another index, size, leaf or root."""
    hashes, index = leaves(size), data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(hashes, index), root_of(hashes)
    wrong = [(hashes[index], index, size, near, root) for near in bent(proof)]
    wrong += [(hashes[index], i, size, proof, root) for i in {index - 1, index + 1, index ^ 2, -1, size} - {index}]
    wrong += [(hashes[index], index, s, proof, root) for s in (size * 2, size // 2, 0)]
    wrong += [(LeafHash(OTHER), index, size, proof, root), (LeafHash(b""), index, size, proof, root)]
    wrong += [(hashes[index], index, size, proof, other) for other in (EMPTY_ROOT, RootHash(OTHER), RootHash(b""))]
    for arguments in wrong:
        with pytest.raises(OpenError):
            verify_inclusion(*arguments)


@settings(max_examples=60)
@given(st.integers(2, 70), st.data())
def test_no_bent_consistency_proof_holds(second: int, data: st.DataObject) -> None:
    """Neither a bent proof nor other sizes or roots."""
    hashes, first = leaves(second), data.draw(st.integers(1, second - 1))
    proof, old, new = consistency_proof(hashes, first), root_of(hashes[:first]), root_of(hashes)
    wrong = [(first, second, near, old, new) for near in [*bent(proof), ()]]
    wrong += [(f, second, proof, old, new) for f in {first - 1, first + 1, first ^ 2, -1} - {first}]
    wrong += [(first, s, proof, old, new) for s in (second * 2, second // 2, 0)]
    wrong += [(first, second, proof, new, old), (first, second, proof, RootHash(OTHER), new)]
    wrong += [(first, second, proof, old, RootHash(OTHER)), (first, second, proof, old, RootHash(b""))]
    for arguments in wrong:
        with pytest.raises(OpenError):
            verify_consistency(*arguments)


@pytest.mark.parametrize(
    ("first", "second", "proof", "old", "new"),
    [
        (0, 0, (), EMPTY_ROOT, ROOTS[1]),
        (0, 1, (), ROOTS[1], ROOTS[1]),
        (0, 1, (OTHER,), EMPTY_ROOT, ROOTS[1]),
        (1, 1, (OTHER,), ROOTS[1], ROOTS[1]),
        (1, 1, (), ROOTS[1], ROOTS[2]),
        (2, 1, (), ROOTS[2], ROOTS[1]),
        (1, 2, (), ROOTS[1], ROOTS[2]),
    ],
)
def test_trivial_consistency_must_be_exact(
    first: int, second: int, proof: tuple[bytes, ...], old: RootHash, new: RootHash
) -> None:
    """Equal sizes need equal roots, the empty tree its own root, and neither takes a proof."""
    with pytest.raises(OpenError):
        verify_consistency(first, second, proof, old, new)


@pytest.mark.parametrize("index", [-1, 3])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    """Three leaves, 0 to 2."""
    with pytest.raises(InvalidArgument):
        inclusion_proof(HASHES[:3], index)


@pytest.mark.parametrize("first", [-1, 4])
def test_there_is_no_proof_from_a_larger_tree(first: int) -> None:
    """Three leaves."""
    with pytest.raises(InvalidArgument):
        consistency_proof(HASHES[:3], first)
