"""What decisions depend on besides the policy: the facts about one customer.

They stand in the customer's record, under its lock, so that nobody who can write in the database can forge a consent
or roll back an objection by editing a row. Who reads the record makes this value; the policy only looks at it. A
customer who is unknown has no facts: `None`, which is decided like facts that forbid.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """Facts of one customer at the time of one read."""

    consents: frozenset[str] = frozenset()
    """Purposes that the customer agreed to."""
    objections: frozenset[str] = frozenset()
    """Purposes that the customer objected to."""
    restricted: bool = False
    """Processing is restricted (GDPR article 18)."""
