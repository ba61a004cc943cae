"""Tokens: what the vault may compare and not read.

The queue is asked for "the messages of this recipient" or "those that go that way", and a mail server that repeats a
message must not store it twice. The vault compares bytes for that, and they are HMACs under keys derived from the mail
system's private key: without it nobody can try addresses against them, the vault's operator included.

An address counts as the same in any case of its letters; that is wider than RFC 5321's rule for the part before the @,
and costs nothing but a message too many in a list.
"""

import hmac
import unicodedata
from collections.abc import Iterable

from vault.crypto.context import encode
from vault.crypto.hpke import PurposeKeyPair

RECIPIENT, NEXT_HOP, DEDUPE = "recipient", "next-hop", "dedupe"


class Tokens:
    """The tokens under one version of the mail system's key, for one vault."""

    def __init__(self, pair: PurposeKeyPair, vault_id: bytes) -> None:
        self._keys = {
            kind: pair.derive(encode("customer-vault/1 mail-token", vault_id, kind))
            for kind in (RECIPIENT, NEXT_HOP, DEDUPE)
        }

    def recipient(self, address: str) -> bytes:
        """Of an address, 32 bytes."""
        return self._token(RECIPIENT, _folded(address))

    def next_hop(self, name: str) -> bytes:
        """Of the way that a message goes, 32 bytes; empty for no name."""
        return self._token(NEXT_HOP, _folded(name)) if name else b""

    def dedupe(self, queue_id: str, recipients: Iterable[str], digest: bytes) -> bytes:
        """Of a message as a mail server hands it over, 32 bytes; empty if that server gave it no name."""
        return self._token(DEDUPE, queue_id, digest, *map(_folded, recipients)) if queue_id else b""

    def _token(self, kind: str, *parts: str | bytes) -> bytes:
        return hmac.digest(self._keys[kind], encode(*parts), "sha256")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
