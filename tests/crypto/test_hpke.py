"""Sealing to a purpose's public key."""

import pytest

from vault.crypto.hpke import PurposeKeyPair, Recipient, new_seed
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError


def test_only_the_private_key_and_the_info_open() -> None:
    """Another key or another context opens nothing."""
    pair, other = PurposeKeyPair(new_seed()), PurposeKeyPair(new_seed())
    sealed = Recipient(pair.public_key).seal(b"secret", b"info")
    assert pair.open(sealed, b"info") == b"secret"
    for opener, info in ((other, b"info"), (pair, b"other")):
        with pytest.raises(OpenError):
            opener.open(sealed, info)


@pytest.mark.parametrize("size", [0, 16, 1119, 1120, 1135])
def test_a_short_stanza_does_not_open(size: int) -> None:
    """Whatever is cut off."""
    pair = PurposeKeyPair(new_seed())
    sealed = Recipient(pair.public_key).seal(b"", b"")
    with pytest.raises(OpenError):
        pair.open(sealed[:size], b"")


@pytest.mark.parametrize("key", [b"", bytes(1215), b"\xff" * 1216])
def test_what_is_no_public_key_is_refused(key: bytes) -> None:
    """By size, or because the ML-KEM half is not reduced."""
    with pytest.raises(InvalidArgument, match="public_key"):
        Recipient(key)


def test_a_seed_has_32_bytes() -> None:
    """Nothing else is a private key."""
    with pytest.raises(InvalidArgument, match="seed"):
        PurposeKeyPair(Secret(bytes(31)))
