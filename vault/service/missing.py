"""What a longer copy of the log knows, and restored stores do not: who was erased and what was deleted since.

The log names nobody, so this works by what only the restored data can resolve: the pseudonym under the customer's lock,
and digests of stored bytes. What was deleted may have been changed first, and what is restored is the version before:
each write names the digest that it replaced, so the versions that followed are walked to the last one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vault.audit.entry import parse
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED

LOST: Final = "RestoreLost"
"""Rows that a restore took out because an older key store had no keys for them: they were not deleted."""
_ERASE: Final = "CustomerService.EraseCustomer"


@dataclass(slots=True)
class Missing:
    """Entries that a restored log lacks."""

    actions: Counter[str] = field(default_factory=Counter)
    """How many of each kind that wrote something."""
    erased: dict[bytes, int] = field(default_factory=dict)
    """Pseudonyms, and when."""
    deleted: set[bytes] = field(default_factory=set)
    """Digests of the stored bytes."""
    replaced_by: dict[bytes, bytes] = field(default_factory=dict)
    """Digests of stored bytes, and of those that took their place."""

    longer: dict[str, int] = field(default_factory=dict)
    """Logs that have more entries there than in the stores, and how many."""

    def __bool__(self) -> bool:
        return bool(self.actions or self.erased or self.deleted)

    def read(self, entries: Iterable[bytes]) -> None:
        """Take in entries, ascending.

        Raises:
            DataLoss: one does not parse.
        """
        for raw in entries:
            entry = parse(raw)
            if entry.action == f"Vault.{LOST}":
                continue
            if entry.action == _ERASE and entry.outcome == OUTCOME_ALLOWED:
                self.erased |= {bytes(subject): entry.time for subject in entry.subjects}
            if entry.written or entry.replaced or entry.action == _ERASE:
                self.actions[entry.action] += 1
            for written, replaced in zip(entry.written, entry.replaced, strict=True):
                if replaced and written:
                    self.replaced_by[bytes(replaced)] = bytes(written)
                elif replaced:
                    self.deleted.add(bytes(replaced))

    def says_deleted(self, digest: bytes) -> bool:
        """Whether a version, or the last of those that followed it, was deleted."""
        for _ in self.replaced_by:  # a chain has no more links than there are
            if (after := self.replaced_by.get(digest)) is None:
                break
            digest = after
        return digest in self.deleted
