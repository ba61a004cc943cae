"""EraseCustomer: every key first, then every row, and a receipt that an outsider can verify.

Who had read what is looked up before anything is destroyed: afterwards the pseudonym that the log knows the customer by
is gone with the customer record. A customer whose record does not open can still be erased; then the receipt names no
recipients, and says so by an empty subject.

A hold that is made while the erasure looks up what it needs counts: it is asked for once more where the log's entries
get their order, before the first key goes.
"""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vault.audit.entry import Subject, digest_of
from vault.domain import names
from vault.domain.names import Owner, RecordName, under_owner
from vault.errors import Conflict, NotFound
from vault.policy.decide import DENIED
from vault.service.call import Call
from vault.service.entries import NO_DIGEST, Touched, new_subject, touched_entry
from vault.service.freshness import ANY_ORDER, StaleError
from vault.service.mail_erasure import settle_mail
from vault.service.opening import Opened, Opening, customer_facts
from vault.service.receipts import Facts, digest, statement
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:  # They use this themselves.
    from vault.service.parts import Parts

_PAGE = 1000
_ATTEMPTS = 5


class Erasing:
    """The part of CustomerService that forgets."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    async def erase_customer(self, call: Call, request: v1.EraseCustomerRequest) -> v1.EraseCustomerResponse:
        """Destroy every key of the customer, then every row.

        Idempotent by itself, with or without a request_id: the tombstone is its memory, and a repeat's receipt says
        that nothing was left.
        """
        for _ in range(_ATTEMPTS):
            with suppress(StaleError):
                return await self._erase(call, request)
        raise Conflict("customer: what it depends on is being changed; erase again")

    async def _erase(self, call: Call, request: v1.EraseCustomerRequest) -> v1.EraseCustomerResponse:
        """One attempt.

        Raises:
            StaleError: a restriction or an order came in between; nothing was destroyed.
        """
        customer = names.customer_id(request.customer_id)
        name = names.customer_name(customer)
        owner, since = names.owner_of(name), await self._parts.orders.moment()
        found = (await self._parts.records.open([name], call.now)).get(name)
        known = found or await self._parts.store.list_rows(owner, f"{owner}/", "", 1)
        if not known and not await self._parts.store.erased(owner):
            raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
        said = customer_facts(found) if isinstance(found, Opened) else None
        await self._parts.holds.check_erasure(call, owner, said)
        lost = await settle_mail(self._parts, call, owner, discard=request.discard_mail)
        touched, facts = await self._before(call, owner, name, found)
        facts = replace(facts, mail_rule=self._parts.policy.mail_on_erasure, mail_lost=lost)
        written = ("", b"")

        def finish(keys: int, rows: int) -> bytes:
            nonlocal written  # the last attempt's, which is the one that was committed
            # What holds the customer was looked up a while ago, and keys that are destroyed do not come back. Once
            # this was passed the erasure stands, and what is left of it is only finished.
            if not written[1] and self._parts.journal.freshness.stale(since, (name, ANY_ORDER)):
                raise StaleError
            text = statement(facts, keys, rows)
            written = text, touched_entry(call, touched, request=request.request_id, receipt=digest(text))
            return written[1]

        erased = await self._parts.store.erase(owner, call.now, facts.log_id, finish)
        call.logged = True
        receipt = v1.ErasureReceipt(
            customer_id=customer,
            erase_time_ms=call.now,
            keys_destroyed=erased.keys,
            records_removed=erased.rows,
            log_id=facts.log_id,
            log_index=erased.log_index,
            statement=written[0],
            entry=written[1],
        )
        return v1.EraseCustomerResponse(receipt=receipt)

    async def _before(self, call: Call, owner: Owner, name: RecordName, found: Opening | None) -> tuple[Touched, Facts]:
        """What the entry names, and what the receipt says, looked up while it is there."""
        touched, store = Touched(), self._parts.store
        rows = await store.list_rows(owner, owner, "", _PAGE)
        subject = Subject(b"")
        if isinstance(found, Opened):
            subject = Subject(customer_facts(found).subject)
            touched.wrote(subject, name, NO_DIGEST, NO_DIGEST)
        else:
            # The pseudonym is lost, so the rows are named by their digests, as for an erasure that a start finishes; of
            # more than an entry has room for, the first.
            random = new_subject()
            for gone, was in [(row.record_name, digest_of(row.stored)) for row in rows] or [(name, NO_DIGEST)]:
                touched.wrote(random, gone, NO_DIGEST, was)
        facts = Facts(
            vault_id=self._parts.keyring.vault_id,
            policy=self._parts.policy.digest,
            customer_id=names.customer_of(owner),
            subject=subject,
            time=call.now,
            records=[under_owner(row.record_name) for row in rows],
            recipients=await self._parts.trail.recipients_of(subject) if subject else (),
            log_id=self._parts.journal.log_id,
        )
        return touched, facts
