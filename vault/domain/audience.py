"""Purposes, audiences and custody: who may open a field.

An audience has one canonical spelling, because it stands in the epoch id, the stanza and the envelope key: distinct
purposes, byte-sorted, joined by `+`. Anything else is refused rather than sorted, so that two spellings never name
two keys.
"""

import re
from collections.abc import Iterable
from enum import Enum
from typing import NewType

from vault.errors import InvalidArgument

Purpose = NewType("Purpose", str)
Audience = NewType("Audience", str)

_PURPOSE = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)


class Custody(Enum):
    """Who holds the private key of a purpose."""

    VAULT = "vault"
    CALLER = "caller"
    NONE = "none"
    """Nobody: the purpose reads aggregates only and has no key."""


def purpose(text: str, field: str = "purpose") -> Purpose:
    """Check a purpose's form.

    Raises:
        InvalidArgument: `field` is not `[a-z][a-z0-9_]{0,62}`.
    """
    if not _PURPOSE.fullmatch(text):
        raise InvalidArgument(field, "must be a purpose: a-z, then up to 62 of a-z 0-9 _")
    return Purpose(text)


def audience_of(purposes: Iterable[str]) -> Audience:
    """The canonical audience of a set of purposes (ASCII, so text order is byte order)."""
    return Audience("+".join(sorted(set(purposes))))


def members(audience: str, field: str = "audience") -> tuple[Purpose, ...]:
    """The purposes of a canonical audience.

    Raises:
        InvalidArgument: `audience` is empty, not sorted, has a purpose twice or a malformed one.
    """
    parts = audience.split("+")
    if audience != "+".join(sorted(set(parts))) or not all(_PURPOSE.fullmatch(p) for p in parts):
        raise InvalidArgument(field, "must be distinct purposes, byte-sorted, joined by +")
    return tuple(Purpose(p) for p in parts)
