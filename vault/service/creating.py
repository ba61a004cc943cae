"""A customer to be created: checked first, then sealed and locked as one change. Signing up and ordering share it."""

from collections.abc import Sequence

from vault.domain import names
from vault.domain.names import CustomerId
from vault.errors import InvalidArgument
from vault.service.call import Call
from vault.service.drafts import Draft, card_draft, contact_draft
from vault.service.entries import new_subject
from vault.service.outcomes import refused
from vault.service.parts import Parts
from vault.service.writing import Change
from vault.storage.port import Item, Result
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import customer_service_pb2 as v1


class Plan:
    """One customer to be created: checked, not yet sealed."""

    __slots__ = ("customer", "drafts", "subject")

    def __init__(self, customer: CustomerId, drafts: list[Draft]) -> None:
        self.customer = customer
        self.drafts = drafts
        self.subject = new_subject()


async def plan(parts: Parts, call: Call, request: v1.CreateCustomerRequest, path: str) -> Plan:
    """Check what a customer is to have.

    Raises:
        InvalidArgument: a field breaks its rule.
        AlreadyExists: the id is taken.
        FailedPrecondition: an envelope's epoch cannot be used.
    """
    customer = CustomerId(names.new_id())
    if request.customer_id:
        customer = names.customer_id(request.customer_id, f"{path}customer_id")
        # Records without their customer's: only somebody who writes in the database leaves them. They are nobody's.
        owner = names.owner_of_customer(customer)
        if await parts.store.list_rows(owner, f"{owner}/", "", 1):
            raise refused(Result.EXISTS)
    drafts = []
    if request.HasField("contact"):
        drafts.append(await contact_draft(parts, call, customer, request.contact, f"{path}contact"))
    for at, card in enumerate(request.cards):
        drafts.append(await card_draft(parts, call, customer, card, f"{path}cards[{at}]"))
    if len({draft.name for draft in drafts}) < len(drafts):
        raise InvalidArgument(f"{path}cards", "must have different names")
    return Plan(customer, drafts)


def change(parts: Parts, call: Call, planned: Plan) -> tuple[Change, v1.CreateCustomerResponse]:
    """Seal and lock it; what it will be answered with."""
    name = names.customer_name(planned.customer)
    facts = CustomerFacts(subject=planned.subject, create_time=call.now)
    puts, digests = [], []
    for put, written, replaced in (
        parts.writer.put_facts(name, facts, call.now),
        *(parts.writer.put(draft, call.now) for draft in planned.drafts),
    ):
        puts.append(put)
        digests.append((put.row.record_name, written, replaced))
    response = v1.CreateCustomerResponse(record_names=[draft.name for draft in planned.drafts])
    shown = response.customer
    shown.record_name, shown.customer_id, shown.etag = name, planned.customer, puts[0].row.key_id.hex()
    shown.create_time.FromMilliseconds(call.now)
    shown.update_time.FromMilliseconds(call.now)
    return Change(Item(names.owner_of(name), tuple(puts)), planned.subject, digests), response


def changed(plans: Sequence[Plan]) -> list[str]:
    """Policy names of the fields that these give, for the log."""
    return sorted({name for planned in plans for draft in planned.drafts for name in draft.fields()})
