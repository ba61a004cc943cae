"""The index finds every entry of a topic, and a bucket that the vault did not make is none."""

import secrets

import pytest

from vault.audit.topics import FULL, ORDERS, Seal, Stretch, find_stored, topics_of
from vault.domain.secret import Secret
from vault.store.v1.audit_entry_pb2 import AuditEntry

KEY = Secret(bytes(range(32)))
VAULT = b"v" * 16


def seal(key: Secret = KEY, vault_id: bytes = VAULT, log_id: str = "0") -> Seal:
    """A seal, ours unless told."""
    return Seal(key, vault_id, log_id)


def test_every_entry_of_a_topic_is_found() -> None:
    """While the stretch grows, and in the bucket that is stored; those of others are not."""
    ours, other = b"\x07" + b"o" * 15, b"\x07" + b"x" * 15
    stretch = Stretch(1000)
    for number in range(600):
        stretch.add({ours, other} if number % 100 == 0 else {other})
    wanted = [1000, 1100, 1200, 1300, 1400, 1500]
    assert list(stretch.find(ours)) == wanted
    stored = stretch.sealed(seal())
    assert list(find_stored(stored[7], ours, 1000)) == wanted
    assert list(find_stored(stored[7], b"\x07" + b"n" * 15, 1000)) == []
    assert all(seal().holds((1000, 1600), number, bucket) for number, bucket in enumerate(stored))


def test_bytes_across_two_pairs_are_no_topic() -> None:
    """What reads like a topic from the middle of a pair on is not found."""
    stretch = Stretch(0)
    stretch.add({b"\x07" + b"aaabbb" + b"-" * 9})
    stretch.add({b"\x07" + b"cccddd" + b"-" * 9})
    assert list(stretch.find(b"\x07" + b"bbb\x00\x00c" + b"-" * 9)) == []


@pytest.mark.parametrize(
    ("other", "bounds", "number"),
    [
        (seal(key=Secret(bytes(32))), (0, 3), 7),
        (seal(vault_id=b"w" * 16), (0, 3), 7),
        (seal(log_id="1"), (0, 3), 7),
        (seal(), (0, 4), 7),
        (seal(), (1, 3), 7),
        (seal(), (0, 3), 8),
        (seal(), (3, 3), 7),
        (seal(), (-1, 3), 7),
    ],
)
def test_a_bucket_holds_in_its_own_place_only(other: Seal, bounds: tuple[int, int], number: int) -> None:
    """Under another key, in another vault, log, stretch or number it is none."""
    stretch = Stretch(0)
    for _ in range(3):
        stretch.add({b"\x07" + secrets.token_bytes(15)})
    stored = stretch.sealed(seal())[7]
    assert seal().holds((0, 3), 7, stored)
    assert not other.holds(bounds, number, stored)


def test_a_pair_less_or_another_pair_is_noticed() -> None:
    """So is a bucket that has lost everything: an empty one is sealed as well."""
    stretch = Stretch(0)
    for _ in range(2):
        stretch.add({b"\x07" + b"o" * 15})
    stored = stretch.sealed(seal())[7]
    bounds = 0, 2
    assert not seal().holds(bounds, 7, stored[:-8])
    assert not seal().holds(bounds, 7, stored[:-1] + b"\x09")
    assert not seal().holds(bounds, 7, b"")


def test_a_stretch_ends_after_so_many_topics_or_entries() -> None:
    """An entry of a batch counts as many as it names; the distance of the last entry still has its two bytes."""
    batches, single = Stretch(0), Stretch(0)
    while not batches.full:
        batches.add({secrets.token_bytes(16) for _ in range(100)})
    assert batches.end == FULL // 100 + 1
    while not single.full:
        single.add(set())
    single.add({ORDERS})
    assert list(single.find(ORDERS)) == [FULL]


def test_an_entry_is_about_its_pseudonyms_and_about_orders_if_it_changes_one() -> None:
    """Each pseudonym once."""
    entry = AuditEntry(subjects=[b"a" * 16, b"b" * 16, b"a" * 16])
    assert topics_of(entry) == {b"a" * 16, b"b" * 16}
    entry.order_row = b"d" * 32
    assert topics_of(entry) == {b"a" * 16, b"b" * 16, ORDERS}
