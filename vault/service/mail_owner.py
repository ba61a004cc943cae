"""Whose a message is: a customer, about whom there are facts, or a mail domain, about which there are none."""

from collections.abc import Iterable, Mapping

from vault.audit.entry import new_subject
from vault.domain.names import Owner, OwnerKind, RecordName, customer_of, owner_kind
from vault.errors import NotFound, VaultError
from vault.policy.decide import DENIED, Permit
from vault.service.call import Call
from vault.service.opening import Opened, customer_facts, policy_facts
from vault.service.parts import Parts
from vault.v1 import status_pb2 as status


async def subject_of_new(parts: Parts, call: Call, owner: Owner) -> bytes:
    """The pseudonym under which a message of this owner is logged when it is stored.

    Raises:
        NotFound: there is no such customer.
        DataLoss: the customer's record does not open.
    """
    if owner_kind(owner) is OwnerKind.CUSTOMER:
        _, facts = await parts.customer(call, customer_of(owner))
        return facts.subject
    if await parts.store.erased(owner):
        raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
    return new_subject()


async def subject_of(parts: Parts, call: Call, owner: Owner) -> bytes:
    """As `subject_of_new`, for a message that is there: a customer whose record does not open holds nothing up."""
    try:
        return await subject_of_new(parts, call, owner)
    except VaultError:
        return new_subject()


async def decisions(
    parts: Parts, call: Call, permit: Permit, owners: Iterable[Owner]
) -> Mapping[Owner, tuple[bytes, VaultError | None]]:
    """Each owner's pseudonym, and why its messages must not be used now, if they must not."""
    distinct = list(dict.fromkeys(owners))
    customers = [RecordName(owner) for owner in distinct if owner_kind(owner) is OwnerKind.CUSTOMER]
    opened = await parts.records.open(customers, call.now)
    found: dict[Owner, tuple[bytes, VaultError | None]] = {}
    for owner in distinct:
        subject: bytes = new_subject()
        refusal: VaultError | None = None
        try:
            if owner_kind(owner) is not OwnerKind.CUSTOMER:
                permit.admit_other(owner_kind(owner))
            elif isinstance(record := opened.get(RecordName(owner)), Opened):
                facts = customer_facts(record)
                subject = facts.subject
                permit.admit(policy_facts(facts, call.now))
            else:
                permit.admit(None)
        except VaultError as error:
            refusal = error
        found[owner] = (subject, refusal)
    return found
