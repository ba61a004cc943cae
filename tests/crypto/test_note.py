"""Signed checkpoints: the published note is reproduced byte for byte, and nothing but our own notes opens.

Provenance. NOTE, its verifier key and its signing key are the example of Go's golang.org/x/mod/sumdb/note, whose format
C2SP signed-note took over.
"""

from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto import note as module
from vault.crypto.merkle import EMPTY_ROOT, RootHash
from vault.crypto.note import Checkpoint, LogKey, key_hash, open_checkpoint, sign_checkpoint, vkey
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError

TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = f"""{TEXT}
\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"

ORIGIN = "vault.example/log/0"
KEY = LogKey(Secret(bytes(range(32))))
OTHER_KEY = LogKey(Secret(bytes(range(1, 33))))
CHECKPOINT = Checkpoint(ORIGIN, 20852163, RootHash(bytes(range(100, 132))))
SIGNED = sign_checkpoint(CHECKPOINT, KEY)


def test_the_published_note_is_reproduced() -> None:
    """Same key, same text: Ed25519 is deterministic, so the whole note is the same."""
    key = LogKey(Secret(b64decode(SKEY.split("+", 4)[4])[1:]))
    assert vkey("PeterNeumann", key.public_key) == VKEY
    assert key_hash("PeterNeumann", key.public_key).hex() == "c74f20a3"
    assert module._sign_note("PeterNeumann", TEXT, key) == NOTE


def test_a_checkpoint_looks_as_the_standard_shows_it() -> None:
    """Origin, size, root, an empty line, a signature."""
    origin, size, root, empty, signature, end = SIGNED.split("\n")
    assert (origin, size, empty, end) == (ORIGIN, "20852163", "", "")
    assert b64decode(root) == CHECKPOINT.root
    assert signature.startswith(f"\u2014 {ORIGIN} ")


@given(st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32), st.sampled_from(["a", ORIGIN, "é/1"]))
def test_what_was_signed_opens(size: int, root: bytes, origin: str) -> None:
    """As text and as the bytes of a response."""
    checkpoint = Checkpoint(origin, size, RootHash(root))
    note = sign_checkpoint(checkpoint, KEY)
    assert open_checkpoint(note, origin, KEY.public_key) == checkpoint
    assert open_checkpoint(note.encode(), origin, KEY.public_key) == checkpoint


def resigned(text: str, name: str = ORIGIN) -> str:
    """Any text, signed by the right key under any name: only its form is wrong."""
    return module._sign_note(name, text, KEY)


ROOT64 = b64encode(CHECKPOINT.root).decode()
BENT = {
    "nothing": "",
    "no signature": CHECKPOINT.text() + "\n",
    "an extension line": resigned(CHECKPOINT.text() + "more\n"),
    "a second signature": SIGNED + sign_checkpoint(CHECKPOINT, OTHER_KEY).split("\n\n")[1],
    "the same signature twice": SIGNED + SIGNED.split("\n\n")[1],
    "no last newline": SIGNED[:-1],
    "a newline more": SIGNED + "\n",
    "carriage returns": SIGNED.replace("\n", "\r\n"),
    "a leading byte order mark": "\ufeff" + SIGNED,
    "a hyphen for the dash": SIGNED.replace("\u2014", "-"),
    "a leading zero": resigned(f"{ORIGIN}\n020852163\n{ROOT64}\n"),
    "a sign": resigned(f"{ORIGIN}\n+20852163\n{ROOT64}\n"),
    "an underscore": resigned(f"{ORIGIN}\n20_852_163\n{ROOT64}\n"),
    "a space": resigned(f"{ORIGIN}\n 20852163\n{ROOT64}\n"),
    "other digits": resigned(f"{ORIGIN}\n\u0662\n{ROOT64}\n"),
    "a negative size": resigned(f"{ORIGIN}\n-1\n{ROOT64}\n"),
    "a size of 2^63": resigned(f"{ORIGIN}\n{1 << 63}\n{ROOT64}\n"),
    "a size of many digits": resigned(f"{ORIGIN}\n{'9' * 900}\n{ROOT64}\n"),
    "no size": resigned(f"{ORIGIN}\n\n{ROOT64}\n"),
    "a root of 31 bytes": resigned(f"{ORIGIN}\n1\n{b64encode(bytes(31)).decode()}\n"),
    "a root of 33 bytes": resigned(f"{ORIGIN}\n1\n{b64encode(bytes(33)).decode()}\n"),
    "a root without padding": resigned(f"{ORIGIN}\n20852163\n{ROOT64[:-1]}\n"),
    "spare bits in the root": resigned(f"{ORIGIN}\n20852163\n{ROOT64[:-2]}N=\n"),
    "the URL alphabet": resigned(f"{ORIGIN}\n1\n{'_' * 43}=\n"),
    "another origin": sign_checkpoint(replace(CHECKPOINT, origin="vault.example/log/1"), KEY),
    "another key name": resigned(CHECKPOINT.text(), "vault.example/log/1"),
    "another key": sign_checkpoint(CHECKPOINT, OTHER_KEY),
    "another key's signature under our key hash": module._note(
        ORIGIN, CHECKPOINT.text(), KEY.public_key, OTHER_KEY.sign(CHECKPOINT.text().encode())
    ),
    "a short signature": module._note(
        ORIGIN, CHECKPOINT.text(), KEY.public_key, KEY.sign(CHECKPOINT.text().encode())[:-1]
    ),
    "a text of ours, far too long": resigned(f"{ORIGIN}\n1\n{ROOT64}\n" + "more\n" * 1000),
}


@pytest.mark.parametrize("note", BENT.values(), ids=BENT.keys())
def test_nothing_but_the_exact_form_opens(note: str) -> None:
    """Even if the right key signed it."""
    assert note != SIGNED
    with pytest.raises(OpenError):
        open_checkpoint(note, ORIGIN, KEY.public_key)
    with pytest.raises(OpenError):
        open_checkpoint(note.encode(), ORIGIN, KEY.public_key)


def test_bytes_that_are_not_text_do_not_open() -> None:
    """A response's metadata may hold anything."""
    for raw in (b"\xff" + SIGNED.encode(), SIGNED.encode("utf-16"), SIGNED.encode()[:-1] + b"\xe2"):
        with pytest.raises(OpenError):
            open_checkpoint(raw, ORIGIN, KEY.public_key)


def test_no_flipped_bit_goes_unseen() -> None:
    """Each bit of the whole note."""
    raw = SIGNED.encode()
    for position in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(OpenError):
            open_checkpoint(bytes(flipped), ORIGIN, KEY.public_key)


def test_a_reader_with_an_impossible_key_opens_nothing() -> None:
    """A key of another length is no key."""
    for key in (b"", KEY.public_key[:-1], KEY.public_key + b"\x00"):
        note = module._note(ORIGIN, CHECKPOINT.text(), key, KEY.sign(CHECKPOINT.text().encode()))
        with pytest.raises(OpenError):
            open_checkpoint(note, ORIGIN, key)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "line\nbreak", "no\u00a0break", "tab\t", "\ud800", "\x7f"])
def test_an_origin_that_cannot_be_a_key_name_is_never_signed(origin: str) -> None:
    """Nor does it get a verifier key, nor is it expected of a note."""
    with pytest.raises(InvalidArgument):
        sign_checkpoint(Checkpoint(origin, 0, EMPTY_ROOT), KEY)
    with pytest.raises(InvalidArgument):
        vkey(origin, KEY.public_key)
    with pytest.raises(OpenError):
        open_checkpoint(SIGNED, origin, KEY.public_key)


@pytest.mark.parametrize(("size", "root"), [(-1, EMPTY_ROOT), (1 << 63, EMPTY_ROOT), (1, RootHash(bytes(31)))])
def test_an_impossible_checkpoint_is_never_signed(size: int, root: RootHash) -> None:
    """A size or a root that no log has."""
    with pytest.raises(InvalidArgument):
        sign_checkpoint(Checkpoint(ORIGIN, size, root), KEY)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_is_32_bytes(size: int) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidArgument):
        LogKey(Secret(bytes(size)))
