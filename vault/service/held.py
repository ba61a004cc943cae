"""One record as its customer is shown it: values that the vault can open, and envelopes of those that it cannot.

The vault opens with the key of any purpose in its own custody that the record was sealed for: the customer's right to a
copy is no purpose of its own, and needs none, since nobody but the customer's officer is answered. What no such key
opens leaves as the envelope that it is, with a note of who can open it. So an export is complete, and still nobody's
way around a card's lock.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from vault.crypto import envelope, fields
from vault.domain.audience import Custody, Purpose
from vault.domain.fields import Plaintext
from vault.domain.names import RecordName, under_owner
from vault.errors import DataLoss, OpenError
from vault.keyring.epochs import Epoch
from vault.keyring.keyring import Keyring
from vault.policy.model import Policy
from vault.service.kinds import ACCOUNT, CARD, CONTACT, CUSTOMER_LOG, MESSAGE, ORDER_FORM, Kind
from vault.service.opening import Opened, Opening
from vault.service.receipts import moment
from vault.v1.envelope_pb2 import Envelope

KINDS: Final[Mapping[str, Kind[Any]]] = {
    "contact": CONTACT,
    "cards": CARD,
    "account": ACCOUNT,
    "logs": CUSTOMER_LOG,
    "messages": MESSAGE,
    "orders": ORDER_FORM,
}
"""By the first word of a record's name under its customer."""
_LOST: Final = "The record is damaged and does not open; the entry in the log names it."


class Held:
    """Shows records of one process's vault."""

    def __init__(self, keyring: Keyring, policy: Policy) -> None:
        self._keyring = keyring
        self._policy = policy

    async def show(self, name: RecordName, opened: Opening) -> tuple[dict[str, object], set[str]]:
        """A record as JSON, and the policy names of the fields in it, opened or not."""
        under = under_owner(name)
        if isinstance(opened, DataLoss):
            return {"record": under, "lost": _LOST}, set()
        kind = KINDS[under.partition("/")[0]]
        values: dict[str, object] = {}
        sealed: list[dict[str, object]] = []
        try:
            plain = kind.message.FromString(opened.record.unprotected)
            for each, numbers in opened.envelopes:
                found = await self._open(kind, name, each)
                if found is None:
                    sealed.append(await self._closed(kind, each, numbers))
                else:
                    values |= found
        except (OpenError, DecodeError):
            return {"record": under, "lost": _LOST}, set()
        shown = self._frame(under, opened, plain) | {"values": values, "sealed": sealed}
        stream = opened.record.stream
        names = {*values, *(name for each in sealed for name in _texts(each["fields"]))}
        if stream.field:
            field = kind.by_number[stream.field].policy_name
            shown["body"] = {"field": field, "bytes": stream.length, **await self._readers(stream.epoch_id)}
            names.add(field)
        return shown, names

    @staticmethod
    def _frame(under: str, opened: Opened, plain: Any) -> dict[str, object]:  # noqa: ANN401 - any record's message
        """Name and times, and what of the record is not protected."""
        locked = opened.locked
        return {
            "record": under,
            "written_at": moment(locked.written_at),
            "expires_at": moment(locked.expires_at) if locked.expires_at else None,
            "unprotected": MessageToDict(plain, preserving_proto_field_name=True),
        }

    async def _open(self, kind: Kind[Any], name: RecordName, sealed: Envelope) -> dict[str, object] | None:
        """The values of an envelope, if a key in the vault's custody opens it."""
        epoch = await self._epoch(sealed.epoch_id)
        for purpose in map(Purpose, sorted(epoch.members)):
            rule = self._policy.purposes.get(purpose)
            if rule is None or rule.custody is not Custody.VAULT:
                continue
            secret = (await self._keyring.opening.secrets(purpose, [epoch])).get(bytes(sealed.epoch_id))
            if secret is None:
                continue
            step = self._keyring.opening.step(purpose, epoch, secret, sealed.step)
            record = kind.message()
            found = envelope.open_boxes(self._keyring.vault_id, step, name, sealed, kind.by_number)
            values = {}
            for field, plaintext in found:
                fields.put(record, field, plaintext)
                values[field.policy_name] = _value(getattr(record, field.name), field.plaintext)
            return values
        return None

    async def _closed(self, kind: Kind[Any], sealed: Envelope, numbers: frozenset[int]) -> dict[str, object]:
        """An envelope as it is, and who can open it."""
        names = [kind.by_number[number].policy_name for number in sorted(numbers)]
        shown = {"fields": names, "envelope": b64encode(sealed.SerializeToString()).decode()}
        return {**shown, **await self._readers(sealed.epoch_id)}

    async def _readers(self, epoch_id: bytes) -> dict[str, object]:
        members: Sequence[Purpose] = [Purpose(p) for p in sorted((await self._epoch(epoch_id)).members)]
        rules = [self._policy.purposes[p] for p in members if p in self._policy.purposes]
        roles = sorted({role for rule in rules for role in rule.roles})
        note = f"Only {', '.join(roles) or 'nobody'} can open this, with a key that the vault does not have."
        return {"purposes": list(members), "opened_by": roles, "note": note}

    async def _epoch(self, epoch_id: bytes) -> Epoch:
        epoch = None
        with suppress(DataLoss):
            epoch = await self._keyring.epochs.get(epoch_id)
        if epoch is None:
            raise OpenError("the epoch is missing from the key store")
        return epoch


def _value(value: Any, form: Plaintext) -> object:  # noqa: ANN401 - of any protected field
    if form is Plaintext.MESSAGE:
        return MessageToDict(value, preserving_proto_field_name=True)
    return b64encode(value).decode() if form is Plaintext.BYTES else value


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []
