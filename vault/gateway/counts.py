"""What happened, as numbers: for the metrics page and for tests. No label holds an address, a domain or a name."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "received": (
        "outcome",
        "Recipients of texts that came: stored, tempfail (the mail server keeps them), refused.",
    ),
    "refused": ("reason", "Texts refused for good, by the rule of form that they break."),
    "connections": ("outcome", "Connections: served, or refused because there are too many."),
    "relayed": (
        "outcome",
        "Recipients by attempt: delivered, tempfail (tried again), failed (reported); unfit messages.",
    ),
    "bounced": ("outcome", "Reports of non-delivery: sent, or none because nobody may be told."),
    "next_hop": ("outcome", "Connections to the next hop: connected or unreachable."),
    "trouble": ("where", "What could not be done and is tried again: claim, deliver, settle."),
}
"""Counters by name: their label, and what they mean."""


class Counts:
    """Counters since the start."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, family: str, label: str, number: int = 1) -> None:
        """Count.

        Raises:
            KeyError: no such family.
        """
        FAMILIES[family]
        self._counts[family, label] += number

    def get(self, family: str, label: str) -> int:
        """One counter."""
        return self._counts[family, label]

    def items(self) -> list[tuple[str, str, int]]:
        """All: family, label, number."""
        return sorted((family, label, number) for (family, label), number in self._counts.items())
