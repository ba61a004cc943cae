"""Records as they were sent, checked, and ready to be sealed and locked."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vault.crypto.fields import plaintexts
from vault.domain import card as card_rules
from vault.domain import contact as contact_rules
from vault.domain import names
from vault.domain.names import CustomerId, RecordName
from vault.errors import InvalidArgument
from vault.service import sealed
from vault.service.call import Call
from vault.service.kinds import CARD, CONTACT, Kind, RecordMessage
from vault.service.opening import Opened
from vault.service.parts import Parts
from vault.v1 import records_pb2 as records
from vault.v1.envelope_pb2 import Envelope


@dataclass(slots=True)
class Draft:
    """A version of a record before it is sealed and locked."""

    name: RecordName
    kind: Kind[Any]
    message: RecordMessage
    """Fields in plain to be sealed here, and `sealed` from the caller; checked already."""
    create_time: int
    kept: list[Envelope] = field(default_factory=list)
    """Boxes of the version before that move over unopened."""
    replaces: Opened | None = None
    carry: tuple[str, ...] = ()
    """Searchable fields whose tokens move over with their boxes."""
    expires_at: int = 0
    """Milliseconds since 1970; 0 if never. It is authenticated with the record."""
    beside: RecordMessage | None = None
    """What the record keeps in plain, under the record lock alone; nothing beside its times if left out."""

    def fields(self) -> set[str]:
        """Policy names of the fields that this draft gives, for the log."""
        by_number = self.kind.by_number
        plain = {f.policy_name for f, _ in plaintexts(self.message)}
        return plain | {by_number[box.field].policy_name for e in self.message.sealed for box in e.boxes}


async def contact_draft(parts: Parts, call: Call, customer: CustomerId, contact: records.Contact, path: str) -> Draft:
    """Check a contact as it was sent.

    Raises:
        InvalidArgument: a field breaks its rule.
        FailedPrecondition: an envelope's epoch cannot be used.
    """
    contact_rules.normalize(contact, path)
    await sealed.check(call, parts.policy, parts.keyring.epochs, CONTACT, contact, path)
    name = names.contact_name(customer)
    if contact.record_name not in ("", name):
        raise InvalidArgument(f"{path}.record_name", "must be the customer's contact, or be left out")
    return Draft(name, CONTACT, contact, call.now)


async def card_draft(
    parts: Parts, call: Call, customer: CustomerId, card: records.Card, path: str, card_id: str = ""
) -> Draft:
    """Check a card as it was sent, in plain or sealed.

    Raises:
        InvalidArgument: a field breaks its rule, or a sealed card lacks number or expiry.
        FailedPrecondition: an envelope's epoch cannot be used.
    """
    numbers = await sealed.check(call, parts.policy, parts.keyring.epochs, CARD, card, path)
    if card_id:
        name = names.card_name(customer, names.record_id(card_id, "card_id"))
        if card.record_name not in ("", name):
            raise InvalidArgument(f"{path}.record_name", "must be the one that card_id makes, or be left out")
    elif card.record_name:
        owner, name = names.parse_card_name(card.record_name, f"{path}.record_name")
        if owner != customer:
            raise InvalidArgument(f"{path}.record_name", "must be a card of the customer")
    elif numbers:
        raise InvalidArgument(f"{path}.record_name", "must be given for a sealed card: it was sealed for that name")
    else:
        name = names.card_name(customer, names.new_id())
    if not numbers:
        today = datetime.fromtimestamp(call.now / 1000, UTC)
        card_rules.normalize(card, card_rules.Month(today.year, today.month), path)
    elif any(getattr(card, field.name) for field in CARD.by_name.values()):
        raise InvalidArgument(path, "must be wholly in plain or wholly sealed")
    elif not {CARD.by_name["card_number"].number, CARD.by_name["expiry"].number} <= numbers:
        raise InvalidArgument(f"{path}.sealed", "must hold card_number and expiry")
    return Draft(name, CARD, card, call.now)
