"""Who read what of one customer, counted by caller, purpose and order: the accounting of disclosures.

It is taken from the log when somebody asks, by the pseudonym that stands in the customer's record. A counter in that
record would be as near to the customer's data, but then every read would be a write of a record, with a key to make and
one to destroy (measured for a contact: a read costs one log entry, a write costs four rows more). The log has each read
already and cannot be edited.

Of these reads the disclosures are those that left the company, or may have: for a purpose that the policy ties to the
customer's consent (partners) or to an order (legal). A read for a purpose that the policy has no more, or under an
order, is one as well: what is not known to have stayed is told.
"""

from collections.abc import Sequence
from typing import Final

from vault.audit.entry import Subject
from vault.domain.audience import Purpose
from vault.policy.model import Condition, Policy
from vault.service.trail import Event, Trail
from vault.v1.customer_service_pb2 import ReadCount

_LEAVES: Final = frozenset({Condition.CONSENT, Condition.ORDER})


class Reads:
    """A customer's reads, counted as its events come by."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], ReadCount] = {}
        self._fields: dict[tuple[str, str, str], set[str]] = {}

    def add(self, event: Event) -> None:
        """Count an event, if it is a read of a field."""
        if event.kind != "read" or not event.fields:
            return
        key = event.caller, event.purpose, event.order
        count = self._counts.setdefault(
            key, ReadCount(caller=key[0], purpose=key[1], order_id=key[2], first_time_ms=event.time)
        )
        count.records += len(event.records)
        count.first_time_ms = min(count.first_time_ms, event.time)
        count.last_time_ms = max(count.last_time_ms, event.time)
        self._fields.setdefault(key, set()).update(event.fields)

    def counts(self) -> Sequence[ReadCount]:
        """What was read, by caller, purpose and order, in this order."""
        for key, count in self._counts.items():
            count.fields[:] = sorted(self._fields[key])
        return [self._counts[key] for key in sorted(self._counts)]


async def reads_of(trail: Trail, subject: Subject) -> Sequence[ReadCount]:
    """What was read of a customer, by caller, purpose and order, in this order.

    Raises:
        DataLoss: an entry of the log does not parse.
    """
    reads = Reads()
    async for event in trail.events_of(subject):
        reads.add(event)
    return reads.counts()


def ground_of(policy: Policy, count: ReadCount) -> str:
    """Why a read was a disclosure: `consent`, `order`, or `unknown`; empty if it was none."""
    if count.order_id:
        return Condition.ORDER.value
    if not count.purpose:  # the officer's own export
        return ""
    rule = policy.purposes.get(Purpose(count.purpose))
    if rule is None:
        return "unknown"
    return rule.condition.value if rule.condition in _LEAVES else ""
