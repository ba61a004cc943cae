"""Makes the rows of made-up customers: seals and locks them, and says what the store needs to know of them.

It is what a create must do before its commit, with the functions of `vault.crypto` and nothing around them: nothing is
checked, since made-up customers are in their stored form already. The bare loops of writes use it, and so do the cases
that need a large or an old store in a short time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from vault.audit.entry import NO_DIGEST, digest_of, new_subject
from vault.cli.bench import people
from vault.crypto import fields, lookup, record_lock
from vault.crypto.envelope import Step
from vault.crypto.vault_key import VaultKey
from vault.domain import contact as contact_rules
from vault.domain import names
from vault.domain.names import Owner, RecordName
from vault.domain.secret import Secret
from vault.policy.model import Caller
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.kinds import CARD
from vault.storage.port import Item, Lookup, Put, Row, WrappedKey
from vault.store.v1.record_pb2 import CustomerFacts, StoredRecord
from vault.v1.records_pb2 import Card, Contact

CALLER: Final = Caller("spiffe://vault.example/storefront", frozenset({"storefront"}))
_FIELDS: Final = sorted(
    f"{kind}.{name}"
    for kind, names_ in (("contact", people.CONTACT_FIELDS), ("payment", CARD.by_name))
    for name in names_
)


@dataclass(frozen=True, slots=True)
class Made:
    """One customer, ready to be committed."""

    item: Item
    subject: bytes


class Press:
    """Makes customers under one vault key, with steps that somebody else chooses."""

    def __init__(
        self, key: VaultKey, lookup_key: Secret, audiences: Mapping[str, str], step_of: Callable[[str, int], Step]
    ) -> None:
        """`audiences` by policy name of the field; `step_of` an audience, for the customer with a number."""
        self._key = key
        self._lookup_key = lookup_key
        self._audiences = audiences
        self._step_of = step_of

    def customer(self, customer: str, number: int) -> Made:
        """The person with this number under this id: customer record, contact and card."""
        now = time.time_ns() // 1_000_000
        customer_id = names.customer_id(customer)
        owner = names.owner_of_customer(customer_id)
        subject = new_subject()
        contact, card = people.contact(number), people.card(number)
        card.brand, card.last_four = "visa", card.card_number[-4:]
        facts = CustomerFacts(subject=subject, create_time=now).SerializeToString(deterministic=True)
        puts = (
            self._put(owner, names.customer_name(customer_id), StoredRecord(unprotected=facts), now),
            self._sealed(owner, names.contact_name(customer_id), contact, number, now),
            self._sealed(owner, RecordName(f"{owner}/cards/first"), card, number, now),
        )
        return Made(Item(owner, puts), subject)

    def _sealed(self, owner: Owner, name: RecordName, record: Contact | Card, number: int, now: int) -> Put:
        plain = type(record)()
        plain.create_time.FromMilliseconds(now)
        values = fields.plaintexts(record)
        step_of = partial(self._step, number)
        envelopes = fields.seal(self._key.vault_id, name, values, self._audiences, step_of)
        body = StoredRecord(unprotected=plain.SerializeToString(deterministic=True), envelopes=envelopes)
        return self._put(owner, name, body, now, record if isinstance(record, Contact) else None)

    def _step(self, number: int, audience: str) -> Step:
        return self._step_of(audience, number)

    def _put(self, owner: Owner, name: RecordName, body: StoredRecord, now: int, contact: Contact | None = None) -> Put:
        locked = record_lock.lock(self._key.wrapping, name, 1, now, 0, body.SerializeToString(deterministic=True))
        key_id = locked.header.key_id
        row = Row(owner, name, key_id, 1, now, 0, locked.stored)
        wrapped = WrappedKey(owner, name, key_id, self._key.n, now, locked.wrapped)
        return Put(row, wrapped, None, lookups=self._lookups(owner, key_id, contact) if contact else ())

    def _lookups(self, owner: Owner, key_id: record_lock.KeyId, contact: Contact) -> tuple[Lookup, ...]:
        found = []
        for name in contact_rules.SEARCHABLE:
            form = contact_rules.lookup_form_of_stored(name, getattr(contact, name))
            token = lookup.token(self._lookup_key, self._key.vault_id, f"contact.{name}", form)
            found.append(Lookup(owner, key_id, f"contact.{name}", self._key.n, self._key.mask.apply(token)))
        return tuple(found)


def entry(made: list[Made], action: str, request_id: str = "") -> bytes:
    """The log entry of one call that created these."""
    touched = Touched()
    for each in made:
        for put in each.item.puts:
            touched.wrote(each.subject, put.row.record_name, digest_of(put.row.stored), NO_DIGEST)
    call = Call(CALLER, action, time.time_ns() // 1_000_000)
    return touched_entry(call, touched, fields=_FIELDS, request=request_id)
