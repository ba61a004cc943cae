"""What decisions depend on besides the policy: the facts about one customer, and the order under which is read.

They stand in the customer's record, under its lock, so that nobody who can write in the database can forge a consent
or roll back an objection by editing a row. Who reads the record makes this value; the policy only looks at it. A
customer who is unknown has no facts: `None`, which is decided like facts that forbid. An order of disclosure stands in
a sealed row of its own; who reads it makes an `Order` of one that is approved and not over.
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
    ordered: bool = False
    """The order under which is read covers the customer."""


@dataclass(frozen=True, slots=True)
class Order:
    """An approved order of disclosure at the time of one read."""

    order_id: str
    customers: frozenset[str]
    """Record names of the customers whom it covers."""
    fields: frozenset[str]
    """Policy names of the fields that it covers."""
