"""A secret does not slip out."""

import copy
import pickle

import pytest

from vault.domain.secret import Secret


def test_it_is_not_printed_compared_hashed_or_pickled() -> None:
    """One explicit way to the bytes, and no other."""
    secret = Secret(b"very secret")
    assert secret.reveal() == b"very secret"
    assert "very" not in f"{secret!r} {secret} {[secret]}"
    for leak in (
        lambda: secret == Secret(b""),
        lambda: hash(secret),
        lambda: pickle.dumps(secret),
        lambda: copy.copy(secret),
    ):
        with pytest.raises(TypeError):
            leak()
