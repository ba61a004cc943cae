"""Who read what of one customer, counted by caller, purpose and order: the accounting of disclosures.

It is taken from the log when somebody asks, by the pseudonym that stands in the customer's record. A counter in that
record would be as near to the customer's data, but then every read would be a write of a record, with a key to make and
one to destroy (measured for a contact: a read costs one log entry, a write costs four rows more). The log has each read
already and cannot be edited.
"""

from vault.audit.entry import Subject
from vault.service.trail import Trail
from vault.v1.customer_service_pb2 import ReadCount


async def reads_of(trail: Trail, subject: Subject) -> list[ReadCount]:
    """What was read of a customer, by caller, purpose and order, in this order.

    Raises:
        DataLoss: an entry of the log does not parse.
    """
    counts: dict[tuple[str, str, str], ReadCount] = {}
    fields: dict[tuple[str, str, str], set[str]] = {}
    async for event in trail.events_of(subject):
        if event.kind != "read" or not event.fields:
            continue
        key = event.caller, event.purpose, event.order
        count = counts.setdefault(
            key, ReadCount(caller=key[0], purpose=key[1], order_id=key[2], first_time_ms=event.time)
        )
        count.records += len(event.records)
        count.last_time_ms = event.time
        fields.setdefault(key, set()).update(event.fields)
    for key, count in counts.items():
        count.fields.extend(sorted(fields[key]))
    return [counts[key] for key in sorted(counts)]
